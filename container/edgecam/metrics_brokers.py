"""Who is told of the cameras, as metrics; absent where nobody is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edgecam.broker import Links

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
        for broker, told in links.items():
            for camera_id, link in told.items():
                connected.add_metric([camera_id, broker], int(link.is_connected))
                sent.add_metric([camera_id, broker], link.sent_total)
                reconnects.add_metric([camera_id, broker], link.reconnects_total)
        yield from (connected, sent, reconnects)
