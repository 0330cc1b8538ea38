"""What the loan core refuses, each with the reason in words a user can act on.

The core speaks English and knows no translation: a reason keeps its template and values, and whoever shows it to people tells it
in their language by `told(gettext)`.
"""

from __future__ import annotations

from collections.abc import Callable

Translate = Callable[[str], str]


class Said(str):
    """A text in English that remembers how it was made."""

    template: str
    values: dict[str, object]

    def told(self, translate: Translate) -> str:
        """The text in the language of `translate`."""
        if not self.values:
            return translate(self.template)
        return translate(self.template) % {
            name: value.told(translate) if isinstance(value, Said) else value for name, value in self.values.items()
        }


def said(template: str, **values: object) -> Said:
    """The text of a template with named places, `%(name)s`; imported as `_`, so that the template gets into the catalogue."""
    text = Said(template % values if values else template)
    text.template, text.values = template, values
    return text


_ = said


class BadTerms(ValueError):
    """Terms, a transaction or a request that cannot be right; `field` names the culprit."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message

    def why(self, translate: Translate) -> str:
        """The reason, in the language of `translate`."""
        return self.message.told(translate) if isinstance(self.message, Said) else self.message

    def told(self, translate: Translate) -> str:
        """The field and the reason, in the language of `translate`."""
        return f"{self.field}: {self.why(translate)}"


class RateAboveCap(BadTerms):
    """The annual rate with all fees is above the cap of the lender's type (docs/rules/amortisation.md)."""

    def __init__(self, apr_irr: str, cap: str) -> None:
        message = _("annual rate with all fees is %(apr_irr)s %%, above the cap of %(cap)s %%", apr_irr=apr_irr, cap=cap)
        super().__init__("annual_rate", message)
        self.apr_irr = apr_irr
        self.cap = cap


class RefusedOnEntry(BadTerms):
    """A transaction that replay could place somehow, but that must not be entered as it stands."""
