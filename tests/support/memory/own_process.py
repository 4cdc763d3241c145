"""Memory measured in a process of its own: tracemalloc counts what every thread of a process allocates."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def measured_alone(measure: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `measure`, a function of a module, returns in a new process where no other test's threads are.

    Its exceptions are raised here.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
        return alone.submit(measure, *args, **kwargs).result()
