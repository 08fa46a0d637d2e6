"""A hook that ends the process at a named point of the protocol; for tests and `bin/faults` alone.

`PERENNIAL_FAULT` names where: a point (`after-intent`), perhaps the how manieth time it is reached (`after-intent@3`),
perhaps with `!STOP`, which halts the process as a suspended machine does, until it is told to go on. Several are parted
by commas. Without the variable nothing is armed and a point costs one comparison.
"""

from __future__ import annotations

import os
import signal

POINTS = (
    "after-claim",  # messages are ours, nothing is written yet
    "in-rendering",  # some are written
    "before-intent",  # the fence has judged, nothing is committed
    "after-intent",  # committed; no byte has left
    "before-dot",  # the other side has all but the end
    "after-dot",  # the other side has taken it; we have not heard, or not written it down
    "before-outcome",  # heard, and not committed
    "after-outcome",
)


def _armed(text: str) -> dict[str, tuple[int, signal.Signals]]:
    found = {}
    for each in filter(None, text.split(",")):
        where, _, how = each.partition("!")
        name, _, nth = where.partition("@")
        if name not in POINTS:
            raise ValueError(f"PERENNIAL_FAULT names {name!r}; there are: {', '.join(POINTS)}")
        found[name] = (int(nth or 1), signal.SIGSTOP if how == "STOP" else signal.SIGKILL)
    return found


_waiting = _armed(os.environ.get("PERENNIAL_FAULT", ""))


def point(name: str) -> None:
    """The protocol has come to this point. Whoever is armed for it dies here, without a last word."""
    if not _waiting or name not in _waiting:
        return
    left, how = _waiting.pop(name)
    if left > 1:
        _waiting[name] = (left - 1, how)
    else:
        os.kill(os.getpid(), how)
