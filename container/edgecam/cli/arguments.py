"""Arguments of a command line, which are never repeated: anything may stand where it does not belong, and an
error goes to a log that more people read than `ps` on one machine."""

from __future__ import annotations

import argparse
import re
import sys
from typing import NoReturn

NOT_REPEATED = "something else, which is not repeated here since it could be a secret"
"""Stands where an error would say what was found."""

WRONG = 2
"""Exit code: the configuration, the command line or the installation is wrong."""

# What argparse says of its own arguments and nothing of those that it was given (CPython, argparse.py).
_OF_OURS = re.compile(
    r"(the following arguments are required: .*"
    r"|(argument [^:]+: )(expected .*arguments?|not allowed with argument .*))"
)
_WHICH = re.compile(r"argument ([^:]+): ")


class ArgumentParser(argparse.ArgumentParser):
    """As argparse's own, but an error names the argument and what was expected alone."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2, usage and message on standard error."""
        self.print_usage(sys.stderr)
        if not _OF_OURS.fullmatch(message):
            which = _WHICH.match(message)
            where = f"argument {which.group(1)}: expected a value as --help says" if which else None
            message = f"{where or 'expected arguments as --help says'}, found {NOT_REPEATED}"
        self.exit(WRONG, f"{self.prog}: {message}\n")
