import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pgtrigger
import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError, ProgrammingError

from apps.common import clock, outbox
from apps.common.actors import Actor
from apps.common.errors import NotPermitted
from apps.common.models import new_id
from apps.common.scope import DataScope
from apps.messaging import selectors, services
from apps.messaging.models import EDGES, Message, MessageTemplate, Receipt, State
from apps.organisations.services import install_parameters
from apps.organisations.tests.factories import LegalEntityFactory

PHONE = "13812345678"
NOON = dt.datetime(2026, 11, 20, 4, 0, tzinfo=dt.UTC)  # 12:00 in Beijing
NIGHT = dt.datetime(2026, 11, 20, 15, 30, tzinfo=dt.UTC)  # 23:30 in Beijing
MORNING = dt.datetime(2026, 11, 21, 0, 0, tzinfo=dt.UTC)  # 08:00 in Beijing
ACTOR = Actor.system("tests")


@pytest.fixture
def lender(db):
    install_parameters(actor=ACTOR, now=NOON)
    return LegalEntityFactory(short_name="启明租赁", phone="400-820-1168")


@pytest.fixture
def project_time(db):
    clock.move_to(NOON)


def send(lender, key, *, template="settled", now=NOON, phone=PHONE, **more):
    variables = {"loan_number": "LN1", "certificate_number": "JQ1", "code": "123456", "minutes": 5}
    return services.send(
        template=template, phone=phone, variables=variables, legal_entity_id=lender.id, dedupe_key=key, actor=ACTOR, now=now, **more
    )


def state_of(message):
    return Message.objects.get(id=message.id).state


def deliver_all(now):
    services.sweep_messages(now=now)


def test_a_message_by_day_goes_out_with_its_text_and_is_reported_delivered(lender, sandbox, project_time):
    message = send(lender, "settled:1")
    outbox.dispatch()
    assert state_of(message) == State.SENT
    [received] = sandbox.messages(PHONE)
    assert received["text"].startswith("【启明租赁】您的贷款 LN1 已全部结清，结清证明编号 JQ1")
    assert sandbox.deliver_callbacks() == [200]
    assert state_of(message) == State.DELIVERED
    assert Receipt.objects.filter(message=message, status="delivered").count() == 1


def test_number_and_text_lie_encrypted_and_the_number_is_shown_masked(lender):
    message = send(lender, "settled:1")
    with connection.cursor() as cursor:
        cursor.execute("SELECT phone, text, masked_phone FROM messaging_message WHERE id = %s", [message.id])
        phone, text, masked = cursor.fetchone()
    assert phone.startswith("a256gcm:")
    assert text.startswith("a256gcm:")
    assert masked == "138****5678"
    assert PHONE not in str(message)


def test_the_same_key_is_one_message(lender, sandbox, project_time):
    first, second = send(lender, "settled:1"), send(lender, "settled:1")
    assert first.id == second.id
    outbox.dispatch()
    services.deliver_message(message_id=first.id, now=NOON)
    assert len(sandbox.messages(PHONE)) == 1


def test_an_ordinary_message_of_the_night_waits_until_eight_and_then_goes(lender, sandbox):
    message = send(lender, "settled:1", now=NIGHT)
    assert message.send_at == MORNING
    clock.move_to(NIGHT)
    outbox.dispatch()
    deliver_all(NIGHT)
    deliver_all(MORNING - dt.timedelta(minutes=1))
    assert sandbox.messages(PHONE) == []
    deliver_all(MORNING)
    assert len(sandbox.messages(PHONE)) == 1


@pytest.mark.parametrize("state", ["queued", "unknown"])
def test_an_ordinary_message_of_the_day_that_was_left_over_does_not_go_out_at_night(lender, sandbox, state):
    message = send(lender, "settled:1", now=NIGHT - dt.timedelta(hours=2))
    if state == "unknown":
        for step in ("submitting", "unknown"):
            Message.objects.filter(id=message.id).update(state=step)
    for moment in (NIGHT, MORNING - dt.timedelta(minutes=1)):
        deliver_all(moment)
        assert services.deliver_message(message_id=message.id, now=moment) == state
    held = Message.objects.get(id=message.id)
    assert (held.send_at, held.send_day) == (MORNING, MORNING.date())
    assert sandbox.messages(PHONE) == []
    deliver_all(MORNING)
    assert len(sandbox.messages(PHONE)) == 1


def test_a_code_goes_out_at_night_and_beyond_the_daily_number(lender, sandbox):
    clock.move_to(NIGHT)
    for index in range(8):
        send(lender, f"settled:{index}", now=NOON)
    code = send(lender, "code:1", template="login_code", now=NIGHT)
    outbox.dispatch()
    assert state_of(code) == State.SENT


def test_at_most_six_ordinary_messages_reach_one_phone_a_day(lender, sandbox, project_time):
    messages = [send(lender, f"settled:{index}") for index in range(8)]
    other = send(lender, "settled:other", phone="13912345678")
    outbox.dispatch()
    states = [state_of(message) for message in messages]
    assert states == [State.SENT] * 6 + [State.SUPPRESSED] * 2
    assert Message.objects.get(id=messages[-1].id).reason == "daily_cap"
    assert state_of(other) == State.SENT
    tomorrow = send(lender, "settled:tomorrow", now=NOON + dt.timedelta(days=1))
    assert tomorrow.state == State.QUEUED


