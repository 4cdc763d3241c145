"""How much a camera may send, and of what: each a number with its reason."""

from __future__ import annotations

LINE_BYTES = 8_192
"""Of a head. Challenges and lists of methods take some hundred; a session's identifier has no limit."""
HEAD_LINES = 64
"""Of one message. Cameras send ten; a challenge for each algorithm and scheme makes a dozen more."""
HEAD_BYTES = 32_768
"""Of one message: four of the longest lines."""
BODY_BYTES = 256_000
"""Of one message. A description takes a few kB, one with metadata and many profiles a few dozen."""
BETWEEN_BYTES = 1_000_000
"""That may come between two packets and belong to neither: more is no stream that has lost its place."""
ANSWERS_BYTES = 4_000_000
"""That may come until the first packet of a chosen stream: what is sent after PLAY may already wait in the
kernel's buffer (net.ipv4.tcp_rmem)."""
DESCRIPTION_BYTES = 300_000
"""That may come until the streams are known: a description, and what stands around it."""
OUTGOING_BYTES = 65_536
"""That wait to be sent to a camera: some hundred requests that it does not read."""
MEDIA = 16
"""Of one description. Cameras have four: two of video, sound, metadata."""
ATTRIBUTES = 128
"""Of one of them, and of all together. Cameras write a dozen, some of their own among them."""
FORMATS = 16
"""Payload types of one of them."""
OPTIONS = 64
"""In one line of format parameters: H.265 has the most, some twenty."""
SETS = 32
"""Parameter sets in a description: as many as H.264 has numbers for."""
SESSION_CHARACTERS = 1_024
CHALLENGES = 16
"""Of one answer: each scheme with each algorithm, twice."""
REDIRECTS = 3
"""A camera sends to its stream, that one perhaps to a stream of the time: more is a loop."""
CAMERA_REQUESTS = 64
"""That a camera may make between two packets: each is answered, which costs it nothing and us something."""
