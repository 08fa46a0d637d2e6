"""How often a key may ask: so many requests a minute, evenly refilled, counted for all processes in one row.

The row says when the allowance will be full again. Each request moves that on by its share of a minute, and is refused
when it came to lie more than a minute ahead (the generic cell rate algorithm). The table is not logged: a request does
not wait for the disk, and after a crash of the server everybody begins with a full allowance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from integrations.models import ApiKey
from kit.sql import rows, sql

WINDOW = timedelta(minutes=1)


@dataclass(frozen=True)
class Told:
    """What became of one request: how many more may follow at once, and in how many seconds all may again.

    `wait`: for how many seconds to wait, when it was one too many.
    """

    left: int
    full_in: float
    wait: float = 0


class PerKey(BaseThrottle):
    """DRF's throttle: `API_REQUESTS_A_MINUTE` for each key, without limit when that is 0. Each answer tells of it."""

    told = Told(0, 0)

    def allow_request(self, request: Request, view: Any) -> bool:
        if settings.API_REQUESTS_A_MINUTE and isinstance(request.auth, ApiKey):
            self.told = ask(request.auth.pk, settings.API_REQUESTS_A_MINUTE)
            view.headers = view.headers | headers(self.told)
        return not self.told.wait

    def wait(self) -> float:
        return self.told.wait


def ask(key: int, most: int) -> Told:
    """Count one request of a key that may send `most` a minute, by the database's clock."""
    share = WINDOW / most
    ahead = "extract(epoch FROM full_at - clock_timestamp())::float8"
    taken = rows(
        sql(
            f"""INSERT INTO integrations_allowance AS held (key_id, full_at) VALUES ({{}}, clock_timestamp() + {{}})
                ON CONFLICT (key_id) DO UPDATE SET full_at = greatest(held.full_at, clock_timestamp()) + {{}}
                WHERE held.full_at <= clock_timestamp() + {{}}
                RETURNING {ahead}""",
            key, share, share, WINDOW - share,
        )
    )  # fmt: skip
    if taken:
        [(full_in,)] = taken
        return Told(math.floor((WINDOW.total_seconds() - full_in) / share.total_seconds()), full_in)
    [(full_in,)] = rows(sql(f"SELECT {ahead} FROM integrations_allowance WHERE key_id = {{}}", key))
    return Told(0, full_in, max(0.001, full_in + share.total_seconds() - WINDOW.total_seconds()))


def headers(told: Told) -> dict[str, str]:
    """As the IETF's draft of RateLimit fields has them."""
    return {
        "RateLimit-Policy": f'"key";q={settings.API_REQUESTS_A_MINUTE};w={WINDOW.seconds}',
        "RateLimit": f'"key";r={told.left};t={math.ceil(told.full_in)}',
    }
