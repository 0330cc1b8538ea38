from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models.signals import post_save

from apps.common import outbox
from apps.common.actors import Actor
from apps.common.errors import NotPermitted
from apps.common.models import GatewayCall, OutboxMessage
from apps.dealers import selectors, services
from apps.dealers.models import DEALER_EDGES, Consultant, Dealer, Shop
from apps.dealers.selectors import NoSuchConsultant, NoSuchDealer, NoSuchShop
from apps.dealers.services import DealerIncomplete, DealerInvalid, DealerNotActive, DealerTaken
from apps.dealers.tests.factories import NOW, ConsultantFactory, DealerFactory, ShopFactory, uscc
from apps.documents import services as documents
from apps.documents.selectors import by_number
from apps.organisations.tests.factories import LegalEntityFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin():
    return UserFactory(roles=["entity_admin"])


def create(admin, **facts):
    facts = {
        "legal_entity_id": admin.legal_entity_id,
        "code": "D-01",
        "name": "上海东方汽车销售有限公司",
        "uscc": uscc(777),
        "legal_representative": "赵大海",
        "address": "上海市嘉定区曹安公路1号",
        "contact_phone": "13712345678",
        "quota": Decimal("5000000"),
        "deposit": Decimal("200000"),
    } | facts
    return services.create_dealer(**facts, actor=Actor.of(admin), now=NOW)


def open_shop(admin, dealer, **facts):
    facts = {
        "code": "S-01",
        "name": "城东店",
        "city": "上海",
        "address": "东方路100号",
        "account_name": dealer.name,
        "account_no": "1001244309123456789",
        "bank_name": "中国工商银行",
    } | facts
    return services.add_shop(dealer_id=dealer.id, **facts, actor=Actor.of(admin), now=NOW)


def hire(admin, shop, **facts):
    facts = {"username": "chenjing", "password": "a long pass phrase", "name": "陈静", "phone": "13612345678"} | facts
    return services.add_consultant(shop_id=shop.id, **facts, actor=Actor.of(admin), now=NOW)


def test_a_dealer_is_onboarded_from_draft_to_a_consultant_who_may_apply(admin, sandbox):
    dealer = create(admin)
    assert dealer.state == "draft"
    shop = open_shop(admin, dealer)
    services.start_signing(dealer_id=dealer.id, actor=Actor.of(admin), now=NOW)
    outbox.dispatch()

    brief = selectors.dealer(dealer.id)
    assert brief.state == "active"
    assert brief.agreement_no.startswith("HZ20260302-")
    paper = by_number(brief.agreement_no)
    assert paper.id == brief.agreement_id
    checked = documents.verify(documents.read(paper.id))
    assert checked.valid, checked.reason
    assert {signer.name for signer in checked.signers} == {dealer.name, admin.legal_entity.name}
    assert OutboxMessage.objects.filter(name="dealers.DealerActivated").count() == 1

    services.seal_agreement(dealer_id=dealer.id, now=NOW)
    assert OutboxMessage.objects.filter(name="dealers.DealerActivated").count() == 1

    person = hire(admin, shop)
    found = selectors.consultant_of(person.user_id)
    assert found == selectors.consultant(person.id)
    assert (found.shop_name, found.dealer_name, found.may_apply) == ("城东店", dealer.name, True)
    assert person.user.check_password("a long pass phrase")
    assert (person.user.data_scope.kind, person.user.data_scope.owner_id) == ("consultant", person.id)


def test_a_manager_sees_the_shop(admin):
    shop = ShopFactory(dealer__legal_entity=admin.legal_entity)
    boss = hire(admin, shop, is_manager=True)
    assert (boss.user.data_scope.kind, boss.user.data_scope.owner_id) == ("shop", shop.id)
    assert boss.user.can("portal.shop")


def test_the_payee_is_given_in_clear_and_kept_encrypted(admin):
    shop = open_shop(admin, create(admin))
    payee = selectors.payee(shop.id)
    assert (payee.account_no, payee.masked_account_no) == ("1001244309123456789", "**** 6789")
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT account_no FROM dealers_shop")
        assert cursor.fetchone()[0].startswith("a256gcm:")


@pytest.mark.parametrize(
    ("facts", "field"), [({"uscc": "91350100M000100Y44"}, "uscc"), ({"contact_phone": "123"}, "contact_phone"), ({"scene": "x"}, "scene")]
)
def test_company_facts_that_cannot_be_right_are_refused(admin, facts, field):
    with pytest.raises(DealerInvalid) as caught:
        create(admin, **facts)
    assert list(caught.value.fields) == [field]


def test_one_living_dealer_per_company_and_code(admin):
    first = create(admin)
    with pytest.raises(DealerTaken):
        create(admin, code="D-02")
    with pytest.raises(DealerTaken):
        create(admin, uscc=uscc(778))
    services.close_dealer(dealer_id=first.id, actor=Actor.of(admin), now=NOW)
    assert create(admin, code="D-02").state == "draft"


def test_signing_needs_a_shop_and_can_be_called_off(admin):
    dealer, actor = create(admin), Actor.of(admin)
    with pytest.raises(DealerIncomplete):
        services.start_signing(dealer_id=dealer.id, actor=actor, now=NOW)
    open_shop(admin, dealer)
    first = services.start_signing(dealer_id=dealer.id, actor=actor, now=NOW).agreement_no
    assert services.return_to_draft(dealer_id=dealer.id, actor=actor, now=NOW).state == "draft"
    assert services.start_signing(dealer_id=dealer.id, actor=actor, now=NOW).agreement_no != first


