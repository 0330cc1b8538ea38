"""Checks that `audit_books` runs on loans: projection = replay, booked = what belongs in the books, sub-ledger = general ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import connection

from apps.common.money import ZERO
from apps.ledger import selectors as ledger
from apps.ledger.domain import Check
from apps.loans.audit_parties import parties_are_general_ledger
from apps.loans.audit_replays import projections_are_replays
from apps.loans.models import LIVE
from apps.loans.services.marks import wrong_marks
from apps.loans.services.sums import summed_since
from apps.loans.services.targets import OWN_REF, Key

# Accounts that hold finance leases, and loans, only; all others hold both.
OF_LEASES: Final = ("1531", "153102", "153103", "1532")
OF_LOANS: Final = ("1303", "130302", "130303", "113201")
# Account → what the loans' own running totals say it holds: (sign, event, components) of the lender's share.
_SUB_LEDGER: Final[dict[str, tuple[str, tuple[tuple[int, str, tuple[str, ...]], ...]]]] = {
    "1303": (
        "principal",
        (
            (1, "disbursement", ("principal",)),
            (1, "take_over", ("principal",)),
            (1, "adjustment", ("principal",)),
            (-1, "repayment", ("principal",)),
            (-1, "write_off", ("principal",)),
            (1, "recovery", ("principal",)),
            (-1, "sale", ("principal",)),
            (1, "buy_back", ("principal",)),
        ),
    ),
    "130302": ("overdue principal", ((1, "reclassification", ("overdue",)),)),
    "130303": ("non-accrual principal", ((1, "reclassification", ("non_accrual",)),)),
    "113201": (
        "accrued interest",
        (
            (1, "accrual", ("interest", "interest_vat")),
            (1, "take_over", ("interest",)),
            (-1, "repayment", ("interest",)),
            (-1, "waiver", ("interest", "interest_vat")),
            (-1, "sale", ("interest",)),
            (1, "buy_back", ("interest",)),
        ),
    ),
    "1531": (
        "lease receivables",
        (
            (1, "disbursement", ("principal",)),
            (1, "unearned", ("interest",)),
            (1, "take_over", ("principal", "interest")),
            (1, "adjustment", ("principal",)),
            (-1, "repayment", ("principal", "interest")),
            (-1, "waiver", ("interest", "interest_vat")),
            (-1, "write_off", ("principal",)),
            (1, "recovery", ("principal",)),
            (-1, "sale", ("principal", "interest")),
            (1, "buy_back", ("principal", "interest")),
        ),
    ),
    "153102": ("overdue principal of leases", ((1, "reclassification", ("overdue",)),)),
    "153103": ("non-accrual principal of leases", ((1, "reclassification", ("non_accrual",)),)),
    "1532": ("unearned income of leases", ((1, "unearned", ("interest",)), (-1, "accrual", ("interest", "interest_vat")))),
    "113202": (
        "penalty",
        (
            (1, "penalty", ("penalty", "penalty_vat")),
            (1, "take_over", ("penalty",)),
            (-1, "repayment", ("penalty",)),
            (-1, "waiver", ("penalty", "penalty_vat")),
            (-1, "sale", ("penalty",)),
            (1, "buy_back", ("penalty",)),
        ),
    ),
    "113203": (
        "compound interest",
        (
            (1, "penalty", ("compound", "compound_vat")),
            (1, "take_over", ("compound",)),
            (-1, "repayment", ("compound",)),
            (-1, "waiver", ("compound", "compound_vat")),
            (-1, "sale", ("compound",)),
            (1, "buy_back", ("compound",)),
        ),
    ),
    "122101": (
        "fees",
        (
            (1, "fee", ("fee", "fee_vat")),
            (1, "take_over", ("fee",)),
            (-1, "repayment", ("fee",)),
            (-1, "waiver", ("fee", "fee_vat")),
            (-1, "write_off", ("fee",)),
            (1, "recovery", ("fee",)),
            (-1, "sale", ("fee",)),
            (1, "buy_back", ("fee",)),
        ),
    ),
    "1304": (
        "loss provision",
        (
            (1, "provision", ("principal",)),
            (1, "take_over", ("provision",)),
            (-1, "write_off", ("principal", "fee")),
            (1, "recovery", ("principal", "fee")),
            (-1, "sale", ("provision",)),
        ),
    ),
    "224102": ("customers' credit", ((1, "repayment", ("credit",)), (1, "take_over", ("credit",)), (-1, "refund", ("credit",)))),
    "601101": ("interest income", ((1, "accrual", ("interest",)), (-1, "waiver", ("interest",)))),
    "601102": ("penalty income", ((1, "penalty", ("penalty",)), (-1, "waiver", ("penalty",)))),
    "601103": ("compound interest income", ((1, "penalty", ("compound",)), (-1, "waiver", ("compound",)))),
    "6021": ("fee income", ((1, "fee", ("fee",)), (1, "deferred_earned", ("fee",)), (-1, "waiver", ("fee",)))),
    "601104": ("buy-downs earned", ((1, "deferred_earned", ("subsidy",)),)),
    "2401": (
        "income in advance",
        (
            (1, "deferred", ("fee", "subsidy")),
            (-1, "deferred_earned", ("fee", "fee_vat", "subsidy", "subsidy_vat")),
            (-1, "deferred_returned", ("subsidy",)),
        ),
    ),
    "222101": (
        "output tax",
        (
            (1, "accrual", ("interest_vat",)),
            (1, "penalty", ("penalty_vat", "compound_vat")),
            (1, "fee", ("fee_vat",)),
            (1, "deferred_earned", ("fee_vat", "subsidy_vat")),
            (-1, "waiver", ("interest_vat", "penalty_vat", "compound_vat", "fee_vat")),
        ),
    ),
    "6702": ("provision expense", ((1, "provision", ("principal",)), (-1, "adjustment", ("principal",)))),
    "6111": ("result of sales", ((1, "sale", ("difference",)), (-1, "buy_back", ("difference",)))),
    "9002": ("interest off balance", ((1, "non_accrual", ("interest", "penalty", "compound")),)),
    "9003": ("claims written off", ((1, "write_off", ("principal", "fee")), (-1, "recovery", ("principal", "fee")))),
}


def checks(legal_entity_id: UUID) -> list[Check]:
    """Every check of a legal entity's loans."""
    found = [
        *_sub_ledger_is_general_ledger(legal_entity_id),
        _principal_adds_up(legal_entity_id),
        _everything_is_booked(legal_entity_id),
        _accrued_through_the_last_close(legal_entity_id),
        _marks_have_a_cause(legal_entity_id),
    ]
    return found + projections_are_replays(legal_entity_id)


