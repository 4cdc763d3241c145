"""Messages and packets between each other, cut anywhere, and bytes that belong to neither."""

from __future__ import annotations

import struct
from random import Random

import pytest

from edgecam.rtsp import framing as framing_module
from edgecam.rtsp.bounds import BODY_BYTES, HEAD_BYTES
from edgecam.rtsp.faults import NoRtsp, TooMuch
from edgecam.rtsp.framing import Batch, Framing
from edgecam.rtsp.messages import CameraRequest, Response

OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
WITH_BODY = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 5\r\n\r\nhello"
REQUEST = b"GET_PARAMETER * RTSP/1.0\r\nCSeq: 7\r\n\r\n"


def packet(number: int, *, channel: int = 0, size: int = 400) -> bytes:
    payload = bytes([number & 0xFF]) * size
    head = struct.pack(">BBHII", 0x80, 96, number, 0, 1)
    return struct.pack(">BBH", 0x24, channel, 12 + size) + head + payload


def agreed() -> Framing:
    """After the handshake."""
    made = Framing()
    made.push(OK)
    made.expect((0, 1))
    return made


def numbers(batch: Batch, channel: int = 0) -> list[int]:
    """The sequence numbers of the packets of one channel."""
    found = batch.packets.get(channel, [])
    return [int.from_bytes(batch.data[begin + 2 : begin + 4]) for begin, _ in found]


def test_packets_and_messages_come_in_their_order() -> None:
    batch = agreed().push(packet(1) + WITH_BODY + packet(2) + packet(9, channel=1) + REQUEST + packet(3))
    assert (numbers(batch), numbers(batch, 1)) == ([1, 2, 3], [9])
    response, request = batch.messages
    assert isinstance(response, Response)
    assert (response.status, response.body) == (200, b"hello")
    assert isinstance(request, CameraRequest)
    assert request.method == "GET_PARAMETER"


@pytest.mark.parametrize("seed", range(20))
def test_where_the_bytes_are_cut_makes_no_difference(seed: int) -> None:
    chance, made = Random(seed), agreed()
    whole = b"".join(packet(n) + (WITH_BODY if n % 3 else REQUEST + b"\r\n\r\n") for n in range(30))
    seen, messages, at = [], 0, 0
    while at < len(whole):
        size = chance.choice((1, 3, 17, 400, 5000))
        batch = made.push(whole[at : at + size])
        seen += numbers(batch)
        messages += len(batch.messages)
        at += size
    assert (seen, messages, made.skipped_bytes) == (list(range(30)), 30, 0)


@pytest.mark.parametrize(
    "junk",
    [
        b"some text",
        b"\xff" * 50,
        b"$",
        b"$\0",
        b"$\0\xff\xff",
        b"RTSPX",
        b"GET",
        b"OPTIONS / HTTP/1.1\r\n\r\n",
    ],
    ids=repr,
)
def test_bytes_that_belong_to_nothing_cost_no_packet(junk: bytes) -> None:
    made = agreed()
    batch = made.push(packet(1) + junk + packet(2) + packet(3))
    assert numbers(batch) == [1, 2, 3]
    assert (made.skipped_bytes, made.resynchronized) == (len(junk), 1)


@pytest.mark.parametrize("seed", range(10))
def test_text_behind_each_packet_costs_none_wherever_the_bytes_are_cut(seed: int) -> None:
    chance, made = Random(seed), agreed()
    whole = b"".join(packet(n, size=chance.randrange(20, 900)) + b"-- log --\n" for n in range(40))
    seen, at = [], 0
    while at < len(whole):
        size = chance.choice((1, 3, 17, 400, 5000))
        seen += numbers(made.push(whole[at : at + size]))
        at += size
    assert seen == list(range(40))


def test_junk_at_the_end_of_a_read_waits_for_what_follows() -> None:
    made = agreed()
    seen = numbers(made.push(packet(1) + b"junk of a camera"))
    assert seen + numbers(made.push(b" that goes on" + packet(2) + packet(3))) == [1, 2, 3]
    assert (made.skipped_bytes, made.resynchronized) == (29, 1)


def test_a_packet_that_is_cut_short_is_left_out_and_those_behind_it_are_not() -> None:
    made = agreed()
    batch = made.push(packet(1) + packet(2)[:100] + packet(3) + packet(4) + packet(5))
    assert numbers(batch) == [1, 3, 4, 5]
    assert made.resynchronized == 1


def test_line_ends_and_zeros_between_packets_are_no_fault() -> None:
    made = agreed()
    assert numbers(made.push(packet(1) + b"\r\n" + packet(2) + b"\0\0" + packet(3))) == [1, 2, 3]
    assert (made.skipped_bytes, made.resynchronized) == (0, 0)


def test_packets_of_another_channel_are_passed_over_and_counted() -> None:
    made = agreed()
    assert numbers(made.push(packet(1) + packet(5, channel=6) + packet(2) + packet(3))) == [1, 2, 3]
    assert (made.unasked_packets, made.resynchronized) == (1, 0)


def test_an_empty_packet_is_none() -> None:
    assert numbers(agreed().push(b"$\0\0\0" + packet(1) + packet(2))) == [1, 2]


def test_lines_may_end_without_a_carriage_return() -> None:
    batch = Framing().push(b"RTSP/1.0 200 OK\nCSeq: 3\nContent-Length: 2\n\nab")
    assert [message.body for message in batch.messages] == [b"ab"]


@pytest.mark.parametrize(
    "head",
    [
        b"RTSP/1.0 200 OK\r\n" + b"X-Padding: y\r\n" * 100_000,
        b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 100 + b"\r\n",
        b"RTSP/1.0 200 OK\r\nX: " + b"y" * 9_000 + b"\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES + 1),
        b"RTSP/1.0 200 OK\r\nContent-Length: 4000000000000\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nX: " + b"y" * HEAD_BYTES,
    ],
    ids=["endless", "many lines", "long line", "long body", "endless body", "long head"],
)
def test_a_message_beyond_the_bounds_is_refused(head: bytes) -> None:
    with pytest.raises(TooMuch):
        Framing().push(head)


def test_a_body_of_the_largest_size_is_taken() -> None:
    made = Framing()
    made.push(b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY_BYTES)
    assert made.push(bytes(BODY_BYTES - 1)).messages == []
    assert len(made.push(b"x").messages) == 1


@pytest.mark.parametrize(
    "first", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x28", b"SSH-2.0-x\r\n"]
)
def test_another_protocol_is_named_by_its_first_bytes(first: bytes) -> None:
    with pytest.raises(NoRtsp) as caught:
        Framing().push(first)
    assert caught.value.head == first


def test_a_stream_that_never_makes_sense_again_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing_module, "BETWEEN_BYTES", 10_000)
    made = agreed()
    made.push(packet(1) + b"\xff" * 5_000)
    with pytest.raises(NoRtsp, match="expected RTSP, found"):
        made.push(b"\xff" * 6_000)


def test_noise_costs_time_in_proportion_to_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing_module, "BETWEEN_BYTES", 1 << 40)
    made, looks = agreed(), []
    real = made._resynchronize
    monkeypatch.setattr(made, "_resynchronize", lambda data, at: looks.append(len(data)) or real(data, at))
    chance = Random(1)
    for _ in range(200):
        made.push(chance.randbytes(2_000).replace(b"$", b"#"))
    assert sum(looks) < 3 * 200 * 2_000
