from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction

from apps.common import outbox
from apps.common.actors import Actor
from apps.common.errors import BadInput, NotPermitted
from apps.common.gateways import GatewayUnavailable
from apps.common.models import OutboxDelivery, OutboxMessage
from apps.customers import selectors, services
from apps.customers.models import BankCard, Customer, IdentityAttempt, IdentityCheck
from apps.customers.services.access import PersonalDataInvalid
from apps.customers.services.cards import DebitNotAgreed, LastDebitCard, NoSuchCard
from apps.customers.services.consents import ConsentMissing
from apps.customers.services.identity import (
    CheckNotOpen,
    IdCardExpired,
    IdentityFirst,
    IdentityFixed,
    IdNumberTaken,
    NoSuchCheck,
    TooManyChecks,
)
from apps.customers.tests.factories import (
    NOW,
    TODAY,
    CustomerFactory,
    VerifiedCustomerFactory,
    card_number,
    give_all_consents,
    id_number,
)
from apps.integrations.http import breaker
from apps.organisations.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
NAME, NUMBER = "王小明", id_number(11)
LATER = NOW + dt.timedelta(minutes=1)


@pytest.fixture
def person():
    customer = CustomerFactory()
    give_all_consents(customer)
    return customer


@pytest.fixture
def nobody_there(settings):
    """The identity party's address answers nothing."""
    breaker.cache_clear()
    settings.SANDBOX_URL = "http://127.0.0.1:1"
    yield
    breaker.cache_clear()


def start(person, kind="id_authenticity", now=NOW, **facts):
    facts = {"name": NAME, "id_number": NUMBER} | facts if kind == "id_authenticity" else facts
    return services.start_identity_check(customer_id=person.id, kind=kind, actor=Actor.of(person.user), now=now, **facts)


def answer(check, outcome, *, attempt=None, now=LATER, **facts):
    facts = {"score": Decimal("97.50"), "raw": {"result": outcome}, "provider": "test"} | facts
    return services.record_identity_result(check_id=attempt or check.id, outcome=outcome, now=now, **facts)


def bind(person, *, number=None, phone="13812340000", now=NOW, **facts):
    return services.bind_card(
        customer_id=person.id, card_number=number or card_number(1), phone=phone, actor=Actor.of(person.user), now=now, **facts
    )


def prove_id(person):
    return answer(start(person), "passed")


def state_of(check) -> str:
    return IdentityCheck.objects.get(id=check.id).state


def test_a_check_keeps_provider_score_raw_answer_and_expiry(person):
    check = prove_id(person)
    assert (check.state, check.provider, check.score) == ("passed", "test", Decimal("97.50"))
    assert check.expires_at == LATER + dt.timedelta(days=365)
    attempt = IdentityAttempt.objects.get()
    assert (attempt.id, attempt.no, attempt.outcome) == (check.id, 1, "passed")
    assert '"result": "passed"' in attempt.raw
    row = Customer.objects.get(id=person.id)
    assert (row.name, row.masked_name, row.masked_id_number) == (NAME, "王**", f"{NUMBER[:6]}********{NUMBER[-4:]}")


def test_personal_data_is_ciphertext_in_the_database(person):
    prove_id(person)
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT phone, name, id_number FROM customers_customer WHERE id = %s", [person.id])
        stored = cursor.fetchone()
        cursor.execute("SELECT raw FROM customers_identityattempt")
        stored += cursor.fetchone()
        cursor.execute("SELECT phone, name, id_number FROM customers_customerevent")
        stored += tuple(value for row in cursor.fetchall() for value in row if value)
    assert all(value.startswith("a256gcm:") for value in stored)


