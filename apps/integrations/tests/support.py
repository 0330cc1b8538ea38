"""What tests of every context use to play the outside world."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from apps.integrations.sandbox.callbacks import Callback
from apps.integrations.sandbox.personas import card_number_for, id_number_for
from apps.integrations.sandbox.server import RunningSandbox
from apps.integrations.signatures import signed_headers


class SandboxInTests:
    """The running sandbox, its remote control, its people's numbers, and its callbacks, which a test delivers when it wants to.

    Other contexts' tests get it as the fixture `sandbox`: they may not import this module.
    """

    def __init__(self, server: RunningSandbox) -> None:
        self.server = server
        self.url = server.url
        self.messages = server.messages
        self.set_persona = server.set_persona
        self.add_fault = server.add_fault
        self.call = server.call
        self.world = server.world

    def code_for(self, phone: str) -> str:
        """The six digits in the newest message that a phone received."""
        return otp_in(self.messages(phone)[-1]["text"])

    id_number_for = staticmethod(id_number_for)
    card_number_for = staticmethod(card_number_for)

    def take_callbacks(self) -> list[Callback]:
        """The callbacks waiting for delivery, in order; they are then yours."""
        return self.server.world.sender.take_held()

    def deliver_callbacks(self) -> list[int]:
        """Post every waiting callback to our own view, within the test's transaction; the statuses answered."""
        return [self.post_callback(callback.party, callback.payload) for callback in self.take_callbacks()]

    def post_callback(self, party: str, payload: dict[str, Any], **signing: Any) -> int:
        """Post one signed callback; `signing` overrides `secret`, `timestamp` or `nonce`. The status answered."""
        path = f"/callbacks/{party}/"
        body = json.dumps(payload, ensure_ascii=False).encode()
        secret = signing.pop("secret", self.server.secret)
        headers = signed_headers(secret, method="POST", path=path, body=body, **signing)
        return Client(headers=headers, raise_request_exception=False).post(path, data=body, content_type="application/json").status_code


def otp_in(text: str) -> str:
    """The six digits of a code in an SMS."""
    digits = "".join(sign if sign.isdigit() else " " for sign in text).split()
    return next(group for group in digits if len(group) == 6)


__all__ = ["SandboxInTests", "otp_in"]
