"""Reason codes: what staff read, and what the customer is told in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


def _(text: str) -> str:
    """Marks a text for translation; shown through gettext by the edges (this package knows no Django)."""
    return text


@dataclass(frozen=True, slots=True)
class Reason:
    """`customer` says what the person may know and do; the working of fraud rules is nobody's to learn from it."""

    staff: str
    customer: str


_GENERAL: Final = _("Your application does not meet our present lending rules.")
_IDENTITY: Final = _("We could not confirm your identity from all sources.")
_DEBT: Final = _("Your present debts are high in relation to your income.")
_HISTORY: Final = _("Your credit report shows overdue or unsettled obligations. You may ask the credit bureau for your report.")
_THIN: Final = _("Your credit report is too short for an automatic answer; a colleague looks at your application.")
_CAR: Final = _("The price or the down payment of the car does not fit our rules. A higher down payment may help.")
_PAPERS: Final = _("Please complete your details in the app.")
_PERSON: Final = _("A colleague looks at your application.")

REASONS: Final[dict[str, Reason]] = {
    "AC-001": Reason(_("Under 18 years of age"), _("Only adults can borrow.")),
    "AC-002": Reason(
        _("Above the age limit now or at the end of the term"), _("The term ends above our age limit. A shorter term may help.")
    ),
    "AC-003": Reason(_("18 to 20 years of age"), _PERSON),
    "AC-004": Reason(_("Identity or liveness not verified"), _PAPERS),
    "AC-005": Reason(_("Bank card not verified"), _PAPERS),
    "AC-006": Reason(_("Income below 3,000 yuan a month"), _("Your income is below what this loan needs.")),
    "AC-007": Reason(_("Less than 6 months in the present job"), _PERSON),
    "AC-008": Reason(_("Term above 60 months"), _("The term is longer than car loans may be.")),
    "AC-009": Reason(_("Loan to value above the limit for the vehicle's power"), _CAR),
    "AC-010": Reason(_("Price to guide price above 110 %"), _CAR),
    "AC-011": Reason(_("Price to guide price above 130 %"), _CAR),
    "AC-012": Reason(_("Debt service to income above 70 %"), _DEBT),
    "AC-013": Reason(_("Debt service to income above 50 %"), _DEBT),
    "AC-014": Reason(_("Fewer than two contacts"), _PAPERS),
    "AF-001": Reason(_("On a black list"), _GENERAL),
    "AF-002": Reason(_("On a grey list"), _PERSON),
    "AF-003": Reason(_("Bureau report is about somebody else"), _IDENTITY),
    "AF-004": Reason(_("Three or more applicants on one device"), _GENERAL),
    "AF-005": Reason(_("Two applicants on one device"), _PERSON),
    "AF-006": Reason(_("Consultant sends very many applications"), _PERSON),
    "AF-007": Reason(_("A contact is shared with other applicants"), _PERSON),
    "AF-008": Reason(_("A contact is shared with four or more applicants"), _GENERAL),
    "AF-009": Reason(_("Anti-fraud warning in the bureau report"), _PERSON),
    "AF-010": Reason(_("A contact is on a black list"), _PERSON),
    "BU-001": Reason(_("No credit record (thin file)"), _THIN),
    "BU-002": Reason(_("Credit history shorter than 6 months"), _THIN),
    "BU-003": Reason(_("Overdue by 61 days or more (M3+) within 24 months"), _HISTORY),
    "BU-004": Reason(_("Overdue now by more than 1,000 yuan"), _HISTORY),
    "BU-005": Reason(_("Overdue now"), _HISTORY),
    "BU-006": Reason(_("A loan classed substandard or worse"), _HISTORY),
    "BU-007": Reason(_("More than 3 loan queries in a month"), _("Many lenders asked for your credit report lately.")),
    "BU-008": Reason(_("More than 8 loan queries in a month"), _("Many lenders asked for your credit report lately.")),
    "BU-009": Reason(_("Unsecured debt above two yearly incomes"), _DEBT),
    "BU-010": Reason(_("More than 6 open unsecured loans"), _DEBT),
    "BU-011": Reason(_("Court enforcement"), _HISTORY),
    "BU-012": Reason(_("Civil judgment"), _HISTORY),
    "BU-013": Reason(_("Tax arrears"), _HISTORY),
    "BU-014": Reason(_("Collection, bad debt or court recovery"), _HISTORY),
    "BU-015": Reason(_("A loan classed special mention or not classed"), _HISTORY),
    "BU-016": Reason(_("Credit cards used above 90 %"), _DEBT),
    "BU-017": Reason(_("Unsecured debt above one yearly income"), _DEBT),
    "SC-001": Reason(_("Score below the lowest grade"), _GENERAL),
    "LM-001": Reason(_("Limit below half of what was asked for"), _("We can lend less than you asked for.")),
    "IN-001": Reason(_("A fact that the flow needs is missing or unreadable"), _PERSON),
    "IN-002": Reason(_("A pessimistic value stood in for a missing fact"), _PERSON),
    "BQ-001": Reason(_("No authorisation or consent for the bureau query"), _("We need your authorisation for the credit query.")),
    "BQ-002": Reason(_("The bureau did not answer"), _PERSON),
    "BQ-003": Reason(_("The bureau refused the query"), _PERSON),
    "BQ-004": Reason(_("The bureau report is unreadable"), _PERSON),
    "SY-001": Reason(_("No decision flow in force"), _PERSON),
    "SY-002": Reason(_("The evaluation failed"), _PERSON),
    "SY-003": Reason(_("The evaluation took too long"), _PERSON),
    "SY-004": Reason(_("The flow's result is incomplete"), _PERSON),
    "TO-001": Reason(_("No result in time"), _PERSON),
    "MANUAL": Reason(_("Declined by a reviewer"), _GENERAL),
}

UNKNOWN: Final = Reason(_("A rule of the flow"), _GENERAL)


def reason(code: str) -> Reason:
    """The texts of a code; a general one for a code that a flow of later date brought."""
    return REASONS.get(code, UNKNOWN)
