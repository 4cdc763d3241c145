"""Free ports, for runs side by side."""

from __future__ import annotations

import subprocess
import sys
import warnings

from sandbox.ports import _MOST_CLAIMS, FIRST_PORT, LAST_PORT, free_port, is_free


def test_any_number_of_ports_can_be_had_and_the_oldest_claims_are_closed() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ports = [free_port() for _ in range(_MOST_CLAIMS + 20)]
    assert [str(warning.message) for warning in caught] == []
    assert all(FIRST_PORT <= port <= LAST_PORT and is_free(port) for port in ports)


def test_port_that_another_process_is_given_is_claimed() -> None:
    program = "import sys; from sandbox.claims import claim; print(claim(sys.argv[1]), end='')"
    port = free_port()
    done = subprocess.run(
        [sys.executable, "-c", program, f"edgecam-port-{port}"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "None"


def test_process_that_was_given_ports_ends_without_a_warning() -> None:
    program = "from sandbox.ports import free_port; free_port(), free_port()"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