def _query(sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments[0] if arguments and isinstance(arguments[0], dict) else arguments)
        return cursor.fetchall()


def _sub_ledger_is_general_ledger(entity: UUID) -> Iterator[Check]:
    rows = _query(
        """SELECT a.event, a.component, a.party_ref, l.is_lease, sum(a.booked)
             FROM loans_loanamount a JOIN loans_loan l ON l.id = a.loan_id
            WHERE l.legal_entity_id = %s GROUP BY 1, 2, 3, 4""",
        entity,
    )
    moved = [((event, component, party_ref), is_lease, amount) for event, component, party_ref, is_lease, amount in rows]
    moved += [(key, is_lease, amount) for (key, is_lease), amount in summed_since(entity).items()]
    booked: dict[Key, Decimal] = {}
    of_kind: dict[bool, dict[Key, Decimal]] = {False: {}, True: {}}
    for key, is_lease, amount in moved:
        for totals in (booked, of_kind[is_lease]):
            totals[key] = totals.get(key, ZERO) + amount
    for code, (name, parts) in _SUB_LEDGER.items():
        held = of_kind[code in OF_LEASES] if code in OF_LEASES or code in OF_LOANS else booked
        sub = sum((sign * held.get((event, part, OWN_REF), ZERO) for sign, event, names in parts for part in names), start=ZERO)
        yield _compare(f"sub-ledger = general ledger: {name}", code, sub, ledger.balance(code, entity))
    yield _deposits_belong_to_leases(entity)
    yield _buy_downs_are_owed(entity)
    yield from parties_are_general_ledger(entity, booked)


def _compare(name: str, code: str, sub: Decimal, general: Decimal) -> Check:
    difference = sub - general
    offender = f"account {code}: loans {sub}, books {general}, difference {difference}" if difference else ""
    return Check(name, not difference, {"account": code, "loans": str(sub), "books": str(general)}, offender)


def _principal_adds_up(entity: UUID) -> Check:
    rows = _query(
        """SELECT l.number, coalesce(sum(a.booked) FILTER (WHERE a.event IN ('disbursement', 'take_over', 'adjustment')), 0),
                  coalesce(sum(a.booked) FILTER (WHERE a.event = 'repayment'), 0), b.principal
             FROM loans_loan l JOIN loans_loanbalance b ON b.loan_id = l.id
             LEFT JOIN loans_loanamount a ON a.loan_id = l.id AND a.component = 'principal'
             AND a.event IN ('disbursement', 'take_over', 'adjustment', 'repayment')
            WHERE l.legal_entity_id = %s GROUP BY l.id, b.loan_id ORDER BY l.number""",
        entity,
    )
    wrong = [row for row in rows if row[1] != row[2] + row[3]]
    sums = [sum((row[index] for row in rows), start=ZERO) for index in (1, 2, 3)]
    first = "loan {}: disbursed and adjusted {}, repaid {}, outstanding {}".format(*wrong[0]) if wrong else ""
    figures = {"disbursed": str(sums[0]), "repaid": str(sums[1]), "outstanding": str(sums[2]), "loans": len(rows)}
    return Check("principal repaid + outstanding = disbursed", not wrong, figures, first)


