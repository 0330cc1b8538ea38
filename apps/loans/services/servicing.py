"""What every deed on a running loan shares: the lock, bringing the loan up to date, recording, settling up with the books."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from uuid import UUID

from django.utils.translation import gettext as _

from apps.common import clock
from apps.common.actors import Actor
from apps.ledger import services as ledger
from apps.loans.models import LIVE, Loan, LoanBalance, LoanRun, LoanTransaction
from apps.loans.selectors import LoanUnknown
from apps.loans.services.booking import CLOSE_EVENTS, DAY_EVENTS, book_loan
from apps.loans.services.errors import ValueDateRefused
from apps.loans.services.projection import Policy, Projection, policy_on, project, save
from apps.loans.services.sums import take_over

_ONE_DAY = dt.timedelta(days=1)


@dataclass
class LoanFile:
    """A loan under lock with its transactions and where it stands.

    `accrued_to` is the day to which interest of the loan is in the books, by deeds on it and by sums; None when it does not run.
    """

    loan: Loan
    actor: Actor
    now: dt.datetime
    today: dt.date
    balance: LoanBalance | None = None
    accrued_to: dt.date | None = None
    transactions: list[LoanTransaction] = field(default_factory=list)

    @property
    def as_of(self) -> dt.date:
        """The day the loan stands on; never before the open business day once it is up to date."""
        return self.balance.as_of if self.balance else self.today

    def bring_up_to(self, day: dt.date) -> None:
        """Close the days the loan lags behind, each in its own entry, until it stands on `day`.

        What an end of day has projected but not booked yet is booked first, as that end of day would have.
        """
        self._book_pending()
        while self.accrued_to and self.accrued_to < day and self.loan.state in LIVE:
            self.project(self.accrued_to + _ONE_DAY)
            self._book_pending()

    def _book_pending(self) -> None:
        if self.balance is None:
            return
        as_of = self.balance.as_of
        for events, not_before in ((CLOSE_EVENTS, as_of - _ONE_DAY), (DAY_EVENTS, as_of)):
            book_loan(
                self.loan,
                not_before=not_before,
                reference=f"{self.loan.number}/{as_of}",
                narrative=_("Loan %(number)s brought up to date") % {"number": self.loan.number},
                actor=self.actor,
                now=self.now,
                events=events,
            )

    def project(self, as_of: dt.date) -> Projection:
        """Replay to `as_of` and write the loan's rows."""
        projection = project(self.loan, self.transactions, as_of, self._policy(as_of))
        save([projection], self.now)
        self.balance, self.accrued_to = projection.balance, as_of
        return projection

    def _policy(self, as_of: dt.date) -> Policy:
        return policy_on(self.loan.legal_entity_id, as_of)

    def record(self, row: LoanTransaction, *, narrative: str) -> Projection:
        """Insert a transaction, replay with it, and post the differences under its id."""
        as_of = max(self.as_of, self.today, row.value_date)
        row.business_date = ledger.hold_day(self.loan.legal_entity_id, not_before=as_of)
        row.save(force_insert=True)
        self.transactions.append(row)
        projection = self.project(as_of)
        book_loan(self.loan, not_before=as_of, reference=str(row.id), narrative=narrative, actor=self.actor, now=self.now)
        return projection

    def check_value_date(self, value_date: dt.date) -> None:
        """Raises `ValueDateRefused` before the opening, or after both today and the business date."""
        last = max(self.today, clock.local_date(self.now))
        if not self.loan.opened_on <= value_date <= last:
            raise ValueDateRefused(value_date=value_date, opened_on=self.loan.opened_on, last=last)


def hold_loan(loan_id: UUID) -> None:
    """Hold a loan until the caller's transaction ends: what is read of it from now on stays true. Raises `LoanUnknown`."""
    if Loan.objects.select_for_update().filter(id=loan_id).values_list("id", flat=True).first() is None:
        raise LoanUnknown(loan_id=loan_id)


def open_file(loan_id: UUID, actor: Actor, now: dt.datetime) -> LoanFile:
    """Lock a loan and fetch what belongs to it. Raises `LoanUnknown`."""
    loan = Loan.objects.select_for_update().within(actor.data_scope).filter(id=loan_id).first()
    if loan is None:
        raise LoanUnknown(loan_id=loan_id)
    today = take_over(loan)
    balance = LoanBalance.objects.get(loan=loan)
    return LoanFile(
        loan=loan,
        actor=actor,
        now=now,
        today=today,
        balance=balance,
        accrued_to=LoanRun.objects.filter(loan=loan).values_list("as_of", flat=True).first(),
        transactions=list(LoanTransaction.objects.filter(loan=loan).order_by("value_date", "id")),
    )
