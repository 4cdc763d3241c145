"""Recordings, spool and bucket as metrics; absent where nothing is recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edgecam.status.reports import (
    CameraReport,
    SpooledReport,
    SpoolReport,
    StorageReporter,
    UploadReport,
)


def recordings(reports: Sequence[CameraReport]) -> Iterator[Metric]:
    """The cameras' recordings."""
    recorded = {report.camera_id: report.recording for report in reports if report.recording is not None}
    if not recorded:
        return
    yield _gauge(
        "edgecam_recording_well",
        "1 when what the camera delivers is recorded, 0 from a loss until a whole chunk is kept.",
        {camera_id: int(each.problem is None) for camera_id, each in recorded.items()},
    )
    yield _counter(
        "edgecam_chunks_recorded",
        "Chunks finished.",
        {camera_id: each.chunks_total for camera_id, each in recorded.items()},
    )
    yield _counter(
        "edgecam_chunk_recorded_bytes",
        "The sum of their sizes.",
        {camera_id: each.bytes_total for camera_id, each in recorded.items()},
    )
    yield _counter(
        "edgecam_chunks_lost",
        "Chunks that could not be written or kept.",
        {camera_id: each.lost_total for camera_id, each in recorded.items()},
    )


class StorageCollector(Collector):
    """Spool and upload as metrics.

    Args:
        storage: Asked once a scrape.
    """

    def __init__(self, storage: StorageReporter) -> None:
        self._storage = storage

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry must not read reports before the node has started."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        spool = self._storage.spool_report()
        yield from _spooled(spool.cameras)
        yield from _spool(spool)
        yield from _upload(self._storage.upload_report())


def _spooled(cameras: Mapping[str, SpooledReport]) -> Iterator[Metric]:
    yield _gauge(
        "edgecam_spool_chunks",
        "Chunks that the bucket has not confirmed.",
        {camera_id: each.waiting_chunks for camera_id, each in cameras.items()},
    )
    yield _gauge(
        "edgecam_spool_bytes",
        "The sum of their sizes.",
        {camera_id: each.waiting_bytes for camera_id, each in cameras.items()},
    )
    yield _gauge(
        "edgecam_spool_oldest_timestamp_seconds",
        "The start of the oldest of them, seconds since 1970; absent when none waits.",
        {
            camera_id: each.oldest.timestamp()
            for camera_id, each in cameras.items()
            if each.oldest is not None
        },
    )
    yield _gauge(
        "edgecam_spool_quarantined_chunks",
        "Chunks quarantined, since the bucket has another object of their name, or they are damaged.",
        {camera_id: each.quarantined_chunks for camera_id, each in cameras.items()},
    )
    yield _counter(
        "edgecam_spool_evicted_chunks",
        "Chunks removed unconfirmed because of the limit.",
        {camera_id: each.evicted_chunks_total for camera_id, each in cameras.items()},
    )
    yield _counter(
        "edgecam_spool_recovered_chunks",
        "Half-written chunks that were saved at a start.",
        {camera_id: each.recovered_chunks_total for camera_id, each in cameras.items()},
    )


def _spool(spool: SpoolReport) -> Iterator[Metric]:
    for name, text, value in (
        ("edgecam_spool_used_bytes", "Everything in the spool's folder.", spool.spool_bytes),
        ("edgecam_spool_limit_bytes", "Most bytes that may wait.", spool.limit_bytes),
        ("edgecam_spool_free_bytes", "What is free on the spool's disk.", spool.free_bytes),
        (
            "edgecam_spool_full",
            "1 when the next chunk would need an eviction, or is refused.",
            int(spool.is_full),
        ),
    ):
        yield GaugeMetricFamily(name, text, value=value)


def _upload(upload: UploadReport) -> Iterator[Metric]:
    yield _counter("edgecam_chunks_stored", "Chunks that the bucket confirmed.", upload.stored_chunks_total)
    yield _counter("edgecam_chunk_stored_bytes", "The sum of their sizes.", upload.stored_bytes_total)
    yield CounterMetricFamily(
        "edgecam_upload_retries", "Attempts that failed and are made again.", value=upload.retries_total
    )
    yield GaugeMetricFamily(
        "edgecam_bucket_reachable",
        "1 while the bucket takes what it is sent, else 0.",
        value=int(upload.reason is None),
    )
    yield GaugeMetricFamily(
        "edgecam_objects_refused",
        "Objects that the bucket refuses and that wait alone.",
        value=upload.refused_count,
    )
    refused = GaugeMetricFamily(
        "edgecam_object_refused", "1 for the first few of them, by name.", labels=["object"]
    )
    for each in upload.refused:
        refused.add_metric([each.name], 1)
    yield refused


def _counter(name: str, text: str, values: Mapping[str, float]) -> Metric:
    return _labelled(CounterMetricFamily(name, text, labels=["camera"]), values)


def _gauge(name: str, text: str, values: Mapping[str, float]) -> Metric:
    return _labelled(GaugeMetricFamily(name, text, labels=["camera"]), values)


def _labelled(family: CounterMetricFamily | GaugeMetricFamily, values: Mapping[str, float]) -> Metric:
    for camera_id, value in values.items():
        family.add_metric([camera_id], value)
    return family