def test_a_check_without_consent_does_not_start():
    with pytest.raises(ConsentMissing):
        start(CustomerFactory())
    assert not IdentityCheck.objects.exists()
    assert not Customer.objects.exclude(id_number_hash="").exists()


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"id_number": NUMBER[:-1] + ("0" if NUMBER[-1] != "0" else "1")}, "id_number"),
        ({"id_number": id_number(1, birthday=dt.date(2010, 1, 1))}, "id_number"),
        ({"id_number": "110101900307123"}, "id_number"),
        ({"name": "Wang"}, "name"),
    ],
)
def test_an_identity_that_cannot_be_right_is_refused_before_anybody_is_asked(person, facts, field):
    with pytest.raises(PersonalDataInvalid) as caught:
        start(person, **facts)
    assert list(caught.value.fields) == [field]
    assert not OutboxMessage.objects.filter(name="customers.IdentityCheckRequested").exists()


def test_an_expired_id_card_is_refused(person):
    with pytest.raises(IdCardExpired):
        start(person, id_valid_until=TODAY - dt.timedelta(days=1))
    assert start(person, id_valid_until=TODAY).state == "pending"


def test_starting_twice_asks_once(person):
    first, second = start(person), start(person, id_number=id_number(12))
    assert first.id == second.id
    assert IdentityAttempt.objects.count() == 1
    assert Customer.objects.get(id=person.id).id_number == NUMBER


def test_what_was_proved_does_not_change(person):
    first = prove_id(person)
    assert start(person).id == first.id
    with pytest.raises(IdentityFixed):
        start(person, id_number=id_number(12))
    with pytest.raises(IdentityFixed):
        start(person, name="王大明")


def test_an_id_number_belongs_to_one_account_of_a_lender(person):
    prove_id(person)
    rival = CustomerFactory(legal_entity=person.legal_entity)
    give_all_consents(rival)
    with pytest.raises(IdNumberTaken):
        start(rival)
    elsewhere = CustomerFactory()
    give_all_consents(elsewhere)
    assert start(elsewhere).state == "pending"


@pytest.mark.parametrize("outcome", ["failed", "unknown"])
def test_a_claim_that_was_not_proved_reserves_no_id_number(person, outcome):
    owner = CustomerFactory(legal_entity=person.legal_entity)
    give_all_consents(owner)
    claimed = start(person)
    with pytest.raises(IdNumberTaken):
        start(owner)
    answer(claimed, outcome)
    assert (Customer.objects.get(id=person.id).id_number_hash == "") is (outcome == "failed")
    answer(start(owner), "passed")
    assert selectors.customer_by_id_number(NUMBER, person.legal_entity_id).id == owner.id
    assert Customer.objects.get(id=person.id).id_number_hash == ""
    with pytest.raises(IdNumberTaken):
        start(person)
    staff = UserFactory(legal_entity=person.legal_entity, roles=["account_manager"])
    with pytest.raises(IdNumberTaken):
        services.decide_check_by_person(check_id=claimed.id, outcome="passed", reason="核对原件", actor=Actor.of(staff), now=LATER)
    assert state_of(claimed) == outcome


def test_staff_who_find_a_claim_true_give_it_its_id_number_back(person):
    check = start(person)
    answer(check, "failed")
    staff = UserFactory(legal_entity=person.legal_entity, roles=["account_manager"])
    services.decide_check_by_person(check_id=check.id, outcome="passed", reason="核对原件", actor=Actor.of(staff), now=LATER)
    assert selectors.customer_by_id_number(NUMBER, person.legal_entity_id).id == person.id


def test_nobody_answers_for_the_face_of_somebody_who_signs(person):
    prove_id(person)
    check = start(person, "liveness", purpose="signing", video_ref="v")
    answer(check, "failed")
    staff = UserFactory(legal_entity=person.legal_entity, roles=["account_manager"])
    with pytest.raises(CheckNotOpen):
        services.decide_check_by_person(check_id=check.id, outcome="passed", reason="核对原件", actor=Actor.of(staff), now=LATER)


def test_a_failed_check_is_tried_again_as_a_new_attempt_of_the_same_check(person):
    check = start(person)
    answer(check, "failed", reason="name_differs")
    assert (state_of(check), IdentityCheck.objects.get().reason) == ("failed", "name_differs")
    again = start(person, name="王大明")
    assert (again.id, again.state) == (check.id, "pending")
    second = IdentityAttempt.objects.get(no=2)
    assert second.id != check.id
    assert answer(check, "passed", attempt=second.id).state == "passed"
    assert Customer.objects.get(id=person.id).name == "王大明"


