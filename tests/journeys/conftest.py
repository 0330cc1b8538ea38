"""A running system for the journeys: own database, own broker, free ports."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from carloan.stack import Stack, running


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("stack")
    with running(Stack(folder, f"carloan_journey_{worker_id}", fresh=True)) as running_stack:
        running_stack.start_programs()
        yield running_stack
