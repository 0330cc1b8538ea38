"""News between contexts: written in the caller's transaction, delivered after it, exactly once in effect.

`publish(event)` inserts the message and one delivery per handler; `publish_many` does so for thousands at once. After the commit a worker
is nudged, by many deeds in a moment once at their begin and once at their end; beat sweeps each minute what a lost nudge left behind. The
dispatcher takes deliveries `FOR UPDATE SKIP LOCKED`; a handler runs in the transaction that marks its delivery done, so a repetition
changes nothing. A handler that calls the outside world is declared `outside=True`: it runs under a lease outside any transaction, at least
once, and makes itself safe to repeat. After `MAX_ATTEMPTS` a delivery stays visible as failed, with a retry button in the back office.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import threading
import time
import traceback
import types
import typing
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import Error, connection, transaction

from apps.common import clock
from apps.common.actors import Actor
from apps.common.audit import recorded_as

log = structlog.get_logger(__name__)
MAX_ATTEMPTS = 8
NUDGES_APART_S: Final = 0.05
BACKOFF_S = (2, 5, 15, 60, 300, 900, 3600)
LEASE = dt.timedelta(minutes=2)  # longer than any handler may take, its time-outs included
_PUBLISH: Final = """
    WITH message AS (
        INSERT INTO common_outboxmessage (name, payload) SELECT %s, json_array_elements(%s)::jsonb RETURNING id
    )
    INSERT INTO common_outboxdelivery (message_id, handler, state, attempts, due_at, error)
    SELECT message.id, handler.name, 'waiting', 0, %s, ''
      FROM message, unnest(%s::text[]) WITH ORDINALITY AS handler (name, no)
     ORDER BY message.id, handler.no
"""


@dataclasses.dataclass(frozen=True)
class Handler:
    """A function that heeds one kind of event: `name` is its dotted path and its receipt's key."""

    name: str
    function: Callable[..., None]
    outside: bool


_events: dict[str, type] = {}
_handlers: dict[str, list[Handler]] = {}


_Event = typing.TypeVar("_Event")


@typing.dataclass_transform(frozen_default=True, kw_only_default=True)
def event(cls: type[_Event]) -> type[_Event]:
    """Class decorator for an event: a frozen dataclass named in the past tense, known by `context.ClassName`."""
    frozen = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    _events[_name(frozen)] = frozen
    return frozen


