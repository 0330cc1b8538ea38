"""The archive in the back office: what is kept and who took it out; contents go out only by a logged download."""

from __future__ import annotations

from django.contrib import admin

from apps.common.admin import CarloanModelAdmin
from apps.documents import models


@admin.register(models.Document)
class DocumentAdmin(CarloanModelAdmin):
    list_display = ("number", "kind", "legal_entity", "filename", "content_type", "size", "is_signed", "created_at", "archived_by")
    list_filter = ("kind", "is_signed", "legal_entity")
    search_fields = ("number", "sha256")
    list_select_related = ("legal_entity",)


@admin.register(models.DocumentDownload)
class DocumentDownloadAdmin(CarloanModelAdmin):
    list_display = ("at", "document", "actor")
    list_select_related = ("document",)


@admin.register(models.SigningCertificate)
class SigningCertificateAdmin(CarloanModelAdmin):
    list_display = ("serial", "kind", "not_before", "not_after", "retired_at")
    list_filter = ("kind",)
    exclude = ("private_key", "certificate", "subject", "subject_index")
