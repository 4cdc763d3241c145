"""Which pictures are damaged: those with a hole, and those that depend on what is missing. No bytes here."""

from __future__ import annotations


class DamageChain:
    """Of one stream, picture by picture in the order of decoding.

    Args:
        reordered_within: How far before a keyframe, in ticks, pictures may be shown that are sent after it.
    """

    def __init__(self, reordered_within: int) -> None:
        self._reordered_within = reordered_within
        self._is_broken = False
        self._is_after_missing = False
        self._to_whole = 0
        self._whole_from: int | None = None

    def break_off(self) -> None:
        """A picture is missing, or more."""
        self._is_broken = self._is_after_missing = True
        self._to_whole = 0

    def judge(self, time: int, *, is_key: bool, has_hole: bool, to_recovery: int) -> tuple[bool, bool]:
        """Take the next picture.

        Args:
            time: When it is shown, in ticks.
            is_key: Whether it can be decoded alone.
            has_hole: Whether something of it is missing.
            to_recovery: After how many pictures all is renewed, if it is a recovery point; else 0.

        Returns:
            Whether it has a hole, in it or right before it, and whether it is damaged.
        """
        is_after_missing, self._is_after_missing = self._is_after_missing, False
        is_damaged = self._is_damaged(time, is_key, has_hole, to_recovery)
        return has_hole or (is_after_missing and is_damaged), is_damaged

    def _is_damaged(self, time: int, is_key: bool, has_hole: bool, to_recovery: int) -> bool:
        if has_hole:
            self._is_broken, self._to_whole = True, 0
            return True
        if is_key:
            # Pictures that are shown before it may refer to what was sent before it.
            self._whole_from = time if self._is_broken else None
            self._is_broken, self._to_whole = False, 0
            return False
        if self._is_broken:
            if self._to_whole:
                self._to_whole -= 1
                self._is_broken = self._to_whole > 0
            else:
                self._to_whole = to_recovery
            return self._is_broken
        return self._whole_from is not None and 0 < self._whole_from - time <= self._reordered_within
