"""All targets, by name."""

from __future__ import annotations

from collections.abc import Mapping

from fuzz.clock_target import CLOCKS
from fuzz.file_targets import CHUNKS, NAMES
from fuzz.node_targets import RTSP, STREAMS
from fuzz.packet_targets import PACKETS
from fuzz.receiver_target import RECEIVER
from fuzz.target import Target
from fuzz.text_targets import CONFIGURATION, MESSAGES, WORDS

TARGETS: Mapping[str, Target] = {
    each.name: each
    for each in (CONFIGURATION, MESSAGES, WORDS, CHUNKS, NAMES, CLOCKS, PACKETS, RECEIVER, RTSP, STREAMS)
}
