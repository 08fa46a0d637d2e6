"""What is set once for the whole installation: zone, currency, working calendar, sender; and local days in its zone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction

from kit import audit
from kit.models import Setting, User
from kit.sql import Sql, run

DEFAULTS: dict[str, Any] = {
    "zone": "UTC",
    "currency": "EUR",
    "own_domains": [],
    "test_addresses": [],
    "competitor_addresses": [],
    "account_by_domain": False,  # new people go into the account of their email's domain
    "buying_roles": [  # whom a sale wants to know at an account, in order; which of them every account needs
        {"name": "champion", "needed": True},
        {"name": "economic buyer", "needed": True},
        {"name": "decision maker", "needed": True},
        {"name": "influencer", "needed": False},
        {"name": "user", "needed": False},
        {"name": "technical evaluator", "needed": False},
        {"name": "procurement", "needed": False},
        {"name": "blocker", "needed": False},
    ],
    "site_domains": [],  # of our web sites: whose pages are told of, and may send forms
    "page_views_kept_days": 30,  # of visitors of whom nobody knows who they are
    "company": "",
    "address": "",  # where recipients reach this installation; empty: settings.PUBLIC_ADDRESS
    "postal_address": "",
    "working_days": [1, 2, 3, 4, 5],  # ISO: Monday is 1
    "working_from": "09:00",
    "working_until": "17:00",  # "24:00" is midnight at the day's end
    "grr_par": 92,  # per cent of recurring revenue kept a year
    "nrr_par": 108,
    "frequency_cap": {},  # {"messages": 3, "days": 7}: at most so many messages to one person; empty: no limit
    "holidays": [],  # days as 2025-12-25 on which nobody works
}


_remembered: ContextVar[dict[str, Any] | None] = ContextVar("remembered", default=None)


def get(key: str) -> Any:
    """The setting's value, or its default. Raises KeyError for an unknown setting."""
    default = DEFAULTS[key]
    remembered = _remembered.get()
    if remembered is not None:
        if not remembered:
            remembered |= DEFAULTS | dict(Setting.objects.filter(key__in=DEFAULTS).values_list("key", "value"))
        return remembered[key] or default
    return _read(key, default)


def _read(key: str, default: Any) -> Any:
    return Setting.objects.filter(key=key).values_list("value", flat=True).first() or default


@contextmanager
def remembering() -> Iterator[None]:
    """Within it all settings are read once: for work of many steps that must all go by the same."""
    token = _remembered.set({})
    try:
        yield
    finally:
        _remembered.reset(token)


def put(key: str, value: Any) -> None:
    """Write a setting. Raises KeyError for an unknown one."""
    DEFAULTS[key]
    Setting.objects.update_or_create(key=key, defaults={"value": value})


def lock() -> None:
    """Until the transaction ends nobody else changes a setting."""
    run(Sql("SELECT pg_advisory_xact_lock(hashtext('kit_settings'))"))


def change(
    values: dict[str, Any], *, by: User | None, now: datetime, action: str = "settings.change"
) -> dict[str, Any]:
    """Write those of the settings that are others than they were, with their entry in the trail; what they were.

    Raises KeyError for an unknown one.
    """
    with transaction.atomic():
        lock()
        before = {key: was for key, value in values.items() if (was := get(key)) != value}
        for key in before:
            put(key, values[key])
        if before:
            after = {key: values[key] for key in before}
            audit.record(action, ", ".join(before), by=by, now=now, before=before, after=after)
    return before


def address() -> str:
    """Where recipients reach this installation, without a slash at its end: the base of links in messages."""
    return str(get("address") or settings.PUBLIC_ADDRESS).rstrip("/")


def zone() -> ZoneInfo:
    """The zone in which this installation's days begin."""
    return ZoneInfo(get("zone"))


def midnight(day: date, in_zone: ZoneInfo) -> datetime:
    """The instant at which a local day begins."""
    return datetime.combine(day, time.min, tzinfo=in_zone)


def day_before(at: datetime, in_zone: ZoneInfo) -> date:
    """The local day that lies before an instant: the day of the last moment strictly before it."""
    return (at - timedelta(microseconds=1)).astimezone(in_zone).date()


def ensure_defaults() -> None:
    """Write the settings that are not there yet; safe to repeat."""
    for key, value in DEFAULTS.items():
        Setting.objects.get_or_create(key=key, defaults={"value": value})
