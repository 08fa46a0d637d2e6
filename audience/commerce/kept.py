"""When the former values of deals and contracts held until, for the triggers that keep them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from kit.sql import run, sql


@contextmanager
def changing(now: datetime) -> Iterator[None]:
    """What is written within was changed now; else it is the clock that says so."""
    setting = "SELECT set_config('perennial.changed_at', {}, true)"
    run(sql(setting, now.isoformat()))
    yield
    run(sql(setting, ""))
