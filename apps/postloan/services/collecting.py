"""Collection cases 催收: opened at the intake of the overdue (`intake`), worked under the contact rules, closed when cured or settled."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.clock import BEIJING
from apps.common.crypto import blind_index
from apps.common.errors import BadInput, Conflict, NotFound
from apps.common.money import ZERO
from apps.common.privacy import mask_phone
from apps.organisations import selectors as organisations
from apps.postloan.domain import ContactFacts, ContactRules, Permission, may_contact
from apps.postloan.models import CollectionCase, CollectionContact, CollectionLoan

_State = CollectionCase.State
_Result = CollectionContact.Result


class NoSuchCase(NotFound):
    """There is no such case in the actor's view."""

    code = "no_such_case"
    title = _("There is no such case.")


class ContactForbidden(Conflict):
    """A contact rule forbids it now; `rule` says which."""

    code = "contact_forbidden"
    title = _("The contact rules do not allow this now.")


@transaction.atomic
def heed_payment(*, loan_id: UUID, settled: bool, actor: Actor, now: dt.datetime) -> None:
    """A loan was cured or settled: its case closes when none of the customer's other loans is overdue."""
    row = CollectionLoan.objects.filter(loan_ref=loan_id, is_overdue=True).exclude(case__state=_State.CLOSED).first()
    if row is None:
        return
    case = CollectionCase.objects.select_for_update().get(id=row.case_id)
    case.loans.filter(loan_ref=loan_id).update(is_overdue=False)
    if not case.loans.filter(is_overdue=True).exists():
        outcome = CollectionCase.Outcome.SETTLED if settled else CollectionCase.Outcome.CURED
        close_case(case_id=case.id, outcome=outcome, day=organisations.business_date(case.legal_entity_id))


def close_case(*, case_id: UUID, outcome: str, day: dt.date) -> None:
    """End a case, inside the caller's transaction; one that is closed stays as it is."""
    case: CollectionCase = CollectionCase.objects.select_for_update().get(id=case_id)
    if case.state == _State.CLOSED:
        return
    case.close()
    case.outcome, case.closed_on = outcome, day
    case.save()
    case.loans.filter(is_overdue=True).update(is_overdue=False)


def _lock(case_id: UUID, actor: Actor) -> CollectionCase:
    found: CollectionCase | None = CollectionCase.objects.within(actor.data_scope).select_for_update().filter(id=case_id).first()
    if found is None:
        raise NoSuchCase
    actor.require("postloan.collect")
    return found


@transaction.atomic
def take_case(*, case_id: UUID, actor: Actor, now: dt.datetime) -> CollectionCase:
    """A collector takes a case into work."""
    case = _lock(case_id, actor)
    case.work()
    case.collector_ref = actor.user_id
    case.save()
    return case


@transaction.atomic
def note_promise(*, case_id: UUID, promised_on: dt.date, amount: Decimal, actor: Actor, now: dt.datetime) -> CollectionCase:
    """The debtor promised to pay `amount` yuan by a day that is not past; broken, it comes back into work at the intake."""
    case = _lock(case_id, actor)
    if promised_on < clock.local_date(now) or amount <= ZERO:
        raise BadInput(fields={"promised_on": [str(_("The day must not be past and the amount above zero."))]})
    case.promise()
    case.promised_on, case.promised_amount = promised_on, amount
    case.save()
    return case


@transaction.atomic
def record_contact(
    *,
    case_id: UUID,
    channel: str,
    phone: str,
    result: str,
    actor: Actor,
    now: dt.datetime,
    note: str = "",
    third_party: bool = False,
    recording_ref: str = "",
) -> CollectionContact:
    """Write down an attempt to reach somebody. The rules are asked first: what they forbid cannot be recorded as done.

    Raises `ContactForbidden` with the rule.
    """
    case = _lock(case_id, actor)
    if channel not in CollectionContact.Channel.values or result not in _Result.values:
        raise BadInput(fields={"channel": [str(_("Choose a channel and a result."))]})
    number_index = blind_index(phone, purpose="phone")
    answer = _asked(case, number_index, third_party, now)
    if not answer.allowed:
        raise ContactForbidden(rule=answer.rule)
    return CollectionContact.objects.create(
        case=case,
        legal_entity_id=case.legal_entity_id,
        channel=channel,
        number_index=number_index,
        number_masked=mask_phone(phone),
        third_party=third_party,
        result=result,
        note=note[:500],
        recording_ref=recording_ref[:64],
        actor=str(actor),
        at=now,
    )


def ask_contact(*, case_id: UUID, phone: str, actor: Actor, now: dt.datetime, third_party: bool = False) -> Permission:
    """Whether a number may be dialled for a case now; asked before dialling."""
    found = CollectionCase.objects.within(actor.data_scope).filter(id=case_id).first()
    if found is None:
        raise NoSuchCase
    actor.require("postloan.collect")
    return _asked(found, blind_index(phone, purpose="phone"), third_party, now)


def _asked(case: CollectionCase, number_index: str, third_party: bool, now: dt.datetime) -> Permission:
    today = clock.local_date(now)
    contacts = CollectionContact.objects.filter(case=case)
    of_today = contacts.filter(at__gte=clock.beijing(today), at__lt=clock.beijing(today + dt.timedelta(days=1)))
    debtor = contacts.filter(third_party=False)
    days_trying = (today - case.opened_on).days if debtor.exists() else 0
    same_number = contacts.filter(number_index=number_index)
    facts = ContactFacts(
        local_time=now.astimezone(BEIJING).timetz().replace(tzinfo=None),
        effective_today=of_today.filter(third_party=False, result=_Result.EFFECTIVE).count(),
        unanswered_today=of_today.filter(number_index=number_index, result=_Result.UNANSWERED).count(),
        stopped=not third_party and debtor.filter(result=_Result.STOP).exists(),
        third_party=third_party,
        third_party_stopped=third_party and same_number.filter(result=_Result.STOP).exists(),
        debtor_number_invalid=debtor.filter(result=_Result.INVALID).exists(),
        debtor_tries=debtor.exclude(result=_Result.EFFECTIVE).count(),
        days_trying=days_trying,
    )
    return may_contact(facts, contact_rules(case.legal_entity_id, today))


def contact_rules(legal_entity_id: UUID, day: dt.date) -> ContactRules:
    """The rules in force on a day."""
    values = organisations.parameters_of("collections.", on=day, legal_entity_id=legal_entity_id)
    third = values["collections.third_person"]
    return ContactRules(
        quiet_from=values["collections.quiet_from"],
        quiet_until=values["collections.quiet_until"],
        effective_a_day=values["collections.effective_calls_per_debtor_day_max"],
        unanswered_a_day=values["collections.unanswered_dials_per_number_day_max"],
        tries_before_third_party=third["or_after_tries"],
        days_before_third_party=third["or_after_days"],
    )
