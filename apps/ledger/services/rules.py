"""The chart and the posting rules of a legal entity: the shipped ones, and versions that follow."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common import approvals
from apps.common.actors import Actor
from apps.common.errors import BadInput, NotFound
from apps.common.models import ChangeRequest
from apps.ledger import selectors
from apps.ledger.models import Account, PostingRule, RulesDraft
from apps.ledger.services.days import hold_books

DATA = Path(__file__).parent.parent / "data"
RULES_VERSION = 1
RULES_EFFECTIVE_FROM = dt.date(2000, 1, 1)
RULES_CHANGE: Final = "ledger.rules"
MAX_DRAFT_ROWS: Final = 500
COLUMNS: Final = ("event", "component", "party", "leg", "debit", "credit")
_NAME: Final = re.compile(r"[a-z][a-z_]{0,31}")
_CODE: Final = re.compile(r"[1-9]\d{3}(\d{2})?", re.ASCII)


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@transaction.atomic
def open_books(*, legal_entity_id: UUID, actor: Actor, now: dt.datetime) -> None:
    """Give a legal entity the shipped chart of accounts and posting rules. Safe to repeat: adds only what is missing."""
    actor.require("organisations.edit")
    Account.objects.bulk_create((Account(legal_entity_id=legal_entity_id, **row) for row in _rows("accounts.csv")), ignore_conflicts=True)
    accounts = dict(Account.objects.filter(legal_entity_id=legal_entity_id).values_list("code", "id"))
    PostingRule.objects.bulk_create(
        (
            PostingRule(
                legal_entity_id=legal_entity_id,
                version=RULES_VERSION,
                effective_from=RULES_EFFECTIVE_FROM,
                event=row["event"],
                component=row["component"],
                party=row["party"],
                leg=int(row["leg"]),
                debit_id=accounts[row["debit"]],
                credit_id=accounts[row["credit"]],
            )
            for row in _rows("posting_rules.csv")
        ),
        ignore_conflicts=True,
    )


@transaction.atomic
def install_rules(
    *, legal_entity_id: UUID, version: int, effective_from: dt.date, rules: Sequence[dict[str, str]], actor: Actor, now: dt.datetime
) -> int:
    """Add a version of posting rules, in the columns of the shipped file; earlier versions keep what they posted.

    A key (event, component, party) given in it replaces all legs of that key. Raises `BadInput` for an unknown account, a version that
    is not the next one, or one that would reach into closed days.
    """
    actor.require("ledger.adjust")
    return _install(legal_entity_id, version, effective_from, rules, now)


def _install(legal_entity_id: UUID, version: int, effective_from: dt.date, rules: Sequence[dict[str, str]], now: dt.datetime) -> int:
    hold_books(legal_entity_id)  # a batch under way ends by the rules with which it began
    closed = selectors.closed_through(legal_entity_id)
    if closed is not None and effective_from <= closed:
        raise BadInput(_("The rules must take effect on a day that is still open."))
    if version != (newest := newest_version(legal_entity_id)) + 1:
        raise BadInput(_("The version must be the next one."), newest=newest)
    accounts = {account.code: account for account in Account.objects.filter(legal_entity_id=legal_entity_id)}
    made = []
    for row in rules:
        _check_rule(row, accounts)
        made.append(
            PostingRule(
                legal_entity_id=legal_entity_id,
                version=version,
                effective_from=effective_from,
                event=row["event"],
                component=row["component"],
                party=row["party"],
                leg=int(row.get("leg") or 1),
                debit=accounts[row["debit"]],
                credit=accounts[row["credit"]],
                created_at=now,
            )
        )
    return len(PostingRule.objects.bulk_create(made))


def _check_rule(row: Mapping[str, str], accounts: Mapping[str, Account]) -> None:
    debit, credit = accounts.get(row["debit"]), accounts.get(row["credit"])
    if debit is None or credit is None or debit == credit or _is_memo(debit) != _is_memo(credit):
        raise BadInput(_("A rule needs two accounts of the chart, both on or both off the balance sheet."), rule=dict(row))
    if not all(_NAME.fullmatch(row[key]) for key in ("event", "component")) or row["party"] not in PostingRule.Party.values:
        raise BadInput(_("Event and component are words of small letters; the party is own, partner or lease."), rule=dict(row))


def _is_memo(account: Account) -> bool:
    return bool(account.kind == Account.Kind.OFF_BALANCE)


def newest_version(legal_entity_id: UUID) -> int:
    """The number of the last version of a legal entity's rules; 0 before the first."""
    rows = PostingRule.objects.filter(legal_entity_id=legal_entity_id).order_by("-version")
    return rows.values_list("version", flat=True).first() or 0


