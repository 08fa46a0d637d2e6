"""Whether it is well: what wants somebody's attention now, as each app sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from kit import heartbeats, periodic, queues, writing

Text = str | Promise


@dataclass(frozen=True)
class Trouble:
    """One thing that is not as it should be, and where it is put right."""

    text: Text
    url: str = ""
    link: Text = ""


Check = Callable[[datetime], Iterable[Trouble]]

_checks: list[Check] = []


def register(check: Check) -> None:
    """Add what an app looks at; call it in `AppConfig.ready`."""
    _checks.append(check)


def all_of_them(now: datetime) -> list[Trouble]:
    """Everything that is wrong, the workers first: without them nothing else goes on."""
    return [*of_workers(now), *(each for check in _checks for each in check(now))]


def of_workers(now: datetime) -> list[Trouble]:
    """Workers that fell silent, queues that nobody takes from, and periodic work that does not come."""
    return [Trouble(said, reverse("system"), _("System")) for said in _of_workers(now)]


def _of_workers(now: datetime) -> Iterator[str]:
    for worker in heartbeats.silent():
        told = {"worker": worker.worker, "time": writing.span(now - worker.seen_at)}
        yield _("The worker %(worker)s has not been heard of for %(time)s.") % told
    taken = {queue for worker in heartbeats.alive() for queue in worker.takes_from}
    for queue in queues.names():
        if queue not in taken:
            yield _("No worker takes from the queue “%(queue)s”, so its work stands still.") % {"queue": queue}
    standings = periodic.standings(now)
    if late := [str(each.work.label) for each in standings if each.is_late]:
        yield _(
            "Periodic work is late: %(works)s. Either no clock (beat) runs, or the workers are busy: start another."
        ) % {"works": ", ".join(late)}
    for each in standings:
        if each.error:
            yield _("“%(work)s” failed: %(error)s") % {"work": each.work.label, "error": each.error}
