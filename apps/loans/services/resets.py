"""Floating rates: on its days a loan takes the rate that its index and spread give. Rules: docs/rules/amortisation.md."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from apps.common.actors import Actor
from apps.common.errors import CarloanError
from apps.loans.bridge import terms_of
from apps.loans.domain.floating import floating_rate, next_reset
from apps.loans.domain.public import plain_number
from apps.loans.models import LIVE, Loan, LoanTransaction
from apps.loans.services.changes import record_change
from apps.organisations.selectors import parameter

_ACTOR = Actor.system("loans.rate_resets")


def reset_rates(*, legal_entity_id: UUID, day: dt.date, now: dt.datetime) -> tuple[int, list[tuple[str, str]]]:
    """Give every running loan whose day has come by `day` its new rate; returns how many, and the loans that could not take it.

    The rate is that of the index in force on the day of the reset. Doing it twice does it once.
    """
    done: int = 0
    set_aside: list[tuple[str, str]] = []
    waiting = Loan.objects.filter(legal_entity_id=legal_entity_id, state__in=LIVE, reprices_on__lte=day)
    for loan_id, number in waiting.order_by("id").values_list("id", "number"):
        try:
            with transaction.atomic():
                done += _reset(loan_id, day, now)
        except (CarloanError, ValueError, ArithmeticError) as problem:
            set_aside.append((number, problem.detail if isinstance(problem, CarloanError) else str(problem)))
    return done, set_aside


def _reset(loan_id: UUID, day: dt.date, now: dt.datetime) -> int:
    loan = Loan.objects.select_for_update().get(id=loan_id)
    terms, on, done = terms_of(loan), loan.reprices_on, 0
    while terms.floating is not None and on is not None and on <= day:
        index = parameter(terms.floating.index.replace("_", "."), on=on, legal_entity_id=loan.legal_entity_id)
        record_change(
            loan_id=loan_id,
            kind=LoanTransaction.Kind.RATE_RESET,
            value_date=on,
            reference=f"rate/{on}",
            reason=_("%(index)s of %(rate)s %%") % {"index": terms.floating.index.upper(), "rate": plain_number(index * 100)},
            particulars={"annual_rate": plain_number(floating_rate(index, terms.floating.spread_bp) * 100)},
            actor=_ACTOR,
            now=now,
        )
        on, done = next_reset(terms.floating, loan.opened_on, on), done + 1
    Loan.objects.filter(id=loan_id).update(reprices_on=on)
    return done
