"""Message templates, messages and their receipts."""

from __future__ import annotations

from typing import Final

import pgtrigger
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_fsm import transition

from apps.common import crypto
from apps.common.audit import PER_STATEMENT, audited
from apps.common.fsm import StateField, legal_edges
from apps.common.models import BusinessModel
from apps.common.scope import Scope

# queued waits for its time; submitting is under way; unknown was sent without an answer (the provider knows a repetition by its id).
EDGES: Final[dict[str, tuple[str, ...]]] = {
    "queued": ("submitting", "suppressed"),
    "submitting": ("sent", "queued", "unknown", "failed"),
    "unknown": ("submitting", "sent", "delivered", "failed"),
    "sent": ("delivered", "failed"),
}


def _sources(target: str) -> list[str]:
    return [source for source, targets in EDGES.items() if target in targets]


@audited()
class MessageTemplate(BusinessModel):
    """A text that takes the place of the shipped one, for one legal entity or for all."""

    class Channel(models.TextChoices):
        SMS = "sms", _("SMS")

    code = models.CharField(_("code"), max_length=40)
    channel = models.CharField(_("channel"), max_length=8, choices=Channel.choices, default=Channel.SMS)
    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("legal entity")
    )
    text = models.CharField(_("text"), max_length=500)
    urgent = models.BooleanField(_("at any hour, beyond the cap"), default=False)
    valid_minutes = models.PositiveIntegerField(_("not sent after (minutes)"), null=True, blank=True)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("message template")
        verbose_name_plural = _("message templates")
        constraints = [
            models.UniqueConstraint(
                fields=["code", "channel", "legal_entity"], nulls_distinct=False, name="one_template_per_code_and_entity"
            )
        ]

    def __str__(self) -> str:
        return self.code


class State(models.TextChoices):
    QUEUED = "queued", _("queued")
    SUBMITTING = "submitting", _("being sent")
    UNKNOWN = "unknown", _("sent, no answer")
    SENT = "sent", _("sent")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("failed")
    SUPPRESSED = "suppressed", _("not sent")


# What a message says, and to whom, stays as it is: its row alone holds it, and its history tells what became of it.
_SAID: Final = [
    *("phone", "phone_hash", "masked_phone", "text", "template_code", "dedupe_key", "person_ref", "legal_entity"),
    *("channel", "urgent", "queued_at", "expires_at", "created_at"),
]
_COURSE: Final = ("state", "send_at", "send_day", "attempts", "tried_at", "sent_at", "delivered_at", "provider_ref", "reason")
_REWORDED: Final = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in _SAID).replace("legal_entity", "legal_entity_id")


@audited(level=PER_STATEMENT, exclude=[*_SAID, "send_day"])
class Message(BusinessModel):
    """One message to one phone. Number and text lie encrypted; pages show the masked number and the template."""

    state = StateField(State, State.QUEUED, db_index=False, verbose_name=_("state"))
    template_code = models.CharField(_("template"), max_length=40)
    channel = models.CharField(_("channel"), max_length=8, choices=MessageTemplate.Channel.choices, default=MessageTemplate.Channel.SMS)
    legal_entity = models.ForeignKey(
        "organisations.LegalEntity",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("legal entity"),
    )
    person_ref = models.UUIDField(_("person"), null=True, blank=True, db_index=True)
    phone = crypto.EncryptedTextField(_("phone"))
    phone_hash = models.CharField(max_length=64, editable=False)
    masked_phone = models.CharField(_("phone"), max_length=16)
    text = crypto.EncryptedTextField(_("text"))
    urgent = models.BooleanField(_("urgent"), default=False)
    dedupe_key = models.CharField(_("sent once per"), max_length=120)
    queued_at = models.DateTimeField(_("queued at"))
    send_at = models.DateTimeField(_("not before"))
    send_day = models.DateField(_("counts for the day"))
    expires_at = models.DateTimeField(_("not after"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    tried_at = models.DateTimeField(_("tried at"), null=True, blank=True)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    delivered_at = models.DateTimeField(_("delivered at"), null=True, blank=True)
    provider_ref = models.CharField(_("provider's reference"), max_length=64, blank=True)
    reason = models.CharField(_("why not"), max_length=200, blank=True)

    scope = Scope(entity="legal_entity_id", customer="person_ref")

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints = [models.UniqueConstraint(fields=["dedupe_key"], name="message_sent_once")]
        triggers = [
            legal_edges("state", EDGES),
            pgtrigger.Protect(name="what_it_says_stays", operation=pgtrigger.Update, condition=pgtrigger.Condition(_REWORDED)),
        ]
        indexes = [
            models.Index(fields=["send_at"], condition=models.Q(state__in=["queued", "submitting", "unknown"]), name="message_waiting"),
            models.Index(fields=["phone_hash", "send_day"], name="message_cap"),
        ]

    def __str__(self) -> str:
        return f"{self.template_code} {self.masked_phone}"

    def save_course(self) -> None:
        """Save what became of the message; what it says is not written anew."""
        self.save(update_fields=_COURSE)

    @transition(field=state, source=_sources("submitting"), target=State.SUBMITTING)
    def start(self) -> None:
        """Taken by a worker that hands it to the provider."""

    @transition(field=state, source=_sources("sent"), target=State.SENT)
    def accept(self) -> None:
        """The provider has it."""

    @transition(field=state, source=_sources("queued"), target=State.QUEUED)
    def give_back(self) -> None:
        """Certainly not sent: later again."""

    @transition(field=state, source=_sources("unknown"), target=State.UNKNOWN)
    def lose(self) -> None:
        """Handed over without an answer."""

    @transition(field=state, source=_sources("delivered"), target=State.DELIVERED)
    def deliver(self) -> None:
        """On the person's phone."""

    @transition(field=state, source=_sources("failed"), target=State.FAILED)
    def fail(self) -> None:
        """The provider or the network said no."""

    @transition(field=state, source=_sources("suppressed"), target=State.SUPPRESSED)
    def suppress(self) -> None:
        """Not sent: cap reached, or too late."""


class Receipt(BusinessModel):
    """A delivery report as it came; append-only."""

    message = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="receipts", verbose_name=_("message"))
    at = models.DateTimeField(_("at"))
    status = models.CharField(_("status"), max_length=24)
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    scope = Scope(entity="message__legal_entity_id")

    class Meta:
        verbose_name = _("delivery report")
        verbose_name_plural = _("delivery reports")
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.message_id} {self.status}"
