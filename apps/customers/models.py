"""Persons: who they are, what was checked, what they agreed to, and what was disclosed about them."""

from __future__ import annotations

from typing import Any

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import transition

from apps.common.audit import audited
from apps.common.crypto import EncryptedTextField
from apps.common.fsm import StateField, legal_edges
from apps.common.models import BusinessModel
from apps.common.scope import Scope
from apps.customers.domain import CheckKind, ConsentKind

CONSENT_KINDS = {
    ConsentKind.PRIVACY.value: _("privacy notice"),
    ConsentKind.CREDIT_QUERY.value: _("query of the credit bureau"),
    ConsentKind.DATA_COLLECTION.value: _("collection of personal data"),
    ConsentKind.E_SIGN.value: _("electronic signature"),
    ConsentKind.IDENTITY_CHECK.value: _("check of identity"),
}
CHECK_KINDS = {
    CheckKind.ID_AUTHENTICITY.value: _("authenticity of the ID card"),
    CheckKind.LIVENESS.value: _("liveness"),
    CheckKind.BANK_CARD.value: _("bank card, four factors"),
}
CUSTOMER_EDGES = {
    "registered": ["verified", "restricted", "closed"],
    "verified": ["restricted", "closed"],
    "restricted": ["verified", "closed"],
}
CHECK_EDGES = {
    "pending": ["passed", "failed", "unknown"],
    "failed": ["pending"],
    "unknown": ["pending"],
    "passed": ["expired"],
}
CARD_EDGES = {
    "pending": ["bound", "refused"],
    "refused": ["pending"],
    "bound": ["removed"],
}

_APPEND_ONLY = pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)


def _hash(label: Any = "", **options: Any) -> models.CharField[Any, Any]:
    """Column of a blind index: 64 hex digits, empty where there is no value."""
    return models.CharField(label, max_length=64, db_index=True, editable=False, **options)


@audited()
class Customer(BusinessModel):
    """A person who borrows, or may. One per lender and phone; one living per lender and identity number."""

    class State(models.TextChoices):
        REGISTERED = "registered", _("registered")
        VERIFIED = "verified", _("verified")
        RESTRICTED = "restricted", _("restricted")
        CLOSED = "closed", _("closed")

    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    user = models.OneToOneField(
        "organisations.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("user")
    )
    state = StateField(State, State.REGISTERED, verbose_name=_("state"))
    phone = EncryptedTextField(_("phone"))
    phone_hash = _hash()
    masked_phone = models.CharField(_("phone"), max_length=16)
    name = EncryptedTextField(_("name"), blank=True)
    masked_name = models.CharField(_("name"), max_length=32, blank=True)
    id_number = EncryptedTextField(_("ID number"), blank=True)
    id_number_hash = _hash(blank=True)
    masked_id_number = models.CharField(_("ID number"), max_length=20, blank=True)
    id_valid_until = models.DateField(_("ID card valid until"), null=True, blank=True, help_text=_("empty: long-term"))
    address = EncryptedTextField(_("address"), blank=True)
    verified_at = models.DateTimeField(_("verified at"), null=True, blank=True)
    restricted_reason = models.CharField(_("reason of restriction"), max_length=200, blank=True)

    scope = Scope(entity="legal_entity_id", customer="id")

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        constraints = [
            models.UniqueConstraint(fields=["legal_entity", "phone_hash"], condition=~Q(state="closed"), name="one_customer_per_phone"),
            models.UniqueConstraint(
                fields=["legal_entity", "id_number_hash"],
                condition=~Q(state="closed") & ~Q(id_number_hash=""),
                name="one_customer_per_id_number",
            ),
        ]
        triggers = [legal_edges("state", CUSTOMER_EDGES)]

    def __str__(self) -> str:
        return f"{self.masked_name} {self.masked_phone}".strip()

    @transition(field=state, source=["registered", "restricted"], target="verified")
    def verify(self) -> None:
        """All required checks have passed, or a restriction of somebody verified is lifted."""

    @transition(field=state, source=["registered", "verified"], target="restricted")
    def restrict(self) -> None:
        """Staff stop the person from borrowing; loans that run go on."""

    @transition(field=state, source=["registered", "verified", "restricted"], target="closed")
    def close(self) -> None:
        """The person leaves."""


