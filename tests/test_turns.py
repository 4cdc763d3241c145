"""Lanes of several runs take turns on one machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import turns

from container.image.inputs import PROJECT

OTHER_RUN = (
    "import sys, turns\nwith turns.turn(int(sys.argv[1]), sys.argv[2]): print('has its turn', flush=True)"
)


def _other_run(most_at_once: int, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OTHER_RUN, str(most_at_once), name],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(Path(turns.__file__).parent), str(PROJECT)))},
    )


def test_as_many_as_are_allowed_run_at_once_and_the_next_waits_for_one_of_them() -> None:
    name = f"edgecam-test-{uuid.uuid4()}"
    with turns.turn(3, name), turns.turn(3, name):
        assert _other_run(3, name).communicate(timeout=60)[0] == "has its turn\n"
        with turns.turn(3, name):
            waiting = _other_run(3, name)
            with pytest.raises(subprocess.TimeoutExpired):
                waiting.communicate(timeout=1.0)  # many times what it takes where a turn is free
        assert waiting.communicate(timeout=60)[0] == "has its turn\n"


def test_turn_of_a_test_that_fails_is_given_back() -> None:
    name = f"edgecam-test-{uuid.uuid4()}"
    with contextlib.suppress(ArithmeticError), turns.turn(1, name):
        raise ArithmeticError
    assert _other_run(1, name).communicate(timeout=60)[0] == "has its turn\n"
