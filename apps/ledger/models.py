"""The books of each legal entity: accounts, posting rules, and an append-only journal that the database itself keeps balanced."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.common.audit import audited
from apps.common.models import BusinessModel, ProjectNow
from apps.common.scope import Scope, ScopedQuerySet

_DEBIT = pgettext_lazy("side of an account", "debit")
_CREDIT = pgettext_lazy("side of an account", "credit")
APPEND_ONLY = pgtrigger.Update | pgtrigger.Delete

# A poster holds the entity's day shared, the close of a day exclusively: no entry slips into a day while it is being closed. One look
# per statement, however many entries it brings.
_OPEN_DAY = """
    FOR entity, first_day IN SELECT e.legal_entity_id, min(e.business_date) FROM new_entries e GROUP BY 1 ORDER BY 1 LOOP
        PERFORM pg_advisory_xact_lock_shared(hashtextextended(entity::text, 1303));
        IF EXISTS (SELECT 1 FROM ledger_ledgerday d WHERE d.legal_entity_id = entity AND d.date >= first_day) THEN
            RAISE EXCEPTION 'The books are closed on %', first_day USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
    IF EXISTS (SELECT 1 FROM new_entries e WHERE e.transaction_id <> pg_current_xact_id()::text::bigint) THEN
        RAISE EXCEPTION 'An entry bears the transaction it is made in' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
