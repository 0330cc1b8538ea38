"""Stories of two at once, with real commits and real locks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from apps.common.actors import Actor
from apps.common.models import OutboxMessage
from apps.customers import services
from apps.customers.models import Customer, IdentityAttempt, IdentityCheck, LoginCode
from apps.customers.services.registration import CodeExpired, CodeTooSoon
from apps.customers.tests.factories import NOW, CustomerFactory, PassedCheckFactory, give_all_consents, id_number
from apps.integrations.tests.support import otp_in
from apps.messaging.models import Message
from apps.organisations.tests.factories import LegalEntityFactory

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(count: int, deed: Callable[[int], Any]) -> list[Any]:
    """Answers, or refusals, of `count` threads that start together."""
    barrier, answers = threading.Barrier(count), [None] * count

    def run(index: int) -> None:
        barrier.wait()
        try:
            answers[index] = deed(index)
        except Exception as error:  # noqa: BLE001  (the refusal is the answer)
            answers[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_a_phone_gets_one_code_however_often_it_asks_at_once():
    lender, anybody = LegalEntityFactory(), Actor(kind="customer", label="anonymous")
    answers = at_once(
        4, lambda _: services.request_login_code(phone="13812345678", legal_entity_id=lender.id, ip=None, actor=anybody, now=NOW)
    )
    assert LoginCode.objects.count() == 1
    assert sum(isinstance(answer, CodeTooSoon) for answer in answers) == 3


def test_a_code_used_twice_at_once_registers_one_customer():
    lender, anybody = LegalEntityFactory(), Actor(kind="customer", label="anonymous")
    services.request_login_code(phone="13812345678", legal_entity_id=lender.id, ip=None, actor=anybody, now=NOW)
    code = otp_in(Message.objects.get().text)
    answers = at_once(4, lambda n: services.sign_in(phone="13812345678", code=code, legal_entity_id=lender.id, device_id=f"d{n}", now=NOW))
    assert Customer.objects.count() == 1
    assert sum(isinstance(answer, CodeExpired) for answer in answers) == 3


def test_an_answer_that_arrives_many_times_at_once_counts_once():
    person = CustomerFactory()
    give_all_consents(person)
    PassedCheckFactory(customer=person, kind="liveness")
    check = services.start_identity_check(
        customer_id=person.id, kind="id_authenticity", name="王小明", id_number=id_number(3), actor=Actor.of(person.user), now=NOW
    )
    answers = at_once(
        4,
        lambda n: services.record_identity_result(
            check_id=check.id, outcome=("passed", "failed", "unknown", "passed")[n], score=None, raw={"n": n}, now=NOW
        ),
    )
    states = {answer.state for answer in answers}
    assert states == {IdentityCheck.objects.get(id=check.id).state}
    assert OutboxMessage.objects.filter(name="customers.IdentityCheckFinished").count() == 1


def test_a_check_started_many_times_at_once_is_asked_once():
    person = CustomerFactory()
    give_all_consents(person)
    actor = Actor.of(person.user)
    at_once(
        4,
        lambda _: services.start_identity_check(
            customer_id=person.id, kind="id_authenticity", name="王小明", id_number=id_number(3), actor=actor, now=NOW
        ),
    )
    assert (IdentityCheck.objects.count(), IdentityAttempt.objects.count()) == (1, 1)


def test_two_accounts_do_not_take_one_id_number_at_once():
    lender = LegalEntityFactory()
    people = [CustomerFactory(legal_entity=lender) for _ in range(2)]
    for person in people:
        give_all_consents(person)
    at_once(
        2,
        lambda n: services.start_identity_check(
            customer_id=people[n].id, kind="id_authenticity", name="王小明", id_number=id_number(3), actor=Actor.of(people[n].user), now=NOW
        ),
    )
    assert Customer.objects.exclude(id_number_hash="").count() == 1
