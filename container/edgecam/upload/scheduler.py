"""Which chunk next: fair between cameras, and between what is new and what an outage has left behind.

Plain decisions over values; the spool knows which chunks there are, `upload.py` brings both together.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edgecam.config.storage import Order

LEAST_TURN_BYTES = 250_000
"""What a turn counts at the least: about what a line of 20 Mbit/s carries in the tenth of a second that a
request takes. Without it a camera with thousands of tiny chunks takes the time of those with a few large
ones."""


@dataclass(frozen=True)
class Turn:
    """Whose turn it is.

    Attributes:
        camera_id: The camera.
        order: From which end of what waits of it.
    """

    camera_id: str
    order: Order


@dataclass
class _Account:
    """What one camera has had.

    Attributes:
        served_bytes: What its turns counted, or the others' least when it came late: who had nothing
            to send saves nothing up.
        last_turn: The number of its last turn, so that equals take turns.
        backlog_credit: How much of a turn the backlog is owed.
    """

    served_bytes: int = 0
    last_turn: int = 0
    backlog_credit: float = 0.0


class Schedule:
    """Whose turn it is. Not safe to use from several threads at once.

    The camera that has been served the fewest bytes comes first; small chunks count as somewhat larger ones.
    With `newest` most of its turns take the newest chunk, and `backlog_share` of them the oldest: so what
    happens now is in the cloud soon however much waits, and the backlog shrinks from its old end, where the
    spool's limit would take from it.

    Args:
        order: Which chunk of a camera goes first.
        backlog_share: With `newest`: the part of the turns, 0 to 1, that goes to the oldest.
    """

    def __init__(self, *, order: Order, backlog_share: float) -> None:
        self._order = order
        self._backlog_share = backlog_share
        self._accounts: dict[str, _Account] = {}
        self._waiting: frozenset[str] = frozenset()
        self._turns = 0

    def turns(self, cameras: Collection[str]) -> list[Turn]:
        """The cameras of which something waits, who is next first. Nothing is settled before `took`."""
        self._admit(frozenset(cameras))
        ranked = sorted(self._waiting, key=self._rank)
        return [Turn(camera_id, self._end_for(self._accounts[camera_id])) for camera_id in ranked]

    def took(self, turn: Turn, size_bytes: int) -> None:
        """`turn` was used for a chunk of so many bytes."""
        account = self._accounts[turn.camera_id]
        self._turns += 1
        account.last_turn = self._turns
        account.served_bytes += max(size_bytes, LEAST_TURN_BYTES)
        if self._order is Order.NEWEST:
            account.backlog_credit += self._backlog_share - (turn.order is Order.OLDEST)

    def _admit(self, waiting: frozenset[str]) -> None:
        """Cameras that had nothing to send begin where the least served of the others stands; together,
        where none has."""
        staying = [self._accounts[camera_id].served_bytes for camera_id in waiting & self._waiting]
        most = max((account.served_bytes for account in self._accounts.values()), default=0)
        least = min(staying, default=most)
        for camera_id in waiting - self._waiting:
            account = self._accounts.setdefault(camera_id, _Account())
            account.served_bytes = max(account.served_bytes, least)
        self._waiting = waiting

    def _rank(self, camera_id: str) -> tuple[int, int, str]:
        account = self._accounts[camera_id]
        return account.served_bytes, account.last_turn, camera_id

    def _end_for(self, account: _Account) -> Order:
        if self._order is Order.NEWEST and account.backlog_credit + self._backlog_share < 1:
            return Order.NEWEST
        return Order.OLDEST
