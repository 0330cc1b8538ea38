import datetime as dt
import random
import shutil
import subprocess
from uuid import uuid4

import pytest
from cryptography import x509

from apps.common import clock
from apps.common.actors import Actor
from apps.common.gateways import GatewayRefused, GatewayUnknown
from apps.documents import pki, services, signing, verification
from apps.documents.models import SigningCertificate
from apps.documents.tests import factories
from apps.organisations.tests.factories import LegalEntityFactory

NOW = dt.datetime(2026, 11, 20, 3, 21, tzinfo=dt.UTC)
ACTOR = Actor.system("tests")


@pytest.fixture(scope="module")
def pki_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("pki")


@pytest.fixture(autouse=True)
def _folders(settings, tmp_path, pki_dir, db):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    settings.PKI_DIR = pki_dir
    clock.move_to(NOW)


@pytest.fixture(scope="module")
def papers():
    """What has been made once in this module: rendering and signing take a second each."""
    return {}


@pytest.fixture
def unsigned(papers):
    if "unsigned" not in papers:
        papers["unsigned"] = services.render(template="loan_contract.html", context=factories.contract_context())
    return papers["unsigned"]


@pytest.fixture
def signed(papers, unsigned, sandbox):
    if "signed" not in papers:
        papers["signed"] = services.sign(content=unsigned, signers=[factories.customer(), factories.company()], now=NOW)
    return papers["signed"]


def pdfsig(content: bytes, tmp_path) -> str:
    path = tmp_path / "signed.pdf"
    path.write_bytes(content)
    return subprocess.run(["pdfsig", str(path)], capture_output=True, text=True, check=False).stdout


def test_both_parties_sign_and_the_check_says_who_and_when(signed):
    found = services.verify(signed)
    assert found.valid, found.reason
    assert found.covered_whole
    assert found.number == "HT20261120000001"
    customer, company = found.signers
    assert (customer.field, customer.name, customer.identifier) == ("customer", "王小明", "310101********1234")
    assert (company.name, company.identifier) == (factories.LENDER["name"], factories.LENDER["uscc"])
    for signer in found.signers:
        assert signer.trusted
        assert abs(signer.signed_at - NOW) < dt.timedelta(minutes=1)


def test_pdfsig_agrees(signed, tmp_path):
    report = pdfsig(signed, tmp_path)
    assert report.count("Signature is Valid") == 2
    assert report.count("ETSI.CAdES.detached") == 2
    assert "Total document signed" in report
    assert "invalid" not in report.lower().replace("is valid", "")


def test_both_signatures_are_seen_on_the_page(signed, unsigned, tmp_path):
    def page_words(content):
        path = tmp_path / "x.pdf"
        path.write_bytes(content)
        return subprocess.run(["pdftotext", str(path), "-"], capture_output=True, text=True, check=True).stdout

    before, after = page_words(unsigned), page_words(signed)
    assert "电子签名" in after.replace(before, "") or after.count("电子签名") > before.count("电子签名")
    assert after.count("章") > before.count("章")


def test_any_changed_byte_is_found(signed):
    dice = random.Random(20261120)
    for _ in range(200):
        place = dice.randrange(len(signed))
        changed = bytearray(signed)
        changed[place] ^= 1 << dice.randrange(8)
        found = services.verify(bytes(changed))
        assert not found.valid, f"byte {place} of {len(signed)} changed from {signed[place]:#x} unnoticed"
        assert found.reason


def left_out_parts(content: bytes) -> list[tuple[int, int]]:
    """Where the hex digits of each signature stand, without the zeros after them."""
    parts, start = [], 0
    while (start := content.find(b"/Contents <", start)) >= 0:
        begin = start + len(b"/Contents <")
        end = content.index(b">", begin)
        parts.append((begin, begin + len(content[begin:end].rstrip(b"0"))))
        start = end
    return parts


def test_a_changed_byte_inside_a_signature_is_found(signed):
    """The signatures themselves are what no digest of the file covers."""
    dice = random.Random(7)
    parts = left_out_parts(signed)
    assert len(parts) == 2
    for begin, end in parts:
        for _ in range(40):
            place = dice.randrange(begin, end)
            changed = bytearray(signed)
            changed[place] = dice.choice([digit for digit in b"0123456789ABCDEF" if digit != signed[place]])
            assert not services.verify(bytes(changed)).valid, place


