"""Messages in the back office: masked, without their text."""

from __future__ import annotations

from django.contrib import admin

from apps.common.admin import CarloanModelAdmin
from apps.messaging import models


@admin.register(models.Message)
class MessageAdmin(CarloanModelAdmin):
    list_display = ("queued_at", "template_code", "masked_phone", "state", "urgent", "send_at", "sent_at", "delivered_at", "reason")
    list_filter = ("state", "template_code", "urgent")
    exclude = ("phone", "text", "phone_hash")


@admin.register(models.MessageTemplate)
class MessageTemplateAdmin(CarloanModelAdmin):
    list_display = ("code", "legal_entity", "channel", "urgent", "text")
    list_select_related = ("legal_entity",)


@admin.register(models.Receipt)
class ReceiptAdmin(CarloanModelAdmin):
    list_display = ("at", "message", "status", "reason")
    list_select_related = ("message",)