class LoginCode(BusinessModel):
    """A code sent by SMS: only its hash is kept. Nobody's row to see."""

    phone_hash = _hash()
    code_hash = models.CharField(max_length=64)
    ip = models.GenericIPAddressField(null=True)
    expires_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    used_at = models.DateTimeField(null=True)

    scope = Scope()

    class Meta:
        verbose_name = _("login code")
        verbose_name_plural = _("login codes")
        constraints = [models.CheckConstraint(condition=Q(attempts__lte=5), name="login_code_attempts_bounded")]

    def __str__(self) -> str:
        return f"{self.phone_hash[:8]} {self.created_at:%Y-%m-%d %H:%M}"


class LoginRecord(BusinessModel):
    """A sign-in of a customer: device and place as the app told them, address as the network told it; append-only."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="logins", verbose_name=_("customer"))
    at = models.DateTimeField(_("at"))
    device_hash = _hash(_("device"))
    device_name = models.CharField(_("device"), max_length=64, blank=True)
    ip = models.GenericIPAddressField(_("IP address"), null=True)
    place = models.CharField(_("place"), max_length=64, blank=True)

    scope = Scope(entity="customer__legal_entity_id", customer="customer_id")

    class Meta:
        verbose_name = _("sign-in")
        verbose_name_plural = _("sign-ins")
        triggers = [_APPEND_ONLY]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.device_name}".strip()


class ConsentText(BusinessModel):
    """The exact words that a consent is given to; a change of words is a new version. Append-only."""

    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    kind = models.CharField(_("kind"), max_length=24, choices=CONSENT_KINDS)
    version = models.PositiveSmallIntegerField(_("version"))
    title = models.CharField(_("title"), max_length=100)
    purpose = models.CharField(_("purpose"), max_length=200)
    text = models.TextField(_("text"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    effective_from = models.DateField(_("effective from"))

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("consent text")
        verbose_name_plural = _("consent texts")
        constraints = [models.UniqueConstraint(fields=["legal_entity", "kind", "version"], name="one_consent_text_per_version")]
        triggers = [_APPEND_ONLY]

    def __str__(self) -> str:
        return f"{self.title} v{self.version}"


@audited()
class Consent(BusinessModel):
    """A customer agreed to a text; withdrawn at most once, never deleted."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="consents", verbose_name=_("customer"))
    text = models.ForeignKey(ConsentText, on_delete=models.PROTECT, related_name="+", verbose_name=_("text"))
    kind = models.CharField(_("kind"), max_length=24, choices=CONSENT_KINDS)
    version = models.PositiveSmallIntegerField(_("version"))
    given_at = models.DateTimeField(_("given at"))
    device_hash = models.CharField(_("device"), max_length=64, blank=True)
    ip = models.GenericIPAddressField(_("IP address"), null=True)
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True, blank=True)

    scope = Scope(entity="customer__legal_entity_id", customer="customer_id")

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        constraints = [
            models.UniqueConstraint(fields=["customer", "text"], condition=Q(withdrawn_at=None), name="one_standing_consent_per_text")
        ]
        triggers = [pgtrigger.Protect(name="kept", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.kind} v{self.version}"


@audited()
class IdentityCheck(BusinessModel):
    """One thing proved about a person, by kind; a repetition after a failure is a new attempt of the same check."""

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        PASSED = "passed", _("passed")
        FAILED = "failed", _("failed")
        UNKNOWN = "unknown", _("unknown")
        EXPIRED = "expired", _("expired")

    class Purpose(models.TextChoices):
        ONBOARDING = "onboarding", _("onboarding")
        SIGNING = "signing", _("signing")

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="identity_checks", verbose_name=_("customer"))
    kind = models.CharField(_("kind"), max_length=16, choices=CHECK_KINDS)
    purpose = models.CharField(_("purpose"), max_length=12, choices=Purpose.choices, default=Purpose.ONBOARDING)
    state = StateField(State, State.PENDING, verbose_name=_("state"))
    card = models.ForeignKey("BankCard", on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("bank card"))
    provider = models.CharField(_("provider"), max_length=64, blank=True)
    score = models.DecimalField(_("score"), max_digits=5, decimal_places=2, null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=64, blank=True)
    requested_at = models.DateTimeField(_("requested at"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)

    scope = Scope(entity="customer__legal_entity_id", customer="customer_id")

    class Meta:
        verbose_name = _("identity check")
        verbose_name_plural = _("identity checks")
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "kind"], condition=Q(state="pending", card=None), name="one_pending_check_per_kind"
            ),
            models.UniqueConstraint(fields=["card"], condition=Q(state="pending"), name="one_pending_check_per_card"),
            models.CheckConstraint(condition=Q(kind="bank_card") ^ Q(card=None), name="card_checks_name_their_card"),
            models.CheckConstraint(condition=Q(score=None) | Q(score__gte=0, score__lte=100), name="check_score_in_range"),
        ]
        triggers = [legal_edges("state", CHECK_EDGES)]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"

    @transition(field=state, source="pending", target="passed")
    def succeed(self) -> None:
        """The party says yes."""

    @transition(field=state, source="pending", target="failed")
    def fail(self) -> None:
        """The party says no."""

    @transition(field=state, source="pending", target="unknown")
    def give_up(self) -> None:
        """The party cannot tell, or did not answer in time."""

    @transition(field=state, source=["failed", "unknown"], target="pending")
    def try_again(self) -> None:
        """A new attempt."""

    @transition(field=state, source="passed", target="expired")
    def expire(self) -> None:
        """The proof is too old to rely upon."""