@pytest.mark.long
def test_every_changed_digit_of_a_signature_is_found(unsigned, sandbox):
    """All of some ten thousand digits and the first zeros after them, one by one: several minutes."""
    once = services.sign(content=unsigned, signers=[factories.customer()], now=NOW)
    assert services.verify(once).valid
    [(begin, end)] = left_out_parts(once)
    unnoticed = []
    for place in range(begin, end + 60):
        changed = bytearray(once)
        changed[place] = ord(f"{int(chr(once[place]), 16) ^ 10:X}")
        if not verification.check_pdf(bytes(changed)).reason:
            unnoticed.append(place - begin)
    assert unnoticed == []


def test_an_algorithm_written_in_its_other_form_is_found(signed):
    """RSA alone instead of RSA with SHA-256: the same to cryptography."""
    with_digest, alone = b"2A864886F70D01010B0500", b"2A864886F70D0101010500"
    begin, end = left_out_parts(signed)[1]
    start, found = begin, 0
    while (start := signed.find(with_digest, start, end)) >= 0:
        assert not services.verify(signed[:start] + alone + signed[start + len(alone) :]).valid
        start, found = start + 1, found + 1
    assert found >= 4  # two certificates, the signature, its time stamp


@pytest.mark.parametrize("words", [b"0500", b"020101", b"020103", b"3082", b"30820"])
def test_changed_lengths_versions_and_empty_parameters_are_found(signed, words):
    """The places that cryptography itself does not look at."""
    for begin, end in left_out_parts(signed):
        start = begin
        while (start := signed.find(words, start, end)) >= 0:
            place = start + len(words) - 1
            changed = bytearray(signed)
            changed[place] = ord("4") if signed[place] != ord("4") else ord("6")
            assert not services.verify(bytes(changed)).valid, place - begin
            start += 40  # some of them, spread over the whole signature


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content + b"\n",
        lambda content: content + b"%%EOF\n",
        lambda content: b"\n" + content,
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b"/Contents <3", b"/Contents < 3", 1),
    ],
)
def test_added_and_missing_bytes_are_found(signed, change):
    assert not services.verify(change(signed)).valid


def test_digits_in_small_letters_are_found(signed):
    begin, end = left_out_parts(signed)[1]
    assert not services.verify(signed[:begin] + signed[begin:end].lower() + signed[end:]).valid


def test_the_document_of_the_first_signature_alone_is_whole_but_lacks_the_second(unsigned, sandbox):
    half = services.sign(content=unsigned, signers=[factories.customer()], now=NOW)
    assert [signer.name for signer in services.verify(half).signers] == ["王小明"]


@pytest.mark.parametrize("content", [b"", b"hello", b"%PDF-1.7\n", b"%PDF-1.7\n%%EOF", b"\xff\xd8\xff\xe0"])
def test_what_is_no_signed_pdf_is_told_so(content):
    found = services.verify(content)
    assert not found.valid
    assert found.reason


def test_an_unsigned_paper_is_not_valid(unsigned):
    assert not services.verify(unsigned).valid


def test_a_signature_of_another_authority_is_not_ours(signed, settings, tmp_path):
    shutil.copytree(settings.PKI_DIR / "tsa", tmp_path / "other" / "tsa")
    settings.PKI_DIR = tmp_path / "other"
    assert not services.verify(signed).valid


def test_a_time_stamp_of_an_unknown_authority_does_not_count(signed, settings, tmp_path):
    shutil.copytree(settings.PKI_DIR, tmp_path / "without", ignore=shutil.ignore_patterns("tsa"))
    settings.PKI_DIR = tmp_path / "without"
    found = services.verify(signed)
    assert not found.valid
    assert found.reason


def test_a_later_change_of_the_clock_does_not_spoil_a_signature(signed):
    clock.move_to(NOW + dt.timedelta(days=8 * 365))
    assert services.verify(signed).valid


def test_without_time_stamp_nothing_is_signed(unsigned, sandbox):
    sandbox.add_fault("timestamp", "stamp", "refused")
    with pytest.raises(GatewayRefused):
        services.sign(content=unsigned, signers=[factories.company()], now=NOW)


def test_a_party_keeps_its_certificate_until_it_ends_or_its_name_changes(settings):
    first = pki.identity_of(factories.company(), now=NOW)
    again = pki.identity_of(factories.company(), now=NOW + dt.timedelta(days=365))
    late = pki.identity_of(factories.company(), now=NOW + dt.timedelta(days=5 * 365))
    renamed = pki.identity_of(
        type(factories.company())(**{**factories.company().__dict__, "name": "新名称有限公司"}), now=NOW + dt.timedelta(days=5 * 365)
    )
    serials = [identity.certificate.serial_number for identity in (first, again, late, renamed)]
    assert serials[0] == serials[1]
    assert len(set(serials)) == 3
    assert SigningCertificate.objects.filter(retired_at=None).count() == 1