def test_a_late_answer_to_an_earlier_attempt_changes_nothing(person):
    check = start(person)
    answer(check, "unknown")
    start(person)
    assert answer(check, "passed").state == "pending"
    second = IdentityAttempt.objects.get(no=2)
    answer(check, "failed", attempt=second.id)
    assert answer(check, "passed").state == "failed"


@pytest.mark.parametrize("first", ["passed", "failed", "unknown"])
@pytest.mark.parametrize("then", ["passed", "failed", "unknown", "accepted"])
def test_the_first_answer_to_an_attempt_is_the_answer(person, first, then):
    check = start(person)
    answer(check, first)
    before = list(IdentityCheck.objects.values()), OutboxMessage.objects.count()
    answer(check, then, now=LATER + dt.timedelta(hours=1), score=None, raw={"other": 1})
    assert (list(IdentityCheck.objects.values()), OutboxMessage.objects.count()) == before


def test_an_answer_that_is_none_yet_changes_nothing(person):
    check = start(person)
    assert answer(check, "accepted").state == "pending"
    assert IdentityAttempt.objects.get().answered_at is None


def test_an_answer_to_nothing_of_ours_is_refused(person):
    with pytest.raises(NoSuchCheck):
        services.record_identity_result(check_id=person.id, outcome="passed", score=None, raw={}, now=NOW)


def test_five_attempts_a_day_are_enough(person):
    check = start(person)
    for _ in range(4):
        answer(check, "failed", attempt=IdentityAttempt.objects.latest("no").id)
        start(person)
    answer(check, "failed", attempt=IdentityAttempt.objects.latest("no").id)
    with pytest.raises(TooManyChecks):
        start(person)
    assert start(person, now=NOW + dt.timedelta(days=1)).state == "pending"


def test_liveness_and_card_need_a_proved_identity(person):
    with pytest.raises(IdentityFirst):
        start(person, "liveness", video_ref="v1")
    with pytest.raises(IdentityFirst):
        bind(person)
    with pytest.raises(BadInput):
        start(person, "bank_card")


def test_all_three_checks_passed_make_the_customer_verified_once(person):
    prove_id(person)
    answer(start(person, "liveness", video_ref="v1"), "passed")
    assert Customer.objects.get(id=person.id).state == "registered"
    answer(bind(person, debit_agreed=True), "passed")
    row = Customer.objects.get(id=person.id)
    assert (row.state, row.verified_at) == ("verified", LATER)
    assert selectors.is_verified(person.id)
    assert OutboxMessage.objects.filter(name="customers.CustomerVerified").count() == 1
    answer(start(person, "liveness", purpose="signing", video_ref="v2"), "passed")
    assert OutboxMessage.objects.filter(name="customers.CustomerVerified").count() == 1


def test_a_card_is_bound_by_its_check_and_the_first_becomes_the_default(person):
    prove_id(person)
    check = bind(person, debit_agreed=True)
    card = BankCard.objects.get()
    assert (card.state, card.bank_code, card.masked_number) == ("pending", "ICBC", f"**** {card_number(1)[-4:]}")
    answer(check, "passed")
    debit = selectors.debit_card(person.id)
    assert (debit.number, debit.holder, debit.phone) == (card_number(1), NAME, "13812340000")
    assert debit.agreement_no.startswith("DK20260302-")
    answer(bind(person, number=card_number(2)), "passed")
    assert [row.is_default for row in selectors.cards_of(person.id)] == [True, False]
    assert bind(person).id == check.id


def test_a_refused_card_can_be_tried_again_with_another_phone(person):
    prove_id(person)
    check = bind(person)
    answer(check, "failed")
    assert BankCard.objects.get().state == "refused"
    assert bind(person, phone="13912340000").id == check.id
    answer(check, "passed", attempt=IdentityAttempt.objects.filter(check_record=check).latest("no").id)
    assert (BankCard.objects.get().state, BankCard.objects.get().phone) == ("bound", "13912340000")


