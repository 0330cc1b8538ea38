"""Sends the sandbox's asynchronous results: signed, after a short delay, repeated until the receiver answers 200.

Without an address (tests without a web server) a callback is held until somebody fetches it. A 422 is the receiver's definite no and
ends the repetition; anything else, a 404 for an order not yet recorded included, is tried again.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from apps.integrations.sandbox.wire import send_signed

log = logging.getLogger(__name__)
BACKOFF_S = (0.3, 0.7, 1.5, 3.0, 5.0, 10.0, 20.0, 30.0)
WORKERS = 4


@dataclass(frozen=True)
class Callback:
    """One message to one address; `attempt` counts from 0."""

    party: str
    url: str
    payload: dict[str, Any]
    attempt: int = 0


class Sender:
    """A few threads that work a queue ordered by due time."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._queue: list[tuple[float, int, Callback]] = []
        self._numbers = itertools.count()
        self._wake = threading.Condition()
        self._stopped = False
        self._held: list[Callback] = []
        self._threads = [threading.Thread(target=self._work, daemon=True, name=f"sandbox-callback-{n}") for n in range(WORKERS)]
        for thread in self._threads:
            thread.start()

    def send(self, callback: Callback, *, delay_s: float) -> None:
        """Queue a callback, or hold it when it has no address."""
        with self._wake:
            if not callback.url:
                self._held.append(callback)
                return
            heapq.heappush(self._queue, (time.monotonic() + delay_s, next(self._numbers), callback))
            self._wake.notify()

    def take_held(self) -> list[Callback]:
        """Hand over, and forget, the callbacks that had no address, in order."""
        with self._wake:
            held, self._held = self._held, []
        return held

    def clear(self) -> None:
        """Forget everything that waits."""
        with self._wake:
            self._queue.clear()
            self._held.clear()

    def stop(self) -> None:
        """End the threads; what waits is not sent."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(timeout=6)

    def _next(self) -> Callback | None:
        with self._wake:
            while not self._stopped:
                wait = self._queue[0][0] - time.monotonic() if self._queue else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._queue)[2]
                self._wake.wait(wait)
        return None

    def _work(self) -> None:
        while (callback := self._next()) is not None:
            try:
                status, _ = send_signed(self._secret, "POST", callback.url, payload=callback.payload)
            except OSError as error:
                status = 0
                log.info("sandbox callback to %s: %s", callback.url, error)
            if status not in {200, 422} and callback.attempt < len(BACKOFF_S):
                self.send(replace(callback, attempt=callback.attempt + 1), delay_s=BACKOFF_S[callback.attempt])
