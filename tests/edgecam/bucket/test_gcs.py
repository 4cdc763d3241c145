"""How `gs://` takes what networks and services do to an upload. Its promises are in the contract tests."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from store_doubles import MemorySession, UnlimitedRate

from edgecam.bucket import crc32c as checksum
from edgecam.bucket.gcs import GcsBucket, _kept_bytes
from edgecam.bucket.google_auth import Anonymous
from edgecam.bucket.http_client import HttpClient, Response
from edgecam.bucket.interface import ChunkUpload, Receipt
from edgecam.clock import SystemClock
from edgecam.errors import ObjectRefused, SessionLost, StoreConflict, StoreRefused, StoreUnavailable
from sandbox.gcs.faults import Fault, Kind
from sandbox.gcs.restrictions import CONSTRAINT, KEY, Restrictions
from sandbox.gcs.server import BUCKET, EmbeddedGcs

MB = 1024**2
NAME = "lobby/2026/01/31/20260131T120000.000Z_10000ms.mp4"
STALL_TIMEOUT_S = 1.0


class Tokens:
    """A login whose tokens are `token-1`, `token-2`, …"""

    def __init__(self) -> None:
        self.number = 1

    def token(self) -> str:
        return f"token-{self.number}"

    def refused(self, token: str) -> None:
        assert token == self.token()
        self.number += 1

    def identity(self) -> str:
        return "uploader@example.iam.gserviceaccount.com"


@pytest.fixture
def gcs(tmp_path: Path) -> Iterator[EmbeddedGcs]:
    with EmbeddedGcs(folder=tmp_path / "gcs") as running:
        yield running


@pytest.fixture
def login() -> Tokens:
    return Tokens()


@pytest.fixture
def bucket(gcs: EmbeddedGcs, login: Tokens) -> Iterator[GcsBucket]:
    opened = open_bucket(gcs, login)
    yield opened
    opened.close()


@pytest.fixture
def session() -> MemorySession:
    return MemorySession()


def open_bucket(
    gcs: EmbeddedGcs, login: Any = None, place: str = BUCKET, stall_timeout_s: float = STALL_TIMEOUT_S
) -> GcsBucket:
    http = HttpClient(gcs.url, stall_timeout_s=stall_timeout_s, clock=SystemClock())
    return GcsBucket(f"gs://{place}", place, http=http, login=login or Anonymous(), part_bytes=MB)


def chunk(folder: Path, size_bytes: int) -> Path:
    path = folder / f"chunk-{size_bytes}"
    path.write_bytes(random.Random(size_bytes).randbytes(size_bytes))
    return path


def put(
    bucket: GcsBucket,
    path: Path,
    session: MemorySession,
    rate_limit: UnlimitedRate | None = None,
    name: str = NAME,
) -> Receipt:
    upload = ChunkUpload(
        name=name,
        path=path,
        content_type="video/mp4",
        metadata={"camera": "lobby"},
        crc32c=checksum.of_file(path),
    )
    return bucket.put_file(upload, rate_limit=rate_limit or UnlimitedRate(), session=session)


def test_chunk_of_one_part_is_one_request(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    put(bucket, chunk(tmp_path, MB), session)
    assert [(seen.method, seen.status) for seen in gcs.traffic.requests] == [("POST", 200)]
    assert session.saved == []


def test_large_chunk_goes_in_parts_of_the_set_size(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    put(bucket, chunk(tmp_path, 3 * MB - 7), session)
    sizes = [seen.size_bytes for seen in gcs.traffic.requests if seen.method == "PUT"]
    assert sizes == [MB, MB, MB - 7]


def test_connections_are_used_again(bucket: GcsBucket, tmp_path: Path, session: MemorySession) -> None:
    before = threading.active_count()
    put(bucket, chunk(tmp_path, 8 * MB), session)
    assert threading.active_count() - before <= 1  # the server's thread of one connection


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_passing_trouble_is_retried_when_the_store_asks_for_it(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession, status: int
) -> None:
    gcs.faults.inject(Fault(Kind.STATUS, status=status, retry_after="7"))
    with pytest.raises(StoreUnavailable, match=str(status)) as caught:
        put(bucket, chunk(tmp_path, MB), session)
    assert caught.value.retry_after_s == 7


def test_retry_after_is_understood_as_a_date(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    until = datetime.now(UTC) + timedelta(seconds=90)
    gcs.faults.inject(Fault(Kind.STATUS, retry_after=until.strftime("%a, %d %b %Y %H:%M:%S GMT")))
    with pytest.raises(StoreUnavailable) as caught:
        put(bucket, chunk(tmp_path, MB), session)
    assert caught.value.retry_after_s is not None
    assert 60 < caught.value.retry_after_s <= 90


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("99999999999999", 3600.0),
        ("9" * 400, 3600.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 3600.0),
        ("Sat, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("Fri, 99 Foo 99999 99:99:99 +999999", None),
        ("-5", None),
        ("1e999", None),
        ("nan", None),
    ],
)
def test_retry_after_is_an_hour_at_most_whatever_it_says(text: str, seconds: float | None) -> None:
    headers = Message()
    headers["Retry-After"] = text
    http = HttpClient("http://store.invalid", stall_timeout_s=1, clock=SystemClock())
    assert http.retry_after_s(Response(503, headers, b"")) == seconds


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("bytes=0-41", 42),
        ("bytes=0-98", 99),
        ("bytes=0-99", 0),
        ("bytes=0-" + "9" * 5000, 0),
        ("bytes=0--1", 0),
        ("", 0),
    ],
)
def test_range_that_cannot_be_is_nothing_kept(text: str, kept: int) -> None:
    headers = Message()
    headers["Range"] = text
    assert _kept_bytes(Response(308, headers, b""), 100) == kept


def test_unreadable_retry_after_is_none(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    gcs.faults.inject(Fault(Kind.STATUS, retry_after="soon"))
    with pytest.raises(StoreUnavailable) as caught:
        put(bucket, chunk(tmp_path, MB), session)
    assert caught.value.retry_after_s is None


def test_refusal_says_which_right_to_grant_to_whom_on_what(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    gcs.faults.inject(Fault(Kind.STATUS, status=403))
    with pytest.raises(StoreRefused, match=r"roles/storage\.objectUser") as caught:
        put(bucket, chunk(tmp_path, MB), session)
    assert BUCKET in str(caught.value)
    assert "uploader@example.iam.gserviceaccount.com" in str(caught.value)


STATUS = "status/lobby.json"


def hold(restrictions: Restrictions) -> None:
    restrictions.hold(STATUS)


@pytest.mark.parametrize(
    ("forbid", "words", "advice", "kind"),
    [
        (hold, "under active Temporary hold", "release the hold", ObjectRefused),
        (Restrictions.retain, "retention policy or object retention", "latest.enabled", ObjectRefused),
        (Restrictions.requester_pays, "no user project provided", "turn off requester pays", StoreRefused),
        (Restrictions.disable_key, KEY, "put the Cloud KMS key", StoreRefused),
        (Restrictions.constrain, CONSTRAINT, "policy of the Google organisation", StoreRefused),
        (lambda it: it.deny("status/"), "storage.objects.create", "roles/storage.objectUser", StoreRefused),
    ],
)
def test_refusal_has_the_services_words_and_the_advice_for_its_reason(
    gcs: EmbeddedGcs,
    bucket: GcsBucket,
    forbid: Callable[[Restrictions], None],
    words: str,
    advice: str,
    kind: type[StoreRefused],
) -> None:
    bucket.put_bytes(STATUS, b"{}", content_type="application/json", rate_limit=UnlimitedRate())
    forbid(gcs.restrictions)
    with pytest.raises(StoreRefused) as caught:
        bucket.put_bytes(STATUS, b"[]", content_type="application/json", rate_limit=UnlimitedRate())
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert advice in str(caught.value)
    assert ("objectUser" in str(caught.value)) == ("objectUser" in advice)


@pytest.mark.parametrize("size_bytes", [MB, 3 * MB])
def test_precondition_of_an_organisations_policy_is_no_object_that_exists(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession, size_bytes: int
) -> None:
    gcs.restrictions.constrain()
    with pytest.raises(StoreRefused, match="policy of the Google organisation") as caught:
        put(bucket, chunk(tmp_path, size_bytes), session)
    assert CONSTRAINT in str(caught.value)


def test_precondition_without_a_reason_is_a_refusal_where_no_object_is_there(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    gcs.faults.inject(Fault(Kind.STATUS, status=412))
    path = chunk(tmp_path, MB)
    with pytest.raises(StoreRefused, match="This fault was asked for"):
        put(bucket, path, session)
    gcs.faults.heal()
    put(bucket, path, session)
    gcs.faults.inject(Fault(Kind.STATUS, status=412))
    assert put(bucket, path, session).existed


def test_chunk_under_hold_is_done_since_it_is_there(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    path = chunk(tmp_path, MB)
    put(bucket, path, session)
    gcs.restrictions.hold(NAME)
    assert put(bucket, path, session).existed


def test_bucket_that_does_not_exist_is_reported(
    gcs: EmbeddedGcs, tmp_path: Path, session: MemorySession
) -> None:
    for size in (MB, 3 * MB):
        with (
            closing(open_bucket(gcs, place="absent")) as absent,
            pytest.raises(StoreRefused, match="make bucket absent"),
        ):
            put(absent, chunk(tmp_path, size), session)


def test_expired_token_is_renewed_once(
    gcs: EmbeddedGcs, bucket: GcsBucket, login: Tokens, tmp_path: Path, session: MemorySession
) -> None:
    gcs.faults.expire(["token-1"])
    put(bucket, chunk(tmp_path, MB), session)
    assert login.number == 2
    gcs.faults.expire([f"token-{number}" for number in range(9)])
    with pytest.raises(StoreRefused, match="does not accept the login of uploader@"):
        put(bucket, chunk(tmp_path, MB - 1), session)


def test_token_that_expires_between_parts_is_renewed(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    class Expiring(UnlimitedRate):
        def request(self) -> None:
            super().request()
            if self.requests == 3:
                gcs.faults.expire(["token-1"])

    path = chunk(tmp_path, 4 * MB)
    put(bucket, path, session, Expiring())
    assert gcs.content(NAME) == path.read_bytes()


def test_lost_answer_is_found_out_to_be_done(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    gcs.faults.inject(Fault(Kind.LOST_ANSWER, times=1))
    path = chunk(tmp_path, MB)
    with pytest.raises(StoreUnavailable):
        put(bucket, path, session)
    assert put(bucket, path, session).existed
    assert len(gcs.objects()) == 1


def test_chunk_that_is_there_is_done_even_where_only_a_missing_right_to_replace_is_answered(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    path = chunk(tmp_path, MB)
    put(bucket, path, session)
    gcs.faults.inject(Fault(Kind.STATUS, status=403))
    assert put(bucket, path, session).existed
    with pytest.raises(StoreConflict):
        put(bucket, chunk(tmp_path, MB - 1), session)


def test_lost_answer_to_the_last_part_is_found_out_to_be_done(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    gcs.faults.inject(Fault(Kind.LOST_ANSWER, every=3, times=1, method="PUT"))
    path = chunk(tmp_path, 3 * MB)
    with pytest.raises(StoreUnavailable):
        put(bucket, path, session)
    assert session.text is not None
    with closing(open_bucket(gcs)) as after_restart:
        receipt = put(after_restart, path, session, rate_limit := UnlimitedRate())
    assert (receipt.size_bytes, receipt.crc32c) == (3 * MB, checksum.of_file(path))
    assert rate_limit.sent == []


def test_reset_in_a_part_goes_on_from_what_the_store_has(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    gcs.faults.inject(Fault(Kind.RESET, every=2, times=1, method="PUT"))
    path = chunk(tmp_path, 3 * MB)
    with pytest.raises(StoreUnavailable):
        put(bucket, path, session)
    put(bucket, path, session, rate_limit := UnlimitedRate())
    assert sum(rate_limit.sent) == 3 * MB // 2  # one part and a half are there
    assert gcs.content(NAME) == path.read_bytes()


def test_small_chunk_whose_connection_broke_goes_in_a_session_next_time(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    gcs.faults.inject(Fault(Kind.RESET, times=2))
    path = chunk(tmp_path, MB)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            put(bucket, path, session)
    put(bucket, path, session)
    assert session.saved
    assert session.text is None
    assert gcs.content(NAME) == path.read_bytes()


def test_link_that_breaks_again_and_again_makes_progress(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    gcs.faults.inject(Fault(Kind.RESET, method="PUT", part=0.6))
    path = chunk(tmp_path, 2 * MB)
    attempts = 0
    while not gcs.objects() and attempts < 20:
        attempts += 1
        try:
            put(bucket, path, session)
        except StoreUnavailable:
            if attempts == 8:  # what is left is less than the store keeps of a broken part
                gcs.faults.heal()
    assert gcs.content(NAME) == path.read_bytes()
    assert len(session.saved) == 1


@pytest.mark.parametrize("size_bytes", [MB, 4 * MB])
def test_stall_is_noticed_in_either_direction(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession, size_bytes: int
) -> None:
    gcs.faults.inject(Fault(Kind.STALL, times=1, part=0.1))
    with pytest.raises(StoreUnavailable, match="nothing has moved for 1 s"):
        put(bucket, chunk(tmp_path, size_bytes), session)
    gcs.faults.heal()
    put(bucket, chunk(tmp_path, size_bytes), session)


def test_slow_link_is_no_stall(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    # 1 MiB at 400 kB/s takes more than twice the stall time-out, most of it in the kernel's buffers.
    gcs.faults.bytes_per_s = 400_000
    put(bucket, chunk(tmp_path, MB), session)
    assert len(gcs.objects()) == 1


def test_store_that_is_down_is_retried(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    path = chunk(tmp_path, MB)
    put(bucket, chunk(tmp_path, 10), session)
    gcs.down()
    with pytest.raises(StoreUnavailable, match="refused"):
        bucket.put_bytes(
            "status/lobby.json", b"{}", content_type="application/json", rate_limit=UnlimitedRate()
        )
    gcs.up()
    bucket.put_bytes(
        "latest/lobby.jpg", path.read_bytes(), content_type="image/jpeg", rate_limit=UnlimitedRate()
    )
    assert gcs.content("latest/lobby.jpg") == path.read_bytes()


def test_name_that_cannot_be_resolved_is_retried(tmp_path: Path, session: MemorySession) -> None:
    http = HttpClient("http://store.invalid", stall_timeout_s=1, clock=SystemClock())
    bucket = GcsBucket("gs://b", "b", http=http, login=Anonymous(), part_bytes=MB)
    with pytest.raises(StoreUnavailable, match=r"store\.invalid: its address cannot be found"):
        put(bucket, chunk(tmp_path, 10), session)


def test_session_that_the_store_has_forgotten_is_lost(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    path = chunk(tmp_path, 3 * MB)
    gcs.faults.inject(Fault(Kind.RESET, times=1, method="PUT"))
    with pytest.raises(StoreUnavailable):
        put(bucket, path, session)
    gcs.faults.inject(Fault(Kind.STATUS, status=410, times=1, method="PUT"))
    with pytest.raises(SessionLost):
        put(bucket, path, session)
    assert session.text is None
    put(bucket, path, session)


def test_session_address_and_token_stand_in_no_error(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    path = chunk(tmp_path, 3 * MB)
    words = []
    for fault in (
        Fault(Kind.RESET, times=1, method="PUT"),
        Fault(Kind.STATUS, status=503, times=1, method="PUT"),
        Fault(Kind.STATUS, status=403, times=1, method="PUT"),
    ):
        gcs.faults.inject(fault)
        with pytest.raises((StoreUnavailable, StoreRefused)) as caught:
            put(bucket, path, session)
        error: BaseException | None = caught.value
        while error is not None:
            words.append(repr(error))
            error = error.__cause__
    assert session.text is not None
    assert not any("upload_id" in word or "token-1" in word for word in words)


def test_names_beyond_ascii_are_stored_and_reported(gcs: EmbeddedGcs, bucket: GcsBucket) -> None:
    for _ in range(2):
        bucket.put_bytes(
            "status/küche 漢.json", b"{}", content_type="application/json", rate_limit=UnlimitedRate()
        )
    assert [stored.name for stored in gcs.objects()] == ["status/küche 漢.json"]
    gcs.faults.inject(Fault(Kind.STATUS, status=403))
    with pytest.raises(StoreRefused, match="küche"):
        bucket.put_bytes(
            "status/küche 漢.json", b"{}", content_type="application/json", rate_limit=UnlimitedRate()
        )


def test_tls_is_checked(tmp_path: Path, session: MemorySession, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedGcs(folder=tmp_path / "tls", tls=True) as gcs:
        with pytest.raises(StoreRefused, match="certificate cannot be verified"):
            put(open_bucket(gcs), chunk(tmp_path, MB), session)
        for name, value in gcs.environment().items():
            monkeypatch.setenv(name, value)
        trusting = open_bucket(gcs)
        for size in (MB, 3 * MB):
            path = chunk(tmp_path, size)
            put(trusting, path, session, name=f"{NAME}-{size}")
            assert gcs.content(f"{NAME}-{size}") == path.read_bytes()
        trusting.close()


def test_session_whose_address_is_none_is_a_fault_of_the_store(
    gcs: EmbeddedGcs, bucket: GcsBucket, tmp_path: Path, session: MemorySession
) -> None:
    path = chunk(tmp_path, 3 * MB)
    gcs.faults.inject(Fault(Kind.ADDRESS, times=1))
    with pytest.raises(StoreUnavailable, match="has an address that is none"):
        put(bucket, path, session)
    assert session.load() is None
    assert put(bucket, path, session).size_bytes == 3 * MB
