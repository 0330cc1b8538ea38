"""The people of the story, each with the program that they really use: a phone app, the dealer portal, the back office."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from django_otp.oath import TOTP

from apps.integrations.sandbox.client import SandboxClient
from carloan.stack import BASE_DIR

WAIT_S = 90
_POLL_S = 0.05


class JourneyError(AssertionError):
    """Something did not happen as the story tells; the message says what."""


def until(what: str, question: Any, *, timeout_s: float = WAIT_S) -> Any:
    """Ask again and again until the answer is truthy; raises `JourneyError` with `what` was waited for."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise JourneyError(f"Waited {timeout_s:.0f} s in vain for {what}.")
        time.sleep(_POLL_S)


def expect(response: httpx.Response, *statuses: int) -> httpx.Response:
    """The response, when its status is one of `statuses`; else `JourneyError` with what was answered."""
    if response.status_code not in (statuses or (200,)):
        text = re.sub(r"<[^>]+>", " ", response.text)
        raise JourneyError(f"{response.request.method} {response.request.url} → {response.status_code}: {' '.join(text.split())[:600]}")
    return response


@dataclass
class Phone:
    """A customer's phone: the app, and the eyes that read text messages (out of the sandbox's telephone network)."""

    web_url: str
    sandbox: SandboxClient
    number: str
    client: httpx.Client = field(init=False)
    device_id: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=f"{self.web_url}/api/v1", timeout=30, headers={"Accept-Language": "zh-Hans"})

    def messages(self) -> list[str]:
        """Text messages received, oldest first."""
        return [message["text"] for message in self.sandbox.messages(self.number)]

    def get(self, path: str, **params: Any) -> Any:
        """JSON of a GET."""
        return expect(self.client.get(path, params=params)).json()

    def post(self, path: str, body: dict[str, Any] | None = None, *, money: bool = False, **options: Any) -> Any:
        """JSON of a POST; `money` adds an idempotency key."""
        headers = {"Idempotency-Key": uuid4().hex} if money else {}
        response = expect(self.client.post(path, json=body or {}, headers=headers, **options), 200, 201, 202, 204)
        return response.json() if response.content else {}

    def put(self, path: str, body: dict[str, Any]) -> Any:
        """JSON of a PUT."""
        return expect(self.client.put(path, json=body)).json()

    def sign_in(self) -> None:
        """Phone number and the code that arrives by text message."""
        seen = len(self.messages())
        self.post("/auth/codes", {"phone": self.number})
        text = until("the code by text message", lambda: self.messages()[seen:])[-1]
        code = re.search(r"(?<!\d)\d{6}(?!\d)", text)
        if not code:
            raise JourneyError(f"No code in the message: {text}")
        tokens = self.post("/auth/token", {"phone": self.number, "code": code.group(), "device_id": self.device_id})
        self.client.headers["Authorization"] = f"Bearer {tokens['access']}"

    def download(self, path: str) -> bytes:
        """Bytes of a file."""
        return expect(self.client.get(path)).content


class Browser:
    """Somebody in a browser, without a screen: keeps cookies, sends forms with their tokens."""

    def __init__(self, web_url: str, login_path: str, username: str, password: str, totp_key: str) -> None:
        self.client = httpx.Client(base_url=web_url, timeout=60, follow_redirects=True, headers={"Accept-Language": "zh-Hans"})
        self.username = username
        token = str(TOTP(bytes.fromhex(totp_key)).token()).zfill(6)
        page = self.submit(login_path, {"username": username, "password": password, "otp_token": token})
        if page.url.path.rstrip("/") == login_path.rstrip("/") or page.status_code == 422:
            raise JourneyError(f"{username} could not sign in: {self.complaints(page)}")

    def open(self, path: str) -> httpx.Response:
        """A page."""
        return expect(self.client.get(path))

    def submit(self, path: str, data: dict[str, Any], files: dict[str, Any] | None = None, *, form_at: str | None = None) -> httpx.Response:
        """Send the form that stands at `form_at` (or at `path`), with its hidden fields."""
        page = self.open(form_at or path)
        response = self.client.post(path, data={**self.hidden(page), **data}, files=files, headers={"Referer": str(page.url)})
        return expect(response)

    def hidden(self, page: httpx.Response) -> dict[str, str]:
        """Hidden fields of a page's forms."""
        fields = {}
        for tag in re.findall(r"<input[^>]+type=[\"']hidden[\"'][^>]*>", page.text):
            name, value = re.search(r"name=[\"']([^\"']+)", tag), re.search(r"value=[\"']([^\"']*)", tag)
            if name:
                fields[name.group(1)] = html.unescape(value.group(1)) if value else ""
        return fields

    def complaints(self, page: httpx.Response) -> str:
        """What the page says is wrong."""
        found = re.findall(r"class=\"[^\"]*(?:errorlist|error|alert)[^\"]*\"[^>]*>(.*?)</(?:ul|p|div|span)>", page.text, re.S)
        return " ".join(" ".join(re.sub(r"<[^>]+>", " ", text).split()) for text in found) or page.text[:300]

    def download(self, path: str) -> bytes:
        """Bytes of a file."""
        return self.open(path).content


class Operations:
    """Whoever runs management commands: `eod`, `clock`, `reconcile`, `audit_books`."""

    def __init__(self, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.journeys.operator"],
            cwd=BASE_DIR,
            env=env | {"LOG_LEVEL": "WARNING"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> Any:
        """JSON answer of `manage.py arguments --format json`; raises `JourneyError` for another exit code."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([*arguments, "--format", "json"]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise JourneyError(f"The console died at {' '.join(arguments)}.")
        result = json.loads(line)
        if result["code"] not in codes:
            raise JourneyError(f"manage.py {' '.join(arguments)} → exit {result['code']}: {result['err'][-1500:]} {result['out'][-1500:]}")
        return json.loads(result["out"]) if result["out"].strip() else None

    def close(self) -> None:
        """End the console."""
        self.process.terminate()
        self.process.wait()