"""
# An entry and its lines come in one statement, so both triggers see it whole: no header stays alone, no line comes later.
_WITH_LINES = """
    SELECT e.id INTO alone FROM new_entries e WHERE NOT EXISTS (SELECT 1 FROM ledger_journalline l WHERE l.entry_id = e.id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Entry % does not balance: it comes without lines', alone USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
"""
# Stands for the foreign keys of lines, too: entries and accounts with lines are never deleted. A header made by the same command
# (`cmin`) as the lines has no others. Headers are looked up one by one (`LIMIT`): no plan made for small tables ever reads all of them.
_WHOLE = """
    SELECT l.cmin INTO command FROM ledger_journalline l WHERE l.id = (SELECT max(n.id) FROM new_lines n);
    SELECT own.*, e.total, e.id IS NULL OR e.cmin IS DISTINCT FROM command AS strange
      INTO wrong
      FROM (SELECT l.entry_id, l.business_date, a.legal_entity_id, sum(l.debit) AS debit, sum(l.credit) AS credit,
                   coalesce(sum(l.debit - l.credit) FILTER (WHERE a.kind = 'off_balance'), 0) AS memo
              FROM new_lines l LEFT JOIN ledger_account a ON a.id = l.account_id GROUP BY 1, 2, 3) own
      LEFT JOIN LATERAL (
           SELECT h.id, h.total, h.cmin FROM ledger_journalentry h
            WHERE h.id = own.entry_id AND h.business_date = own.business_date AND h.legal_entity_id = own.legal_entity_id
              AND h.transaction_id = pg_current_xact_id()::text::bigint LIMIT 1) e ON true
     WHERE e.id IS NULL OR e.cmin IS DISTINCT FROM command OR own.debit <> own.credit OR own.memo <> 0 OR own.debit <> e.total
     LIMIT 1;
    IF FOUND AND wrong.strange THEN
        RAISE EXCEPTION 'Lines come only together with a new entry of their own day and legal entity' USING ERRCODE = 'check_violation';
    ELSIF FOUND THEN
        RAISE EXCEPTION 'Entry % does not balance: debit %, credit %, off balance %, total %',
              wrong.entry_id, wrong.debit, wrong.credit, wrong.memo, wrong.total USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
"""
# What an account is, is what its lines mean: once there are some, only its name may change.
_POSTED_ACCOUNT = """
    IF (TG_OP = 'DELETE' OR (NEW.legal_entity_id, NEW.code, NEW.kind, NEW.side)
                            IS DISTINCT FROM (OLD.legal_entity_id, OLD.code, OLD.kind, OLD.side))
       AND EXISTS (SELECT 1 FROM ledger_journalline l WHERE l.account_id = OLD.id) THEN
        RAISE EXCEPTION 'Account % has lines: only its name may change', OLD.code USING ERRCODE = 'check_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
"""


@audited()
class Account(BusinessModel):
    """An account of a legal entity's chart. Codes are 4-2: `1303` is the sum of `130301`, `130302`, …"""

    class Kind(models.TextChoices):
        ASSET = "asset", _("asset")
        LIABILITY = "liability", _("liability")
        EQUITY = "equity", _("equity")
        INCOME = "income", _("income")
        EXPENSE = "expense", _("expense")
        OFF_BALANCE = "off_balance", _("off balance")

    class Side(models.TextChoices):
        DEBIT = "debit", _DEBIT
        CREDIT = "credit", _CREDIT

    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    code = models.CharField(_("code"), max_length=12)
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    side = models.CharField(_("normal side"), max_length=6, choices=Side.choices)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering = ["code"]
        constraints = [models.UniqueConstraint(fields=["legal_entity", "code"], name="account_code_per_entity")]
        triggers = [
            pgtrigger.Trigger(
                name="posted_account", when=pgtrigger.Before, operation=pgtrigger.Update | pgtrigger.Delete, func=_POSTED_ACCOUNT
            )
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class PostingRule(BusinessModel):
    """Event × component × party → debit and credit. Of several versions the newest in force on the business date counts."""

    class Party(models.TextChoices):
        OWN = "own", _("own share")
        PARTNER = "partner", _("partner's share")
        LEASE = "lease", _("own share of a finance lease")

    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    version = models.PositiveSmallIntegerField(_("version"))
    effective_from = models.DateField(_("effective from"))
    event = models.CharField(_("event"), max_length=32)
    component = models.CharField(_("component"), max_length=32)
    party = models.CharField(_("party"), max_length=8, choices=Party.choices)
    leg = models.PositiveSmallIntegerField(_("leg"), default=1)
    debit = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", verbose_name=_DEBIT)
    credit = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", verbose_name=_CREDIT)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("posting rule")
        verbose_name_plural = _("posting rules")
        ordering = ["event", "component", "party", "leg"]
        constraints = [
            models.UniqueConstraint(fields=["legal_entity", "version", "event", "component", "party", "leg"], name="one_rule_per_leg"),
            models.CheckConstraint(condition=~Q(debit=models.F("credit")), name="rule_moves_between_two_accounts"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.event}.{self.component} ({self.party}) v{self.version}"


@audited()
class RulesDraft(BusinessModel):
    """Rules that somebody of a legal entity is writing: rows as in the shipped file. They bind nobody until proposed and approved."""

    legal_entity = models.OneToOneField(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    rows = models.JSONField(_("rows"), default=list)
    changed_by = models.CharField(_("changed by"), max_length=128)
    changed_at = models.DateTimeField(_("changed at"))

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("draft of posting rules")
        verbose_name_plural = _("drafts of posting rules")

    def __str__(self) -> str:
        return f"{self.legal_entity_id} {len(self.rows)}"


class CurrentTransaction(models.Func):
    """The database transaction a row is made in; a column default that costs no query."""

    template = "pg_current_xact_id()::text::bigint"
    output_field = models.BigIntegerField()


class JournalEntry(BusinessModel):
    """The header of a posted entry. `transaction_id` is the database transaction it was made in.

    Its legal entity is guarded by its lines: their accounts are the same entity's, and those have the foreign key.
    """

    legal_entity = models.ForeignKey(
        "organisations.LegalEntity",
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("legal entity"),
    )
    created_at = models.DateTimeField(_("made at"), db_default=ProjectNow(), editable=False)
    business_date = models.DateField(_("business date"))
    event = models.CharField(_("event"), max_length=32)
    reference = models.CharField(_("reference"), max_length=100)
    narrative = models.CharField(_("narrative"), max_length=200, blank=True)
    total = models.DecimalField(_("total"), max_digits=18, decimal_places=2)
    actor = models.CharField(_("actor"), max_length=80)
    reverses = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversed_by", db_index=False, verbose_name=_("reverses")
    )
    transaction_id = models.BigIntegerField(db_default=CurrentTransaction(), editable=False)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("journal entry")
        verbose_name_plural = _("journal entries")
        constraints = [models.UniqueConstraint(fields=["legal_entity", "event", "reference"], name="entry_posted_once")]
        indexes = [
            models.Index(fields=["legal_entity", "business_date"], name="entry_by_day"),
            models.Index(fields=["reverses"], condition=Q(reverses__isnull=False), name="entry_by_reversed"),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=APPEND_ONLY),
            pgtrigger.Trigger(
                name="open_day",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="new_entries"),
                declare=[("entity", "uuid"), ("first_day", "date")],
                func=_OPEN_DAY,
            ),
            pgtrigger.Trigger(
                name="with_lines",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="new_entries"),
                declare=[("alone", "uuid")],
                func=_WITH_LINES,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.business_date} {self.event} {self.reference}"


class JournalLine(models.Model):
    """One side of an entry. `business_date` repeats the header's, for balances by account and day."""

    id = models.BigAutoField(primary_key=True)
    entry = models.ForeignKey(JournalEntry, on_delete=models.PROTECT, related_name="lines", db_constraint=False, verbose_name=_("entry"))
    business_date = models.DateField(_("business date"))
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False, verbose_name=_("account")
    )
    debit = models.DecimalField(_DEBIT, max_digits=18, decimal_places=2, default=0)
    credit = models.DecimalField(_CREDIT, max_digits=18, decimal_places=2, default=0)
    party_ref = models.CharField(_("party"), max_length=64, blank=True)
    subject_ref = models.UUIDField(_("subject"), null=True, blank=True)
    component = models.CharField(_("component"), max_length=32, blank=True)

    scope = Scope(entity="entry__legal_entity_id")
    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("journal line")
        verbose_name_plural = _("journal lines")
        constraints = [
            models.CheckConstraint(condition=Q(debit__gt=0, credit=0) | Q(debit=0, credit__gt=0), name="line_has_one_side_above_zero")
        ]
        indexes = [
            models.Index(fields=["account", "business_date"], name="line_by_account"),
            models.Index(fields=["subject_ref", "account"], condition=Q(subject_ref__isnull=False), name="line_by_subject"),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=APPEND_ONLY),
            pgtrigger.Trigger(
                name="whole",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="new_lines"),
                declare=[("command", "cid"), ("wrong", "record")],
                func=_WHOLE,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.debit or -self.credit}"


