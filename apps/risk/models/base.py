"""What the models of risk share."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.utils.translation import gettext_lazy as _

APPEND_ONLY = pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)


def entity() -> models.ForeignKey:
    """The lender whose row it is."""
    return models.ForeignKey("organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity"))
