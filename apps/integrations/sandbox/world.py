"""The sandbox's memory: personas, faults, seen nonces, each party's state, and the sender of callbacks."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from apps.integrations.sandbox.callbacks import Callback, Sender
from apps.integrations.sandbox.personas import persona_by_rule
from apps.integrations.signatures import MAX_AGE_S

State = TypeVar("State")
FAULTS = (
    "slow",  # answers after `seconds`
    "unavailable",  # 503 before any effect
    "error",  # 500 after the effect: only a query tells what happened
    "unreadable",  # takes effect and answers 200 with broken content
    "refused",  # a definite no, at once or as the asynchronous result
    "insufficient_funds",  # the debit fails for want of money
    "duplicate",  # the callback arrives twice
    "lost_callback",  # the callback never arrives
    "wrong_amount",  # the callback tells another amount
    "out_of_order",  # an older state is told after the final one
)


@dataclass(frozen=True)
class Config:
    """`callback_base` is where callbacks go whose request names no address; "" holds them. `pki_dir` keeps the time stamp's key."""

    secret: str
    pki_dir: Path
    callback_base: str = ""
    callback_delay_s: float = 0.2


@dataclass
class Fault:
    """What an operation of a party shall do wrong, for the next `times` requests; `reference` limits it to one order."""

    party: str
    operation: str
    fault: str
    times: int = 1
    seconds: float = 15.0
    reference: str = ""


@dataclass
class World:
    """All state; `lock` guards it. `part(Class)` is a party's own state, made at first use."""

    config: Config
    sender: Sender
    lock: threading.RLock = field(default_factory=threading.RLock)
    personas: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    callback_base: str = ""
    _nonces: dict[str, float] = field(default_factory=dict)
    _parts: dict[type, Any] = field(default_factory=dict)

    def part(self, kind: type[State]) -> State:
        """The state of a party."""
        with self.lock:
            return self._parts.setdefault(kind, kind())

    def persona(self, id_number: str) -> str:
        """The persona of a person: by the table, else by rule."""
        return self.personas.get(id_number) or persona_by_rule(id_number)

    def is_replay(self, nonce: str) -> bool:
        """Whether the nonce was seen within the time in which its signature is fresh; remembers it."""
        now = time.monotonic()
        with self.lock:
            for old in [seen for seen, at in self._nonces.items() if now - at > 2 * MAX_AGE_S]:
                del self._nonces[old]
            if nonce in self._nonces:
                return True
            self._nonces[nonce] = now
            return False

    def take_fault(self, party: str, operation: str, text: str) -> Fault | None:
        """The fault due for this request, used up once. `text` is path and body, in which the fault's reference must occur."""
        with self.lock:
            for fault in self.faults:
                if (fault.party, fault.operation) == (party, operation) and fault.times > 0 and fault.reference in text:
                    fault.times -= 1
                    return fault
        return None

    def notify(self, party: str, address: str, payload: dict[str, Any], *, fault: str = "", stale: dict[str, Any] | None = None) -> None:
        """Send a result by callback, as the fault says; `stale` is the older message that arrives late when out of order."""
        if fault == "lost_callback":
            return
        url = address or (f"{self.callback_base}/callbacks/{party}/" if self.callback_base else "")
        delay_s = self.config.callback_delay_s
        self.sender.send(Callback(party, url, payload), delay_s=delay_s)
        if fault == "duplicate":
            self.sender.send(Callback(party, url, payload), delay_s=delay_s)
        if fault == "out_of_order" and stale is not None:
            self.sender.send(Callback(party, url, stale), delay_s=delay_s * 2)

    def reset(self) -> None:
        """Forget everything but the seen nonces."""
        with self.lock:
            self.personas.clear()
            self.faults.clear()
            self._parts.clear()
            self.sender.clear()
            self.callback_base = self.config.callback_base
