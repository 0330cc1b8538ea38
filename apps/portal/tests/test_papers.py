"""Papers of a paid order: who may take them out, who can check them, and those that follow the car."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from apps.applications.models import Application
from apps.common import clock, outbox
from apps.common.actors import Actor
from apps.contracts import selectors as contracts
from apps.dealers.models import Dealer
from apps.dealers.tests.factories import ConsultantFactory, ShopFactory
from apps.disbursement import selectors as disbursement
from apps.disbursement.models import Voucher
from apps.documents import services as documents
from apps.documents.models import DocumentDownload
from apps.organisations.models import User
from apps.portal.tests.factories import Floor, picture
from apps.portal.tests.support import VERIFY, check, verdict
from apps.postloan import selectors as postloan

pytestmark = pytest.mark.django_db
HX = {"HX-Request": "true"}


@pytest.fixture(scope="module")
def paid(open_shop_floor: Floor) -> Application:
    """An order with its signed contract and its voucher; the car is still in the shop."""
    return open_shop_floor.order("vouchered")


def get(client: Client, order: Application, name: str):
    return client.get(reverse(f"portal:{name}", args=[order.id]))


def hand_in(client: Client, order: Application, kind: str, content: bytes | None, **options):
    files = {} if content is None else {"file": SimpleUploadedFile("p.jpg", content, "image/jpeg")}
    return client.post(reverse("portal:upload_paper", args=[order.id, kind]), files, **options)


def pick_up(client: Client, order: Application) -> None:
    """The car leaves, pressed twice, and the list of papers to come is made."""
    assert [client.post(reverse("portal:pick_up", args=[order.id])).status_code for _ in range(2)] == [302, 302]
    assert Application.objects.get(id=order.id).state == "delivered"
    outbox.dispatch()


def test_sealed_papers_go_to_seller_and_manager_and_each_time_it_is_written_down(floor, paid, browser_of):
    papers = {
        "voucher_pdf": disbursement.voucher_of(paid.id).document_ref,
        "contract_pdf": contracts.contract_of(paid.id).signed_document_ref,
    }
    for user in (floor.seller, floor.colleague(is_manager=True)):
        for name, document in papers.items():
            before = clock.now()
            answer = get(browser_of(user), paid, name)
            assert answer.content.startswith(b"%PDF")
            assert answer.headers["Content-Type"] == "application/pdf"
            assert "no-store" in answer.headers["Cache-Control"]
            assert before <= DocumentDownload.objects.get(document_id=document, user_ref=user.id).at <= clock.now()


def test_sealed_papers_are_not_there_for_strangers(floor, paid, browser_of):
    taken = DocumentDownload.objects.count()
    elsewhere = ShopFactory(dealer__legal_entity=floor.shop.entity)
    strangers = [User.objects.get(id=ConsultantFactory(shop=elsewhere, is_manager=boss).user_id) for boss in (False, True)]
    for user in (*strangers, floor.colleague()):
        assert [get(browser_of(user), paid, name).status_code for name in ("voucher_pdf", "contract_pdf", "voucher")] == [404] * 3
    assert DocumentDownload.objects.count() == taken


def test_the_dealers_agreement_goes_to_its_managers(floor, seller, browser_of):
    dealer = floor.consultant.shop.dealer
    paper = documents.store(
        content=picture(),
        filename="合作协议.png",
        kind="dealer_agreement",
        legal_entity_id=dealer.legal_entity_id,
        owner_kind="dealer",
        owner_ref=dealer.id,
        dealer_ref=dealer.id,
        actor=Actor.system("test"),
        now=clock.now(),
    )
    Dealer.objects.filter(id=dealer.id).update(agreement=paper)
    manager = floor.colleague(is_manager=True)
    answer = browser_of(manager).get(reverse("portal:agreement_pdf"))
    assert (answer.status_code, answer.content) == (200, picture())
    assert "no-store" in answer.headers["Cache-Control"]
    assert seller.get(reverse("portal:agreement_pdf")).status_code == 404
    assert list(DocumentDownload.objects.values_list("document_id", "user_ref")) == [(paper.id, manager.id)]
    listed = [client.get(reverse("portal:orders")).content.decode() for client in (browser_of(manager), seller)]
    assert [reverse("portal:agreement_pdf") in text for text in listed] == [True, False]


def test_a_signed_contract_verifies_and_one_changed_byte_is_found(floor, paid, visitor):
    contract = contracts.contract_of(paid.id)
    content = documents.read(contract.signed_document_ref)
    whole = check(visitor, content)
    assert (whole.status_code, verdict(whole)) == (200, "true")
    assert contract.number in whole.content.decode()
    for place in (len(content) // 2, len(content) - 200, 9):
        changed = bytearray(content)
        changed[place] ^= 1
        assert verdict(check(visitor, bytes(changed))) == "false", place
    voucher = disbursement.voucher_of(paid.id)
    assert verdict(check(visitor, documents.read(voucher.document_ref))) == "true"

    by_number = visitor.get(VERIFY, {"number": voucher.number.lower()}).content.decode()
    assert "A valid payment voucher" in by_number
    assert "91,680.00" in by_number
    assert "Issued by us" in visitor.get(VERIFY, {"number": contract.number}).content.decode()
    floor.to_delivered(paid.id)
    assert "used up" in visitor.get(VERIFY, {"number": voucher.number}).content.decode()


def test_a_contract_that_was_voided_is_genuine_and_no_longer_stands(floor, visitor):
    order = floor.order("disbursement_review")
    contract = contracts.contract_of(order.id)
    content = documents.read(contract.signed_document_ref)
    floor.to_refused(order.id)
    day = f"{clock.now().astimezone(clock.BEIJING):%Y-%m-%d}"
    by_file, by_number = check(visitor, content), visitor.get(VERIFY, {"number": contract.number})
    assert verdict(by_file) == "true"
    for answer, words in ((by_file, f"Genuine and unchanged, but voided on {day}"), (by_number, f"Genuine, but voided on {day}")):
        text = answer.content.decode()
        assert words in text
        assert "data-voided" in text
        assert 'verdict ok"' not in text
    unsigned = visitor.get(VERIFY, {"number": f"{contract.number}-C"}).content.decode()
    assert 'id="known"' not in unsigned  # only what we signed is vouched for


def test_a_revoked_voucher_is_told_by_its_file_too(floor, paid, visitor):
    voucher = disbursement.voucher_of(paid.id)
    content = documents.read(voucher.document_ref)
    assert 'verdict ok"' in check(visitor, content).content.decode()
    Voucher.objects.filter(id=voucher.id).update(state="revoked")
    text = check(visitor, content).content.decode()
    assert "This voucher was revoked" in text
    assert 'verdict ok"' not in text


def test_a_voucher_that_ran_out_unused_is_told_by_its_number(floor, visitor):
    order = floor.order("vouchered")
    voucher = disbursement.voucher_of(order.id)
    for days, words, tone in ((0, "A valid payment voucher", "ok"), (1, "This voucher has run out", "overdue")):
        clock.move_to(clock.beijing(voucher.valid_until + dt.timedelta(days=days), 12))
        text = visitor.get(VERIFY, {"number": voucher.number}).content.decode()
        assert words in text
        assert f'verdict {tone}"' in text


def test_the_voucher_shows_what_the_shop_must_know(paid, seller):
    sheet = get(seller, paid, "voucher").content.decode()
    assert disbursement.voucher_of(paid.id).number in sheet
    assert "人民币玖万壹仟陆佰捌拾元整" in sheet


def test_from_the_voucher_to_the_last_paper(paid, seller):
    pick_up(seller, paid)
    for paper in list(postloan.papers_of(paid.id)):
        answer = hand_in(seller, paid, paper.kind, picture("JPEG"), headers=HX)
        assert (answer.status_code, "order-changed" in answer.headers["HX-Trigger"]) == (200, True)
        assert f'class="paper ok" id="paper-{paper.kind}"' in answer.content.decode()
    assert {paper.state for paper in postloan.papers_of(paid.id)} == {"received"}


def test_a_paper_that_cannot_be_used_comes_back_with_the_reason(paid, seller):
    pick_up(seller, paid)
    tries = (None, b"just text", picture(), picture())
    empty, text, good, again = (hand_in(seller, paid, "handover_note", content, headers=HX) for content in tries)
    assert (empty.status_code, text.status_code, good.status_code, again.status_code) == (422, 422, 200, 409)
    assert "Choose a photo or a PDF first." in empty.content.decode()
    assert 'id="paper-handover_note"' in text.content.decode()
    assert "not a PDF, JPEG or PNG" in text.content.decode()
    assert "handed in already" in again.content.decode()
    assert hand_in(seller, paid, "handover_note", picture()).status_code == 409  # without HTMX: a page
    assert hand_in(seller, paid, "nonsense", picture(), headers=HX).status_code == 404
