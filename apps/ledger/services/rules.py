"""The chart and the posting rules of a legal entity: the shipped ones, and versions that follow."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common.actors import Actor
from apps.common.errors import BadInput
from apps.ledger import selectors
from apps.ledger.models import Account, PostingRule

DATA = Path(__file__).parent.parent / "data"
RULES_VERSION = 1
RULES_EFFECTIVE_FROM = dt.date(2000, 1, 1)


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
    closed = selectors.closed_through(legal_entity_id)
    if closed is not None and effective_from <= closed:
        raise BadInput(_("The rules must take effect on a day that is still open."))
    newest = PostingRule.objects.filter(legal_entity_id=legal_entity_id).order_by("-version").values_list("version", flat=True).first()
    if version != (newest or 0) + 1:
        raise BadInput(_("The version must be the next one."), newest=newest)
    accounts = {account.code: account for account in Account.objects.filter(legal_entity_id=legal_entity_id)}
    made = []
    for row in rules:
        debit, credit = accounts.get(row["debit"]), accounts.get(row["credit"])
        if debit is None or credit is None or _is_memo(debit) != _is_memo(credit):
            raise BadInput(_("A rule needs two accounts of the chart, both on or both off the balance sheet."), rule=row)
        made.append(
            PostingRule(
                legal_entity_id=legal_entity_id,
                version=version,
                effective_from=effective_from,
                event=row["event"],
                component=row["component"],
                party=row["party"],
                leg=int(row.get("leg") or 1),
                debit=debit,
                credit=credit,
                created_at=now,
            )
        )
    return len(PostingRule.objects.bulk_create(made))


def _is_memo(account: Account) -> bool:
    return bool(account.kind == Account.Kind.OFF_BALANCE)
