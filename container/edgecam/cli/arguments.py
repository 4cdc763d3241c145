"""Arguments of a command line, which errors never quote: a secret may be in the wrong place, and a log has
more readers than `ps` on one machine."""

from __future__ import annotations

import argparse
import re
import sys
from typing import NoReturn

NOT_REPEATED = "something else, which is not repeated here since it could be a secret"
"""In place of what was found, in errors."""

WRONG = 2
"""Exit code: the configuration, the command line or the installation is wrong."""

# Messages of argparse that name its own arguments and quote none of the given ones (CPython, argparse.py).
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