def handles(event_class: type, *, outside: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Function decorator, used in `handlers.py`: `def on_x(event: X, *, now: datetime) -> None`."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        handler = Handler(f"{function.__module__}.{function.__qualname__}", function, outside)
        known = _handlers.setdefault(_name(event_class), [])
        if all(other.name != handler.name for other in known):
            known.append(handler)
        return function

    return register


def handlers_of(name: str) -> list[Handler]:
    """Handlers of an event name, in the order of registration."""
    return _handlers.get(name, [])


def publish(news: Any) -> None:
    """Write an event into the caller's transaction. Must run inside one: news of a deed that is rolled back must not go out."""
    publish_many([news])


def publish_many(news: Sequence[Any]) -> None:
    """`publish` for many events, in one statement per kind of event."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("publish() needs the transaction of the deed that it tells of.")
    payloads: dict[str, list[str]] = {}
    for one in news:
        payloads.setdefault(_name(type(one)), []).append(_written(one))
    for name, texts in payloads.items():
        with connection.cursor() as cursor:
            handlers = [handler.name for handler in handlers_of(name)]
            cursor.execute(_PUBLISH, [name, f"[{','.join(texts)}]", dt.datetime.now(dt.UTC), handlers])
    if payloads:
        transaction.on_commit(_nudge)


class _Nudge:
    """Wakes the dispatcher after a deed; of many deeds in a moment, with the first and after the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._again_at = 0.0
        self._late: threading.Timer | None = None

    def __call__(self) -> None:
        with self._lock:
            wait = self._again_at - time.monotonic()
            if wait > 0:
                if self._late is None or not self._late.is_alive():  # a forked process inherits a timer that never fires
                    self._late = threading.Timer(wait, self._send)
                    self._late.start()
                return
        self._send()

    def _send(self) -> None:
        from apps.common.tasks import dispatch_outbox

        with self._lock:
            self._late, self._again_at = None, time.monotonic() + NUDGES_APART_S
        try:
            dispatch_outbox.delay()
        except Exception as error:  # noqa: BLE001  (the broker may be away; the sweep delivers)
            log.warning("outbox_nudge_failed", error=str(error))


_nudge = _Nudge()


def _name(cls: type) -> str:
    return f"{cls.__module__.split('.')[1]}.{cls.__name__}"


def to_json(news: Any) -> dict[str, Any]:
    """JSON object of an event; amounts and dates as text."""
    written: dict[str, Any] = json.loads(_written(news))
    return written


def _written(news: Any) -> str:
    return json.dumps(vars(news), default=_plain)


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else str(value)


def from_json(name: str, payload: dict[str, Any]) -> Any:
    """The event that `to_json` wrote down. Fields unknown to this version are dropped."""
    cls = _events[name]
    hints = typing.get_type_hints(cls)
    known = {field.name for field in dataclasses.fields(cls)}
    return cls(**{key: _revive(hints[key], value) for key, value in payload.items() if key in known})


def _revive(hint: Any, value: Any) -> Any:
    if isinstance(hint, types.UnionType):
        choices = [choice for choice in typing.get_args(hint) if choice is not type(None)]
        return None if value is None else _revive(choices[0], value)
    if value is None:
        return None
    origin = typing.get_origin(hint)
    if origin in (list, tuple):
        inner = typing.get_args(hint)[0]
        return origin(_revive(inner, item) for item in value)
    if hint in (UUID, Decimal):
        return hint(value)
    if hint is dt.datetime or hint is dt.date:
        return hint.fromisoformat(value)
    return value


def dispatch(*, limit: int = 200) -> int:
    """Run up to `limit` waiting deliveries; returns how many were tried. Safe to run in any number of processes at once."""
    tried = 0
    while tried < limit and _deliver_next():
        tried += 1
    return tried


def _deliver_next() -> bool:
    from apps.common.models import OutboxDelivery

    delivery = None
    try:
        with transaction.atomic():
            delivery = OutboxDelivery.objects.select_for_update(skip_locked=True, of=("self",)).select_related("message").due().first()
            if delivery is None:
                return False
            handler = _find(delivery)
            delivery.attempts += 1
            if handler and not handler.outside:
                _attempt(delivery, handler)
                delivery.save()
                return True
            delivery.due_at = dt.datetime.now(dt.UTC) + LEASE
            delivery.save()
    except Error as error:
        if delivery is None:
            raise
        _note_lost(delivery, error)
        return True
    if handler is None:
        _fail(delivery, "No such handler in this version.")
    else:
        _attempt(delivery, handler)
    _finish(delivery)
    return True


def _note_lost(delivery: Any, error: Error) -> None:
    """The attempt was rolled back with its transaction, by a lost connection, say: count it all the same, lest it hold up the others."""
    from apps.common.models import OutboxDelivery

    log.warning("transaction_lost", handler=delivery.handler, delivery=delivery.id, error=str(error)[:300], attempt=delivery.attempts)
    connection.close_if_unusable_or_obsolete()
    _fail(delivery, str(error))
    before = OutboxDelivery.objects.filter(id=delivery.id, attempts=delivery.attempts - 1, state=OutboxDelivery.State.WAITING)
    before.update(attempts=delivery.attempts, state=delivery.state, error=delivery.error, due_at=delivery.due_at)


def _finish(delivery: Any) -> None:
    """Write the result of a leased delivery, unless its lease ran out and somebody else took it up."""
    from apps.common.models import OutboxDelivery

    mine = OutboxDelivery.objects.filter(id=delivery.id, attempts=delivery.attempts, state=OutboxDelivery.State.WAITING)
    if not mine.update(state=delivery.state, error=delivery.error, due_at=delivery.due_at, done_at=delivery.done_at):
        log.warning("lease_lost", delivery=delivery.id, attempt=delivery.attempts)


def _find(delivery: Any) -> Handler | None:
    return next((handler for handler in handlers_of(delivery.message.name) if handler.name == delivery.handler), None)


def _attempt(delivery: Any, handler: Handler) -> None:
    """Run a handler once and note the result on the delivery, which the caller saves."""
    message = delivery.message
    try:
        news = from_json(message.name, message.payload)
        with recorded_as(Actor.system(handler.name.removeprefix("apps.")), event=message.name):
            if handler.outside:
                handler.function(news, now=clock.now())
            else:
                with transaction.atomic():
                    handler.function(news, now=clock.now())
                    connection.check_constraints()  # laws that speak only at the commit speak here
    except Exception as error:  # noqa: BLE001  (any failure is kept with the delivery and tried again)
        _fail(delivery, traceback.format_exc(limit=-6))
        log.warning("handler_failed", handler=handler.name, delivery=delivery.id, error=str(error)[:300], attempt=delivery.attempts)
    else:
        delivery.state, delivery.error, delivery.done_at = delivery.State.DONE, "", dt.datetime.now(dt.UTC)


def _fail(delivery: Any, error: str) -> None:
    delivery.error = error
    if delivery.attempts >= MAX_ATTEMPTS:
        delivery.state = delivery.State.FAILED
    wait = BACKOFF_S[min(delivery.attempts, len(BACKOFF_S)) - 1]
    delivery.due_at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=wait)


def retry(delivery_id: int) -> None:
    """Give a failed delivery another round of attempts; the back office's retry button."""
    from apps.common.models import OutboxDelivery

    with transaction.atomic():
        OutboxDelivery.objects.filter(id=delivery_id, state=OutboxDelivery.State.FAILED).update(
            state=OutboxDelivery.State.WAITING, attempts=0, due_at=dt.datetime.now(dt.UTC)
        )
        transaction.on_commit(_nudge)
