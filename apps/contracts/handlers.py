"""What contracts make of others' news and of their own."""

from __future__ import annotations

import datetime as dt

from apps.applications.events import ApplicationStateChanged
from apps.common.actors import Actor
from apps.common.outbox import handles
from apps.contracts import services
from apps.contracts.events import ContractReady, ContractRequested, ContractSigned, SigningConfirmed

_ACTOR = Actor.system("contracts")
_GIVEN_UP = {"withdrawn", "expired", "refused"}


@handles(ContractRequested, outside=True)
def on_contract_requested(event: ContractRequested, *, now: dt.datetime) -> None:
    services.make_papers(contract_id=event.contract_id, now=now)


@handles(ContractReady)
def on_contract_ready(event: ContractReady, *, now: dt.datetime) -> None:
    services.ask_customer_to_sign(contract_id=event.contract_id, actor=_ACTOR, now=now)


@handles(SigningConfirmed, outside=True)
def on_signing_confirmed(event: SigningConfirmed, *, now: dt.datetime) -> None:
    services.set_signatures(contract_id=event.contract_id, now=now)


@handles(ContractSigned)
def on_contract_signed(event: ContractSigned, *, now: dt.datetime) -> None:
    services.archive_contract(contract_id=event.contract_id, actor=_ACTOR, now=now)


@handles(ApplicationStateChanged)
def on_application_state_changed(event: ApplicationStateChanged, *, now: dt.datetime) -> None:
    if event.to_state in _GIVEN_UP:
        services.drop_contract_of(application_id=event.application_id, reason=event.to_state, actor=_ACTOR, now=now)
