"""Arithmetic over the planes of a picture, as machine code that ORC makes: GStreamer's own library for it.

videoconvert does not do: from BT.601 in 16 to 235 it copies the numbers as they are, other matrices it rounds
down, by up to five levels in 3.6 ms a picture of 1080p (GStreamer 1.22), and exactly it needs 10 ms.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from edgecam.errors import InstallationError

_LIBRARY = "liborc-0.4.so.0"
_POINTER, _NUMBER, _TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p


class Program:
    """A program in ORC's language, compiled for this processor. Safe to use from any thread.

    Args:
        code: One function with the flag `2d`.
    """

    def __init__(self, code: str) -> None:
        self._orc = _library()
        found = ctypes.POINTER(_POINTER)()
        if self._orc.orc_parse(code.encode(), ctypes.byref(found)) != 1:
            raise RuntimeError("expected one function in ORC's language")
        self._program = found[0]
        self._orc.orc_program_compile(self._program)  # what it cannot compile it interprets

    def with_settings(self, width: int, strides: Mapping[str, int], numbers: Mapping[str, int]) -> Executor:
        """The program for planes of one form.

        Args:
            width: Bytes of a line of the destination.
            strides: Bytes from line to line, by the names of sources and destinations.
            numbers: By the names of parameters.
        """
        orc, executor = self._orc, self._orc.orc_executor_new(self._program)
        orc.orc_executor_set_n(executor, width)
        variables = {name: orc.orc_program_find_var_by_name(self._program, name.encode()) for name in strides}
        for name, stride in strides.items():
            orc.orc_executor_set_stride(executor, variables[name], stride)
        for name, number in numbers.items():
            orc.orc_executor_set_param_str(executor, name.encode(), number)
        return Executor(executor, variables)


class Executor:
    """A program with its settings. Not safe for threads.

    Args:
        executor: ORC's own; it is freed with this object.
        variables: ORC's numbers of the planes, by name.
    """

    def __init__(self, executor: int, variables: Mapping[str, int]) -> None:
        self._orc = _library()
        self._executor = executor
        self._variables = variables
        weakref.finalize(self, self._orc.orc_executor_free, executor)

    def run(self, lines: int, addresses: Mapping[str, int]) -> None:
        """Run it over so many lines.

        Args:
            lines: How many.
            addresses: Of the first byte of each plane, by name; their owner keeps the memory meanwhile.
        """
        orc, executor = self._orc, self._executor
        orc.orc_executor_set_m(executor, lines)
        for name, address in addresses.items():
            orc.orc_executor_set_array(executor, self._variables[name], address)
        orc.orc_executor_run(executor)


@cache
def _library() -> Any:
    try:
        orc = ctypes.CDLL(_LIBRARY)
    except OSError:
        raise InstallationError(f"expected {_LIBRARY}, found none: apt install liborc-0.4-0") from None
    arguments: dict[str, tuple[Any, Sequence[Any]]] = {
        "orc_init": (None, ()),
        "orc_parse": (_NUMBER, (_TEXT, _POINTER)),
        "orc_program_compile": (_NUMBER, (_POINTER,)),
        "orc_program_find_var_by_name": (_NUMBER, (_POINTER, _TEXT)),
        "orc_executor_new": (_POINTER, (_POINTER,)),
        "orc_executor_set_n": (None, (_POINTER, _NUMBER)),
        "orc_executor_set_m": (None, (_POINTER, _NUMBER)),
        "orc_executor_set_array": (None, (_POINTER, _NUMBER, _POINTER)),
        "orc_executor_set_stride": (None, (_POINTER, _NUMBER, _NUMBER)),
        "orc_executor_set_param_str": (None, (_POINTER, _TEXT, _NUMBER)),
        "orc_executor_run": (None, (_POINTER,)),
        "orc_executor_free": (None, (_POINTER,)),
    }
    for name, (result, kinds) in arguments.items():
        function = getattr(orc, name)
        function.restype, function.argtypes = result, list(kinds)
    orc.orc_init()
    return orc
