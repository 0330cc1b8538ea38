"""From a replay to the rows that are there to be queried: balance, instalments, what belongs in the books, state."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from apps.common.bulk import any_of
from apps.common.money import ZERO
from apps.common.outbox import publish
from apps.loans import events
from apps.loans.bridge import replay_of, replay_standing
from apps.loans.domain.classes import ClassRules, standing_of, worst
from apps.loans.domain.state import LoanState, LoanStatus, RowState, RowStatus
from apps.loans.domain.terms import Component
from apps.loans.models import LIVE, Instalment, Loan, LoanAmount, LoanBalance, LoanRun, LoanTransaction
from apps.loans.services.lease_targets import with_unearned
from apps.loans.services.ownership import Standing, Transfer, owned_targets, transfers_in
from apps.loans.services.running import Thresholds, run_of
from apps.loans.services.targets import Key, Treatment, targets_of
from apps.loans.services.writing import Row, row_of, upsert
from apps.organisations.selectors import ParameterMissing, parameters_of

_ROW_FIELDS: Final = [item.name for item in Instalment._meta.concrete_fields if item.name not in ("id", "loan")]
_TRANSITIONS: Final = {
    "active": "activate",
    "overdue": "fall_overdue",
    "settled": "settle",
    "written_off": "write_off",
    "terminated": "terminate",
    "cancelled": "cancel",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """The lender's rules of a day: classes and non-accrual; provision rates by class."""

    classes: ClassRules
    provision_rates: dict[str, Decimal]

    @property
    def thresholds(self) -> Thresholds:
        """Days past due above which the books treat a loan otherwise."""
        rules = self.classes
        return Thresholds(
            (
                rules.technical_days,
                rules.substandard_above_dpd,
                rules.doubtful_above_dpd,
                rules.loss_above_dpd,
                rules.non_accrual_above_dpd,
            )
        )


@dataclass(frozen=True, slots=True)
class Projection:
    """A loan's rows as one replay wants them."""

    loan: Loan
    state: LoanState
    balance: LoanBalance
    targets: dict[Key, Decimal]
    run: LoanRun | None


def policy_on(legal_entity_id: UUID, day: dt.date) -> Policy:
    """The rules in force for a legal entity. Raises `ParameterMissing`."""
    values = parameters_of("classification.", "accrual.", "provision.", on=day, legal_entity_id=legal_entity_id)
    try:
        return Policy(
            classes=ClassRules(
                technical_days=values["classification.technical_overdue_days_max"],
                substandard_above_dpd=values["classification.substandard_above_dpd"],
                doubtful_above_dpd=values["classification.doubtful_above_dpd"],
                loss_above_dpd=values["classification.loss_above_dpd"],
                non_accrual_above_dpd=values["accrual.non_accrual_above_dpd"],
                watch_months=values["classification.watch_months_min"],
                watch_instalments=values["classification.watch_instalments_min"],
                restructured_at_least=values["classification.restructured_at_least"],
                restructured_watch_months=values["classification.restructured_watch_months_min"],
                marks_from=_class_or_none(values["classification.marks_borrower_from"]),
                marked_at_least=values["classification.marked_at_least"],
            ),
            provision_rates={str(name): values[f"provision.{name}"] for name in LoanBalance.AssetClass.values},
        )
    except KeyError as missing:
        raise ParameterMissing(code=missing.args[0], on=day) from None


def _class_or_none(name: str) -> str:
    return "" if name == "none" else name


def project(loan: Loan, transactions: Iterable[LoanTransaction], as_of: dt.date, policy: Policy, *, is_marked: bool = False) -> Projection:
    """Replay a loan to `as_of` and tell what its rows should say. Writes nothing. Raises `BadTerms`, `ArithmeticError`."""
    return projection_of(loan, replay_of(loan, transactions, as_of), policy, is_marked=is_marked)


