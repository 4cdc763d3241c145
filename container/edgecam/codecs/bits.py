"""The payload of a NAL unit, bit by bit, as H.264 and H.265 write their numbers."""

from __future__ import annotations


class Bits:
    """Reads bit by bit; raises EOFError at the end.

    Args:
        coded: Bytes of a NAL unit behind its header; not longer than the caller wants to look at.
    """

    def __init__(self, coded: bytes) -> None:
        # After two zero bytes the coder puts a 3, so that nothing looks like a start code (7.3.1).
        raw = coded.replace(b"\0\0\3", b"\0\0")
        self._value, self._left = int.from_bytes(raw), 8 * len(raw)

    def take(self, count: int) -> int:
        """The next bits as a number."""
        self._left -= count
        if self._left < 0:
            raise EOFError
        return self._value >> self._left & (1 << count) - 1

    def golomb(self) -> int:
        """The next number in Exp-Golomb code, ue(v) (9.1)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise EOFError
        return (1 << zeros) - 1 + self.take(zeros)

    def skip_golomb(self, count: int) -> None:
        """Skip `count` of them, signed or not."""
        for _ in range(count):
            self.golomb()

    def signed(self) -> int:
        """The next number in signed Exp-Golomb code, se(v) (9.1.1)."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)
