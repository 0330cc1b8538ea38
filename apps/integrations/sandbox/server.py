"""The sandbox's HTTP server: signature, route, fault, view, answer. Started by `manage.py sandbox`, and in tests by `running()`."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from apps.integrations.sandbox import parties  # noqa: F401  (registers the routes)
from apps.integrations.sandbox.callbacks import Sender
from apps.integrations.sandbox.client import SandboxClient
from apps.integrations.sandbox.wire import JSON, MAX_BODY_BYTES, ROUTES, Refusal, Request, Response, Route
from apps.integrations.sandbox.world import Config, World
from apps.integrations.signatures import Headers, SignatureRefused, verified_nonce

log = logging.getLogger(__name__)


_SPOILED = {
    "error": Response(500, {"code": "error", "message": "Internal error."}),
    "unreadable": Response(200, b'{"half": ', JSON),
}


def answer(world: World, *, method: str, target: str, body: bytes, headers: Headers) -> Response:
    """What the world answers to a raw request; refusals as JSON `{code, message}`."""
    parts = urlsplit(target)
    try:
        route, parameters = _route(method, parts.path)
        if not route.public:
            _check_signature(world, method=method, target=target, body=body, headers=headers)
        fault = world.take_fault(route.party, route.operation, target + body.decode(errors="replace"))
        kind = fault.fault if fault else ""
        if kind == "unavailable":
            raise Refusal(503, "unavailable", "Out of service.")
        request = Request(
            method=method,
            path=parts.path,
            body=body,
            content_type=headers.get("Content-Type") or JSON,
            query=dict(parse_qsl(parts.query)),
            parameters=parameters,
            fault=kind,
        )
        if fault and kind == "slow":
            time.sleep(fault.seconds)
        with world.lock:
            response = route.view(world, request)
        return _SPOILED.get(kind, response)
    except Refusal as refusal:
        return Response(refusal.status, {"code": refusal.code, "message": refusal.message})


def _route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    for route in ROUTES:
        parameters = route.match(method, path)
        if parameters is not None:
            return route, {name: unquote(value) for name, value in parameters.items()}
    raise Refusal(404, "no_such_address", f"{method} {path} is not served.")


def _check_signature(world: World, *, method: str, target: str, body: bytes, headers: Headers) -> None:
    try:
        nonce = verified_nonce(world.config.secret, method=method, path=target, body=body, headers=headers)
    except SignatureRefused as error:
        raise Refusal(401, error.code, "The signature does not stand.") from None
    if world.is_replay(nonce):
        raise Refusal(401, "replayed", "This nonce was used before.")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = 30

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY_BYTES:
            self.close_connection = True
            response = Response(413, {"code": "too_large", "message": "The body is too large."})
        else:
            body = self.rfile.read(length)
            try:
                response = answer(self.server.world, method=self.command, target=self.path, body=body, headers=self.headers)
            except Exception:
                log.exception("sandbox: %s %s", self.command, urlsplit(self.path).path)
                response = Response(500, {"code": "defect", "message": "The sandbox has a defect; see its log."})
        self._write(response)

    def _write(self, response: Response) -> None:
        content = response.body
        try:
            self.send_response(response.status)
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:  # the caller did not wait
            self.close_connection = True

    do_GET = do_POST = _serve  # noqa: N815  (the standard library's names)

    def log_message(self, format: str, *args: object) -> None:
        log.debug(format, *args)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], world: World) -> None:
        self.world = world
        super().__init__(address, _Handler)


def make_server(config: Config, *, host: str = "127.0.0.1", port: int = 0) -> _Server:
    """A server bound to its port, not yet serving. Raises `OSError` when the port is taken."""
    return _Server((host, port), World(config=config, sender=Sender(config.secret), callback_base=config.callback_base))


class RunningSandbox(SandboxClient):
    """A sandbox in a thread of this process: the remote control, and the callbacks that were held for want of an address."""

    def __init__(self, server: _Server) -> None:
        self.world = server.world
        super().__init__(f"http://127.0.0.1:{server.server_address[1]}", server.world.config.secret)


def config_from_settings(**changes: object) -> Config:
    """The configuration that Django's settings state."""
    from django.conf import settings

    config = Config(secret=settings.SANDBOX_SECRET, pki_dir=settings.PKI_DIR / "sandbox", callback_base=settings.CALLBACK_URL)
    return dataclasses.replace(config, **changes)  # type: ignore[arg-type]


@contextmanager
def running(*, port: int = 0, callback_base: str = "", callback_delay_s: float = 0.2) -> Iterator[RunningSandbox]:
    """Run a sandbox in a thread, on a free port by default; without `callback_base` it holds its callbacks."""
    server = make_server(config_from_settings(callback_base=callback_base, callback_delay_s=callback_delay_s), port=port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True, name="sandbox")
    thread.start()
    try:
        yield RunningSandbox(server)
    finally:
        server.shutdown()
        server.server_close()
        server.world.sender.stop()
        thread.join(timeout=5)


__all__ = ["RunningSandbox", "answer", "config_from_settings", "make_server", "running"]
