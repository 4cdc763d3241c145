"""The bytes of one connection as messages and packets that stand between each other (RFC 2326, 10.12).

Where bytes belong to neither, the next place is looked for at which a packet of an agreed channel, or a
message, begins: cameras cut a packet short when their own buffer is full, and some write text in between.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from edgecam.rtsp.bounds import BETWEEN_BYTES, BODY_BYTES, HEAD_BYTES, LINE_BYTES
from edgecam.rtsp.faults import NoRtsp, TooMuch
from edgecam.rtsp.messages import END_OF_HEAD, Message, parse_head

Span = tuple[int, int]
"""Begin and end of a packet within the bytes of its batch, without the four bytes before it."""
_DOLLAR = 0x24
_VERSION_2, _VERSION_3 = 0x80, 0xC0
"""RTP and RTCP begin with their version, 2, in the two highest bits (RFC 3550, 5.1 and 6.4.1)."""
_FIRST_LINE = re.compile(rb"RTSP/\d|[A-Z_]{3,20} +\S+ +RTSP/\d")
_MESSAGE = rb"RTSP/\d\.\d +\d{3}|[A-Z_]{3,20} +\S{1,512} +RTSP/\d"
_TEXT = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_BLANKS = re.compile(rb"[\r\n\0]+")
_FEW_BLANKS = 4
_KEPT = 600
"""Of bytes that are nothing: a message's first line may begin in them."""


class Batch(NamedTuple):
    """What was in some bytes.

    Attributes:
        data: The bytes that the spans are of.
        packets: By channel, in the order of arrival; of agreed channels alone.
        messages: In the order of arrival.
    """

    data: bytes
    packets: dict[int, list[Span]]
    messages: list[Message]