class IdentityAttempt(BusinessModel):
    """One question to the party and its whole answer, encrypted. The first attempt of a check bears the check's own id."""

    check_record = models.ForeignKey(IdentityCheck, on_delete=models.PROTECT, related_name="attempts", verbose_name=_("identity check"))
    no = models.PositiveSmallIntegerField(_("attempt"))
    video_ref = models.CharField(_("video"), max_length=128, blank=True)
    submitted_at = models.DateTimeField(_("submitted at"), null=True, blank=True)
    accepted_at = models.DateTimeField(_("accepted at"), null=True, blank=True)
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=8, blank=True)
    raw = EncryptedTextField(_("raw answer"), blank=True)

    scope = Scope(entity="check_record__customer__legal_entity_id", customer="check_record__customer_id")

    class Meta:
        verbose_name = _("attempt of an identity check")
        verbose_name_plural = _("attempts of identity checks")
        constraints = [models.UniqueConstraint(fields=["check_record", "no"], name="attempts_are_numbered")]
        indexes = [models.Index(fields=["created_at"], condition=Q(answered_at=None), name="identity_attempt_waiting")]
        triggers = [
            pgtrigger.Protect(name="answer_is_final", operation=pgtrigger.Update, condition=pgtrigger.Q(old__answered_at__isnull=False)),
            pgtrigger.Protect(name="kept", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.check_record_id} #{self.no}"


@audited()
class BankCard(BusinessModel):
    """A card of the customer's own; bound once its four factors (name, ID number, card, phone) were confirmed."""

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        BOUND = "bound", _("bound")
        REFUSED = "refused", _("refused")
        REMOVED = "removed", _("removed")

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="cards", verbose_name=_("customer"))
    state = StateField(State, State.PENDING, verbose_name=_("state"))
    number = EncryptedTextField(_("card number"))
    number_hash = _hash()
    masked_number = models.CharField(_("card number"), max_length=16)
    phone = EncryptedTextField(_("phone kept at the bank"))
    masked_phone = models.CharField(_("phone kept at the bank"), max_length=16)
    bank_code = models.CharField(_("bank code"), max_length=8)
    bank_name = models.CharField(_("bank"), max_length=64)
    is_default = models.BooleanField(pgettext_lazy("bank card", "default"), default=False)
    debit_agreed = models.BooleanField(_("direct debit agreed"), default=False)
    agreement_no = models.CharField(_("debit agreement"), max_length=32, blank=True)
    agreed_at = models.DateTimeField(_("debit agreed at"), null=True, blank=True)
    bound_at = models.DateTimeField(_("bound at"), null=True, blank=True)

    scope = Scope(entity="customer__legal_entity_id", customer="customer_id")

    class Meta:
        verbose_name = _("bank card")
        verbose_name_plural = _("bank cards")
        constraints = [
            models.UniqueConstraint(fields=["customer", "number_hash"], condition=~Q(state="removed"), name="one_card_per_number"),
            models.UniqueConstraint(fields=["customer"], condition=Q(is_default=True), name="one_default_card"),
            models.UniqueConstraint(fields=["agreement_no"], condition=~Q(agreement_no=""), name="one_card_per_debit_agreement"),
            models.CheckConstraint(condition=Q(is_default=False) | Q(state="bound"), name="default_card_is_bound"),
        ]
        triggers = [legal_edges("state", CARD_EDGES)]

    def __str__(self) -> str:
        return f"{self.bank_name} {self.masked_number}"

    @transition(field=state, source="pending", target="bound")
    def bind(self) -> None:
        """The four factors agree."""

    @transition(field=state, source="pending", target="refused")
    def refuse(self) -> None:
        """They do not, or the bank cannot tell."""

    @transition(field=state, source="refused", target="pending")
    def ask_again(self) -> None:
        """Another attempt with this card."""

    @transition(field=state, source="bound", target="removed")
    def remove(self) -> None:
        """The customer takes the card away."""


