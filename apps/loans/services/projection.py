"""From a replay to the rows that are there to be queried: balance, instalments, what belongs in the books, state."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from apps.common.money import ZERO
from apps.common.outbox import publish
from apps.loans import events
from apps.loans.bridge import replay_of
from apps.loans.domain.state import LoanState, LoanStatus, RowState, RowStatus
from apps.loans.domain.terms import Component
from apps.loans.models import Instalment, Loan, LoanAmount, LoanBalance, LoanRun, LoanTransaction
from apps.loans.services.running import Thresholds, run_of
from apps.loans.services.targets import Key, Treatment, targets_of
from apps.organisations.selectors import ParameterMissing, parameters_of

_BALANCE_FIELDS: Final = [field.name for field in LoanBalance._meta.concrete_fields if not field.primary_key]
_ROW_FIELDS: Final = [field.name for field in Instalment._meta.concrete_fields if field.name not in ("id", "loan")]
_RUN_FIELDS: Final = [field.name for field in LoanRun._meta.concrete_fields if not field.primary_key]
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
    """The lender's rules of a day: from which DPD on a class, non-accrual; provision rates by class."""

    special_mention_above_dpd: int
    substandard_above_dpd: int
    doubtful_above_dpd: int
    loss_above_dpd: int
    non_accrual_above_dpd: int
    provision_rates: dict[str, Decimal]

    def asset_class(self, dpd: int) -> str:
        """The five-category class of a loan with this many days past due."""
        steps = (
            (self.loss_above_dpd, LoanBalance.AssetClass.LOSS),
            (self.doubtful_above_dpd, LoanBalance.AssetClass.DOUBTFUL),
            (self.substandard_above_dpd, LoanBalance.AssetClass.SUBSTANDARD),
            (self.special_mention_above_dpd, LoanBalance.AssetClass.SPECIAL_MENTION),
        )
        return next((str(name) for above, name in steps if dpd > above), str(LoanBalance.AssetClass.NORMAL))

    @property
    def thresholds(self) -> Thresholds:
        """Days past due above which the books treat a loan otherwise."""
        return Thresholds(
            (
                self.special_mention_above_dpd,
                self.substandard_above_dpd,
                self.doubtful_above_dpd,
                self.loss_above_dpd,
                self.non_accrual_above_dpd,
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
            special_mention_above_dpd=values["classification.technical_overdue_days_max"],
            substandard_above_dpd=values["classification.substandard_above_dpd"],
            doubtful_above_dpd=values["classification.doubtful_above_dpd"],
            loss_above_dpd=values["classification.loss_above_dpd"],
            non_accrual_above_dpd=values["accrual.non_accrual_above_dpd"],
            provision_rates={str(name): values[f"provision.{name}"] for name in LoanBalance.AssetClass.values},
        )
    except KeyError as missing:
        raise ParameterMissing(code=missing.args[0], on=day) from None


def project(loan: Loan, transactions: Iterable[LoanTransaction], as_of: dt.date, policy: Policy) -> Projection:
    """Replay a loan to `as_of` and tell what its rows should say. Writes nothing. Raises `BadTerms`, `ArithmeticError`."""
    return projection_of(loan, replay_of(loan, transactions, as_of), policy)


def projection_of(loan: Loan, state: LoanState, policy: Policy) -> Projection:
    """What a loan's rows should say by this state."""
    asset_class, is_non_accrual = policy.asset_class(state.dpd), state.dpd > policy.non_accrual_above_dpd
    own_refs = frozenset({str(loan.legal_entity_id), "own"})
    treatment = Treatment(
        own_refs=own_refs,
        interest_vat_rate=loan.interest_vat_rate,
        fee_vat_rate=loan.fee_vat_rate,
        non_accrual_above_dpd=policy.non_accrual_above_dpd,
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
        is_non_accrual=is_non_accrual,
    )
    run = run_of(loan, state, policy.thresholds, own_refs, is_suspended=is_non_accrual)
    return Projection(loan, state, balance, targets_of(state, treatment), run)


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
        "interest": installment.interest,
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


def save(projections: Sequence[Projection], now: dt.datetime) -> None:
    """Write the rows of several loans, whose rows the caller has locked, in a fixed number of statements, and tell the news."""
    if not projections:
        return
    LoanBalance.objects.bulk_create(
        [projection.balance for projection in projections], update_conflicts=True, unique_fields=["loan"], update_fields=_BALANCE_FIELDS
    )
    _save_runs(projections)
    _save_targets(projections)
    _save_instalments(projections)
    for projection in projections:
        _save_state(projection)


def _save_runs(projections: Sequence[Projection]) -> None:
    LoanRun.objects.bulk_create(
        [projection.run for projection in projections if projection.run],
        update_conflicts=True,
        unique_fields=["loan"],
        update_fields=_RUN_FIELDS,
    )
    over = [projection.loan.id for projection in projections if projection.run is None]
    if over:
        LoanRun.objects.filter(loan__in=over).delete()


def _save_targets(projections: Sequence[Projection]) -> None:
    wanted = {(projection.loan.id, *key): amount for projection in projections for key, amount in projection.targets.items()}
    loans = [projection.loan.id for projection in projections]
    rows = LoanAmount.objects.filter(loan__in=loans).values_list("loan_id", "event", "component", "party_ref", "target")
    there = {row[:4]: row[4] for row in rows}
    changed = {key: amount for key, amount in wanted.items() if there.get(key) != amount}
    changed |= {key: ZERO for key, amount in there.items() if amount and key not in wanted}
    LoanAmount.objects.bulk_create(
        [
            LoanAmount(loan_id=loan, event=event, component=component, party_ref=party_ref, target=amount)
            for (loan, event, component, party_ref), amount in changed.items()
        ],
        update_conflicts=True,
        unique_fields=["loan", "event", "component", "party_ref"],
        update_fields=["target"],
    )


def _save_instalments(projections: Sequence[Projection]) -> None:
    """Write the rows that differ from what is stored, and take away those that are not of the plan any more."""
    there: dict[tuple[UUID, int], dict[str, Any]] = {}
    for values in Instalment.objects.filter(loan__in=[projection.loan.id for projection in projections]).values("loan_id", *_ROW_FIELDS):
        there[values.pop("loan_id"), values["no"]] = values
    changed = []
    for projection in projections:
        changed += [
            Instalment(loan=projection.loan, **row)
            for row in row_values(projection.state)
            if there.pop((projection.loan.id, row["no"]), None) != row
        ]
    if changed:
        Instalment.objects.bulk_create(
            changed, update_conflicts=True, unique_fields=["loan", "no"], update_fields=[name for name in _ROW_FIELDS if name != "no"]
        )
    for loan_id, no in there:
        Instalment.objects.filter(loan=loan_id, no=no).delete()


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