def test_messages_of_the_night_count_for_the_day_on_which_they_go(lender):
    for index in range(6):
        send(lender, f"night:{index}", now=NIGHT)
    assert send(lender, "day:1", now=MORNING).state == State.SUPPRESSED


def test_a_batch_keeps_to_the_daily_number_and_stands_behind_a_code(lender, sandbox, project_time):
    recipients = [services.Recipient(PHONE, {"loan_number": "LN1", "certificate_number": "JQ1"}, f"batch:{index}") for index in range(9)]
    kwargs = {"template": "settled", "recipients": recipients, "legal_entity_id": lender.id, "actor": ACTOR, "now": NOON}
    assert services.send_batch(**kwargs) == 9
    assert services.send_batch(**kwargs) == 0
    code = send(lender, "code:1", template="login_code")
    services.sweep_messages(now=NOON, limit=1)
    assert state_of(code) == State.SENT
    deliver_all(NOON)
    assert Message.objects.filter(state=State.SENT, urgent=False).count() == 6
    assert Message.objects.filter(state=State.SUPPRESSED, reason="daily_cap").count() == 3


def test_a_batch_publishes_no_event_per_message(lender):
    from apps.common.models import OutboxMessage

    before = OutboxMessage.objects.count()
    recipients = [services.Recipient(PHONE, {"loan_number": "L", "certificate_number": "C"}, f"batch:{i}") for i in range(50)]
    services.send_batch(template="settled", recipients=recipients, legal_entity_id=lender.id, actor=ACTOR, now=NOON)
    assert OutboxMessage.objects.count() == before


def test_a_batch_asks_for_rules_and_lender_once(lender, django_assert_max_num_queries):
    recipients = [services.Recipient(PHONE, {"loan_number": "L", "certificate_number": "C"}, f"batch:{i}") for i in range(50)]
    with django_assert_max_num_queries(10):
        services.send_batch(template="settled", recipients=recipients, legal_entity_id=lender.id, actor=ACTOR, now=NOON)


def test_a_code_that_is_too_old_is_not_sent_any_more(lender, sandbox):
    code = send(lender, "code:1", template="login_code")
    services.deliver_message(message_id=code.id, now=NOON + dt.timedelta(minutes=11))
    assert Message.objects.get(id=code.id).reason == "too_late"
    assert sandbox.messages(PHONE) == []


def test_a_refused_number_fails_with_the_providers_reason(lender, sandbox, project_time):
    sandbox.add_fault("sms", "send", "refused")
    message = send(lender, "settled:1")
    outbox.dispatch()
    row = Message.objects.get(id=message.id)
    assert (row.state, row.reason[:7]) == (State.FAILED, "blocked")


def test_a_message_without_answer_is_asked_again_and_arrives_once(lender, sandbox, project_time):
    message = send(lender, "settled:1")
    Message.objects.filter(id=message.id).update(state="submitting", tried_at=NOON)
    later = NOON + dt.timedelta(minutes=5)
    assert services.sweep_messages(now=NOON)["abandoned"] == 0
    assert services.sweep_messages(now=later) == {"abandoned": 1, "sent": 1}
    deliver_all(later)
    assert len(sandbox.messages(PHONE)) == 1


def test_what_a_message_says_stays_and_its_history_holds_no_copy(lender, sandbox, project_time):
    message = send(lender, "settled:1")
    for change in ({"text": "other words"}, {"phone": "13912345678"}, {"dedupe_key": "settled:2"}, {"person_ref": new_id()}):
        with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
            Message.objects.filter(id=message.id).update(**change)
    deliver_all(NOON)
    history = Message.pgh_event_model.objects.filter(pgh_obj_id=message.id).order_by("pgh_id")
    assert [past.state for past in history] == ["queued", "submitting", "sent"]
    assert not {"phone", "phone_hash", "masked_phone", "text"} & {field.name for field in history.model._meta.get_fields()}


@pytest.mark.parametrize("state", ["queued", "unknown", "submitting"])
def test_a_message_that_cannot_be_read_does_not_stop_the_others_and_fails_in_the_end(lender, sandbox, project_time, state):
    broken, good = send(lender, "settled:1"), send(lender, "settled:2", phone="13912345678")
    for step in {"queued": [], "submitting": ["submitting"], "unknown": ["submitting", "unknown"]}[state]:
        Message.objects.filter(id=broken.id).update(state=step, tried_at=NOON - dt.timedelta(hours=1))
    with pgtrigger.ignore("messaging.Message:what_it_says_stays"), connection.cursor() as cursor:
        cursor.execute("UPDATE messaging_message SET phone = 'a256gcm:gone:AAAA' WHERE id = %s", [broken.id])
    deliver_all(NOON)
    assert state_of(good) == State.SENT
    for minutes in range(1, 60):
        deliver_all(NOON + dt.timedelta(minutes=minutes))
    row = Message.objects.defer("phone").get(id=broken.id)
    assert (row.state, row.attempts, row.reason) == (State.FAILED, services.MAX_ATTEMPTS, "attempts: defect: UndecryptableError")


