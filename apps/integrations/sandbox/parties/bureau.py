"""The credit bureau: a second-generation-like report by persona. Money in whole 分; months counted back from the moment of the query."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field
from typing import Any

from apps.integrations.sandbox.personas import is_id_number
from apps.integrations.sandbox.wire import Refusal, Request, Response, route
from apps.integrations.sandbox.world import World

_CLEAN = "N" * 24


@dataclass
class Reports:
    """Answers given, by query, so that a repeated query costs and changes nothing."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)


@route("POST", "/bureau/reports", party="bureau", operation="query")
def query(world: World, request: Request) -> Response:
    """`{query_id, name, id_number, reason_code, authorisation_no, queried_at}` → the report. No authorisation, no answer."""
    query_id, id_number = request.text("query_id"), request.text("id_number")
    if not request.text("authorisation_no", "") or request.fault == "refused":
        raise Refusal(422, "not_authorised", "The person's authorisation is missing.")
    if not is_id_number(id_number):
        raise Refusal(422, "bad_id_number", "This ID number does not exist.")
    request.text("reason_code")
    try:
        queried_at = dt.datetime.fromisoformat(request.text("queried_at"))
    except ValueError:
        raise Refusal(422, "bad_time", "queried_at is an ISO moment.") from None
    answers = world.part(Reports).answers
    if query_id not in answers:
        answers[query_id] = build(
            world.persona(id_number), query_id=query_id, name=request.text("name"), id_number=id_number, queried_at=queried_at
        )
    return Response(200, answers[query_id])


def build(persona: str, *, query_id: str, name: str, id_number: str, queried_at: dt.datetime) -> dict[str, Any]:
    """The report of a persona as of a moment."""
    thin = persona == "thin"
    accounts, queries, public = _FILES[persona](queried_at.date())
    return {
        "report_no": f"R{hashlib.sha256(query_id.encode()).hexdigest()[:20].upper()}",
        "query_time": queried_at.isoformat(),
        "person": {
            "name": name,
            "id_type": "10",
            "id_number": id_number,
            "education": "30" if thin else "20",
            "marital": "10" if thin else "20",
            "residence": "5" if thin else "2",
        },
        "accounts": accounts,
        "queries": queries,
        "public": public,
        "no_record": thin,
        "alert": persona == "fraud",
    }


def _account(
    kind: str,
    business: str,
    *,
    opened_on: dt.date,
    amount: int,
    balance: int,
    payment: int = 0,
    history: str = _CLEAN,
    status: str = "1",
    five_class: str = "1",
    overdue: int = 0,
    org_type: str = "11",
) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "five_class": five_class,
        "amount": amount,
        "balance": balance,
        "overdue_amount": overdue,
        "history_24": history,
        "opened_on": opened_on.isoformat(),
        "business": business,
        "org_type": org_type,
        "monthly_payment": payment,
    }


def _queries(loan: int = 0, card: int = 0, own: int = 0, orgs: int = 0) -> dict[str, int]:
    return {"loan_1m": loan, "card_1m": card, "self_1m": own, "orgs_1m": orgs}


_File = tuple[list[dict[str, Any]], dict[str, int], list[dict[str, Any]]]


def _back(day: dt.date, years: int) -> dt.date:
    return day - dt.timedelta(days=365 * years)


def _good(day: dt.date) -> _File:
    accounts = [
        _account("D1", "11", opened_on=_back(day, 5), amount=50_000_000, balance=36_000_000, payment=210_000),
        _account("R2", "81", opened_on=_back(day, 8), amount=5_000_000, balance=420_000, payment=42_000),
        _account("D1", "21", opened_on=_back(day, 6), amount=9_000_000, balance=0, status="3", history="N" * 23 + "C", org_type="23"),
    ]
    return accounts, _queries(loan=1, orgs=1), []


def _thin(day: dt.date) -> _File:
    return [], _queries(), []


def _fraud(day: dt.date) -> _File:
    month_ago = day - dt.timedelta(days=30)
    accounts = [
        _account("D1", "91", opened_on=month_ago, amount=2_000_000, balance=1_900_000, payment=180_000, history="N", org_type="51")
        for _ in range(3)
    ]
    return accounts, _queries(loan=14, card=6, own=4, orgs=13), []


def _indebted(day: dt.date) -> _File:
    late = "N" * 12 + "N1NN12N11N2N"
    accounts = [
        _account("D1", "11", opened_on=_back(day, 3), amount=150_000_000, balance=139_000_000, payment=920_000, history=late),
        _account("R2", "81", opened_on=_back(day, 4), amount=8_000_000, balance=7_850_000, payment=780_000, history=late),
        _account("R2", "81", opened_on=_back(day, 2), amount=6_000_000, balance=5_940_000, payment=590_000),
        *(
            _account("D1", "91", opened_on=_back(day, 1), amount=20_000_000, balance=17_000_000, payment=760_000, org_type="24")
            for _ in range(4)
        ),
    ]
    return accounts, _queries(loan=7, card=2, orgs=7), []


def _pays_late(day: dt.date) -> _File:
    accounts = [
        _account("D1", "21", opened_on=_back(day, 2), amount=10_000_000, balance=4_500_000, payment=260_000, history="N" * 18 + "NN1NNN"),
        _account("R2", "81", opened_on=_back(day, 5), amount=3_000_000, balance=900_000, payment=90_000),
    ]
    return accounts, _queries(loan=2, orgs=2), []


def _never_pays(day: dt.date) -> _File:
    """Clean so far, or nobody would have lent: the trouble comes with the first debit."""
    accounts = [
        _account("D1", "91", opened_on=_back(day, 2), amount=5_000_000, balance=1_200_000, payment=110_000, org_type="24"),
        _account("R2", "81", opened_on=_back(day, 4), amount=3_000_000, balance=1_400_000, payment=140_000),
    ]
    return accounts, _queries(loan=2, orgs=2), []


_FILES = {
    "good": _good,
    "thin": _thin,
    "fraud": _fraud,
    "indebted": _indebted,
    "pays_late": _pays_late,
    "never_pays": _never_pays,
}
