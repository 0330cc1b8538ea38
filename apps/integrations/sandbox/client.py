"""Remote control of a sandbox, for the demo and the tests: the customer's phone, personas and faults. Speaks HTTP only."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlsplit

from apps.integrations.sandbox.wire import send_signed


class SandboxClient:
    """The sandbox at `url`; `secret` signs."""

    def __init__(self, url: str, secret: str) -> None:
        self.url, self.secret = url.rstrip("/"), secret

    def call(self, method: str, path: str, payload: Any = None) -> dict[str, Any]:
        """One signed request; the JSON object answered. Raises `RuntimeError` for anything but 2xx, `OSError` without an answer."""
        status, body = send_signed(self.secret, method, f"{self.url}{path}", payload=payload, timeout_s=20)
        if not 200 <= status < 300:
            raise RuntimeError(f"The sandbox answered {status} to {method} {urlsplit(path).path}: {body.decode(errors='replace')}")
        return json.loads(body)

    def healthy(self) -> bool:
        """Whether the sandbox answers."""
        try:
            return self.call("GET", "/sandbox/health")["status"] == "ok"
        except (OSError, RuntimeError):
            return False

    def messages(self, phone: str) -> list[dict[str, Any]]:
        """The phone's inbox, oldest first: `text`, `message_id`, `sent_at`."""
        return self.call("GET", f"/sms/messages?phone={quote(phone)}")["messages"]

    def set_persona(self, id_number: str, persona: str) -> None:
        """Make a person play a persona, whatever the rule says."""
        self.call("POST", "/sandbox/personas", {"id_number": id_number, "persona": persona})

    def add_fault(self, party: str, operation: str, fault: str, *, times: int = 1, **options: Any) -> None:
        """Let an operation go wrong for its next `times` requests; `options`: `seconds`, `reference`."""
        self.call("POST", "/sandbox/faults", {"party": party, "operation": operation, "fault": fault, "times": times, **options})

    def reset(self) -> None:
        """Forget people, orders, messages and faults."""
        self.call("POST", "/sandbox/reset", {})
