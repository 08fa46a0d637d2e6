"""Figures for Prometheus: requests as the web processes count them, and how the work stands as the database tells it.

Requests are counted in files that the processes of one web server share (`config/web.py` names their folder), so that
any of them answers for all; elsewhere in memory. Everything else is asked of the database when it is scraped: it is the
same whoever asks, and needs no counting by workers that come and go. Each part reads by an index of few rows or stops
counting at `MOST`; a part that fails or takes too long is left out, and says so.

    metrics.register("audience", lambda now: [metrics.gauge("marks_waiting", "Subjects to be judged", 3)])
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from django.db import DatabaseError
from prometheus_client import CollectorRegistry, Histogram, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from kit import reading
from kit.sql import Sql, sql, value

CONTENT_TYPE = CONTENT_TYPE_LATEST
MOST = 10_000  # up to which rows are counted; as much as that, or more, is told as that
EACH = 2.0  # seconds for a statement of one part
ALL = 7.0  # seconds after which no other part is begun: whoever scrapes waits ten
SHARED = "PROMETHEUS_MULTIPROC_DIR"  # read by the client library when it is imported

Collector = Callable[[datetime], Iterable[Metric]]

_ours = CollectorRegistry()
_collectors: dict[str, Collector] = {}
_seconds = Histogram(
    "perennial_request_seconds",
    "Seconds until a request was answered",
    ["route", "status"],
    buckets=(0.025, 0.1, 0.3, 1, 3, 10),
    registry=_ours,
)


def register(part: str, collect: Collector) -> None:
    """Add a part; call it in `AppConfig.ready`. It may read, and answers as of `now`."""
    _collectors[part] = collect


def gauge(
    name: str, words: str, value: float | None = None, *, label: str = "", of: Mapping[str, float] | None = None
) -> Metric:
    """One figure, or one for each value of a label. Nothing is told of what is None."""
    family = GaugeMetricFamily(f"perennial_{name}", words, labels=[label] if label else [])
    if value is not None:
        family.add_metric([], value)
    for each, figure in (of or {}).items():
        family.add_metric([each], figure)
    return family


def counted(rows: Sql) -> int:
    """How many rows a statement yields, counted up to MOST."""
    return int(value(sql("SELECT count(*) FROM ({} LIMIT {}) counted", rows, MOST)))


def answered(route: str, status: int, seconds: float) -> None:
    """A request of this route was answered. Both are of bounded variety, whatever strangers ask for."""
    _seconds.labels(route, str(status)).observe(seconds)


def text(now: datetime) -> bytes:
    """Everything, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Parts(now))
    if os.environ.get(SHARED):
        MultiProcessCollector(registry)
        return generate_latest(registry)
    return generate_latest(registry) + generate_latest(_ours)


class _Parts:
    """What the registered parts tell, each by itself."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        began, told = time.monotonic(), {}
        for part, collect in _collectors.items():
            told[part] = 0.0
            if time.monotonic() - began < ALL:
                found = _found(collect, self._now)
                told[part] = float(found is not None)
                yield from found or ()
        yield gauge("scrape_complete", "Whether a part of the figures could be read", label="part", of=told)


def _found(collect: Collector, now: datetime) -> list[Metric] | None:
    try:
        with reading.only(EACH):
            return list(collect(now))
    except (DatabaseError, reading.TooSlow):
        return None
