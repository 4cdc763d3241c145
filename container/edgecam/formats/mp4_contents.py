"""What a fragmented MP4 file holds so far, and the head that it has when it is finished.

The writer and the repair use the same: a file that was finished is one that needs no repair.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgecam.formats.mp4_fragments import Run
from edgecam.formats.mp4_head import MOVIE_TIMESCALE, Head, finished
from edgecam.formats.mp4_index import Index


class Contents:
    """Grows with the fragments up to a fixed size, that of the index.

    Args:
        head: Of the file.

    Attributes:
        size_bytes: Of the file, up to the end of its last fragment.
        pictures: How many it holds.
        duration: How long they are, by their durations, in units of `MOVIE_TIMESCALE`.
    """

    def __init__(self, head: Head) -> None:
        self.size_bytes = len(head.data)
        self.pictures = self.duration = 0
        self._head = head
        self._tracks = {track.track_id: track for track in head.tracks}
        self._video = head.tracks[0]
        self._index = Index(self._video.track_id, self._video.timescale)

    def accepts(self, runs: Sequence[Run]) -> bool:
        """Whether a fragment of `runs` may be the next: it is of the head's tracks, and the first that has
        pictures begins with a keyframe."""
        if any(run.track_id not in self._tracks for run in runs):
            return False
        video = self._pictures_of(runs)
        return video is None or self.pictures > 0 or video.samples[0].is_keyframe

    def add(self, size_bytes: int, runs: Sequence[Run]) -> None:
        """The next fragment, with its checksum `size_bytes` long."""
        video = self._pictures_of(runs)
        if video is not None:
            first = video.samples[0]
            self.pictures += len(video.samples)
            self._index.add(size_bytes, first.shown_at - self._video.lead, is_keyframe=first.is_keyframe)
        else:
            self._index.add(size_bytes, 0, is_keyframe=False)
        self.size_bytes += size_bytes
        self.duration = max(self.duration, *(self._end_of(run) for run in runs))

    def finished_head(self) -> bytes:
        """The head with length and index."""
        return finished(self._head.data, self.duration, self._index.to_bytes(self.duration))

    def _pictures_of(self, runs: Sequence[Run]) -> Run | None:
        return next((run for run in runs if run.track_id == self._video.track_id), None)

    def _end_of(self, run: Run) -> int:
        """In units of `MOVIE_TIMESCALE`, rounded up."""
        return -(-run.end * MOVIE_TIMESCALE // self._tracks[run.track_id].timescale)
