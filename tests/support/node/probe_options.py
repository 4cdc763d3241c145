"""Options of `edgecam probe`, as the command line would give them."""

from __future__ import annotations

import argparse
from typing import Any


def options(uri: str, **given: Any) -> argparse.Namespace:
    defaults = {
        "username": None,
        "password_file": None,
        "password_env": None,
        "transport": "tcp",
        "receiver": "auto",
        "ca_file": None,
        "insecure": False,
        "timeout_s": 15.0,
    }
    return argparse.Namespace(uri=uri, **(defaults | given))