def test_a_report_faster_than_the_answer_stands(lender):
    message = send(lender, "settled:1")
    Message.objects.filter(id=message.id).update(state="submitting", tried_at=NOON)
    assert services.record_receipt(message_id=message.id, status="delivered", now=NOON) == "applied"
    assert services._note(message.id, "accept", NOON, provider_ref="R") == State.DELIVERED


@pytest.mark.parametrize(
    ("state", "status", "verdict"),
    [
        ("sent", "delivered", "applied"),
        ("sent", "failed", "applied"),
        ("sent", "sent", "progress"),
        ("delivered", "delivered", "duplicate"),
        ("delivered", "failed", "contradiction"),
        ("queued", "delivered", "contradiction"),
    ],
)
def test_a_report_is_applied_once(lender, state, status, verdict):
    message = send(lender, "settled:1")
    path = {"queued": [], "sent": ["submitting", "sent"], "delivered": ["submitting", "sent", "delivered"]}[state]
    for step in path:
        Message.objects.filter(id=message.id).update(state=step)
    assert services.record_receipt(message_id=message.id, status=status, now=NOON) == verdict


def test_a_report_for_an_unknown_message_is_told_so(db):
    from uuid import uuid4

    assert services.record_receipt(message_id=uuid4(), status="delivered", now=NOON) == "unknown_order"


def test_a_missing_variable_is_refused_and_nothing_is_queued(lender):
    with pytest.raises(services.VariableMissing, match="loan_number"):
        services.send(template="settled", phone=PHONE, variables={}, legal_entity_id=lender.id, dedupe_key="x", actor=ACTOR, now=NOON)
    assert not Message.objects.exists()


def test_an_unknown_template_is_refused(lender):
    with pytest.raises(selectors.NoSuchTemplate):
        send(lender, "x", template="nothing_like_this")


def test_a_lenders_own_text_takes_the_place_of_the_shipped_one_only_there(lender):
    other = LegalEntityFactory()
    services.set_template(code="settled", text="【${lender}】${loan_number} 结清，谢谢", legal_entity_id=lender.id, actor=ACTOR)
    assert send(lender, "a").text == "【启明租赁】LN1 结清，谢谢"
    assert "结清证明编号" in send(other, "b").text


def test_staff_set_the_texts_of_their_own_lender_alone(lender):
    writer = Actor("staff", "a", permissions=frozenset({"messaging.edit"}), data_scope=DataScope("entity", lender.id))
    for entity_id in (LegalEntityFactory().id, None):
        with pytest.raises(NotPermitted):
            services.set_template(code="settled", text="x", legal_entity_id=entity_id, actor=writer)
    services.set_template(code="settled", text="x", legal_entity_id=lender.id, actor=writer)
    assert [row.legal_entity_id for row in MessageTemplate.objects.all()] == [lender.id]


@pytest.mark.parametrize("text", ["${income}", "${code"])
def test_an_own_text_asks_only_for_what_comes(lender, text):
    with pytest.raises(services.BadTemplate):
        services.set_template(code="settled", text=text, legal_entity_id=lender.id, actor=ACTOR)
    with pytest.raises(NotPermitted):
        services.set_template(
            code="settled", text="x", legal_entity_id=lender.id, actor=Actor("staff", "a", data_scope=DataScope("entity", lender.id))
        )
    assert not MessageTemplate.objects.exists()


def test_another_lender_sees_nothing(lender):
    send(lender, "settled:1")
    assert Message.objects.within(DataScope("entity", lender.id)).count() == 1
    assert Message.objects.within(DataScope("entity", LegalEntityFactory().id)).count() == 0


def test_the_database_knows_the_same_edges_as_the_model(lender):
    transitions = {
        (source, transition.target) for transition in Message(state="queued").get_all_state_transitions() for source in [transition.source]
    }
    assert transitions == {(source, target) for source, targets in EDGES.items() for target in targets}
    [trigger] = [trigger for trigger in Message._meta.triggers if isinstance(trigger, pgtrigger.FSM)]
    assert set(trigger.transitions) == transitions
    message = send(lender, "settled:1")
    with pytest.raises(ProgrammingError), transaction.atomic():
        Message.objects.filter(id=message.id).update(state="delivered")


def test_receipts_are_append_only(lender):
    message = send(lender, "settled:1")
    receipt = Receipt.objects.create(message=message, at=NOON, status="delivered")
    for change in (lambda: Receipt.objects.filter(id=receipt.id).update(status="x"), receipt.delete):
        with pytest.raises(ProgrammingError), transaction.atomic():
            change()


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_a_message_once(sandbox):
    install_parameters(actor=ACTOR, now=NOON)
    clock.move_to(NOON)
    message = send(LegalEntityFactory(), "settled:1")

    def work(_):
        try:
            return services.deliver_message(message_id=message.id, now=NOON)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(sandbox.messages(PHONE)) == 1
    assert Message.objects.get(id=message.id).attempts == 1