@audited()
class WorkProfile(BusinessModel):
    """Work and home, as the customer states them. Income in yuan a month."""

    class Education(models.TextChoices):
        PRIMARY = "primary", _("primary or middle school")
        HIGH_SCHOOL = "high_school", _("high school")
        COLLEGE = "college", _("college")
        BACHELOR = "bachelor", _("bachelor")
        MASTER = "master", _("master or above")

    class Marital(models.TextChoices):
        SINGLE = "single", _("single")
        MARRIED = "married", _("married")
        DIVORCED = "divorced", _("divorced")
        WIDOWED = "widowed", _("widowed")

    class Housing(models.TextChoices):
        OWNED = "owned", _("own home")
        MORTGAGED = "mortgaged", _("own home with mortgage")
        RENTED = "rented", _("rented")
        FAMILY = "family", _("with family")

    customer = models.OneToOneField(Customer, on_delete=models.PROTECT, related_name="work", verbose_name=_("customer"))
    employer = EncryptedTextField(_("employer"))
    industry = models.CharField(_("industry"), max_length=32, blank=True)
    position = models.CharField(_("position"), max_length=32, blank=True)
    monthly_income = models.DecimalField(_("monthly income"), max_digits=18, decimal_places=2)
    employed_since = models.DateField(_("employed since"))
    education = models.CharField(_("education"), max_length=12, choices=Education.choices, blank=True)
    marital_status = models.CharField(_("marital status"), max_length=12, choices=Marital.choices, blank=True)
    housing = models.CharField(_("housing"), max_length=12, choices=Housing.choices, blank=True)

    scope = Scope(entity="customer__legal_entity_id", customer="customer_id")

    class Meta:
        verbose_name = _("work profile")
        verbose_name_plural = _("work profiles")
        constraints = [models.CheckConstraint(condition=Q(monthly_income__gte=0), name="income_not_negative")]

    def __str__(self) -> str:
        return str(self.customer_id)


@audited()
class Contact(BusinessModel):
    """Somebody who can reach the customer."""

    class Relation(models.TextChoices):
        SPOUSE = "spouse", _("spouse")
        PARENT = "parent", _("parent")
        CHILD = "child", _("child")
        SIBLING = "sibling", _("sibling")
        RELATIVE = "relative", _("relative")
        FRIEND = "friend", _("friend")
        COLLEAGUE = "colleague", _("colleague")

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="contacts", verbose_name=_("customer"))
    relation = models.CharField(_("relation"), max_length=12, choices=Relation.choices)
    name = EncryptedTextField(_("name"))
    masked_name = models.CharField(_("name"), max_length=32)
    phone = EncryptedTextField(_("phone"))
    phone_hash = _hash()
    masked_phone = models.CharField(_("phone"), max_length=16)

    scope = Scope(entity="customer__legal_entity_id", customer="customer_id")

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        constraints = [models.UniqueConstraint(fields=["customer", "phone_hash"], name="one_contact_per_phone")]

    def __str__(self) -> str:
        return f"{self.masked_name} {self.masked_phone}"


class DisclosureLog(BusinessModel):
    """Who saw which value in clear, and why; append-only."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="disclosures", verbose_name=_("customer"))
    field = models.CharField(_("field"), max_length=32)
    reason = models.CharField(_("reason"), max_length=200)
    actor = models.CharField(_("actor"), max_length=100)
    user_ref = models.UUIDField(_("user"), null=True)
    at = models.DateTimeField(_("at"))

    scope = Scope(entity="customer__legal_entity_id")

    class Meta:
        verbose_name = _("disclosure")
        verbose_name_plural = _("disclosures")
        triggers = [_APPEND_ONLY]

    def __str__(self) -> str:
        return f"{self.field} {self.actor}"
