"""Legal entities, branches and users; the base of every data scope."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

import pgtrigger
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, BigIntegerRangeField, DateRangeField, RangeBoundary, RangeOperators
from django.db import models
from django.db.models.functions import Concat
from django.utils.functional import cached_property
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django_fsm import transition

from apps.common.audit import audited
from apps.common.fsm import StateField, legal_edges
from apps.common.models import BusinessModel
from apps.common.scope import EVERYTHING, NOTHING, DataScope, Scope, ScopedQuerySet
from apps.organisations.domain import ROLES, SCOPE_KINDS, parameter_value

BUSINESS_DAY_EDGES = {"open": ["closing"], "closing": ["closed"]}
STEP_RUN_EDGES = {"waiting": ["done", "failed"], "failed": ["done"]}


@audited()
class LegalEntity(BusinessModel):
    """A lender 法人: owner of products, loans, books and staff."""

    class LenderType(models.TextChoices):
        LICENSED = "licensed", _("licensed lender")
        MICRO = "micro", _("micro-loan company")
        UNLICENSED = "unlicensed", _("unlicensed lender")

    code = models.CharField(_("code"), max_length=16, unique=True)
    name = models.CharField(_("name"), max_length=100)
    short_name = models.CharField(_("short name"), max_length=32)
    uscc = models.CharField(_("unified social credit code"), max_length=18, blank=True)
    lender_type = models.CharField(_("lender type"), max_length=12, choices=LenderType.choices, default=LenderType.LICENSED)
    address = models.CharField(_("address"), max_length=200, blank=True)
    phone = models.CharField(_("service phone"), max_length=32, blank=True)

    scope = Scope(entity="id", public=False)

    class Meta:
        verbose_name = _("legal entity")
        verbose_name_plural = _("legal entities")

    def __str__(self) -> str:
        return self.short_name


@audited()
class Branch(BusinessModel):
    """A branch 网点 of a legal entity."""

    legal_entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="branches", verbose_name=_("legal entity"))
    code = models.CharField(_("code"), max_length=16)
    name = models.CharField(_("name"), max_length=100)
    city = models.CharField(_("city"), max_length=32, blank=True)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("branch")
        verbose_name_plural = _("branches")
        constraints = [models.UniqueConstraint(fields=["legal_entity", "code"], name="branch_code_per_entity")]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager.from_queryset(ScopedQuerySet)):  # type: ignore[misc]
    """Creates users; a password of None cannot be used to sign in."""

    def create_user(self, username: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(username=username, **fields)
        user.set_password(password)
        user.save()
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(username, password, kind=User.Kind.STAFF, is_superuser=True, **fields)


@audited(exclude=["password", "last_login"])
class User(AbstractBaseUser, BusinessModel):
    """Somebody who signs in: staff, dealer people, customers, partner systems. What they see is their `data_scope`."""

    class Kind(models.TextChoices):
        STAFF = "staff", _("staff")
        DEALER = "dealer", _("dealer")
        CUSTOMER = "customer", _("customer")
        CLIENT = "client", _("partner system")

    username = models.CharField(_("user name"), max_length=64, unique=True)
    display_name = models.CharField(_("display name"), max_length=64, blank=True)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    legal_entity = models.ForeignKey(
        LegalEntity, on_delete=models.PROTECT, null=True, blank=True, related_name="users", verbose_name=_("legal entity")
    )
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT, null=True, blank=True, related_name="users", verbose_name=_("branch"))
    roles = ArrayField(models.CharField(max_length=32), default=list, blank=True, verbose_name=_("roles"))
    scope_kind = models.CharField(
        _("sees what belongs to a"), max_length=12, blank=True, help_text=_("consultant, shop, dealer or customer; staff see their entity")
    )
    scope_ref = models.UUIDField(_("id of it"), null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    is_superuser = models.BooleanField(_("operator of the whole system"), default=False)

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    scope = Scope(entity="legal_entity_id")
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scope_kind="") | (models.Q(scope_kind__in=SCOPE_KINDS) & ~models.Q(kind="staff")), name="user_scope_kind"
            )
        ]

    def __str__(self) -> str:
        return self.display_name or self.username

    @property
    def is_staff(self) -> bool:
        """May open the back office."""
        return self.kind == self.Kind.STAFF

    @property
    def actor_label(self) -> str:
        """Safe to log: staff and dealer people by user name, customers by id."""
        return str(self.id) if self.kind == self.Kind.CUSTOMER else self.username

    @cached_property
    def permissions(self) -> frozenset[str]:
        """Everything the user's roles allow; an operator of the whole system may do everything."""
        if self.is_superuser:
            return frozenset().union(*ROLES.values())
        return frozenset().union(*(ROLES.get(role, frozenset()) for role in self.roles))

    def can(self, permission: str) -> bool:
        """Whether the user may do a deed named `context.deed`."""
        return self.is_active and permission in self.permissions

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return self.can(perm)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and any(name.startswith(f"{app_label}.") for name in self.permissions)

    @property
    def data_scope(self) -> DataScope:
        """Which rows the user sees."""
        if not self.is_active:
            return NOTHING
        if self.kind == self.Kind.STAFF:
            if self.legal_entity_id:
                return DataScope("entity", self.legal_entity_id)
            return EVERYTHING if self.is_superuser else NOTHING
        if self.scope_kind and isinstance(self.scope_ref, UUID):
            return DataScope(self.scope_kind, self.scope_ref)
        return NOTHING