def test_a_new_authority_gets_new_certificates(settings, tmp_path):
    first = pki.identity_of(factories.company(), now=NOW)
    settings.PKI_DIR = tmp_path / "second"
    assert pki.identity_of(factories.company(), now=NOW).certificate.issuer_serial != first.certificate.issuer_serial


def test_what_the_authority_before_signed_stays_valid(signed, unsigned, sandbox, settings, tmp_path):
    before, after = settings.PKI_DIR, tmp_path / "after"
    shutil.copytree(before / "tsa", after / "tsa")
    settings.PKI_DIR = after
    new = services.sign(content=unsigned, signers=[factories.company()], now=NOW)
    assert [services.verify(content).valid for content in (signed, new)] == [False, True]
    (after / "roots").mkdir()
    shutil.copy(before / "ca.pem", after / "roots" / "2020.pem")
    assert [services.verify(content).reason for content in (signed, new)] == ["", ""]
    settings.PKI_DIR = before
    assert not services.verify(new).valid


def test_keys_lie_encrypted(settings):
    from django.db import connection

    pki.identity_of(factories.company(), now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("SELECT private_key, subject FROM documents_signingcertificate")
        assert all(value.startswith("a256gcm:") for row in cursor.fetchall() for value in row)
    assert (settings.PKI_DIR / "ca.key").read_text().startswith("a256gcm:")
    assert (settings.PKI_DIR / "ca.key").stat().st_mode & 0o077 == 0


def test_the_certificate_is_for_signing_documents_only():
    identity = pki.identity_of(factories.customer(), now=NOW)
    certificate = x509.load_der_x509_certificate(identity.certificate.dump())
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.content_commitment
    assert not usage.key_cert_sign
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_in_production_no_authority_is_made_up(settings, tmp_path):
    settings.PRODUCTION, settings.PKI_DIR = True, tmp_path / "empty"
    with pytest.raises(pki.PkiMissing, match="PKI_DIR"):
        pki.authority()


def test_a_folder_that_cannot_be_written_is_told(settings, tmp_path):
    (tmp_path / "file").write_text("")
    settings.PKI_DIR = tmp_path / "file"
    with pytest.raises(pki.PkiNotWritable, match="PKI_DIR"):
        pki.authority()


def issue(lender, number="PZ1", context=None):
    return services.issue(
        kind="voucher", number=number, template="voucher.html", context=context or factories.SHEETS["voucher.html"],
        signers=[factories.company()], legal_entity_id=lender.id, owner_kind="voucher", owner_ref=uuid4(), actor=ACTOR, now=NOW,
    )  # fmt: skip


def test_an_issued_paper_is_found_by_its_number_and_is_issued_once(sandbox):
    lender = LegalEntityFactory()
    paper = issue(lender)
    assert issue(lender).id == paper.id
    found = services.verify(services.read(paper.id))
    assert (found.valid, found.archived, found.number) == (True, True, "PZ1")


def test_another_signed_file_that_bears_an_issued_number_is_not_the_original(sandbox):
    """Signed by our own seal, and still not what was issued under the number."""
    lender = LegalEntityFactory()
    issue(lender)
    context = factories.SHEETS["voucher.html"] | {"number": "PZ1", "amount": 999999}
    other = services.sign(content=services.render(template="voucher.html", context=context), signers=[factories.company()], now=NOW)
    found = services.verify(other)
    assert not found.valid
    assert "PZ1" in found.reason


def test_a_dealer_agreement_bears_two_seals(sandbox, tmp_path):
    content = services.render(template="dealer_agreement.html", context=factories.SHEETS["dealer_agreement.html"])
    dealer = type(factories.company())(field="dealer", kind="company", ref=uuid4(), name="上海远航汽车销售有限公司")
    done = services.sign(content=content, signers=[factories.company(), dealer], now=NOW)
    assert services.verify(done).valid
    assert pdfsig(done, tmp_path).count("Signature is Valid") == 2


def test_a_signer_without_a_place_signs_unseen(sandbox):
    content = services.render(template="voucher.html", context=factories.SHEETS["voucher.html"])
    done = services.sign(content=content, signers=[factories.customer()], now=NOW)
    assert services.verify(done).valid


def test_a_stamp_over_another_request_is_not_taken(sandbox, monkeypatch):
    answers = []
    honest = signing.PortTimeStamper._ask

    def replay(self, request):
        answers.append(honest(self, request))
        return answers[0]

    monkeypatch.setattr(signing.PortTimeStamper, "_ask", replay)
    stamper = signing.PortTimeStamper()
    stamper.stamp(b"a" * 32)
    with pytest.raises(GatewayUnknown):
        stamper.stamp(b"b" * 32)
