"""Code that is to take time in proportion to what it reads."""

from __future__ import annotations

import subprocess
import sys

PROCESSOR_LIMIT_S = 30
"""Of work, so that a busy machine does not use it up; what takes quadratic time takes many times as much."""


def within_processor_time(code: str) -> subprocess.CompletedProcess[str]:
    """Runs `code` in a process that is killed after `PROCESSOR_LIMIT_S`."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_CPU, ({PROCESSOR_LIMIT_S},) * 2)\n"
    return subprocess.run([sys.executable, "-c", limit + code], text=True, capture_output=True, check=False)