class LedgerDay(BusinessModel):
    """A closed day of the books with its totals; a day without a row is open. Nothing is posted in it or before it."""

    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    date = models.DateField(_("date"))
    entries = models.PositiveIntegerField(_("entries"))
    total = models.DecimalField(_("total"), max_digits=20, decimal_places=2)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("closed day")
        verbose_name_plural = _("closed days")
        constraints = [models.UniqueConstraint(fields=["legal_entity", "date"], name="day_closed_once")]
        triggers = [pgtrigger.Protect(name="append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.date}"


class AccountDay(models.Model):
    """What moved on an account on a closed day, and its balance then (debit − credit): the checkpoint that balances start from."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("account"))
    date = models.DateField(_("date"))
    debit = models.DecimalField(_DEBIT, max_digits=20, decimal_places=2)
    credit = models.DecimalField(_CREDIT, max_digits=20, decimal_places=2)
    balance = models.DecimalField(_("balance"), max_digits=20, decimal_places=2)
    created_at = models.DateTimeField(db_default=ProjectNow(), editable=False)

    scope = Scope(entity="account__legal_entity_id")
    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("account day")
        verbose_name_plural = _("account days")
        constraints = [models.UniqueConstraint(fields=["account", "date"], name="one_checkpoint_per_day")]
        triggers = [pgtrigger.Protect(name="append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.account_id} {self.date} {self.balance}"
