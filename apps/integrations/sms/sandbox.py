"""Port `sms` on the sandbox's SMS provider."""

from __future__ import annotations

from uuid import UUID

from apps.common import clock
from apps.integrations import http, parties
from apps.integrations.notices import SignedAsWeSign, SmsNotice, object_in
from apps.integrations.reading import reading


class SandboxSms(SignedAsWeSign):
    """Sends one message; the provider knows ours by `message_id` and delivers a repetition once. Its report comes by callback."""

    party = "sms"

    def send(self, *, message_id: UUID | str, phone: str, text: str) -> str:
        """Hand a message to the provider; its own reference. Raises the failures of `common.gateways`."""
        payload = {
            "message_id": str(message_id),
            "phone": phone,
            "text": text,
            "sent_at": clock.now().isoformat(),
            "callback_url": parties.callback_url("sms"),
        }
        answer = http.call(http.Call("sms", "send", "POST", "/sms/messages", str(message_id), payload, repeatable=True))
        with reading("sms"):
            return str(answer.fields["provider_ref"])

    def read_callback(self, body: bytes) -> SmsNotice:
        """The report of a message's delivery."""
        fields = object_in(body)
        return SmsNotice(UUID(fields["message_id"]), str(fields["status"]), str(fields.get("reason", "")))