class SecondFactorEnrolment(BusinessModel):
    """Somebody gave a user a second factor; append-only. The secret itself stands with the device alone."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="enrolments", verbose_name=_("user"))
    at = models.DateTimeField(_("at"))
    actor = models.CharField(_("who"), max_length=100)
    actor_ref = models.UUIDField(_("user id"), null=True, blank=True)
    replaced = models.BooleanField(_("in place of another"))

    scope = Scope(entity="user__legal_entity_id")

    class Meta:
        verbose_name = _("second factor")
        verbose_name_plural = _("second factors")
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.user_id} {self.actor}"


@audited()
class BusinessDay(BusinessModel):
    """One day of a legal entity's books. When it begins to close, the next one opens: business goes on there."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        CLOSING = "closing", _("closing")
        CLOSED = "closed", _("closed")

    legal_entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="business_days", verbose_name=_("legal entity"))
    date = models.DateField(_("business date"))
    state = StateField(State, State.OPEN, verbose_name=_("state"))
    opened_at = models.DateTimeField(_("opening steps done at"), null=True, blank=True)
    closing_at = models.DateTimeField(_("closing begun at"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("business day")
        verbose_name_plural = _("business days")
        constraints = [
            models.UniqueConstraint(fields=["legal_entity", "date"], name="one_business_day_per_date"),
            models.UniqueConstraint(fields=["legal_entity"], condition=models.Q(state="open"), name="one_open_day_per_entity"),
            models.UniqueConstraint(fields=["legal_entity"], condition=models.Q(state="closing"), name="one_closing_day_per_entity"),
        ]
        triggers = [legal_edges("state", BUSINESS_DAY_EDGES)]

    def __str__(self) -> str:
        return f"{self.date:%Y-%m-%d} {self.get_state_display()}"

    @transition(field=state, source=State.OPEN, target=State.CLOSING)
    def begin_closing(self) -> None:
        """The day's closing steps may run; no more business is booked on it."""

    @transition(field=state, source=State.CLOSING, target=State.CLOSED)
    def close(self) -> None:
        """Nothing is posted on the day any more."""


class StepRun(BusinessModel):
    """What became of one partition of one step of the end of day: its rows are the history of the day."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    class Phase(models.TextChoices):
        CLOSE = "close", _("closing the day")
        OPEN = "open", _("opening the day")

    legal_entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity"))
    day = models.DateField(_("business date"))
    phase = models.CharField(_("phase"), max_length=5, choices=Phase.choices)
    step = models.CharField(_("step"), max_length=32)
    partition_no = models.PositiveIntegerField(_("partition"), default=0)
    partition = models.JSONField(_("bounds of the partition"), default=dict)
    state = StateField(State, State.WAITING, verbose_name=_("state"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    done_count = models.PositiveIntegerField(_("done"), default=0)
    set_aside = models.JSONField(_("set aside"), default=list, help_text=_("pairs of reference and error"))
    error = models.TextField(_("error"), blank=True)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("step of the end of day")
        verbose_name_plural = _("steps of the end of day")
        constraints = [
            models.UniqueConstraint(fields=["legal_entity", "day", "phase", "step", "partition_no"], name="one_run_per_partition")
        ]
        triggers = [legal_edges("state", STEP_RUN_EDGES)]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d} {self.step} {self.partition_no}"

    @transition(field=state, source=[State.WAITING, State.FAILED], target=State.DONE)
    def finish(self) -> None:
        """The partition's work is in the books."""

    @transition(field=state, source=State.WAITING, target=State.FAILED)
    def fail(self) -> None:
        """The partition's work was rolled back; it may be tried again."""

    @property
    def milliseconds(self) -> int | None:
        """How long the last attempt took."""
        if self.started_at is None or self.finished_at is None:
            return None
        return round((self.finished_at - self.started_at).total_seconds() * 1000)


class DateRange(models.Func):
    """The validity of a dated row, its last day included, as a PostgreSQL range."""

    function = "DATERANGE"
    output_field = DateRangeField()


class HashRange(models.Func):
    """A range of one number, the hash of the parts: equality for an exclusion constraint without the extension `btree_gist`."""

    function = "INT8RANGE"
    output_field = BigIntegerRangeField()

    def __init__(self, *parts: Any) -> None:
        joined = Concat(*(part for name in parts for part in (name, models.Value("/"))), output_field=models.TextField())
        digest = models.Func(joined, models.Value(0), function="HASHTEXTEXTENDED", output_field=models.BigIntegerField())
        super().__init__(digest, digest, RangeBoundary(inclusive_lower=True, inclusive_upper=True))


@audited()
class Parameter(BusinessModel):
    """A rule of the market or of the house, dated. The most specific row in force wins; see `selectors.parameter`."""

    class Kind(models.TextChoices):
        DECIMAL = "decimal", _("decimal")
        INTEGER = "integer", _("whole number")
        BOOLEAN = "boolean", _("yes or no")
        TEXT = "text", _("text")
        TIME = "time", _("time of day")
        DATA = "data", _("structured")

    class Certainty(models.TextChoices):
        STATED = "S", _("text or press report read")
        KNOWN = "K", _("to verify")

    code = models.CharField(_("code"), max_length=64)
    legal_entity = models.ForeignKey(
        LegalEntity, on_delete=models.PROTECT, null=True, blank=True, related_name="parameters", verbose_name=_("legal entity")
    )
    product_code = models.CharField(_("product"), max_length=32, blank=True)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    value = models.JSONField(_("value"))
    effective_from = models.DateField(_("in force from"))
    effective_to = models.DateField(_("in force until"), null=True, blank=True, help_text=_("last day included; empty: still in force"))
    source = models.CharField(_("source"), max_length=200)
    certainty = models.CharField(_("certainty"), max_length=1, choices=Certainty.choices)
    note = models.CharField(_("note"), max_length=300, blank=True)

    # Rows without an entity are the market's rules: everybody sees them, `selectors.parameters_of` adds them.
    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("parameter")
        verbose_name_plural = _("parameters")
        constraints = [
            ExclusionConstraint(
                name="parameter_validity_never_overlaps",
                expressions=[
                    (HashRange("code", "legal_entity_id", "product_code"), RangeOperators.OVERLAPS),
                    (
                        DateRange("effective_from", "effective_to", RangeBoundary(inclusive_lower=True, inclusive_upper=True)),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
            models.CheckConstraint(
                condition=models.Q(effective_to__isnull=True) | models.Q(effective_to__gte=models.F("effective_from")),
                name="parameter_ends_after_it_begins",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.effective_from:%Y-%m-%d}"

    @property
    def typed_value(self) -> Any:
        """The value as Python knows it: `Decimal`, `int`, `bool`, `str`, `time`, or JSON data."""
        return parameter_value(self.kind, self.value)


@audited()
class ExtraField(BusinessModel):
    """A field of their own 附加字段 that a lender's staff keep beside a thing; values are kept where the thing is, by `name`."""

    class About(models.TextChoices):
        LOAN = "loan", _("loan")

    class Kind(models.TextChoices):
        TEXT = "text", _("text")
        NUMBER = "number", _("number")
        DATE = "date", _("day")
        FLAG = "flag", _("yes or no")
        CHOICE = "choice", _("choice")

    legal_entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="extra_fields", verbose_name=_("legal entity"))
    about = models.CharField(_("kept of"), max_length=16, choices=About.choices)
    name = models.CharField(_("name"), max_length=32)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    label_en = models.CharField(_("label in English"), max_length=60)
    label_zh = models.CharField(_("label in Chinese"), max_length=60)
    is_required = models.BooleanField(_("required"), default=False)
    choices = ArrayField(models.CharField(max_length=60), default=list, blank=True, verbose_name=_("choices"))
    is_retired = models.BooleanField(_("retired"), default=False)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("extra field")
        verbose_name_plural = _("extra fields")
        constraints = [
            models.UniqueConstraint(fields=["legal_entity", "about", "name"], name="one_extra_field_per_name"),
            models.CheckConstraint(
                condition=models.Q(kind="choice", choices__len__gte=2) | (~models.Q(kind="choice") & models.Q(choices__len=0)),
                name="choices_go_with_a_choice",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        """What people of the present language read."""
        return str(self.label_zh if (get_language() or "").startswith("zh") else self.label_en)
