"""The whole system on one machine: PostgreSQL, Redis, web, workers, beat and the sandbox third parties, as real processes.

`make run`, `make demo`, the journey tests and the benchmarks start it; production runs the same programs under its own supervisor
(see compose.yaml). Every process ends with the stack, also when the stack is killed.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx
import psycopg
from psycopg import sql

from carloan import embedded, template

BASE_DIR = embedded.BASE_DIR
PYTHON = sys.executable
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 10


class StackError(RuntimeError):
    """The stack cannot start or a part of it died; the message says what to do."""


def free_port(wanted: int | None = None) -> int:
    """`wanted` when nobody listens there, else any free port of this machine's loopback."""
    for port in (wanted, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StackError("No free port on this machine.")


def chosen_port(variable: str, default: int) -> int:
    """The port that a variable names, which must be free; without the variable the default or, when taken, another free one."""
    text = os.environ.get(variable)
    if not text:
        return free_port(default)
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise StackError(f"{variable}={text} is not a port. Use a number from 1 to 65535.")
    if free_port(int(text)) != int(text):
        raise StackError(f"Port {text} ({variable}) is taken. Stop what listens there, or set {variable} to another port.")
    return int(text)


@dataclass
class Stack:
    """One running system. `folder` holds its logs, archive and keys; `database` is its database's name, made anew when `fresh`."""

    folder: Path
    database: str
    fresh: bool = False
    web_port: int = 0
    sandbox_port: int = 0
    worker_concurrency: int = 2
    env: dict[str, str] = field(default_factory=dict)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _logs: list[IO[bytes]] = field(default_factory=list)
    _lock: IO[str] | None = None

    @property
    def web_url(self) -> str:
        """Base address of the web process."""
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def sandbox_url(self) -> str:
        """Base address of the sandbox third parties."""
        return f"http://127.0.0.1:{self.sandbox_port}"

    def start(self) -> None:
        """Start everything and wait until it is ready. Raises `StackError` or `EmbeddedServerError` with what to do."""
        try:
            (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StackError(f"Cannot write to {self.folder} ({error.strerror}). Set CARLOAN_LOCAL_DIR to a writable folder.") from error
        self._take_lock()
        self._start_servers()
        self.web_port = self.web_port or free_port()
        self.sandbox_port = self.sandbox_port or free_port()
        self.env |= {
            "DJANGO_SETTINGS_MODULE": "carloan.settings",
            "CARLOAN_LOCAL_DIR": str(self.folder),
            "CARLOAN_PRODUCTION": "0",
            **dict.fromkeys(("GATEWAYS", "GATEWAY_URLS", "GATEWAY_SECRETS"), ""),  # the sandbox alone, whatever the machine's settings
            "PUBLIC_URL": self.web_url,
            "SANDBOX_URL": self.sandbox_url,
            "CARLOAN_CALLBACK_URL": self.web_url,
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "INFO"),
        }
        self.manage("migrate", "--no-input", "-v", "0")
        self.manage("collectstatic", "--no-input", "-v", "0")

    def start_programs(self) -> None:
        """Start web, sandbox, worker and beat, and wait until they answer."""
        gunicorn = [PYTHON, "-m", "gunicorn", "carloan.wsgi", "--bind", f"127.0.0.1:{self.web_port}", "--workers", "2", "--threads", "4"]
        self._spawn("web", [*gunicorn, "--worker-class", "gthread", "--timeout", "60"])
        self._spawn("sandbox", [PYTHON, "manage.py", "sandbox", "--port", str(self.sandbox_port)])
        celery = [PYTHON, "-m", "celery", "-A", "carloan"]
        queues = "urgent,default,bulk,eod"
        self._spawn("worker", [*celery, "worker", "-Q", queues, "-c", str(self.worker_concurrency), "-l", "INFO", "--without-mingle"])
        self._spawn("beat", [*celery, "beat", "-l", "INFO"])
        self._wait_for(f"{self.sandbox_url}/sandbox/health", "sandbox")
        self._wait_for(f"{self.web_url}/readyz", "web")
        self._wait_for_worker()

    def manage(self, *arguments: str, timeout: float = 600) -> str:
        """Run a management command to its end and return its standard output. Raises `StackError` with its errors."""
        result = subprocess.run(
            [PYTHON, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if result.returncode:
            raise StackError(f"manage.py {' '.join(arguments)} ended with {result.returncode}:\n{result.stderr.strip()}")
        return result.stdout

    def check_alive(self) -> None:
        """Raise `StackError` naming the program that died, with the end of its log."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise StackError(f"{name} ended with {process.returncode}:\n{self._tail(name)}")

    def stop(self) -> None:
        """End every process, the youngest first; those that do not heed are killed."""
        for process in reversed(self._processes.values()):
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for process in reversed(self._processes.values()):
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for log in self._logs:
            log.close()
        if self._lock:
            self._lock.close()

    def _take_lock(self) -> None:
        self._lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            raise StackError(f"It runs already (process {self._lock.read().strip()}, folder {self.folder}). Stop that one first.") from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def _start_servers(self) -> None:
        server = os.environ.get("DATABASE_URL") or embedded.start_postgres()
        self.env["DATABASE_URL"] = f"{server.rsplit('/', 1)[0]}/{self.database}"
        self._make_database(server)
        redis_url = os.environ.get("REDIS_URL")
        if not redis_url:
            redis_url, process = embedded.start_redis(embedded.data_dir() / f"redis-{self.database}")
            self._processes["redis"] = process
        self.env["REDIS_URL"] = redis_url

    def _make_database(self, server_url: str) -> None:
        name = sql.Identifier(self.database)
        with psycopg.connect(server_url, autocommit=True) as connection:
            if self.fresh:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.database]).fetchone():
                template_name = sql.Identifier(template.ensure(server_url))
                connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, template_name))

    def environment(self) -> dict[str, str]:
        """What every program of this stack gets as its environment."""
        return {**os.environ, **self.env}

    def _spawn(self, name: str, command: Sequence[str]) -> None:
        log = (self.folder / "logs" / f"{name}.log").open("wb")
        self._logs.append(log)
        self._processes[name] = subprocess.Popen(
            command,
            cwd=BASE_DIR,
            env=self.environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            preexec_fn=embedded.die_with_parent,  # noqa: PLW1509  (no threads run yet)
            start_new_session=True,
        )

    def _wait_for(self, url: str, name: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        answer = "no answer"
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                response = httpx.get(url, timeout=5)
                if response.is_success:
                    return
                answer = response.text
            except httpx.HTTPError as error:
                answer = str(error)
            time.sleep(0.1)
        raise StackError(f"{name} is not ready after {START_TIMEOUT_S} s: {answer}\n{self._tail(name)}")

    def _wait_for_worker(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while " ready." not in self._log("worker"):
            self.check_alive()
            if time.monotonic() > deadline:
                raise StackError(f"The worker is not ready after {START_TIMEOUT_S} s:\n{self._tail('worker')}")
            time.sleep(0.1)

    def _log(self, name: str) -> str:
        path = self.folder / "logs" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _tail(self, name: str, lines: int = 40) -> str:
        return "\n".join(self._log(name).splitlines()[-lines:])


@contextmanager
def running(stack: Stack) -> Iterator[Stack]:
    """Start a stack's servers (not its programs yet) and end all with the block, also on Ctrl-C and SIGTERM."""
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        stack.start()
        yield stack
    finally:
        signal.signal(signal.SIGTERM, previous)
        stack.stop()
