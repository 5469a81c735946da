"""The status of a show as Prometheus text, from the same dict that the page shows."""

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_GAUGES = {
    "fps": ("streamflow_rendered_fps", "Distinct pictures a second from the renderer"),
    "output_fps": ("streamflow_output_fps", "Rate of the output clock"),
    "latency_ms": ("streamflow_latency_milliseconds", "Median time from capture to the first tick with the picture"),
}
_COUNTERS = {
    "rendered": ("streamflow_rendered_pictures", "Pictures from the renderer"),
    "ticks": ("streamflow_ticks", "Ticks of the output clock"),
    "missed_ticks": ("streamflow_missed_ticks", "Ticks that were skipped because the clock was late"),
    "abandoned_bridges": ("streamflow_abandoned_bridges", "Bridge threads that were replaced"),
}

_OSC_OUTCOMES = ("accepted", "superseded", "refused", "malformed", "ignored")


class _Status(Collector):
    def __init__(self, status: dict[str, Any]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        for key, (name, help_text) in _GAUGES.items():
            if (value := self._status.get(key)) is not None:
                yield GaugeMetricFamily(name, help_text, value=value)
        for key, (name, help_text) in _COUNTERS.items():
            yield CounterMetricFamily(name, help_text, value=self._status.get(key, 0))
        yield self._sink_latency()
        yield from self._osc()
        renderer = self._status.get("renderer", {})
        yield CounterMetricFamily(
            "streamflow_renderer_restarts", "Renderers that were lost", value=renderer.get("restarts", 0)
        )
        yield from self._renderers(renderer.get("renderers", {}))
        yield GaugeMetricFamily(
            "streamflow_in_flight", "Pictures in the last network call", value=renderer.get("in_flight", 0)
        )
        yield GaugeMetricFamily(
            "streamflow_low_latency",
            "1 in low-latency mode",
            value=float(renderer.get("pacing") == "low latency"),
        )
        yield GaugeMetricFamily(
            "streamflow_renderer_playing", "1 while a renderer plays", value=float(renderer.get("phase") == "playing")
        )

    @staticmethod
    def _renderers(renderers: dict[str, Any]) -> Iterator[Metric]:
        """Yield how many renderers play, and the rate of each."""
        playing, wanted = renderers.get("playing", 0), renderers.get("wanted", 1)
        yield GaugeMetricFamily("streamflow_renderers_playing", "Renderers that draw", value=playing)
        yield GaugeMetricFamily("streamflow_renderers_wanted", "Renderers that are asked for", value=wanted)
        rates = GaugeMetricFamily(
            "streamflow_renderer_fps", "Pictures a second of each renderer", labels=["pid", "place"]
        )
        for each in renderers.get("each", ()):
            rates.add_metric([str(each["pid"]), each["place"]], each["fps"])
        yield rates
        late = "Pictures that came after a later one, and were dropped"
        yield CounterMetricFamily("streamflow_late_pictures", late, value=renderers.get("late", 0))

    def _osc(self) -> Iterator[Metric]:
        """Yield the counters of OSC control, none if it is off."""
        counts = next((control for control in self._status.get("controls", ()) if control["name"] == "osc"), None)
        if counts is None:
            return
        metric = CounterMetricFamily("streamflow_osc_messages", "Messages that came by OSC", labels=["outcome"])
        for outcome in _OSC_OUTCOMES:
            metric.add_metric([outcome], counts.get(outcome, 0))
        yield metric
        if (lost := counts.get("lost")) is not None:
            yield CounterMetricFamily("streamflow_osc_lost", "Datagrams of OSC that the system dropped", value=lost)

    def _sink_latency(self) -> Metric:
        metric = GaugeMetricFamily(
            "streamflow_sink_latency_milliseconds",
            "Time from capture until the sink had written the picture",
            labels=["sink", "number", "quantile"],
        )
        for sink in self._status.get("sinks", ()):
            for quantile, key in (("0.5", "latency_ms"), ("0.99", "latency_p99_ms")):
                if (value := sink.get(key)) is not None:
                    metric.add_metric([sink["uri"], str(sink["number"]), quantile], value)
        return metric


def prometheus_text(status: dict[str, Any]) -> bytes:
    """Return the status in Prometheus text format 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Status(status))
    return generate_latest(registry)
