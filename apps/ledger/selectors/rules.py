"""Questions to the posting rules: what is in force, what a draft would change, and what they would post."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.common.money import ZERO
from apps.ledger import rulebook
from apps.ledger.domain import Leg, Posting, lines_of
from apps.ledger.models import Account, PostingRule, RulesDraft


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What becomes of one event, component and party: its pairs of accounts before and after, legs in order."""

    event: str
    component: str
    party: str
    before: tuple[tuple[str, str], ...]
    after: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        return f"{self.event}.{self.component} ({self.party})"

    @property
    def text(self) -> str:
        """`1002/1012 → 1001/1012`; a new key has nothing on the left."""
        return " → ".join("; ".join(f"{debit}/{credit}" for debit, credit in side) or "–" for side in (self.before, self.after))


@dataclass(frozen=True, slots=True)
class Trial:
    """Lines that the rules would post: (code, name, component, party reference, debit, credit). `missing` has no rule."""

    lines: Sequence[tuple[str, str, str, str, Decimal, Decimal]]
    missing: str = ""

    @property
    def debit(self) -> Decimal:
        return sum((line[4] for line in self.lines), start=ZERO)

    @property
    def credit(self) -> Decimal:
        return sum((line[5] for line in self.lines), start=ZERO)

    @property
    def balances(self) -> bool:
        """On and off the balance sheet apart, as the database asks of an entry."""
        memo = sum((line[4] - line[5] for line in self.lines if line[0].startswith("9")), start=ZERO)
        return bool(self.lines) and self.debit == self.credit and not memo


def chart(legal_entity_id: UUID) -> list[Account]:
    """The accounts of a legal entity, by code."""
    return list(Account.objects.filter(legal_entity_id=legal_entity_id).order_by("code"))


def rules_in_force(legal_entity_id: UUID, on: dt.date) -> list[PostingRule]:
    """The rows that count on a day, by event, component, party and leg."""
    newest: dict[tuple[str, str, str], int] = {}
    rows = list(
        PostingRule.objects.filter(legal_entity_id=legal_entity_id, effective_from__lte=on)
        .select_related("debit", "credit")
        .order_by("event", "component", "party", "leg")
    )
    for row in rows:
        key = (row.event, row.component, row.party)
        newest[key] = max(newest.get(key, 0), row.version)
    return [row for row in rows if newest[row.event, row.component, row.party] == row.version]


def rule_versions(legal_entity_id: UUID) -> list[tuple[int, dt.date]]:
    """Versions with the day from which they count, the newest first."""
    rows = PostingRule.objects.filter(legal_entity_id=legal_entity_id).order_by("-version", "effective_from")
    return list(rows.values_list("version", "effective_from").distinct())


def rules_draft(legal_entity_id: UUID) -> RulesDraft | None:
    """What is being written for a legal entity."""
    return RulesDraft.objects.filter(legal_entity_id=legal_entity_id).first()


def rules_diff(legal_entity_id: UUID, rows: Sequence[Mapping[str, str]], on: dt.date) -> list[RuleChange]:
    """What rows of a draft would change on a day; a key given replaces all legs of that key."""
    before: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for rule in rules_in_force(legal_entity_id, on):
        before.setdefault((rule.event, rule.component, rule.party), []).append((rule.debit.code, rule.credit.code))
    after: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for row in sorted(rows, key=lambda each: int(each.get("leg") or 1)):
        after.setdefault((row["event"], row["component"], row["party"]), []).append((row["debit"], row["credit"]))
    return [RuleChange(*key, tuple(before.get(key, ())), tuple(legs)) for key, legs in sorted(after.items())]


def try_rules(
    legal_entity_id: UUID, event: str, postings: Sequence[Posting], on: dt.date, draft: Sequence[Mapping[str, str]] = ()
) -> Trial:
    """What the rules of a day, with a draft on top, would post. Nothing is written."""
    accounts = {account.id: account for account in Account.objects.filter(legal_entity_id=legal_entity_id)}
    ids = {account.code: account.id for account in accounts.values()}
    rules: dict[Any, Sequence[Leg]] = dict(rulebook.read(legal_entity_id).rules(event, on))
    for change in rules_diff(legal_entity_id, [row for row in draft if row["event"] == event], on):
        rules[change.component, change.party] = [Leg(ids[debit], ids[credit]) for debit, credit in change.after]
    try:
        lines = lines_of(postings, rules)
    except KeyError as missing:
        return Trial((), ".".join((event, *missing.args[0])))
    return Trial(
        [
            (accounts[line.account].code, accounts[line.account].name, line.component, line.party_ref, line.debit, line.credit)
            for line in lines
        ]
    )


def moved_by_rules(legal_entity_id: UUID, asked: Iterable[tuple[str, Posting]], on: dt.date) -> dict[UUID, Decimal]:
    """Account → debit − credit that amounts of events move by the rules in force on a day. Raises `KeyError` where there is no rule."""
    book = rulebook.of(legal_entity_id)
    moved: dict[UUID, Decimal] = {}
    for event, posting in asked:
        for line in lines_of([posting], book.rules(event, on)):
            moved[line.account] = moved.get(line.account, ZERO) + line.debit - line.credit
    return moved