@transaction.atomic
def save_draft(*, legal_entity_id: UUID, rows: Sequence[dict[str, str]], actor: Actor, now: dt.datetime) -> None:
    """Write down rules in the making, all of them anew; none: throw the draft away. Raises `BadInput` for a rule that could never be."""
    actor.require("ledger.adjust")
    if len(rows) > MAX_DRAFT_ROWS:
        raise BadInput(_("A draft holds at most 500 rules."))
    accounts = {account.code: account for account in Account.objects.filter(legal_entity_id=legal_entity_id)}
    for row in rows:
        _check_rule(row, accounts)
    drafts = RulesDraft.objects.filter(legal_entity_id=legal_entity_id).select_for_update()
    if not rows:
        drafts.delete()
        return
    kept = [{name: str(row[name]) for name in COLUMNS} for row in rows]
    drafts.update_or_create(legal_entity_id=legal_entity_id, defaults={"rows": kept, "changed_by": str(actor)[:128], "changed_at": now})


@transaction.atomic
def propose_rules(*, legal_entity_id: UUID, effective_from: dt.date, reason: str, actor: Actor, now: dt.datetime) -> ChangeRequest:
    """Put the draft before a second person; approved, it is the next version from its day on. Raises `BadInput` without a draft."""
    draft = RulesDraft.objects.filter(legal_entity_id=legal_entity_id).select_for_update().first()
    if draft is None:
        raise BadInput(_("There is no draft of posting rules."))
    version = newest_version(legal_entity_id) + 1
    payload = {"legal_entity": str(legal_entity_id), "version": version, "effective_from": str(effective_from), "rules": draft.rows}
    request = approvals.propose(
        kind=RULES_CHANGE,
        legal_entity_id=legal_entity_id,
        subject=f"v{version}",
        payload=payload,
        reason=reason,
        actor=actor,
        now=now,
    )
    draft.delete()
    return request


def preview_rules(payload: dict[str, Any], _now: dt.datetime) -> dict[str, Any]:
    """What a proposed version changes, key by key."""
    entity, day = UUID(payload["legal_entity"]), dt.date.fromisoformat(payload["effective_from"])
    closed = selectors.closed_through(entity)
    if closed is not None and day <= closed:
        raise BadInput(_("The rules must take effect on a day that is still open."))
    changes = selectors.rules_diff(entity, payload["rules"], day)
    return {"version": payload["version"], "effective_from": payload["effective_from"], **{change.key: change.text for change in changes}}


def execute_rules(payload: dict[str, Any], actor: Actor, now: dt.datetime, reference: str) -> dict[str, Any]:
    """Install an approved version."""
    day = dt.date.fromisoformat(payload["effective_from"])
    return {"rules": _install(UUID(payload["legal_entity"]), payload["version"], day, payload["rules"], now)}


def give_back_rules(payload: dict[str, Any], maker: str, now: dt.datetime) -> None:
    """Rules that were refused or withdrawn are a draft again, to be mended; one begun meanwhile stays."""
    facts = {"rows": payload["rules"], "changed_by": maker[:128], "changed_at": now}
    RulesDraft.objects.get_or_create(legal_entity_id=payload["legal_entity"], defaults=facts)


@transaction.atomic
def add_account(*, legal_entity_id: UUID, code: str, name: str, kind: str, side: str, actor: Actor, now: dt.datetime) -> UUID:
    """Add an account to a chart. Codes are 4 digits, or 4-2 below a head of the same kind. Raises `BadInput`."""
    actor.require("ledger.adjust")
    if not _CODE.fullmatch(code):
        raise BadInput(fields={"code": [str(_("A code has 4 digits, or 6 below a head of 4."))]})
    if not name.strip() or kind not in Account.Kind.values or side not in Account.Side.values:
        raise BadInput(fields={"name": [str(_("An account needs a name, a kind and a normal side."))]})
    below = Account.objects.filter(legal_entity_id=legal_entity_id, code__startswith=code[:4])
    if below.filter(code=code).exists():
        raise BadInput(fields={"code": [str(_("There is such an account already."))]})
    if below.exclude(kind=kind).exists():
        raise BadInput(fields={"kind": [str(_("Accounts below one head are of one kind."))]})
    account = Account.objects.create(legal_entity_id=legal_entity_id, code=code, name=name.strip(), kind=kind, side=side)
    return account.id


@transaction.atomic
def rename_account(*, account_id: UUID, name: str, actor: Actor, now: dt.datetime) -> None:
    """Give an account another name; what it is stays. Raises `NotFound`, `BadInput`."""
    actor.require("ledger.adjust")
    account = Account.objects.within(actor.data_scope).select_for_update().filter(id=account_id).first()
    if account is None:
        raise NotFound
    if not name.strip():
        raise BadInput(fields={"name": [str(_("An account needs a name, a kind and a normal side."))]})
    account.name = name.strip()[:100]
    account.save(update_fields=["name"])