def projection_of(loan: Loan, state: LoanState, policy: Policy, *, is_marked: bool) -> Projection:
    """What a loan's rows should say by this state. `is_marked`: another loan of the borrower is bad (`services.marks`)."""
    standing = standing_of(state, policy.classes)
    is_marked = is_marked and state.status.value in LIVE
    asset_class = worst(standing.own_class, policy.classes.marked_at_least) if is_marked else standing.own_class
    own_refs = frozenset({str(loan.legal_entity_id), "own"})
    treatment = Treatment(
        own_refs=own_refs,
        interest_vat_rate=loan.interest_vat_rate,
        fee_vat_rate=loan.fee_vat_rate,
        is_suspended=standing.suspended,
        provision_rate=policy.provision_rates[asset_class],
        opening=loan.opening_amounts,
    )
    late = [row for row in state.rows if row.status is RowStatus.OVERDUE]
    unpaid = [row.installment.due_date for row in state.rows if row.status is not RowStatus.PAID]
    balance = LoanBalance(
        loan=loan,
        as_of=state.as_of,
        principal=state.outstanding[Component.PRINCIPAL],
        interest=state.outstanding[Component.INTEREST],
        penalty=state.outstanding[Component.PENALTY],
        compound=state.outstanding[Component.COMPOUND],
        fee=state.outstanding[Component.FEE],
        principal_due=sum((row.owed[Component.PRINCIPAL] for row in state.rows), start=ZERO),
        accrued_interest=state.accrued_interest,
        credit=state.credit,
        overdue=sum((sum(row.owed.values(), start=ZERO) for row in late), start=ZERO),
        dpd=state.dpd,
        next_due_date=min(unpaid, default=None),
        asset_class=asset_class,
        own_class=standing.own_class,
        is_marked=is_marked,
        is_watched=standing.watched,
        improves_on=standing.improves_on,
        is_non_accrual=standing.suspended,
    )
    run = run_of(loan, state, policy.thresholds, own_refs, is_suspended=standing.suspended, improves_on=standing.improves_on)
    targets = _targets(loan, state, treatment)
    if loan.is_lease:
        is_over = state.status is LoanStatus.WRITTEN_OFF or bool(state.owner_ref)
        targets = with_unearned(targets, state, own_refs, is_over=is_over)
    return Projection(loan, state, balance, targets, run)


def _targets(loan: Loan, state: LoanState, treatment: Treatment) -> dict[Key, Decimal]:
    """What belongs in the books; of a loan that changed hands to each owner what ran in its time."""
    changes = transfers_in(state)
    if not changes:
        return targets_of(state, treatment)
    transfers = []
    for change in changes:
        at = replay_standing(loan, state, change.value_date)
        policy = policy_on(loan.legal_entity_id, change.value_date)
        by_itself = standing_of(at, policy.classes)
        rate = policy.provision_rates[by_itself.own_class]
        transfers.append(Transfer(change, Standing(at, replace(treatment, is_suspended=by_itself.suspended, provision_rate=rate))))
    return owned_targets(Standing(state, treatment), transfers)


def row_values(state: LoanState) -> list[dict[str, Any]]:
    """The fields of every instalment by this state."""
    return [_row_values(row) for row in state.rows]


def _row_values(row: RowState) -> dict[str, Any]:
    installment = row.installment
    values: dict[str, Any] = {
        "no": installment.no,
        "starts_on": installment.start,
        "ends_on": installment.end,
        "due_date": installment.due_date,
        "units": installment.units,
        "bears": installment.bears,
        "principal": installment.principal,
        "interest": installment.asked_interest,
        "fee": installment.fee,
        "penalty": row.penalty,
        "compound": row.compound,
        "late_since": installment.late_since,
        "penalty_run": installment.penalty_run,
        "compound_run": installment.compound_run,
        "cleared_on": installment.cleared_on,
        "status": row.status.value,
    }
    for component in Component:
        values[f"paid_{component}"] = installment.paid[component]
        values[f"waived_{component}"] = installment.waived[component]
    return values


@dataclass(slots=True)
class Stored:
    """What is stored of a loan under lock: running totals (target and booked), instalments by number."""

    amounts: dict[Key, tuple[Decimal, Decimal]] = field(default_factory=dict)
    instalments: dict[int, dict[str, Any]] = field(default_factory=dict)


def stored_of(loan_ids: Sequence[UUID]) -> dict[UUID, Stored]:
    """What is stored of each of some loans under lock."""
    stored = {loan_id: Stored(instalments=rows) for loan_id, rows in instalments_of(loan_ids).items()}
    amounts = LoanAmount.objects.filter(any_of("loan_id", loan_ids))
    for loan_id, event, component, party_ref, target, booked in amounts.values_list(
        "loan_id", "event", "component", "party_ref", "target", "booked"
    ):
        stored[loan_id].amounts[event, component, party_ref] = target, booked
    return stored


