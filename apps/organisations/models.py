"""Legal entities, branches and users; the base of every data scope."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from apps.common.audit import audited
from apps.common.models import BusinessModel
from apps.common.scope import EVERYTHING, NOTHING, DataScope, Scope, ScopedQuerySet
from apps.organisations.domain import ROLES


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
    scope_kind = models.CharField(max_length=12, blank=True, help_text=_("consultant, shop, dealer or customer; staff see their entity"))
    scope_ref = models.UUIDField(null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    is_superuser = models.BooleanField(_("operator of the whole system"), default=False)

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    scope = Scope(entity="legal_entity_id")
    objects = UserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")

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
