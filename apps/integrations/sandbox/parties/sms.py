"""The SMS provider: takes messages, reports their delivery, and shows each phone's inbox."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from apps.integrations.sandbox.wire import Refusal, Request, Response, route
from apps.integrations.sandbox.world import World

_MOBILE = re.compile(r"1[3-9]\d{9}", re.ASCII)


@dataclass
class Inboxes:
    """Messages by the sender's id, in order of arrival."""

    messages: dict[str, dict[str, Any]] = field(default_factory=dict)


@route("POST", "/sms/messages", party="sms", operation="send")
def send(world: World, request: Request) -> Response:
    """`{message_id, phone, text, sent_at?, callback_url?}`; the same message_id again is the same message."""
    message_id, phone, text = request.text("message_id"), request.text("phone"), request.text("text")
    if not _MOBILE.fullmatch(phone):
        raise Refusal(422, "bad_phone", "phone is not a mobile number.")
    if request.fault == "refused":
        raise Refusal(422, "blocked", "The number refuses messages.")
    inboxes = world.part(Inboxes)
    known = inboxes.messages.get(message_id)
    if known is None:
        provider_ref = f"SMS{hashlib.sha256(message_id.encode()).hexdigest()[:16].upper()}"
        known = {
            "provider_ref": provider_ref,
            "message_id": message_id,
            "phone": phone,
            "text": text,
            "sent_at": request.text("sent_at", ""),
        }
        inboxes.messages[message_id] = known
        report = {"message_id": message_id, "provider_ref": provider_ref, "status": "delivered", "reason": ""}
        world.notify("sms", request.text("callback_url", ""), report, fault=request.fault, stale=report | {"status": "sent"})
    return Response(202, {"provider_ref": known["provider_ref"], "status": "accepted"})


@route("GET", "/sms/messages", party="sms", operation="inbox")
def inbox(world: World, request: Request) -> Response:
    """`?phone=`: what a phone has received, oldest first."""
    phone = request.query.get("phone", "")
    return Response(200, {"messages": [message for message in world.part(Inboxes).messages.values() if message["phone"] == phone]})
