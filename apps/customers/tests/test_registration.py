from __future__ import annotations

import datetime as dt

import pytest
from django.db import DatabaseError, transaction
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from apps.common import clock, outbox, purge
from apps.common.actors import Actor
from apps.common.models import OutboxMessage
from apps.customers import services
from apps.customers.models import Customer, LoginCode, LoginRecord
from apps.customers.services.access import PersonalDataInvalid
from apps.customers.services.registration import CodeExpired, CodeTooSoon, CodeWrong, SignInRefused
from apps.customers.tests.factories import NOW, CustomerFactory
from apps.integrations.tests.support import otp_in
from apps.messaging.models import Message
from apps.organisations.tests.factories import LegalEntityFactory

pytestmark = pytest.mark.django_db
PHONE = "13812345678"
ANYBODY = Actor(kind="customer", label="anonymous")


@pytest.fixture
def lender():
    return LegalEntityFactory()


def ask(lender, *, phone=PHONE, ip="203.0.113.9", now=NOW):
    return services.request_login_code(phone=phone, legal_entity_id=lender.id, ip=ip, actor=ANYBODY, now=now)


def last_code() -> str:
    return otp_in(Message.objects.latest("created_at").text)


def enter(lender, code, *, phone=PHONE, now=NOW, **more):
    return services.sign_in(phone=phone, code=code, legal_entity_id=lender.id, device_id="device-1", now=now, **more)


def other(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def test_the_first_sign_in_registers_a_customer_with_a_login_of_its_own(lender):
    sent = ask(lender)
    assert (sent.expires_in_s, sent.resend_after_s) == (300, 60)
    signed_in = enter(lender, last_code(), device_name="Pixel 9", ip="203.0.113.9", place="上海")

    person = Customer.objects.get()
    assert signed_in.registered
    assert signed_in.customer_id == person.id
    assert (person.state, person.phone, person.masked_phone) == ("registered", PHONE, "138****5678")
    assert person.user.data_scope.owner_id == person.id
    assert person.user.can("api.customer")
    record = LoginRecord.objects.get()
    assert (record.device_name, record.ip, record.place) == ("Pixel 9", "203.0.113.9", "上海")
    assert "device-1" not in record.device_hash
    assert OutboxMessage.objects.filter(name="customers.CustomerRegistered").count() == 1


def test_the_second_sign_in_finds_the_same_customer(lender):
    ask(lender)
    first = enter(lender, last_code())
    later = NOW + dt.timedelta(minutes=2)
    ask(lender, now=later)
    second = enter(lender, last_code(), now=later)
    assert (second.customer_id, second.registered) == (first.customer_id, False)
    assert LoginRecord.objects.count() == 2


def test_the_same_phone_is_another_customer_of_another_lender(lender):
    ask(lender)
    enter(lender, last_code())
    elsewhere, later = LegalEntityFactory(), NOW + dt.timedelta(minutes=2)
    ask(elsewhere, now=later)
    assert enter(elsewhere, last_code(), now=later).registered
    assert Customer.objects.count() == 2


def test_a_code_is_kept_only_as_a_hash(lender):
    ask(lender)
    row = LoginCode.objects.get()
    assert last_code() not in f"{row.code_hash}{row.phone_hash}"
    assert PHONE not in row.phone_hash


def test_a_code_serves_once(lender):
    ask(lender)
    enter(lender, last_code())
    with pytest.raises(CodeExpired):
        enter(lender, last_code())


def test_a_code_is_good_for_five_minutes(lender):
    ask(lender)
    with pytest.raises(CodeExpired):
        enter(lender, last_code(), now=NOW + dt.timedelta(minutes=5))
    enter(lender, last_code(), now=NOW + dt.timedelta(minutes=4, seconds=59))


def test_only_the_newest_code_counts(lender):
    ask(lender)
    old = last_code()
    ask(lender, now=NOW + dt.timedelta(seconds=61))
    if old != last_code():
        with pytest.raises(CodeWrong):
            enter(lender, old, now=NOW + dt.timedelta(seconds=62))
    enter(lender, last_code(), now=NOW + dt.timedelta(seconds=62))


def test_five_wrong_tries_end_a_code_even_though_each_was_refused(lender):
    ask(lender)
    right = last_code()
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(CodeWrong) as caught:
            enter(lender, other(right))
        assert caught.value.facts == {"attempts_left": left}
    assert LoginCode.objects.get().attempts == 5
    with pytest.raises(CodeExpired):
        enter(lender, right)
    assert not Customer.objects.exists()


def test_codes_are_a_minute_apart(lender):
    ask(lender)
    with pytest.raises(CodeTooSoon) as caught:
        ask(lender, now=NOW + dt.timedelta(seconds=59))
    assert caught.value.facts == {"retry_after_s": 2}
    ask(lender, now=NOW + dt.timedelta(seconds=60))


def test_five_codes_an_hour_and_ten_a_day_are_enough_for_a_phone(lender):
    moment = NOW
    for _ in range(5):
        ask(lender, now=moment)
        moment += dt.timedelta(minutes=2)
    with pytest.raises(CodeTooSoon):
        ask(lender, now=moment)
    moment = NOW + dt.timedelta(hours=2)
    for _ in range(5):
        ask(lender, now=moment)
        moment += dt.timedelta(minutes=2)
    with pytest.raises(CodeTooSoon):
        ask(lender, now=moment + dt.timedelta(hours=3))
    ask(lender, now=moment + dt.timedelta(hours=24))


def test_thirty_codes_an_hour_are_enough_for_an_address(lender):
    for n in range(30):
        ask(lender, phone=f"1380000{n:04d}")
    with pytest.raises(CodeTooSoon):
        ask(lender, phone="13900000000")
    ask(lender, phone="13900000000", ip="203.0.113.10")


def test_a_phone_that_cannot_be_right_is_refused_with_its_field(lender):
    with pytest.raises(PersonalDataInvalid) as caught:
        ask(lender, phone="12345")
    assert list(caught.value.fields) == ["phone"]
    assert not LoginCode.objects.exists()


def test_somebody_switched_off_cannot_sign_in(lender):
    person = CustomerFactory(legal_entity=lender, phone=PHONE, number=PHONE)
    person.user.is_active = False
    person.user.save()
    ask(lender)
    with pytest.raises(SignInRefused):
        enter(lender, last_code())
    assert not LoginRecord.objects.exists()


def test_the_login_log_cannot_be_rewritten(lender):
    ask(lender)
    enter(lender, last_code())
    with pytest.raises(DatabaseError), transaction.atomic():
        LoginRecord.objects.update(place="elsewhere")
    with pytest.raises(DatabaseError), transaction.atomic():
        LoginRecord.objects.all().delete()


def test_the_code_travels_by_sms(lender, sandbox):
    ask(lender, now=clock.now())
    outbox.dispatch()
    texts = sandbox.messages(PHONE)
    assert otp_in(texts[-1]["text"]) == last_code()


def test_codes_are_forgotten_when_no_limit_looks_back_at_them(lender):
    ask(lender)
    assert purge.purge(now=NOW + dt.timedelta(days=1))["login_codes"] == 0
    assert purge.purge(now=NOW + dt.timedelta(days=2, minutes=6))["login_codes"] == 1
    assert not LoginCode.objects.exists()


def test_tokens_are_forgotten_when_they_are_over(lender):
    ask(lender)
    enter(lender, last_code())
    assert purge.purge(now=NOW)["tokens"] == 0
    OutstandingToken.objects.update(expires_at=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1))
    assert purge.purge(now=NOW)["tokens"] == 1