def test_an_agreement_called_off_while_it_is_sealed_makes_nobody_active(admin, sandbox):
    dealer, actor = create(admin), Actor.of(admin)
    open_shop(admin, dealer)
    first = services.start_signing(dealer_id=dealer.id, actor=actor, now=NOW).agreement_no

    def call_off(**_signal):
        post_save.disconnect(call_off, sender=GatewayCall)
        services.return_to_draft(dealer_id=dealer.id, actor=actor, now=NOW)
        services.start_signing(dealer_id=dealer.id, actor=actor, now=NOW)

    post_save.connect(call_off, sender=GatewayCall)  # the time stamp authority has answered, nobody is active yet
    services.seal_agreement(dealer_id=dealer.id, now=NOW)
    assert not post_save.disconnect(call_off, sender=GatewayCall)
    row = Dealer.objects.get(id=dealer.id)
    assert (row.state, row.agreement_id) == ("signing", None)
    services.seal_agreement(dealer_id=dealer.id, now=NOW)
    row = Dealer.objects.get(id=dealer.id)
    assert row.state == "active"
    assert row.agreement.number == row.agreement_no != first


def test_suspension_stops_new_applications_and_can_be_lifted(admin):
    person, actor = ConsultantFactory(shop__dealer__legal_entity=admin.legal_entity), Actor.of(admin)
    dealer_id = person.shop.dealer_id
    services.suspend_dealer(dealer_id=dealer_id, reason="资料逾期未寄回", actor=actor, now=NOW)
    assert not selectors.consultant(person.id).may_apply
    with pytest.raises(DealerNotActive):
        hire(admin, person.shop)
    services.resume_dealer(dealer_id=dealer_id, actor=actor, now=NOW)
    assert selectors.consultant(person.id).may_apply
    with pytest.raises(DealerNotActive):
        services.resume_dealer(dealer_id=dealer_id, actor=actor, now=NOW)


def test_closing_ends_the_logins(admin):
    person = ConsultantFactory(shop__dealer__legal_entity=admin.legal_entity)
    services.close_dealer(dealer_id=person.shop.dealer_id, actor=Actor.of(admin), now=NOW)
    row = Consultant.objects.select_related("user").get(id=person.id)
    assert (row.is_active, row.user.is_active) == (False, False)


def test_somebody_who_left_signs_in_no_more(admin):
    person = ConsultantFactory(shop__dealer__legal_entity=admin.legal_entity)
    services.remove_consultant(consultant_id=person.id, actor=Actor.of(admin), now=NOW)
    assert not selectors.consultant(person.id).may_apply
    services.remove_consultant(consultant_id=person.id, actor=Actor.of(admin), now=NOW)


def test_another_lenders_admin_finds_nothing(admin):
    dealer, stranger = create(admin), UserFactory(roles=["entity_admin"])
    shop = open_shop(admin, dealer)
    actor = Actor.of(stranger)
    with pytest.raises(NoSuchDealer):
        services.start_signing(dealer_id=dealer.id, actor=actor, now=NOW)
    with pytest.raises(NoSuchShop):
        hire(stranger, shop)
    with pytest.raises(NoSuchConsultant):
        services.remove_consultant(consultant_id=ConsultantFactory().id, actor=actor, now=NOW)
    with pytest.raises(NotPermitted):
        create(stranger, legal_entity_id=admin.legal_entity_id)


def test_a_consultant_may_not_onboard():
    person = ConsultantFactory()
    with pytest.raises(NotPermitted):
        create(person.user)


def test_everybody_of_a_dealer_sees_own_rows_only():
    mine, other = ConsultantFactory(), ConsultantFactory()
    colleague = ConsultantFactory(shop=mine.shop)
    boss = ConsultantFactory(shop=mine.shop, is_manager=True)
    boss_next_door = ConsultantFactory(shop=ShopFactory(dealer=mine.shop.dealer), is_manager=True)
    assert list(Consultant.objects.visible_to(mine.user)) == [mine]
    assert set(Consultant.objects.visible_to(boss.user)) == {mine, colleague, boss}
    assert set(Consultant.objects.visible_to(boss_next_door.user)) == {boss_next_door}
    assert list(Shop.objects.visible_to(mine.user)) == [mine.shop]
    assert list(Dealer.objects.visible_to(mine.user)) == [mine.shop.dealer]
    assert list(Shop.objects.visible_to(boss.user)) == [mine.shop]
    assert list(Dealer.objects.visible_to(boss.user)) == [mine.shop.dealer]
    staff = UserFactory(legal_entity=mine.shop.dealer.legal_entity)
    assert list(Dealer.objects.visible_to(staff)) == [mine.shop.dealer]
    assert other.shop.dealer not in Dealer.objects.visible_to(staff)


def test_the_states_of_a_dealer_are_those_of_the_rule_book():
    assert DEALER_EDGES == {
        "draft": ["signing", "closed"],
        "signing": ["active", "draft"],
        "active": ["suspended", "closed"],
        "suspended": ["active", "closed"],
    }
    states = Dealer._meta.get_field("state")
    assert {(edge.source, edge.target) for edge in states.get_all_transitions(Dealer)} == {
        (source, target) for source, targets in DEALER_EDGES.items() for target in targets
    }


@pytest.mark.parametrize("target", ["active", "suspended", "draft"])
def test_the_database_refuses_other_ways(target):
    dealer = DealerFactory(legal_entity=LegalEntityFactory())
    if target == "draft":
        dealer = DealerFactory(active=True)
    with pytest.raises((DatabaseError, IntegrityError)), transaction.atomic():
        Dealer.objects.filter(id=dealer.id).update(state=target)
