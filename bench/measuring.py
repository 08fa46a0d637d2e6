"""Two ways to one result, timed in turns; the figure is the ratio of their medians."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

from django.db import connection

Step = Callable[[], Any]


def compare(ours: Step, reference: Step, *, before: Step, repeats: int) -> dict[str, float]:
    """Seconds of ours and of the reference, medians of so many turns each, `before` ahead of every turn, and their ratio."""
    seconds: dict[Step, list[float]] = {ours: [], reference: []}
    for _turn in range(repeats):
        for way in (reference, ours):
            before()
            settle()
            begun = time.perf_counter()
            way()
            seconds[way].append(time.perf_counter() - begun)
    took, held_against = statistics.median(seconds[ours]), statistics.median(seconds[reference])
    return {"ours_s": round(took, 2), "reference_s": round(held_against, 2), "ratio": round(took / held_against, 2)}


def settle() -> None:
    """Let neither way pay for what the other left behind."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def peak_rss_mb() -> int:
    """The most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