def _everything_is_booked(entity: UUID) -> Check:
    rows = _query(
        """SELECT l.number, a.event, a.component, a.target, a.booked
             FROM loans_loanamount a JOIN loans_loan l ON l.id = a.loan_id
            WHERE l.legal_entity_id = %s AND a.target <> a.booked ORDER BY l.number, a.id""",
        entity,
    )
    first = "loan {} {} {}: {} belongs in the books, {} is".format(*rows[0]) if rows else ""
    return Check("what belongs in the books is in them", not rows, {"missing": len(rows)}, first)


def _accrued_through_the_last_close(entity: UUID) -> Check:
    closed = ledger.closed_through(entity)
    name = "books closed on D hold accrual to D + 1"
    if closed is None:
        return Check(name, True, {"closed_through": ""})
    to = closed + dt.timedelta(days=1)
    rows = _query(
        """SELECT l.number, coalesce(r.as_of, b.as_of)
             FROM loans_loan l JOIN loans_loanbalance b ON b.loan_id = l.id LEFT JOIN loans_loanrun r ON r.loan_id = l.id
            WHERE l.legal_entity_id = %(entity)s AND l.state = ANY(%(live)s)
              AND (r.loan_id IS NULL OR (r.as_of < %(to)s AND (NOT r.is_plain OR r.next_event_on <= %(to)s OR r.ends_on < %(to)s)))
            ORDER BY l.number""",
        {"entity": entity, "live": list(LIVE), "to": to},
    )
    first = f"loan {rows[0][0]} stands on {rows[0][1]}, the books are closed through {closed}" if rows else ""
    return Check(name, not rows, {"accrued_to": str(to), "loans_behind": len(rows)}, first)


def _marks_have_a_cause(entity: UUID) -> Check:
    closed = ledger.closed_through(entity)
    wrong = wrong_marks(entity, closed + dt.timedelta(days=1)) if closed else []
    first = f"loan {wrong[0]}: marked without a bad loan of its borrower, or not marked with one" if wrong else ""
    return Check("loans are marked by their borrower's bad loans", not wrong, {"wrong": len(wrong)}, first)


def _deposits_belong_to_leases(entity: UUID) -> Check:
    """What is held on 224104 is held for a vehicle lease each, and never less than nothing."""
    rows = _query(
        """SELECT coalesce(l.number, line.subject_ref::text, 'nobody'), sum(line.credit - line.debit), count(lease.id)
             FROM ledger_journalline line JOIN ledger_account account ON account.id = line.account_id
             LEFT JOIN loans_loan l ON l.id = line.subject_ref LEFT JOIN loans_lease lease ON lease.loan_id = l.id
            WHERE account.legal_entity_id = %s AND account.code = '224104'
            GROUP BY line.subject_ref, l.number ORDER BY 1""",
        entity,
    )
    wrong = [row for row in rows if row[1] < ZERO or not row[2]]
    first = "loan {}: a deposit of {} is held".format(*wrong[0]) if wrong else ""
    total = sum((row[1] for row in rows), start=ZERO)
    return Check("deposits held belong to vehicle leases", not wrong, {"held": str(total), "leases": len(rows)}, first)


def _buy_downs_are_owed(entity: UUID) -> Check:
    """On 122102 each loan's payer owes what was agreed less what goes back to it and what it paid; no more went back than it paid."""
    rows = _query(
        """SELECT coalesce(l.number, moved.loan::text, 'nobody'), sum(moved.agreed), sum(moved.stands), sum(moved.paid)
             FROM (SELECT line.subject_ref AS loan, 0 AS agreed, line.debit - line.credit AS stands,
                          CASE WHEN entry.event IN ('buy_down_received', 'buy_down_paid_back')
                               THEN line.credit - line.debit ELSE 0 END AS paid
                     FROM ledger_journalline line JOIN ledger_account account ON account.id = line.account_id
                     JOIN ledger_journalentry entry ON entry.id = line.entry_id
                    WHERE account.legal_entity_id = %(entity)s AND account.code = '122102'
                   UNION ALL
                   SELECT a.loan_id, CASE a.event WHEN 'deferred' THEN a.booked ELSE -a.booked END, 0, 0
                     FROM loans_loanamount a JOIN loans_loan l ON l.id = a.loan_id
                    WHERE l.legal_entity_id = %(entity)s AND a.event IN ('deferred', 'deferred_returned') AND a.component = 'subsidy') moved
             LEFT JOIN loans_loan l ON l.id = moved.loan GROUP BY moved.loan, l.number ORDER BY 1""",
        {"entity": entity},
    )
    wrong = [row for row in rows if row[2] != row[1] - row[3] or row[3] < ZERO]
    first = "account 122102, loan {}: agreed {}, on the account {}, paid {}".format(*wrong[0]) if wrong else ""
    total = sum((row[2] for row in rows), start=ZERO)
    return Check("buy-downs owed by their payers", not wrong, {"owed": str(total), "loans": len(rows)}, first)
