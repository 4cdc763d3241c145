"""What libav's decoders say of damage: they conceal it in the picture, and name it in their log alone.

gst-libav hands that log to GStreamer's category `libav`, on the thread that decodes. Where a decoder has one
thread, what was said while it decoded a picture is about that picture.
"""

from __future__ import annotations

import os
import re
import threading
from typing import Any

from edgecam.gstreamer.gst import Gst

_CATEGORY = "libav"
_DAMAGE = re.compile(
    r"concealing \d+ DC|error while decoding MB|Could not find ref with POC|Error constructing the frame RPS"
)
"""In the words of libavcodec's h264 and hevc decoders; most of what they say is about something else."""
_THREADS_LIMIT = 1024


class _DamageLog:
    """Counts by thread. Safe to use from any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_attached = False
        self._counts: dict[int, int] = {}

    def count(self) -> int:
        """How often damage was named on this thread."""
        return self._counts.get(threading.get_ident(), 0)

    def attach(self) -> None:
        """Begin to listen, once in this process and after GStreamer has loaded the decoder."""
        with self._lock:
            if self._is_attached:
                return
            found = [each for each in Gst.debug_get_all_categories() if each.get_name() == _CATEGORY]
            if not found:
                return
            self._is_attached = True
            if not os.environ.get("GST_DEBUG"):
                Gst.debug_remove_log_function(None)  # the one that writes to standard error
            Gst.debug_add_log_function(self._on_message, None)
            found[0].set_threshold(Gst.DebugLevel.INFO)

    def _on_message(self, category: Any, *rest: Any) -> None:
        """On any thread of GStreamer, for every message of its log."""
        if category.get_name() != _CATEGORY:
            return
        message = next((each for each in rest if isinstance(each, Gst.DebugMessage)), None)
        text = None if message is None else message.get()
        if text and _DAMAGE.search(text):
            thread = threading.get_ident()
            with self._lock:
                if len(self._counts) > _THREADS_LIMIT:
                    self._counts.clear()
                self._counts[thread] = self._counts.get(thread, 0) + 1


DAMAGE_LOG = _DamageLog()
