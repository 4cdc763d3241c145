"""What Prometheus may ask: every number is read from the node's reports at the moment of asking."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from edgecam import __version__
from edgecam.status.reception import ReceiverName
from edgecam.status.reports import (
    CameraReport,
    CameraState,
    DecodeMode,
    IdentityReport,
    Links,
    StorageReporter,
)
from edgecam.status.storage_metrics import StorageCollector, recordings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class CameraCollector(Collector):
    """The cameras of a node as metrics, one label `camera` each.

    Args:
        reports: The node's reports; called once a scrape.
    """

    def __init__(self, reports: Callable[[], Sequence[CameraReport]]) -> None:
        self._reports = reports

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry must not read reports before the node has started."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        reports = self._reports()
        yield from _counters(reports)
        yield from _ages(reports)
        yield from recordings(reports)
        yield _one_of(
            "edgecam_camera_state",
            "What the camera is doing: 1 for its state, 0 for the others.",
            "state",
            {report.camera_id: report.state for report in reports},
            tuple(CameraState),
        )
        yield _one_of(
            "edgecam_decode_mode",
            "How pictures are decoded: 1 for the mode, 0 for the others.",
            "mode",
            {report.camera_id: report.decode_mode for report in reports},
            tuple(DecodeMode),
        )
        yield _one_of(
            "edgecam_camera_receiver",
            "1 for who receives the camera, 0 for the other.",
            "receiver",
            {report.camera_id: report.receiver for report in reports},
            tuple(ReceiverName),
        )
        delivering = GaugeMetricFamily(
            "edgecam_camera_delivering", "1 when connected and the picture fresh, else 0.", labels=["camera"]
        )
        for report in reports:
            delivering.add_metric([report.camera_id], int(report.is_delivering))
        yield delivering
        build = {"version": __version__, "python": platform.python_version(), "machine": platform.machine()}
        yield InfoMetricFamily("edgecam_build", "Which edgecam this is.", value=build)


def _counters(reports: Sequence[CameraReport]) -> Iterator[Metric]:
    frames = CounterMetricFamily("edgecam_frames", "Pictures written.", labels=["camera"])
    damaged = CounterMetricFamily(
        "edgecam_damaged_frames", "Pictures left out since they were damaged.", labels=["camera"]
    )
    lost = CounterMetricFamily(
        "edgecam_lost_packets", "Packets of the camera that never came.", labels=["camera"]
    )
    incomplete = CounterMetricFamily(
        "edgecam_incomplete_pictures",
        "Coded pictures with a hole, and those that depend on them.",
        labels=["camera"],
    )
    skipped = CounterMetricFamily(
        "edgecam_skipped_bytes", "Bytes between packets that belonged to none.", labels=["camera"]
    )
    reconnects = CounterMetricFamily(
        "edgecam_reconnects", "Connections begun after the first.", labels=["camera"]
    )
    received = CounterMetricFamily("edgecam_received_bytes", "Encoded bytes received.", labels=["camera"])
    for report in reports:
        frames.add_metric([report.camera_id], report.frames_total)
        damaged.add_metric([report.camera_id], report.damaged_total)
        lost.add_metric([report.camera_id], report.losses.packets)
        incomplete.add_metric([report.camera_id], report.losses.pictures)
        skipped.add_metric([report.camera_id], report.losses.skipped_bytes)
        reconnects.add_metric([report.camera_id], report.reconnects_total)
        received.add_metric([report.camera_id], report.received_bytes_total)
    yield from (frames, damaged, lost, incomplete, skipped, reconnects, received)


def _ages(reports: Sequence[CameraReport]) -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "edgecam_frame_age_seconds",
        "Since the newest picture was taken; absent before the first.",
        labels=["camera"],
    )
    limit = GaugeMetricFamily(
        "edgecam_frame_age_limit_seconds",
        "The age from which on a picture counts as stale.",
        labels=["camera"],
    )
    for report in reports:
        limit.add_metric([report.camera_id], report.stale_after_s)
        if report.frame_age_s is not None:
            age.add_metric([report.camera_id], report.frame_age_s)
    yield from (age, limit)


def _one_of(
    name: str, text: str, label: str, current: dict[str, str], values: Sequence[str]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["camera", label])
    for camera_id, value in current.items():
        for possible in values:
            family.add_metric([camera_id, str(possible)], int(possible == value))
    return family


def registry(
    reports: Callable[[], Sequence[CameraReport]],
    storage: StorageReporter | None = None,
    links: Callable[[], Links] | None = None,
    identity: Callable[[], IdentityReport] | None = None,
) -> CollectorRegistry:
    """A registry of its own with the cameras, spool, upload, brokers and the nucleus where there are any, and
    the process' processor time and memory."""
    own = CollectorRegistry(auto_describe=False)
    own.register(CameraCollector(reports))
    if storage is not None:
        own.register(StorageCollector(storage))
    if links is not None:
        own.register(BrokerCollector(links))
    if identity is not None:
        own.register(IdentityCollector(identity))
    ProcessCollector(registry=own)
    return own


def text(own: CollectorRegistry) -> bytes:
    """The metrics in Prometheus' text format."""
    return generate_latest(own)


_LABELS = ["camera", "broker"]


class BrokerCollector(Collector):
    """The connections to brokers as metrics.

    Args:
        links: Asked once a scrape.
    """

    def __init__(self, links: Callable[[], Links]) -> None:
        self._links = links

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry must not read reports before the node has started."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        links = self._links()
        if not links:
            return
        connected = GaugeMetricFamily(
            "edgecam_broker_connected", "1 while the broker would take a state, else 0.", labels=_LABELS
        )
        sent = CounterMetricFamily(
            "edgecam_broker_states_sent", "States that the broker confirmed.", labels=_LABELS
        )
        reconnects = CounterMetricFamily(
            "edgecam_broker_reconnects",
            "Connections begun after the first, renewals of the token included.",
            labels=_LABELS,
        )
        for broker, cameras in links.items():
            for camera_id, link in cameras.items():
                connected.add_metric([camera_id, broker], int(link.is_connected))
                sent.add_metric([camera_id, broker], link.sent_total)
                reconnects.add_metric([camera_id, broker], link.reconnects_total)
        yield from (connected, sent, reconnects)


class IdentityCollector(Collector):
    """What the nucleus gave the node, as a metric; absent where the node needs none of it.

    Args:
        identity: Asked once a scrape.
    """

    def __init__(self, identity: Callable[[], IdentityReport]) -> None:
        self._identity = identity

    def describe(self) -> Iterator[Metric]:
        """Nothing, as the others."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        report = self._identity()
        if report.is_needed:
            yield GaugeMetricFamily(
                "edgecam_nucleus_accepts",
                "1 while the token and credentials' port that the nucleus gave the node are good, else 0.",
                value=int(report.reason is None),
            )
