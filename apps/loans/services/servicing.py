"""What every deed on a running loan shares: the lock, bringing the loan up to date, recording, settling up with the books."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from django.utils.translation import gettext as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.money import ZERO
from apps.ledger import services as ledger
from apps.loans.domain.state import LoanState
from apps.loans.models import LIVE, Loan, LoanBalance, LoanRun, LoanTransaction
from apps.loans.selectors import LoanUnknown
from apps.loans.services.booking import CLOSE_EVENTS, DAY_EVENTS, book_loan
from apps.loans.services.errors import ValueDateRefused
from apps.loans.services.projection import Projection, Stored, instalments_of, policy_on, project, projection_of, row_values, save
from apps.loans.services.sums import amounts_of, taken_to, went_to
from apps.loans.services.targets import Key

_ONE_DAY = dt.timedelta(days=1)


@dataclass
class LoanFile:
    """A loan under lock with its transactions and where it stands; what a deed makes of it is written when it is recorded.

    `accrued_to` is the day to which interest of the loan is in the books, by deeds on it and by sums; None when it does not run.
    `stored` is what its rows say, `booked` what is in the books.
    """

    loan: Loan
    actor: Actor
    now: dt.datetime
    today: dt.date
    balance: LoanBalance | None = None
    accrued_to: dt.date | None = None
    transactions: list[LoanTransaction] = field(default_factory=list)
    stored: Stored = field(default_factory=Stored)
    booked: dict[Key, Decimal] = field(default_factory=dict)
    _targets: dict[Key, Decimal] = field(default_factory=dict)
    _projection: Projection | None = None

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
            self._project(self.accrued_to + _ONE_DAY)
            self._book_pending()
        self._write()

    def _book_pending(self) -> None:
        if self.balance is None:
            return
        as_of = self.balance.as_of
        narrative = _("Loan %(number)s brought up to date") % {"number": self.loan.number}
        for events, not_before in ((CLOSE_EVENTS, as_of - _ONE_DAY), (DAY_EVENTS, as_of)):
            self._book(not_before=not_before, reference=f"{self.loan.number}/{as_of}", narrative=narrative, events=events)

    def _book(self, *, not_before: dt.date, reference: str, narrative: str, events: Sequence[str] = ()) -> None:
        """Post what belongs in the books and is not in them, on the first open day from `not_before` on."""
        missing = {
            key: self._targets.get(key, ZERO) - self.booked.get(key, ZERO)
            for key in {*self._targets, *self.booked}
            if (not events or key[0] in events) and self._targets.get(key, ZERO) != self.booked.get(key, ZERO)
        }
        if missing:
            day = self._open_day(not_before)
            book_loan(self.loan, missing, day=day, reference=reference, narrative=narrative, actor=self.actor, now=self.now)
            self.booked |= {key: self._targets.get(key, ZERO) for key in missing}

    def _open_day(self, not_before: dt.date) -> dt.date:
        """The first day from `not_before` on that the books are open. The business date, which is held, always is."""
        return not_before if not_before >= self.today else ledger.hold_day(self.loan.legal_entity_id, not_before=not_before)

    def _project(self, as_of: dt.date, state: LoanState | None = None) -> None:
        policy = policy_on(self.loan.legal_entity_id, as_of)
        is_marked = self.balance is not None and self.balance.is_marked
        if state is not None and state.as_of == as_of:
            self._projection = projection_of(self.loan, state, policy, is_marked=is_marked)
        else:
            self._projection = project(self.loan, self.transactions, as_of, policy, is_marked=is_marked)
        self.balance, self.accrued_to, self._targets = self._projection.balance, as_of, self._projection.targets

    def _write(self, *transactions: LoanTransaction) -> None:
        if self._projection is None:
            return
        save([self._projection], {self.loan.id: self.stored}, booked=self.booked, transactions=transactions)
        self.stored = Stored(
            {key: (self._targets.get(key, ZERO), self.booked.get(key, ZERO)) for key in {*self._targets, *self.booked}},
            {row["no"]: row for row in row_values(self._projection.state)},
        )
        self._projection = None

    def record(self, row: LoanTransaction, *, narrative: str, state: LoanState | None = None) -> None:
        """Insert a transaction, replay with it, and post the differences under its id.

        `state` is the replay with it on its value date, where the caller has that already.
        """
        as_of = max(self.as_of, self.today, row.value_date)
        row.business_date = self._open_day(as_of)
        self.transactions.append(row)
        self._project(as_of, state)
        self._book(not_before=as_of, reference=str(row.id), narrative=narrative)
        self._write(row)

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
    today, went_to_day = went_to(loan)
    balance = LoanBalance.objects.select_related("loan__run").get(loan=loan)
    run: LoanRun | None = getattr(balance.loan, "run", None)
    stored, standing = amounts_of(loan, went_to_day)
    return LoanFile(
        loan=loan,
        actor=actor,
        now=now,
        today=today,
        balance=balance,
        accrued_to=taken_to(run, went_to_day) if run else None,
        transactions=list(LoanTransaction.objects.filter(loan=loan).order_by("value_date", "id")),
        stored=Stored(stored, instalments_of([loan.id])[loan.id]),
        booked={key: booked for key, (_target, booked) in standing.items()},
        _targets={key: target for key, (target, _booked) in standing.items()},
    )