class Framing:
    """Takes one connection's bytes apart. Not safe for threads.

    Attributes:
        skipped_bytes: That belonged to nothing.
        resynchronized: How often a place to go on was looked for.
        unasked_packets: Those of channels that were not agreed on.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._needed = 0
        self._channels: tuple[int, ...] = ()
        self._spans: list[list[Span] | None] = [None] * 256
        self._pattern = re.compile(_MESSAGE)
        self._between = 0
        self._sources: dict[int, bytes] = {}
        self._has_message = self._is_lost = False
        self.skipped_bytes = self.resynchronized = self.unasked_packets = 0

    def expect(self, channels: tuple[int, ...]) -> None:
        """Packets come on these channels from now on."""
        self._channels = channels
        named = b"".join(re.escape(bytes([each])) for each in channels)
        self._pattern = re.compile(rb"\x24[" + named + rb"]..[\x80-\xbf]|" + _MESSAGE, re.DOTALL)
        for each in channels:
            self._spans[each] = []

    def push(self, data: bytes) -> Batch:
        """Take the next bytes; what is not whole waits for more.

        Raises:
            NoRtsp: what comes is no RTSP at all.
            TooMuch: a message is beyond the bounds.
        """
        if self._rest:
            data = self._rest + data
        if len(data) < self._needed:
            # Nothing more is whole: a long body is not looked at again with each of its pieces.
            self._rest = data
            return Batch(b"", {}, [])
        spans, messages = self._spans, list[Message]()
        at, end = 0, len(data)
        while end - at > 4:
            # This loop is what receiving costs: no call, no object but the span.
            if data[at] == _DOLLAR and _VERSION_2 <= data[at + 4] < _VERSION_3:
                after = at + 4 + (data[at + 2] << 8 | data[at + 3])
                if (own := spans[data[at + 1]]) is not None:
                    if after > end:
                        break
                    own.append((at + 4, after))
                    at = after
                    continue
            went = self._step(data, at, messages)
            if went == at:
                break
            at = went
        self._rest = data[at:]
        return Batch(data, self._taken(data), messages)

    def _taken(self, data: bytes) -> dict[int, list[Span]]:
        packets = {}
        for channel in self._channels:
            own = self._spans[channel]
            if own:
                packets[channel] = own
                self._sources[channel] = self._source_of(data, own[-1][0], channel)
                self._spans[channel] = []
        if packets and not self._is_lost:
            self._between = 0
        return packets

    def _step(self, data: bytes, at: int, messages: list[Message]) -> int:
        """Pass what is no packet of an agreed channel; where it stood when it is not whole."""
        self._needed = 0
        if data[at] == _DOLLAR and (after := self._foreign_packet(data, at)) is not None:
            return after
        if (blanks := _BLANKS.match(data, at)) is not None:
            return self._skip(data, at, blanks.end())
        if _may_be_message(data, at):
            return self._message(data, at, messages)
        return self._resynchronize(data, at)

    def _foreign_packet(self, data: bytes, at: int) -> int | None:
        """Where a packet ends that was not asked for, or is empty; None where it is none."""
        after = at + 4 + (data[at + 2] << 8 | data[at + 3])
        is_agreed = self._spans[data[at + 1]] is not None
        if after == at + 4 and is_agreed:
            return after
        if is_agreed or not self._channels or not _VERSION_2 <= data[at + 4] < _VERSION_3:
            return None
        if after + 1 > len(data):
            self._needed = after - at + 1
            return at
        if not _goes_on(data, after):
            return None
        self.unasked_packets += 1
        return after

    def _message(self, data: bytes, at: int, messages: list[Message]) -> int:
        found = END_OF_HEAD.search(data, at, at + HEAD_BYTES)
        if found is None:
            if len(data) - at >= HEAD_BYTES:
                raise TooMuch(f"expected a message's head of at most {HEAD_BYTES} bytes, found more")
            return at
        message = parse_head(data[at : found.start()])
        size = message.headers.number("content-length") or 0
        if size > BODY_BYTES:
            raise TooMuch(f"expected a message's body of at most {BODY_BYTES} bytes, found {size}")
        after = found.end() + size
        if after > len(data):
            self._needed = after - at
            return at
        messages.append(replace(message, body=data[found.end() : after]))
        self._has_message, self._between = True, 0
        return after

    def _resynchronize(self, data: bytes, at: int) -> int:
        """Where the next packet or message begins behind bytes that are neither."""
        if not self._is_lost:
            self._is_lost = True
            self.resynchronized += 1
            if (cut := self._take_back(data, at)) is not None:
                self._is_lost = False
                return cut
        looked = at + 1
        while (found := self._pattern.search(data, looked)) is not None:
            if data[found.start()] != _DOLLAR or self._is_packet(data, found.start()):
                self._is_lost = False
                return self._skip(data, at, found.start())
            looked = found.start() + 1
        if not self._has_message:
            raise NoRtsp("expected RTSP, found bytes that are none", data[at : at + 64])
        return self._skip(data, at, max(at, len(data) - _KEPT))

    def _is_packet(self, data: bytes, at: int) -> bool:
        """Whether what looks like a packet at `at` is one: it is of the source that is known, or another, or
        a message, stands behind it."""
        channel = data[at + 1]
        own, known = self._spans[channel], self._sources.get(channel)
        if own:
            known = self._source_of(data, own[-1][0], channel)
        if known is not None and known.startswith(self._source_of(data, at + 4, channel)):
            return True
        after = at + 4 + (data[at + 2] << 8 | data[at + 3])
        return (after >= len(data) and known is None) or (after < len(data) and _goes_on(data, after))

    def _source_of(self, data: bytes, begin: int, channel: int) -> bytes:
        """The source identifier of a packet (RFC 3550, 5.1 and 6.4.1): every other channel has reports."""
        begin += 8 if channel in self._channels[::2] else 4
        return data[begin : begin + 4]

    def _take_back(self, data: bytes, at: int) -> int | None:
        """Where the packet begins that the one before `at` has swallowed, since it was cut short: that one is
        left out, and its picture counts as damaged. None where it was whole."""
        for own in filter(None, self._spans):
            begin, end = own[-1]
            if end != at:
                continue
            for found in self._pattern.finditer(data, begin + 1, at):
                p = found.start()
                after = p + 4 + (data[p + 2] << 8 | data[p + 3])
                if data[p] == _DOLLAR and at < after < len(data) and _goes_on(data, after):
                    own.pop()
                    self.skipped_bytes += p - begin
                    return p
        return None

    def _skip(self, data: bytes, at: int, to: int) -> int:
        if to - at > _FEW_BLANKS or data[at] not in b"\r\n\0":
            self.skipped_bytes += to - at
            self._between += to - at
        if self._between > BETWEEN_BYTES:
            raise NoRtsp(f"expected RTSP, found {self._between} bytes that are none", data[at : at + 64])
        return to


def _goes_on(data: bytes, at: int) -> bool:
    """Whether what stands at `at` may follow a packet."""
    return data[at] == _DOLLAR or data[at] == 0x0D or _may_be_message(data, at)


def _may_be_message(data: bytes, at: int) -> bool:
    """Whether a message begins at `at`, as far as its first line is there."""
    end = data.find(b"\n", at, at + LINE_BYTES)
    if end >= 0:
        return _FIRST_LINE.match(data, at, end) is not None
    seen = data[at : at + LINE_BYTES].removesuffix(b"\r")
    if not (seen[:1].isalpha() and seen[:1].isupper()) or _TEXT.fullmatch(seen) is None:
        return False
    # The first word is a method, or RTSP's version.
    word = seen[:20].partition(b" ")[0]
    return len(seen) < LINE_BYTES and re.fullmatch(rb"[A-Z_]+(/[\d.]*)?", word) is not None
