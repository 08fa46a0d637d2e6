"""What the audience tells those who operate an installation: how far behind the live engine is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from prometheus_client import Metric

from audience import live, merging
from audience.activity import visitors
from audience.importing import schedules
from audience.merging import duplicates
from audience.panels import LATE
from audience.readiness import completeness
from audience.subjects import erasure
from audience.webforms import submitting
from kit import metrics, notices, periodic, writing
from kit.sql import Sql, value
from kit.troubles import Trouble, register

OLDEST = Sql("SELECT marked_at FROM audience_dirty ORDER BY id LIMIT 1")  # marks are taken in this order


def figures(now: datetime) -> Iterable[Metric]:
    """Marks that wait to be judged, counted up to a limit, and the age of the oldest."""
    waiting = metrics.counted(Sql("SELECT FROM audience_dirty"))
    yield metrics.gauge("marks_waiting", f"Marks of who changed, counted up to {metrics.MOST}", waiting)
    yield metrics.gauge("mark_oldest_seconds", "How long the oldest mark waits", _age(now).total_seconds())


def troubles(now: datetime) -> Iterable[Trouble]:
    """Marks that wait too long."""
    age = _age(now)
    if age > LATE:
        said = _("Whoever changed waits to be judged, for %(age)s by now: scores, stages and segments are behind.")
        yield Trouble(said % {"age": writing.span(age)})


def _age(now: datetime) -> timedelta:
    since = value(OLDEST)
    return max(now - since, timedelta(0)) if since else timedelta(0)


def _look_again(now: datetime) -> None:
    erasure.look_again(now)
    merging.look_again(now)


def forget_strangers(now: datetime) -> None:
    """What nobody turned out to be behind."""
    visitors.forget(now)
    submitting.forget(now)


def register_all() -> None:
    """Name what the audience has to tell; `AppConfig.ready` calls it."""
    metrics.register("audience", figures)
    notices.register(schedules.NOTICE, gettext_lazy("A scheduled import of yours has failed"))
    register(troubles)
    periodic.register(
        "judge",
        gettext_lazy("Judging"),
        gettext_lazy("Whoever changed is scored, moved between stages, and put into segments."),
        task="audience.tasks.judge",
        every=timedelta(seconds=2),
    )
    periodic.register(
        "tell_time",
        gettext_lazy("What time changes"),
        gettext_lazy("Whoever reached an age, left a window or came to a date is found."),
        task="audience.tasks.tell_time",
        every=timedelta(minutes=1),
        run=live.clock,
    )
    periodic.register(
        "start_imports",
        gettext_lazy("Scheduled imports"),
        gettext_lazy("Folders and addresses whose time has come are looked at for new files."),
        task="audience.tasks.start_imports",
        every=timedelta(minutes=1),
        run=schedules.clock,
    )
    periodic.register(
        "look_again",
        gettext_lazy("After erasures and merges"),
        gettext_lazy(
            "What was written about somebody while they were being erased or merged is emptied too, or follows."
        ),
        task="audience.tasks.look_again",
        every=timedelta(days=1),
        run=_look_again,
    )
    periodic.register(
        "find_duplicates",
        gettext_lazy("Duplicates"),
        gettext_lazy("People and accounts that may be one and the same are found."),
        task="audience.tasks.find_duplicates",
        every=timedelta(days=1),
        run=duplicates.find,
    )
    periodic.register(
        completeness.TURN,
        gettext_lazy("How complete the data is"),
        gettext_lazy("Of how many each field is known, today and as each month began."),
        task="audience.tasks.measure_readiness",
        every=timedelta(days=1),
        run=completeness.take,
    )
    periodic.register(
        "forget_strangers",
        gettext_lazy("Strangers forgotten"),
        gettext_lazy("Page views of whoever stayed unknown go after some days, and what forms refused after a month."),
        task="audience.tasks.forget_strangers",
        every=timedelta(days=1),
        run=forget_strangers,
    )
