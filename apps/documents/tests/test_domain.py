import pytest

from apps.documents.domain import JPEG, PDF, PNG, content_type_of


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"%PDF-1.7\n...", PDF),
        (b"\xff\xd8\xff\xe0....", JPEG),
        (b"\x89PNG\r\n\x1a\n....", PNG),
        (b"GIF89a", None),
        (b"MZ\x90\x00", None),
        (b"<html>%PDF-", None),
        (b"", None),
    ],
)
def test_the_type_is_what_the_first_bytes_say(content, kind):
    assert content_type_of(content) == kind
