"""Metrics: every number of a report, read at the moment of asking."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from reporting import DEAD_TOKEN, HELD, MOMENT, ReportedNode, ReportedStorage, away, links, recorded, report

from edgecam import __version__
from edgecam.status import metrics
from edgecam.status.reports import CameraState, DecodeMode, IdentityReport


def samples(node: ReportedNode, storage: ReportedStorage | None = None) -> dict[tuple[str, ...], float]:
    text = metrics.text(metrics.registry(node.reports, storage)).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_number_of_a_report_is_a_metric(tmp_path: Path) -> None:
    found = samples(ReportedNode(tmp_path, report()))
    assert found["edgecam_frames_total", "lobby"] == 7
    assert found["edgecam_damaged_frames_total", "lobby"] == 2
    assert found["edgecam_reconnects_total", "lobby"] == 2
    assert found["edgecam_received_bytes_total", "lobby"] == 123_456
    assert found["edgecam_frame_age_seconds", "lobby"] == 0.25
    assert found["edgecam_frame_age_limit_seconds", "lobby"] == 5.0
    assert found["edgecam_camera_delivering", "lobby"] == 1


def test_state_and_decode_mode_are_one_for_the_current_and_zero_for_the_others(tmp_path: Path) -> None:
    found = samples(ReportedNode(tmp_path, report(), away()))
    states = {str(state): found["edgecam_camera_state", "gate", str(state)] for state in CameraState}
    assert states == {"connecting": 0, "connected": 0, "stalled": 0, "disconnected": 1}
    modes = {str(mode): found["edgecam_decode_mode", "lobby", str(mode)] for mode in DecodeMode}
    assert modes == {"none": 0, "keyframes": 1, "catch-up": 0, "all": 0, "refresh": 0}
    assert found["edgecam_camera_delivering", "gate"] == 0


def test_age_is_absent_before_the_first_picture(tmp_path: Path) -> None:
    assert ("edgecam_frame_age_seconds", "gate") not in samples(ReportedNode(tmp_path, away()))


def test_numbers_are_read_again_at_every_scrape(tmp_path: Path) -> None:
    node = ReportedNode(tmp_path, report(frames_total=1))
    registry = metrics.registry(node.reports)
    assert b'edgecam_frames_total{camera="lobby"} 1.0' in metrics.text(registry)
    node.current = (report(frames_total=2),)
    assert b'edgecam_frames_total{camera="lobby"} 2.0' in metrics.text(registry)


def test_version_processor_time_and_memory_are_there(tmp_path: Path) -> None:
    text = metrics.text(metrics.registry(ReportedNode(tmp_path).reports)).decode()
    assert f'version="{__version__}"' in text
    assert "process_cpu_seconds_total" in text
    assert "process_resident_memory_bytes" in text


def test_registry_of_one_node_knows_nothing_of_another(tmp_path: Path) -> None:
    first = metrics.registry(ReportedNode(tmp_path, report("a")).reports)
    metrics.registry(ReportedNode(tmp_path, report("b")).reports)
    assert b'camera="b"' not in metrics.text(first)


def test_recording_spool_and_upload_are_metrics_where_something_is_recorded(tmp_path: Path) -> None:
    found = samples(ReportedNode(tmp_path, recorded()), ReportedStorage())
    assert found["edgecam_chunks_recorded_total", "lobby"] == 12
    assert found["edgecam_chunks_lost_total", "lobby"] == 1
    assert found["edgecam_recording_well", "lobby"] == 1
    assert found["edgecam_spool_chunks", "lobby"] == 3
    assert found["edgecam_spool_oldest_timestamp_seconds", "lobby"] == MOMENT.timestamp()
    assert found["edgecam_spool_evicted_chunks_total", "lobby"] == 2
    assert found["edgecam_chunks_stored_total", "lobby"] == 7
    assert found[("edgecam_spool_used_bytes",)] == 15_400_000
    assert found[("edgecam_spool_full",)] == 0
    assert found[("edgecam_upload_retries_total",)] == 4
    assert found[("edgecam_bucket_reachable",)] == 1


def test_bucket_that_is_away_and_a_full_spool_are_metrics(tmp_path: Path) -> None:
    found = samples(ReportedNode(tmp_path), ReportedStorage(is_full=True, reason="unavailable"))
    assert (found[("edgecam_bucket_reachable",)], found[("edgecam_spool_full",)]) == (0, 1)


def test_objects_that_are_refused_are_metrics_and_the_first_of_them_named(tmp_path: Path) -> None:
    storage = ReportedStorage(refused=(HELD,), refused_count=31)
    text = metrics.text(metrics.registry(ReportedNode(tmp_path).reports, storage)).decode()
    assert "edgecam_objects_refused 31.0" in text
    assert 'edgecam_object_refused{object="status/gate.json"} 1.0' in text


def test_token_that_the_nucleus_no_longer_accepts_is_a_metric_where_the_node_needs_it(tmp_path: Path) -> None:
    node = ReportedNode(tmp_path, report())
    for identity, value in ((DEAD_TOKEN, "0.0"), (IdentityReport(is_needed=True), "1.0")):
        text = metrics.text(metrics.registry(node.reports, identity=lambda found=identity: found)).decode()
        assert f"edgecam_nucleus_accepts {value}" in text
    unneeded = metrics.registry(node.reports, identity=lambda: IdentityReport(is_needed=False))
    assert b"edgecam_nucleus_accepts" not in metrics.text(unneeded)


def test_each_broker_and_camera_has_its_connection_as_metrics(tmp_path: Path) -> None:
    node = ReportedNode(tmp_path, report())
    text = metrics.text(metrics.registry(node.reports, links=links)).decode()
    assert 'edgecam_broker_connected{broker="aws-iot",camera="lobby"} 1.0' in text
    assert 'edgecam_broker_connected{broker="cloud-iot",camera="lobby"} 0.0' in text
    assert 'edgecam_broker_states_sent_total{broker="cloud-iot",camera="lobby"} 3.0' in text
    assert 'edgecam_broker_reconnects_total{broker="cloud-iot",camera="lobby"} 5.0' in text


def test_node_that_tells_nobody_has_no_metrics_of_brokers(tmp_path: Path) -> None:
    assert b"broker" not in metrics.text(metrics.registry(ReportedNode(tmp_path, report()).reports))


def test_node_that_records_nothing_has_no_metrics_of_recording(tmp_path: Path) -> None:
    names = {key[0] for key in samples(ReportedNode(tmp_path, report()))}
    assert not [name for name in names if "chunk" in name or "spool" in name]
