import datetime as dt
import io
import os
from uuid import uuid4

import pytest
from django.db import transaction
from django.db.utils import ProgrammingError
from PIL import Image

from apps.common.actors import Actor
from apps.common.errors import NotFound
from apps.common.scope import DataScope
from apps.documents import archive, selectors, services
from apps.documents.models import Document, DocumentDownload
from apps.documents.uploads import UploadRefused
from apps.organisations.tests.factories import LegalEntityFactory

NOW = dt.datetime(2026, 11, 20, 4, 0, tzinfo=dt.UTC)
ACTOR = Actor.system("tests")
SMALL_PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"


@pytest.fixture(autouse=True)
def _folder(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"


def picture(kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(buffer, kind)
    return buffer.getvalue()


def store(lender, content=SMALL_PDF, **more):
    facts = {"filename": "发票.pdf", "kind": "upload", "owner_kind": "application", "owner_ref": uuid4()}
    return services.store(content=content, legal_entity_id=lender.id, actor=ACTOR, now=NOW, **(facts | more))


@pytest.fixture
def lender(db):
    return LegalEntityFactory()


def test_what_is_stored_is_read_again_and_lies_encrypted_under_its_hash(lender):
    document = store(lender, picture())
    assert services.read(document.id) == picture()
    assert document.sha256 == archive.address_of(picture())
    assert archive.path_of(document.sha256).read_bytes().startswith(b"a256gcm:")
    assert b"JFIF" not in archive.path_of(document.sha256).read_bytes()


def test_the_same_content_twice_is_one_file_and_two_documents(lender):
    first, second = store(lender), store(lender)
    assert first.number != second.number
    assert first.sha256 == second.sha256
    assert len([file for _, _, files in os.walk(archive.path_of(first.sha256).parent) for file in files]) == 1


def test_a_file_is_written_once(lender):
    document = store(lender)
    path = archive.path_of(document.sha256)
    before = path.stat()
    assert before.st_mode & 0o222 == 0
    store(lender)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_file_changed_or_lost_on_disk_is_told_and_not_overwritten(lender):
    document = store(lender)
    path = archive.path_of(document.sha256)
    path.chmod(0o600)
    sealed = bytearray(path.read_bytes())
    sealed[40] = ord("A") if sealed[40] != ord("A") else ord("B")
    path.write_bytes(sealed)
    with pytest.raises(archive.ArchiveDamaged):
        services.read(document.id)
    with pytest.raises(archive.ArchiveDamaged):
        store(lender)
    path.unlink()
    with pytest.raises(archive.ArchiveDamaged):
        services.read(document.id)


def test_a_file_put_in_the_place_of_another_does_not_open(lender):
    one, two = store(lender), store(lender, picture())
    archive.path_of(one.sha256).unlink()
    archive.path_of(two.sha256).rename(archive.path_of(one.sha256))
    with pytest.raises(archive.ArchiveDamaged):
        services.read(one.id)


def test_a_folder_that_cannot_be_written_is_told(lender, settings, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    settings.ARCHIVE_DIR = tmp_path / "file"
    with pytest.raises(archive.ArchiveNotWritable, match="ARCHIVE_DIR"):
        store(lender)
    assert not Document.objects.exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "空|empty"),
        (b"MZ\x90\x00" + b"\0" * 100, "PDF"),
        (b"%PDF-1.4 cut off", "PDF"),
        (picture()[:200], "damaged|损坏"),
        (picture("PNG")[:60], "damaged|损坏"),
    ],
)
def test_other_and_broken_files_are_refused_and_say_what_to_do(lender, content, told):
    with pytest.raises(UploadRefused, match=told):
        store(lender, content)


def test_a_file_above_the_limit_is_refused(lender, settings):
    settings.UPLOAD_MAX_BYTES = 1000
    with pytest.raises(UploadRefused, match="MB"):
        store(lender, SMALL_PDF + b" " * 1000 + b"%%EOF")


def test_the_name_loses_folders_and_gets_the_true_ending(lender):
    assert store(lender, picture(), filename="../../etc/发票 1.exe").filename == "发票 1.jpg"
    assert store(lender, picture("PNG"), filename="...").filename == "document.png"


def test_a_number_belongs_to_one_content(lender):
    first = store(lender, number="HT1", is_signed=True)
    assert store(lender, number="ht1").id == first.id
    with pytest.raises(services.NumberTaken):
        store(lender, picture(), number="HT1")
    assert selectors.by_number(" ht1 ").id == first.id
    assert selectors.by_number("HT2") is None


def test_nobody_outside_finds_what_was_only_handed_in(lender, client):
    assert selectors.by_number(store(lender).number) is None
    page = client.get("/verify/", {"number": store(lender, picture()).number}).content.decode()
    assert 'id="unknown"' in page
    assert 'id="known"' not in page


def test_content_and_row_cannot_be_changed_or_deleted(lender):
    document = store(lender)
    for change in (
        lambda: Document.objects.filter(id=document.id).update(sha256="0" * 64),
        lambda: Document.objects.filter(id=document.id).update(number="X"),
        lambda: Document.objects.filter(id=document.id).delete(),
    ):
        with pytest.raises(ProgrammingError), transaction.atomic():
            change()


def customer_actor(customer_ref):
    return Actor("customer", "c", user_id=uuid4(), data_scope=DataScope("customer", customer_ref))


def test_a_customer_takes_out_only_own_papers_and_it_is_written_down(lender):
    mine, me = uuid4(), uuid4()
    document = store(lender, customer_ref=me)
    taken = services.download(document_id=document.id, actor=customer_actor(me), now=NOW)
    assert taken.content == SMALL_PDF
    with pytest.raises(NotFound):
        services.download(document_id=document.id, actor=customer_actor(mine), now=NOW)
    assert [row.actor for row in DocumentDownload.objects.all()] == ["customer:c"]


def test_a_paper_is_seen_by_its_lender_dealer_shop_and_consultant_and_by_no_other(lender):
    owners = {"dealer": uuid4(), "shop": uuid4(), "consultant": uuid4(), "customer": uuid4()}
    store(lender, **{f"{kind}_ref": ref for kind, ref in owners.items()})
    assert Document.objects.within(DataScope("entity", lender.id)).count() == 1
    assert Document.objects.within(DataScope("entity", LegalEntityFactory().id)).count() == 0
    for kind, ref in owners.items():
        assert Document.objects.within(DataScope(kind, ref)).count() == 1
        assert Document.objects.within(DataScope(kind, uuid4())).count() == 0


def test_downloads_are_append_only(lender):
    me = uuid4()
    document = store(lender, customer_ref=me)
    services.download(document_id=document.id, actor=customer_actor(me), now=NOW)
    with pytest.raises(ProgrammingError), transaction.atomic():
        DocumentDownload.objects.update(actor="nobody")


def test_papers_of_an_owner_are_listed_newest_first(lender):
    owner = uuid4()
    first, second = store(lender, owner_ref=owner), store(lender, picture(), owner_ref=owner)
    assert [brief.id for brief in selectors.owned_by("application", owner)] == [second.id, first.id]
