"""A lender with a hundred loans of all kinds: paid to the day, ahead, in part, late, and not at all."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Final

CODE: Final = "FAULTS"
FIRST_DAY: Final = dt.date(2026, 3, 30)  # the days closed go over the end of a month
LAST_DAY: Final = dt.date(2026, 4, 1)
LOANS: Final = 100


def build() -> None:
    """Make them by the services in an empty database."""
    from apps.common.clock import beijing
    from apps.common.money import round_money
    from apps.ledger import selectors as ledger
    from apps.ledger.services import Posting, post
    from apps.loans.domain import build_schedule
    from apps.loans.tests.factories import SYSTEM, a_lender, a_loan, pay
    from apps.loans.tests.test_sums import random_terms

    dice = random.Random(2026)
    entity = a_lender(CODE, first_day=FIRST_DAY)
    for number in range(LOANS):
        terms = random_terms(dice, start=FIRST_DAY - dt.timedelta(days=dice.randrange(300)))
        loan = a_loan(entity, terms)
        fallen_due = sum((row.total for row in build_schedule(terms).rows if row.due_date <= FIRST_DAY), start=Decimal(0))
        paid = round_money(fallen_due * dice.choice([Decimal(0), Decimal("0.4"), Decimal("0.9"), Decimal(1), Decimal(1), Decimal("1.05")]))
        if paid:
            pay(loan, str(paid), terms.start, f"before-{number}")
    # The bank has paid what was lent and not come back; nothing is on its way.
    post(
        legal_entity_id=entity.id,
        business_date=FIRST_DAY,
        event="clearing_out",
        amounts=[Posting("money", -ledger.balance("1012", entity.id))],
        reference="paid before",
        actor=SYSTEM,
        now=beijing(FIRST_DAY, 11),
    )