@pytest.mark.parametrize(
    ("number", "reason"), [("6222020000000000011", "card_number_invalid"), (card_number(1, prefix="999999"), "card_bank_unknown")]
)
def test_a_card_that_cannot_be_used_is_refused(person, number, reason):
    prove_id(person)
    with pytest.raises(PersonalDataInvalid) as caught:
        bind(person, number=number)
    assert caught.value.facts == {"reason": reason}


def test_another_default_card_is_chosen_before_the_old_one_goes():
    person = VerifiedCustomerFactory()
    actor, first = Actor.of(person.user), BankCard.objects.get()
    with pytest.raises(LastDebitCard):
        services.remove_card(customer_id=person.id, card_id=first.id, actor=actor, now=NOW)
    answer(bind(person, number=card_number(555)), "passed")
    second = BankCard.objects.exclude(id=first.id).get()
    with pytest.raises(DebitNotAgreed):
        services.choose_default_card(customer_id=person.id, card_id=second.id, actor=actor, now=NOW)
    assert selectors.debit_card(person.id).id == first.id
    services.agree_debit(customer_id=person.id, card_id=second.id, actor=actor, now=NOW)
    services.choose_default_card(customer_id=person.id, card_id=second.id, actor=actor, now=NOW)
    assert selectors.debit_card(person.id).id == second.id
    services.remove_card(customer_id=person.id, card_id=first.id, actor=actor, now=NOW)
    with pytest.raises(NoSuchCard):
        services.choose_default_card(customer_id=person.id, card_id=first.id, actor=actor, now=NOW)


def test_only_a_card_with_an_agreement_is_the_default_and_the_first_becomes_it(person):
    prove_id(person)
    answer(bind(person), "passed")
    assert not BankCard.objects.get().is_default
    answer(bind(person, number=card_number(2), debit_agreed=True), "passed")
    assert selectors.debit_card(person.id).number == card_number(2)
    first = BankCard.objects.get(is_default=False)
    services.agree_debit(customer_id=person.id, card_id=first.id, actor=Actor.of(person.user), now=NOW)
    assert selectors.debit_card(person.id).number == card_number(2)


def test_agreeing_later_makes_the_only_card_the_default(person):
    prove_id(person)
    answer(bind(person), "passed")
    services.agree_debit(customer_id=person.id, card_id=BankCard.objects.get().id, actor=Actor.of(person.user), now=NOW)
    assert selectors.debit_card(person.id).number == card_number(1)


def test_liveness_before_signing_is_fresh_for_a_while(person):
    prove_id(person)
    answer(start(person, "liveness", purpose="signing", video_ref="v"), "passed", now=NOW)
    minutes = dt.timedelta(minutes=30)
    assert selectors.liveness_fresh(person.id, minutes, NOW + dt.timedelta(minutes=29))
    assert not selectors.liveness_fresh(person.id, minutes, NOW + dt.timedelta(minutes=30))
    assert start(person, "liveness", purpose="signing", now=LATER).state == "pending"


def test_checks_that_nobody_answers_end_as_unknown(person, nobody_there):
    check = start(person)
    IdentityAttempt.objects.update(created_at=NOW)
    assert services.sweep_identity_checks(now=NOW + dt.timedelta(minutes=1)) == {"asked": 0, "ended": 0, "expired": 0}
    services.sweep_identity_checks(now=NOW + dt.timedelta(minutes=5))
    assert state_of(check) == "pending"
    assert services.sweep_identity_checks(now=NOW + dt.timedelta(minutes=10))["ended"] == 1
    assert (state_of(check), IdentityCheck.objects.get().reason) == ("unknown", "no_answer")
    assert answer(check, "passed").state == "unknown"


