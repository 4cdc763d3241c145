"""What is wrong now, and what the log has of it: its beginning, once an hour while it lasts, its end.

Not every attempt: a bucket or a broker that is away for a night must not fill a disk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from edgecam.redaction import LONGEST_MESSAGE, SECRETS

FAULT_REASON = "fault"
"""The `reason` of an error that nobody foresaw: a mistake of edgecam's own."""
REPEAT_AFTER_S = 3600.0
"""Often enough to be found in a day's log, and 24 lines of it."""


@dataclass(frozen=True)
class Outage:
    """What is wrong.

    Attributes:
        reason: One word of a few.
        message: A sentence for a person, redacted and cut.
    """

    reason: str
    message: str

    @classmethod
    def of(cls, error: Exception, reason: str) -> Outage:
        """`error` as reports show it."""
        return cls(reason, str(error) or type(error).__name__).redacted()

    def redacted(self) -> Outage:
        """The same, with secrets hidden and at most `LONGEST_MESSAGE` characters."""
        return Outage(self.reason, SECRETS.shown(self.message, LONGEST_MESSAGE))


class Lines(NamedTuple):
    """The words of one kind of outage.

    Attributes:
        failing: Before the message: `the bucket cannot be reached`.
        recovered: The line at its end; may name `%(lasted_s).0f` and `%(failures)d`.
        severe: In place of `failing` where a person is needed; empty for the same words.
    """

    failing: str
    recovered: str
    severe: str = ""


@dataclass(frozen=True, kw_only=True)
class OutagePolicy:
    """Which failures are logged, and how.

    Attributes:
        lines: The words.
        reason_of: One word of a few for an error.
        needs_person: Whether a reason does not pass by itself, or costs data: an error in place of a warning.
        quiet_failures: Failures in a row that are not worth a line, by reason.
        settled_after_s: Seconds without a failure after which the next one is a new outage. Until then an
            outage that comes and goes stays one. Infinite: the owner calls `settled`.
    """

    lines: Lines
    reason_of: Callable[[Exception], str] = lambda _: FAULT_REASON
    needs_person: Callable[[str], bool] = lambda _: False
    quiet_failures: Callable[[str], int] = lambda _: 0
    settled_after_s: float = 0.0


@dataclass
class _Logged:
    """What was logged of the present outage: when, by reason, monotonic seconds."""

    at_s: dict[str, float] = field(default_factory=dict)
    needs_end: bool = False


class OutageLog:
    """Keeps what is wrong, and logs it. `outage` and `failures_total` may be read from any thread, the rest
    is for one at a time.

    Args:
        policy: Which failures are logged, and how.
        logger: Where to.
        about: Fields of each line, as `{"camera": "lobby"}`.
        detail: Asked for each line: what it ends with, as `; 7 chunks wait`.
    """

    def __init__(
        self,
        policy: OutagePolicy,
        logger: logging.Logger,
        *,
        about: Mapping[str, str] | None = None,
        detail: Callable[[], str] = lambda: "",
    ) -> None:
        self.outage: Outage | None = None
        self.failures_total = 0
        self._policy = policy
        self._logger = logger
        self._about = dict(about or {})
        self._detail = detail
        self._in_a_row = 0
        self._since_s: float | None = None
        self._well_since_s: float | None = None
        self._logged = _Logged()

    def failed(self, error: Exception, now_s: float) -> Outage:
        """An attempt failed, or a connection ended before its time; what is wrong."""
        return self.lasts(Outage.of(error, self._policy.reason_of(error)), now_s)

    def lasts(self, outage: Outage, now_s: float, error: Exception | None = None) -> Outage:
        """`outage` begins or goes on; with `error` its traceback is logged too."""
        self.outage = outage.redacted()
        self.failures_total += 1
        self._in_a_row += 1
        self._well_since_s = None
        if self._since_s is None:
            self._since_s = now_s
        self._log(self.outage, now_s, error)
        return self.outage

    def recovered(self, now_s: float) -> None:
        """It works (again)."""
        if self._since_s is not None and self._logged.needs_end:
            numbers = {"lasted_s": now_s - self._since_s, "failures": self._in_a_row}
            text = self._policy.lines.recovered % numbers
            self._logger.info("%s%s", text, self._detail(), extra=self._about)
        self.outage = self._since_s = None
        self._logged.needs_end = False
        self._well_since_s = now_s if self._well_since_s is None else self._well_since_s
        self.passes(now_s)

    def passes(self, now_s: float) -> None:
        """Time passes: log again an outage that lasts, even where nothing is tried meanwhile."""
        if self.outage is not None:
            self._log(self.outage, now_s)
        elif self._well_since_s is not None and now_s - self._well_since_s >= self._policy.settled_after_s:
            self.settled()

    def lasted_s(self, now_s: float) -> float | None:
        """For how long the present outage lasts, seconds; None without one."""
        since_s = self._since_s
        return None if since_s is None else now_s - since_s

    def settled(self) -> None:
        """It has worked for long enough: the next failure is a new outage."""
        self._in_a_row = 0
        self._logged.at_s.clear()

    def _log(self, outage: Outage, now_s: float, error: Exception | None = None) -> None:
        """The first of its reason, and once an hour: reasons that take turns are each logged so."""
        at_s = self._logged.at_s.get(outage.reason)
        is_recent = at_s is not None and now_s - at_s < REPEAT_AFTER_S
        if is_recent or self._in_a_row <= self._policy.quiet_failures(outage.reason):
            return
        lasted_s = 0.0 if self._since_s is None else now_s - self._since_s
        lasting = f", for {lasted_s / 60:.0f} min now" if self._logged.at_s else ""
        self._logged.at_s[outage.reason], self._logged.needs_end = now_s, True
        lines, is_severe = self._policy.lines, self._policy.needs_person(outage.reason)
        self._logger.log(
            logging.ERROR if is_severe else logging.WARNING,
            "%s%s: %s%s",
            (is_severe and lines.severe) or lines.failing,
            lasting,
            outage.message,
            self._detail(),
            extra=self._about | {"reason": outage.reason},
            exc_info=error,
        )
