"""Arithmetic over the planes of a picture, as machine code that ORC makes: GStreamer's own library for it.

videoconvert does not do: from BT.601 in 16 to 235 it copies the numbers as they are, other matrices it rounds
down, by up to five levels in 3.6 ms a picture of 1080p (GStreamer 1.22), and exactly it needs 10 ms.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from edgecam.errors import InstallationError

_LIBRARY = "liborc-0.4.so.0"
_POINTER, _NUMBER, _TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p


class Plane:
    """A plane of bytes, or some of its lines.

    Attributes:
        address: Of its first byte; its owner keeps the memory as long as the plane is used.
        stride: Bytes from line to line.
    """

    def __init__(self, address: int, stride: int) -> None:
        self.address = address
        self.stride = stride


class Program:
    """A program in ORC's language, compiled for this processor. Safe to use from any thread, one at a time.

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

    def run(self, width: int, lines: int, planes: Mapping[str, Plane], numbers: Mapping[str, int]) -> None:
        """Run it over `lines` of `width` bytes.

        Args:
            width: Bytes of a line of the destination.
            lines: How many.
            planes: By the names of sources and destinations.
            numbers: By the names of parameters.
        """
        orc = self._orc
        executor = orc.orc_executor_new(self._program)
        orc.orc_executor_set_n(executor, width)
        orc.orc_executor_set_m(executor, lines)
        for name, plane in planes.items():
            variable = orc.orc_program_find_var_by_name(self._program, name.encode())
            orc.orc_executor_set_array(executor, variable, plane.address)
            orc.orc_executor_set_stride(executor, variable, plane.stride)
        for name, number in numbers.items():
            orc.orc_executor_set_param_str(executor, name.encode(), number)
        orc.orc_executor_run(executor)
        orc.orc_executor_free(executor)


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