def test_a_passed_check_expires(person):
    check = prove_id(person)
    assert services.sweep_identity_checks(now=LATER + dt.timedelta(days=364))["expired"] == 0
    assert services.sweep_identity_checks(now=LATER + dt.timedelta(days=365))["expired"] == 1
    assert state_of(check) == "expired"
    assert start(person, now=LATER + dt.timedelta(days=366)).id != check.id


def test_staff_decide_on_a_check_that_failed(person):
    check = prove_id(person) and bind(person)
    answer(check, "failed")
    staff = UserFactory(legal_entity=person.legal_entity, roles=["account_manager"])
    with pytest.raises(BadInput):
        services.decide_check_by_person(check_id=check.id, outcome="passed", reason=" ", actor=Actor.of(staff), now=LATER)
    decided = services.decide_check_by_person(
        check_id=check.id, outcome="passed", reason="柜面核对银行卡原件", actor=Actor.of(staff), now=LATER
    )
    assert (decided.state, decided.provider) == ("passed", f"person:{staff.username}")
    assert BankCard.objects.get().state == "bound"
    with pytest.raises(CheckNotOpen):
        services.decide_check_by_person(check_id=check.id, outcome="failed", reason="再想想", actor=Actor.of(staff), now=LATER)


def test_staff_of_another_lender_or_without_the_right_do_not_decide(person):
    check = start(person)
    answer(check, "failed")
    stranger = UserFactory(roles=["account_manager"])
    with pytest.raises(NoSuchCheck):
        services.decide_check_by_person(check_id=check.id, outcome="passed", reason="核对原件", actor=Actor.of(stranger), now=LATER)
    with pytest.raises(NotPermitted):
        services.decide_check_by_person(check_id=check.id, outcome="passed", reason="核对原件", actor=Actor.of(person.user), now=LATER)


def test_an_answer_once_kept_cannot_be_rewritten(person):
    prove_id(person)
    with pytest.raises(DatabaseError), transaction.atomic():
        IdentityAttempt.objects.update(outcome="failed")
    with pytest.raises(DatabaseError), transaction.atomic():
        IdentityAttempt.objects.all().delete()


def test_the_real_parties_verify_a_customer_over_http(person, sandbox):
    start(person)
    outbox.dispatch()
    assert selectors.passed_checks(person.id, now=NOW) == {"id_authenticity"}
    check = start(person, "liveness", video_ref="video-1")
    outbox.dispatch()
    assert state_of(check) == "pending"
    callbacks = sandbox.take_callbacks()
    assert len(callbacks) == 1
    assert [sandbox.post_callback(callbacks[0].party, callbacks[0].payload) for _ in range(2)] == [200, 200]
    assert state_of(check) == "passed"
    bind(person, debit_agreed=True)
    outbox.dispatch()
    assert Customer.objects.get(id=person.id).state == "verified"


def test_a_lost_callback_is_asked_for(person, sandbox):
    start(person)
    outbox.dispatch()
    check = start(person, "liveness", video_ref="video-1")
    IdentityAttempt.objects.filter(id=check.id).update(created_at=NOW)
    outbox.dispatch()
    sandbox.take_callbacks()
    assert services.sweep_identity_checks(now=NOW + dt.timedelta(minutes=3))["asked"] == 1
    assert state_of(check) == "passed"


def test_a_name_that_is_not_the_owners_fails(person, sandbox):
    start(person)
    outbox.dispatch()
    other = CustomerFactory()
    give_all_consents(other)
    check = start(other, name="赵六")
    outbox.dispatch()
    assert (state_of(check), IdentityCheck.objects.get(id=check.id).reason) == ("failed", "name_differs")


def test_a_party_that_is_away_is_asked_again_by_the_outbox(person, nobody_there):
    check = start(person)
    outbox.dispatch()
    delivery = OutboxDelivery.objects.get(message__name="customers.IdentityCheckRequested")
    assert (delivery.state, delivery.attempts) == ("waiting", 1)
    assert state_of(check) == "pending"
    with pytest.raises(GatewayUnavailable):
        services.ask_party(attempt_id=check.id, now=NOW)
