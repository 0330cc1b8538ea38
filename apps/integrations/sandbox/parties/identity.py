"""The identity provider: ID authenticity and four-factor card check at once, liveness by callback.

An ID number with a wrong check sign does not exist; the first name seen with a number is its owner's, another name is a mismatch; a
card and phone belong to the first ID number seen with the card. Videos whose reference begins with `fail` do not pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apps.integrations.sandbox.personas import is_card_number, is_id_number
from apps.integrations.sandbox.wire import Refusal, Request, Response, route
from apps.integrations.sandbox.world import World

_BANKS = {
    "622202": ("中国工商银行", "ICBC"),
    "621226": ("中国工商银行", "ICBC"),
    "621700": ("中国建设银行", "CCB"),
    "622848": ("中国农业银行", "ABC"),
    "621661": ("中国银行", "BOC"),
    "622588": ("招商银行", "CMB"),
}


@dataclass
class Registry:
    """Names by ID number, owners by card, and answers given by check."""

    names: dict[str, str] = field(default_factory=dict)
    cards: dict[str, tuple[str, str]] = field(default_factory=dict)
    checks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def compare(self, name: str, id_number: str) -> tuple[str, str]:
        """Result and reason of an authenticity check."""
        if not is_id_number(id_number):
            return "not_found", "no_such_id_number"
        if self.names.setdefault(id_number, name) != name:
            return "mismatch", "name_differs"
        return "match", ""


def _checked(world: World, check_id: str, result: str, reason: str, **facts: Any) -> Response:
    """Answer a check, and the same when it is asked again."""
    checks = world.part(Registry).checks
    return Response(200, checks.setdefault(check_id, {"check_id": check_id, "result": result, "reason": reason, **facts}))


@route("POST", "/identity/id-checks", party="identity", operation="check_id")
def check_id(world: World, request: Request) -> Response:
    """`{check_id, name, id_number}` → `match | mismatch | not_found`."""
    result, reason = world.part(Registry).compare(request.text("name"), request.text("id_number"))
    if request.fault == "refused":
        result, reason = "mismatch", "name_differs"
    return _checked(world, request.text("check_id"), result, reason, kind="id_authenticity")


@route("POST", "/identity/card-checks", party="identity", operation="check_card")
def check_card(world: World, request: Request) -> Response:
    """`{check_id, name, id_number, card_number, phone}` → `match | mismatch | not_found`, with the card's bank."""
    registry, card_number, id_number = world.part(Registry), request.text("card_number"), request.text("id_number")
    phone = request.text("phone")
    result, reason = registry.compare(request.text("name"), id_number)
    if result == "match" and not is_card_number(card_number):
        result, reason = "not_found", "no_such_card"
    elif result == "match" and registry.cards.setdefault(card_number, (id_number, phone)) != (id_number, phone):
        result, reason = "mismatch", "not_the_owner"
    if request.fault == "refused":
        result, reason = "mismatch", "not_the_owner"
    bank_name, bank_code = _BANKS.get(card_number[:6], ("中国邮政储蓄银行", "PSBC"))
    facts = {"bank_name": bank_name, "bank_code": bank_code, "card_type": "debit"} if result == "match" else {}
    return _checked(world, request.text("check_id"), result, reason, kind="bank_card", **facts)


@route("POST", "/identity/liveness-checks", party="identity", operation="check_liveness")
def check_liveness(world: World, request: Request) -> Response:
    """`{check_id, name, id_number, video_ref, callback_url?}` → accepted; the result `passed | failed` follows by callback."""
    registry, check = world.part(Registry), request.text("check_id")
    if check not in registry.checks:
        result, reason = registry.compare(request.text("name"), request.text("id_number"))
        failed = result != "match" or request.fault == "refused" or request.text("video_ref", "").startswith("fail")
        answer = {
            "check_id": check,
            "kind": "liveness",
            "result": "failed" if failed else "passed",
            "reason": (reason or "not_alive") if failed else "",
            "score": "31" if failed else "98",
        }
        registry.checks[check] = answer
        stale = answer | {"result": "processing", "reason": "", "score": ""}
        world.notify("identity", request.text("callback_url", ""), answer, fault=request.fault, stale=stale)
    return Response(202, {"check_id": check, "status": "accepted"})


@route("GET", "/identity/checks/{check_id}", party="identity", operation="query")
def query(world: World, request: Request) -> Response:
    """The answer to a check, for when its callback was lost."""
    answer = world.part(Registry).checks.get(request.parameters["check_id"])
    if answer is None:
        raise Refusal(404, "unknown_check", "No such check.")
    return Response(200, answer)
