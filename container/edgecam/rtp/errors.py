"""What this receiver does not understand, and others may."""

from __future__ import annotations


class Unreadable(ValueError):  # noqa: N818 - reads as what was found
    """A stream has a form that is not read here; the message says which, to follow a camera's name."""
