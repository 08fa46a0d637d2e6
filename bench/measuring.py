"""Two ways to one result, timed in turns; the figure is the ratio of their medians."""

from __future__ import annotations

import math
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

from django.db import connection

Step = Callable[[], Any]


def nothing() -> None:
    """What comes before or after a turn that needs neither."""


def compare(ours: Step, reference: Step, *, before: Step, repeats: int, after: Step = nothing) -> dict[str, float]:
    """Seconds of ours and of the reference, medians of so many turns each, and their ratio.

    `before` is done ahead of every turn and `after` behind it, on nobody's time.
    """
    seconds: dict[Step, list[float]] = {ours: [], reference: []}
    for _turn in range(repeats):
        for way in (reference, ours):
            before()
            settle()
            begun = time.perf_counter()
            way()
            seconds[way].append(time.perf_counter() - begun)
            after()
    took, held_against = statistics.median(seconds[ours]), statistics.median(seconds[reference])
    # To the microsecond: what takes less than a millisecond at a small size has its place in the growth as well.
    return {"ours_s": round(took, 6), "reference_s": round(held_against, 6), "ratio": round(took / held_against, 2)}


def settle() -> None:
    """Let neither way pay for what the other left behind."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def peak_rss_mb() -> int:
    """The most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """The power of the size that the time grows with: the slope of the line through the logarithms of both."""
    line = statistics.linear_regression([math.log(size) for size in sizes], [math.log(each) for each in seconds])
    return round(line.slope, 2)
