"""The schedule of uploads: fair between cameras, and between new chunks and the backlog of an outage.

Plain decisions over values; the uploader asks the spool for the chunk of the chosen turn.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edgecam.config.storage import Order

LEAST_TURN_BYTES = 250_000
"""The least that a turn counts: what a line of 20 Mbit/s carries in the tenth of a second that a request
takes. Without it a camera with thousands of tiny chunks takes the time of cameras with a few large ones."""


@dataclass(frozen=True)
class Turn:
    """The turn of a camera.

    Attributes:
        camera_id: The camera.
        order: From which end of its backlog.
    """

    camera_id: str
    order: Order


@dataclass
class _Account:
    """What one camera has been served.

    Attributes:
        served_bytes: What its turns counted, or the others' least when it came late: idle time is no
            credit.
        last_turn: The number of its last turn, for round robin between equals.
        backlog_credit: The share of a turn that the backlog is owed.
    """

    served_bytes: int = 0
    last_turn: int = 0
    backlog_credit: float = 0.0


class Schedule:
    """Orders the cameras by what they were served. Not safe to use from several threads at once.

    The camera that has been served the fewest bytes comes first; small chunks count as somewhat larger ones.
    With `newest` most of its turns take the newest chunk, and `backlog_share` of them the oldest: new chunks
    are in the cloud soon however large the backlog, which shrinks from its old end, where the spool would
    evict.

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
        """The turns of `cameras`, which have pending chunks, the next one first; changes nothing before
        `took`."""
        self._admit(frozenset(cameras))
        ranked = sorted(self._waiting, key=self._rank)
        return [Turn(camera_id, self._end_for(self._accounts[camera_id])) for camera_id in ranked]

    def took(self, turn: Turn, size_bytes: int) -> None:
        """`turn` was used for a chunk of `size_bytes`."""
        account = self._accounts[turn.camera_id]
        self._turns += 1
        account.last_turn = self._turns
        account.served_bytes += max(size_bytes, LEAST_TURN_BYTES)
        if self._order is Order.NEWEST:
            account.backlog_credit += self._backlog_share - (turn.order is Order.OLDEST)

    def _admit(self, waiting: frozenset[str]) -> None:
        """A camera that comes back begins with the account of the least served of the others; with the
        largest account where no other has anything to send."""
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
