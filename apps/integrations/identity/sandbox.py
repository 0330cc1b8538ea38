"""Port `identity` on the sandbox's identity provider."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.customers.gateways import IdentityAnswer
from apps.integrations import http, parties
from apps.integrations.notices import IdentityNotice, SignedAsWeSign, object_in
from apps.integrations.reading import reading

PROVIDER = "sandbox"
OUTCOMES = {
    "match": "passed",
    "passed": "passed",
    "mismatch": "failed",
    "not_found": "failed",
    "failed": "failed",
    "processing": "accepted",
}


def answer_of(fields: dict[str, Any]) -> IdentityAnswer:
    """The provider's result, asked for or by callback, in our words; a result it has no word for is `unknown`."""
    with reading("identity"):
        score = fields.get("score")
        return IdentityAnswer(
            outcome=OUTCOMES.get(fields["result"], "unknown"),
            provider=PROVIDER,
            score=Decimal(score) if score else None,
            reason=str(fields.get("reason", "")),
            raw=fields,
        )


class SandboxIdentity(SignedAsWeSign):
    """Authenticity and card at once, liveness by callback. The provider knows an attempt by `check_id`: asking again is harmless."""

    party = "identity"

    def check_id(self, *, check_id: UUID, name: str, id_number: str) -> IdentityAnswer:
        """Whether name and ID number belong together."""
        return answer_of(self._post("check_id", "/identity/id-checks", check_id, name=name, id_number=id_number))

    def check_card(self, *, check_id: UUID, name: str, id_number: str, card_number: str, phone: str) -> IdentityAnswer:
        """Whether card, phone, name and ID number belong together; `raw` names the card's bank."""
        facts = {"name": name, "id_number": id_number, "card_number": card_number, "phone": phone}
        return answer_of(self._post("check_card", "/identity/card-checks", check_id, **facts))

    def check_liveness(self, *, check_id: UUID, name: str, id_number: str, video_ref: str) -> IdentityAnswer:
        """Start a liveness check; answers `accepted`."""
        facts = {"name": name, "id_number": id_number, "video_ref": video_ref, "callback_url": parties.callback_url("identity")}
        fields = self._post("check_liveness", "/identity/liveness-checks", check_id, **facts)
        return IdentityAnswer(outcome="accepted", provider=PROVIDER, raw=fields)

    def query(self, *, check_id: UUID) -> IdentityAnswer:
        """What became of a check, for when its callback was lost. Raises `GatewayRefused` (`unknown_check`) for one never received."""
        path = f"/identity/checks/{check_id}"
        return answer_of(http.call(http.Call("identity", "query", "GET", path, str(check_id), repeatable=True)).fields)

    def read_callback(self, body: bytes) -> IdentityNotice:
        """The result of a liveness check."""
        fields = object_in(body)
        return IdentityNotice(UUID(fields["check_id"]), answer_of(fields))

    def _post(self, operation: str, path: str, check_id: UUID, **facts: str) -> dict[str, Any]:
        payload = {"check_id": str(check_id), **facts}
        return http.call(http.Call("identity", operation, "POST", path, str(check_id), payload, repeatable=True)).fields
