"""The feature catalogue: every field that a decision flow may read, with its type, its bounds and what its absence means.

All numbers are integers: money in 分, shares in basis points (1 = 0.01 %), times in whole months or years. So a float, `NaN` or a number
written as text is always a mistake, never a value. A feature's meaning never changes; a changed sum is a new version with a new name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

MAX_FEN: Final = 10**13
MAX_BP: Final = 1_000_000
MAX_COUNT: Final = 100_000


def _(text: str) -> str:
    """Marks a text for translation; shown through gettext by the edges (this package knows no Django)."""
    return text


class Kind(StrEnum):
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CHOICE = "choice"


class Missing(StrEnum):
    """What a missing or unreadable value does. Each of them keeps the outcome from being an approval."""

    REVIEW = "review"
    DECLINE = "decline"
    MORE_INFO = "more_info"
    DEFAULT = "default"  # the pessimistic value stands in, and the outcome is a review at best


class Problem(StrEnum):
    ABSENT = "absent"
    MISTYPED = "mistyped"
    OUT_OF_RANGE = "out_of_range"


@dataclass(frozen=True, slots=True)
class Feature:
    """One field. `least` and `most` bound integers (both included), `choices` choices; `pessimistic` stands in where policy says so."""

    name: str
    label: str
    kind: Kind
    unit: str
    missing: Missing
    version: int = 1
    least: int = 0
    most: int = MAX_COUNT
    choices: tuple[str, ...] = ()
    pessimistic: int | bool | str | None = None

    def problem_of(self, value: Any) -> Problem | None:
        """Why a value cannot be this feature's, or None. `True` is no integer, `1` no boolean, `35.0` and `"35"` no integers."""
        if value is None:
            return Problem.ABSENT
        if self.kind is Kind.BOOLEAN:
            return None if type(value) is bool else Problem.MISTYPED
        if self.kind is Kind.INTEGER:
            if type(value) is not int:
                return Problem.MISTYPED
            return None if self.least <= value <= self.most else Problem.OUT_OF_RANGE
        if type(value) is not str:
            return Problem.MISTYPED
        return None if value in self.choices else Problem.OUT_OF_RANGE


def _money(name: str, label: str, missing: Missing = Missing.REVIEW, **options: Any) -> Feature:
    return Feature(name, label, Kind.INTEGER, "分", missing, most=MAX_FEN, **options)


def _share(name: str, label: str, missing: Missing = Missing.REVIEW, **options: Any) -> Feature:
    return Feature(name, label, Kind.INTEGER, "bp", missing, most=MAX_BP, **options)


def _count(name: str, label: str, missing: Missing = Missing.REVIEW, unit: str = "", **options: Any) -> Feature:
    return Feature(name, label, Kind.INTEGER, unit, missing, **options)


def _flag(name: str, label: str, missing: Missing = Missing.REVIEW, **options: Any) -> Feature:
    return Feature(name, label, Kind.BOOLEAN, "", missing, **options)


def _choice(name: str, label: str, choices: tuple[str, ...], missing: Missing = Missing.REVIEW, **options: Any) -> Feature:
    return Feature(name, label, Kind.CHOICE, "", missing, choices=choices, **options)


FEATURES: Final[tuple[Feature, ...]] = (
    # the order
    _money("loan_amount", _("Amount asked for"), least=1),
    _money("vehicle_price", _("Vehicle price"), least=1),
    _money("guide_price", _("Guide price of the vehicle"), least=1),
    _share("price_to_guide_bp", _("Price to guide price"), least=1),
    _share("down_payment_bp", _("Down payment share of the price")),
    _share("ltv_bp", _("Loan to value (lower of price and guide price)"), least=1),
    _share("ltv_max_bp", _("Highest loan to value by power"), least=1),
    _count("term_months", _("Term"), unit="months", least=1, most=360),
    _choice("vehicle_power", _("Power of the vehicle"), ("ice", "nev")),
    _choice("lease_type", _("Lease type"), ("direct", "leaseback")),
    # the person
    _count("age", _("Age"), unit="years", most=130),
    _count("age_at_end", _("Age at the end of the term"), unit="years", most=160),
    _money("monthly_income", _("Monthly income"), Missing.MORE_INFO),
    _count("employment_months", _("Time in the present job"), Missing.MORE_INFO, unit="months", most=1200),
    _count("contacts_count", _("Contacts given"), Missing.MORE_INFO, most=50),
    _count("registered_days", _("Days since registration"), Missing.DEFAULT, unit="days", pessimistic=0),
    _choice("housing", _("Housing"), ("owned", "mortgaged", "rented", "family"), Missing.DEFAULT, pessimistic="rented"),
    _flag("identity_verified", _("Identity verified"), Missing.MORE_INFO),
    _flag("liveness_verified", _("Liveness verified"), Missing.MORE_INFO),
    _flag("card_verified", _("Bank card verified"), Missing.MORE_INFO),
    _flag("id_mismatch", _("Bureau report is about somebody else")),
    _money("instalment_estimate", _("Estimated instalment")),
    _share("dti_bp", _("Debt service to income")),
    # the bureau report
    _choice("bureau_status", _("Bureau answer"), ("report", "no_record")),
    _count("credit_history_months", _("Length of credit history"), unit="months", most=1200),
    _count("open_accounts", _("Open accounts")),
    _count("unsecured_accounts", _("Open unsecured loans")),
    _money("unsecured_balance", _("Balance of unsecured loans")),
    _share("multi_lender_debt_bp", _("Unsecured debt to yearly income")),
    _count("max_overdue_24m", _("Worst repayment status in 24 months"), most=8),
    _count("overdue_months_24m", _("Overdue months in 24 months"), Missing.DEFAULT, pessimistic=24),
    _count("overdue_m3_24m", _("Months overdue by 61 days and more in 24 months")),
    _money("current_overdue_amount", _("Overdue now")),
    _count("worst_five_class", _("Worst five-category class"), least=1, most=9),
    _count("bad_accounts", _("Accounts in collection, bad debt or court recovery")),
    _money("monthly_obligations", _("Monthly obligations")),
    _share("card_utilisation_bp", _("Use of credit cards"), Missing.DEFAULT, pessimistic=10_000),
    _count("queries_loan_1m", _("Loan queries in the last month")),
    _count("queries_card_1m", _("Card queries in the last month"), Missing.DEFAULT, pessimistic=10),
    _count("queries_orgs_1m", _("Organisations that asked in the last month"), Missing.DEFAULT, pessimistic=10),
    _count("judgments", _("Civil judgments")),
    _count("enforcements", _("Court enforcements")),
    _count("tax_arrears", _("Tax arrears")),
    _flag("bureau_alert", _("Anti-fraud warning in the report")),
    # lists and links
    _flag("blacklisted", _("On a black list")),
    _flag("greylisted", _("On a grey list")),
    _flag("whitelisted", _("On a white list")),
    _flag("contact_blacklisted", _("A contact is on a black list")),
    _count("device_applicants", _("Applicants on the same device in the window")),
    _count("consultant_applications", _("Applications of the consultant in the window")),
    _count("contact_shared_applicants", _("Other applicants with the same contact")),
)

CATALOGUE: Final[dict[str, Feature]] = {feature.name: feature for feature in FEATURES}
