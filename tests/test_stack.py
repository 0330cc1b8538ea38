"""Bad circumstances of a machine: each gives one clear line, and nothing is broken."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from carloan import embedded, stack
from carloan.stack import Stack, StackError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def taken_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_default_port_that_is_taken_gives_way_to_a_free_one(taken_port, monkeypatch):
    monkeypatch.delenv("WEB_PORT", raising=False)
    assert stack.chosen_port("WEB_PORT", taken_port) != taken_port


def test_a_port_that_was_asked_for_and_is_taken_is_named(taken_port, monkeypatch):
    monkeypatch.setenv("WEB_PORT", str(taken_port))
    with pytest.raises(StackError, match=f"Port {taken_port} .* is taken"):
        stack.chosen_port("WEB_PORT", 8000)


@pytest.mark.parametrize("text", ["x", "0", "70000", "-1"])
def test_what_is_not_a_port_is_refused(text, monkeypatch):
    monkeypatch.setenv("WEB_PORT", text)
    with pytest.raises(StackError, match="is not a port"):
        stack.chosen_port("WEB_PORT", 8000)


def test_a_second_stack_in_the_same_folder_is_refused_and_leaves_the_first_alone(tmp_path):
    first, second = Stack(tmp_path, "carloan_x"), Stack(tmp_path, "carloan_x")
    (tmp_path / "logs").mkdir()
    first._take_lock()
    with pytest.raises(StackError, match=f"runs already .process {os.getpid()}"):
        second._take_lock()
    first.stop()


def test_a_folder_that_cannot_be_made_says_what_to_set(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(StackError, match="CARLOAN_LOCAL_DIR"):
        Stack(blocked / "demo", "carloan_x").start()
    with pytest.raises(embedded.EmbeddedServerError, match="CARLOAN_DATA_DIR"):
        embedded._make_folder(blocked / "data")


def test_a_socket_path_that_is_too_long_is_shortened(tmp_path):
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    assert len(str(embedded.redis_socket(deep)).encode()) <= embedded.SOCKET_PATH_LIMIT


def test_setup_with_an_old_python_stops_with_2(tmp_path):
    old = tmp_path / "python-old"
    old.write_text('#!/bin/sh\ncase "$1" in --version) echo "Python 3.9.1";; *) exit 1;; esac\n')
    old.chmod(0o755)
    result = subprocess.run(
        ["bash", str(ROOT / "scripts" / "setup.sh")], capture_output=True, text=True, check=False, env={**os.environ, "PYTHON": str(old)}
    )
    assert result.returncode == 2
    assert re.search(r"3\.11 or newer is needed; found Python 3\.9\.1", result.stderr)


def test_a_program_that_dies_is_named_with_the_end_of_its_log(tmp_path):
    dying = Stack(tmp_path, "carloan_x")
    (tmp_path / "logs").mkdir()
    dying._spawn("web", [sys.executable, "-c", "print('no such thing'); raise SystemExit(3)"])
    dying._processes["web"].wait()
    with pytest.raises(StackError, match=r"(?s)web ended with 3.*no such thing"):
        dying.check_alive()
    dying.stop()


def test_redis_ends_with_a_killed_run(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from carloan import embedded\n"
        "print(embedded.start_redis(Path(sys.argv[1]))[1].pid, flush=True); time.sleep(60)"
    )
    run = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout
    status = Path(f"/proc/{int(run.stdout.readline())}/status")
    run.kill()
    run.wait()
    deadline = time.monotonic() + 10
    while status.exists() and "zombie" not in status.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not status.exists() or "zombie" in status.read_text()
