"""Four persons in the words of the inputs: what `decide --sample` shows, what a flow's stored test cases begin with."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Final

from apps.risk.domain.features import compute_features

AS_OF: Final = "2026-11-20"

# fmt: off
_GOOD: Final[dict[str, Any]] = {
    "as_of": AS_OF,
    "application": {
        "amount": 12_000_000, "price": 15_280_000, "guide_price": 15_980_000, "down_payment": 3_280_000, "term": 36,
        "power": "nev", "lease_type": "direct",
    },
    "customer": {
        "age": 34, "monthly_income": 1_800_000, "employment_months": 62, "contacts_count": 2, "registered_days": 1, "housing": "mortgaged",
        "id_verified": True, "liveness_verified": True, "card_verified": True,
    },
    "identity": {"report_matches": True},
    "bureau": {
        "report_no": "2026112000000001",
        "query_time": "2026-11-20T13:44:00+08:00",
        "person": {"name": "样例", "id_type": "10", "id_number": "440604199203071234"},
        "accounts": [
            {"type": "D1", "status": "1", "five_class": "1", "amount": 60_000_000, "balance": 40_120_000, "overdue_amount": 0,
             "history_24": "N" * 24, "opened_on": "2019-05-12", "business": "11", "monthly_payment": 238_000},
            {"type": "R2", "status": "1", "five_class": "1", "amount": 5_000_000, "balance": 914_000, "overdue_amount": 0,
             "history_24": "N" * 24, "opened_on": "2017-03-01", "business": "81"},
        ],
        "queries": {"loan_1m": 1, "card_1m": 0, "self_1m": 1, "orgs_1m": 1},
        "public": [],
        "no_record": False,
    },
    "signals": {
        "blacklisted": False, "greylisted": False, "whitelisted": False, "contact_blacklisted": False,
        "device_applicants": 1, "consultant_applications": 3, "contact_shared_applicants": 0,
    },
    "parameters": {"ltv_max_bp": {"ice": 8_000, "nev": 8_500}},
}
# fmt: on


def _good() -> dict[str, Any]:
    return copy.deepcopy(_GOOD)


def _thin() -> dict[str, Any]:
    """Nobody knows her yet: an answer, but not one to approve on."""
    inputs = _good()
    inputs["bureau"] |= {"accounts": [], "no_record": True, "queries": {"loan_1m": 1, "card_1m": 0, "self_1m": 0, "orgs_1m": 1}}
    inputs["customer"] |= {"age": 24, "monthly_income": 900_000, "employment_months": 14}
    inputs["application"] |= {"amount": 6_000_000, "price": 9_000_000, "guide_price": 9_500_000, "down_payment": 3_000_000}
    return inputs


def _fraud() -> dict[str, Any]:
    """One of many on one telephone, sent by one very busy consultant."""
    inputs = _good()
    inputs["signals"] |= {"device_applicants": 5, "consultant_applications": 41, "contact_shared_applicants": 6}
    inputs["bureau"] |= {"alert": True, "queries": {"loan_1m": 9, "card_1m": 4, "self_1m": 0, "orgs_1m": 12}}
    return inputs


def _indebted() -> dict[str, Any]:
    """Borrowed everywhere, and late."""
    inputs = _good()
    inputs["customer"] |= {"monthly_income": 700_000}
    # fmt: off
    loan = {"type": "D1", "status": "2", "five_class": "3", "amount": 6_000_000, "balance": 4_500_000, "overdue_amount": 380_000,
            "history_24": "N" * 18 + "123345", "opened_on": "2024-02-01", "business": "91"}
    # fmt: on
    inputs["bureau"]["accounts"] += [loan | {"balance": 4_500_000 - number * 10_000} for number in range(8)]
    inputs["bureau"] |= {"queries": {"loan_1m": 11, "card_1m": 2, "self_1m": 1, "orgs_1m": 9}}
    inputs["bureau"]["public"] = [{"kind": "enforcement", "amount": 5_200_000, "date": "2026-06-03"}]
    return inputs


SAMPLES: Final = {"good": _good, "thin": _thin, "fraud": _fraud, "indebted": _indebted}
OUTCOMES: Final = {"good": "approve", "thin": "review", "fraud": "decline", "indebted": "decline"}


def sample_values(reads: Iterable[str], sample: str) -> dict[str, Any]:
    """A sample person's values of exactly the fields that a flow reads. Raises `KeyError` for an unknown sample."""
    features = compute_features(SAMPLES[sample]())
    return {name: features[name] for name in reads}


def sample_cases(reads: Iterable[str]) -> list[dict[str, Any]]:
    """The sample persons as test cases of a flow that reads these fields."""
    fields = tuple(reads)
    return [{"name": name, "values": sample_values(fields, name), "outcome": outcome} for name, outcome in OUTCOMES.items()]
