"""What the loan core refuses, each with the reason in words a user can act on."""


class BadTerms(ValueError):
    """Terms, a transaction or a request that cannot be right; `field` names the culprit."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class RateAboveCap(BadTerms):
    """The annual rate with all fees is above the cap of the lender's type (docs/rules/amortisation.md)."""

    def __init__(self, apr_irr: str, cap: str) -> None:
        super().__init__("annual_rate", f"annual rate with all fees is {apr_irr} %, above the cap of {cap} %")
        self.apr_irr = apr_irr
        self.cap = cap


class RefusedOnEntry(BadTerms):
    """A transaction that replay could place somehow, but that must not be entered as it stands."""
