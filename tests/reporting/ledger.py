"""A small lifecycle and walks through it, written by the one writer of movements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from audience.models import Account, Person
from kit import calendars
from kit.models import User
from lifecycle.ledger import stages
from lifecycle.models import Lifecycle, Membership, Stage, Version
from reporting import filling
from reporting.funnel import Funnel, funnel
from tests import factories

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
TODAY = NOW.date()
Kind = tuple[str, str, str]  # slug, path, kind
STAGES = (
    ("lead", "success", "inventory"),
    ("mql", "success", "inventory"),
    ("sql", "success", "inventory"),
    ("won", "success", "terminal"),
    ("recycled", "detour", "inventory"),
    ("lost", "detour", "terminal"),
)
LIMITS = {"sla": 16}  # working hours


def lifecycle(slug: str = "sales", *, of: str = "person", stages_of: Sequence[Kind] = STAGES) -> Lifecycle:
    """A lifecycle with one published version."""
    made = Lifecycle.objects.create(slug=slug, name=slug.title(), species="net_new", of=of, created_at=NOW)
    version(made, stages_of=stages_of)
    return made


def version(of: Lifecycle, *, stages_of: Sequence[Kind] = STAGES, calendar: str = "") -> Version:
    """One more version, published; those before are retired. Its SLA stages count by a calendar."""
    of.versions.update(state=Version.State.RETIRED)
    made = Version.objects.create(lifecycle=of, number=of.versions.count() + 1, created_at=NOW)
    for order, (slug, path, kind) in enumerate(stages_of, 1):
        Stage.objects.create(
            version=made, slug=slug, name=slug.title(), order=order, path=path, kind=kind, limit_hours=LIMITS.get(kind),
            calendar=calendar if kind == "sla" else "",
        )  # fmt: skip
    Version.objects.filter(pk=made.pk).update(state=Version.State.PUBLISHED, published_at=NOW)
    made.refresh_from_db()
    return made


def us_east() -> None:
    """A working calendar from nine to five in New York, five hours behind that of the settings in January."""
    hours = [{"weekday": day, "opens": "09:00", "closes": "17:00"} for day in range(1, 6)]
    told = {"slug": "us_east", "name": "US East", "zone": "America/New_York", "hours": hours}
    calendars.define(told, by=None, now=NOW)


def on(day: int | date | datetime) -> datetime:
    """Noon of a day of January 2025 (32 is the first of February), or of any day."""
    if isinstance(day, datetime):
        return day
    day = date(2025, 1, 1) + timedelta(days=day - 1) if isinstance(day, int) else day
    return datetime.combine(day, time(12), tzinfo=UTC)


Step = tuple[str, "int | date | datetime"]


def walk(through: Lifecycle, *steps: Step, subject: Person | Account | None = None, **values: object) -> Membership:
    """Somebody new (with these values) goes this way: each step a stage, or "" for out of the model, and its day."""
    live = stages.live_version(through)
    assert live is not None
    if subject is None:
        subject = factories.person(**values) if through.of == "person" else factories.account(**values)
    (first, entered), *rest = steps
    assert stages.place(subject.pk, live, to=live.stages.get(slug=first), reason="", by=None, at=on(entered), now=NOW)
    membership = Membership.objects.get(lifecycle=through, subject_id=subject.pk, ended_at=None) if rest else None
    for slug, day in rest:
        move(membership, slug, day)
    return Membership.objects.filter(lifecycle=through, subject_id=subject.pk).latest("pass_number")


def move(membership: Membership | None, slug: str, day: int | date | datetime) -> None:
    """One more step of a membership."""
    assert membership is not None
    membership.refresh_from_db()
    to = membership.version.stages.get(slug=slug) if slug else None
    assert stages.move(membership, to=to, reason="", by=None, at=on(day), now=NOW)


def asked(of: Lifecycle, start: int | date = 1, end: int | date = 60, **more: object) -> Funnel:
    """The funnel of days of January 2025 on, after a fill."""
    filling.fill(of, now=NOW)
    return funnel(of, start=on(start).date(), end=on(end).date(), today=TODAY, **more)  # type: ignore[arg-type]


def reader() -> User:
    """A user that may look at reports."""
    return User.objects.create_user("reader@example.org", "secret", role=User.Role.OPS)