def instalments_of(loan_ids: Sequence[UUID]) -> dict[UUID, dict[int, dict[str, Any]]]:
    """The stored rows of each of some loans under lock, by number."""
    found: dict[UUID, dict[int, dict[str, Any]]] = {loan_id: {} for loan_id in loan_ids}
    for values in Instalment.objects.filter(any_of("loan_id", loan_ids)).values("loan_id", *_ROW_FIELDS):
        found[values.pop("loan_id")][values["no"]] = values
    return found


def save(
    projections: Sequence[Projection],
    stored: Mapping[UUID, Stored],
    *,
    booked: Mapping[Key, Decimal] | None = None,
    transactions: Sequence[LoanTransaction] = (),
) -> None:
    """Write what differs from what is stored of loans under lock, with new transactions of theirs, and tell the news.

    `booked` says for a single loan what is in the books now; without it that stays. One statement, and another where instalments or
    runs go away or a loan changes its state.
    """
    amounts: list[Row] = []
    instalments: list[Row] = []
    for projection in projections:
        loan_id, there = projection.loan.id, stored[projection.loan.id]
        amounts += _amounts(projection, there, booked)
        rows = row_values(projection.state)
        instalments += [{"loan_id": loan_id, **row} for row in rows if there.instalments.get(row["no"]) != row]
        gone = there.instalments.keys() - {row["no"] for row in rows}
        if gone:
            Instalment.objects.filter(loan=loan_id, no__in=gone).delete()
    upsert(
        {
            LoanTransaction: [row_of(item) for item in transactions],
            LoanBalance: [row_of(projection.balance) for projection in projections],
            LoanRun: [row_of(projection.run) for projection in projections if projection.run],
            LoanAmount: amounts,
            Instalment: instalments,
        }
    )
    over = [projection.loan.id for projection in projections if projection.run is None]
    if over:
        LoanRun.objects.filter(any_of("loan_id", over)).delete()
    for projection in projections:
        _save_state(projection)


def _amounts(projection: Projection, stored: Stored, booked: Mapping[Key, Decimal] | None) -> Iterator[Row]:
    """Running totals whose target is another than the stored one, or that were booked since."""
    for key in {*projection.targets, *stored.amounts}:
        was = stored.amounts.get(key, (ZERO, ZERO))
        now = projection.targets.get(key, ZERO), was[1] if booked is None else booked.get(key, ZERO)
        if now != was:
            event, component, party_ref = key
            yield {
                "loan_id": projection.loan.id,
                "event": event,
                "component": component,
                "party_ref": party_ref,
                "target": now[0],
                "booked": now[1],
            }


def _save_state(projection: Projection) -> None:
    """Bring the loan into the state of the replay, over `active` where there is no direct edge, and tell of it."""
    loan, status = projection.loan, projection.state.status
    was, target = loan.state, status.value
    if was == target:
        return
    if target not in loan.reachable_states():
        loan.activate()
        loan.settled_on = None
        loan.save(update_fields=["state", "settled_on"])  # the database takes one legal step at a time
    if loan.state != target:
        getattr(loan, _TRANSITIONS[target])()
    loan.settled_on = _settled_on(projection.state) if status is LoanStatus.SETTLED else None
    loan.save(update_fields=["state", "settled_on"])
    _publish_change(projection, was)


def _settled_on(state: LoanState) -> dt.date:
    """The day of the last payment that found something to pay."""
    return max((part.on for part in state.allocations), default=state.as_of)


def _publish_change(projection: Projection, was: str) -> None:
    loan, status = projection.loan, projection.state.status
    who = {"loan_id": loan.id, "legal_entity_id": loan.legal_entity_id, "borrower_ref": loan.borrower_ref}
    application = {"application_ref": loan.application_ref}
    if was in ("settled", "written_off", "terminated", "cancelled") and status in (LoanStatus.ACTIVE, LoanStatus.OVERDUE):
        publish(events.LoanReopened(**who, **application))
    if status is LoanStatus.OVERDUE:
        publish(events.LoanFellOverdue(**who, dpd=projection.state.dpd, overdue_total=projection.balance.overdue))
    elif was == "overdue" and status in (LoanStatus.ACTIVE, LoanStatus.SETTLED):
        publish(events.LoanCured(**who))
    if status is LoanStatus.SETTLED:
        publish(events.LoanSettled(**who, **application, settled_on=loan.settled_on or projection.state.as_of))
    if status is LoanStatus.CANCELLED:
        publish(events.LoanCancelled(**who, **application))
