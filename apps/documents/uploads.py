"""Checks of what people hand in, before it is archived."""

from __future__ import annotations

import io
import warnings

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from PIL import Image, UnidentifiedImageError

from apps.common.errors import BadInput
from apps.documents.domain import PDF, content_type_of

_TAIL_BYTES = 2048
_MAX_PIXELS = 80_000_000


class UploadRefused(BadInput):
    """A file that the archive does not take."""

    code = "upload_refused"
    title = gettext_lazy("This file cannot be used. Send a PDF, a JPEG or a PNG.")


def check_content(content: bytes) -> str:
    """The type of an acceptable file. Raises `UploadRefused`, saying what is wrong and what to send instead."""
    if not content:
        raise UploadRefused(_("The file is empty. Choose another one."))
    if len(content) > settings.UPLOAD_MAX_BYTES:
        raise UploadRefused(_("The file is larger than %(limit)s MB. Send a smaller one.") % {"limit": settings.UPLOAD_MAX_BYTES // 2**20})
    content_type = content_type_of(content)
    if content_type is None:
        raise UploadRefused(_("The file is not a PDF, JPEG or PNG, whatever its name says. Photograph the paper or save it as PDF."))
    if content_type == PDF:
        if b"%%EOF" not in content[-_TAIL_BYTES:]:
            raise UploadRefused(_("The PDF is incomplete. Save it again and send the new file."))
    else:
        _check_image(content)
    return content_type


def _check_image(content: bytes) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as image:
                image.verify()  # the checksums of its parts, which loading alone does not look at
            with Image.open(io.BytesIO(content)) as image:
                if image.width * image.height > _MAX_PIXELS:
                    raise UploadRefused(_("The picture has too many pixels. Send one of at most 80 megapixels."))
                image.load()
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise UploadRefused(_("The picture is damaged or incomplete. Take it again.")) from error
