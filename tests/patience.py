"""Waiting in tests for what other processes, threads and sessions bring about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def until(look: Callable[[], Found], seconds: float = 40) -> Found:
    """What is found, as soon as it is there (or true)."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"it did not come about within {seconds} seconds"
        time.sleep(0.05)
    return found
