"""What a backtest is asked for, refused for, taken from and thrown away by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from audience.conditions import tree
from kit import audit, installation, jobs
from kit.models import User
from lifecycle.backtests import numbers, working
from lifecycle.editions import documents
from lifecycle.ledger import stages
from lifecycle.models import Backtest, Transition, Version

LONGEST = 3660  # days of a window
MOST_DAYS = 730  # of a horizon
MOST_KEPT = 100  # results of one lifecycle


class BacktestRefused(ValueError):
    """A backtest that cannot be made or used, in the user's words; `field` names what is wrong in what was asked."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Asked:
    """What somebody wants to know: the days, beside what, the stage, the outcome that judges it, and a number to try.

    `outcome` is a condition, `outcome_stage` a stage's slug: one of the two. `number` is the key of `numbers.Number`.
    """

    begins_on: date
    ends_on: date
    stage: str
    horizon: int
    beside_live: bool = True
    outcome_stage: str = ""
    outcome: Any = None
    number: str = ""
    least: int | None = None
    most: int | None = None


def ask(version: Version, asked: Asked, *, by: User | None, now: datetime) -> Backtest:
    """Start the job that finds out. Raises BacktestRefused, naming the field, and ConditionError for the outcome."""
    against = stages.live_version(version.lifecycle) if asked.beside_live else None
    if against == version:
        against = None
    _refuse_bad_window(asked, now)
    _refuse_bad_stages(version, asked)
    swept, place, points = _read_number(version, asked)
    with transaction.atomic():
        # One after the other: whoever asks for the same lifecycle waits here.
        type(version.lifecycle).objects.select_for_update(no_key=True).get(pk=version.lifecycle_id)
        kept = Backtest.objects.filter(version__lifecycle=version.lifecycle_id)
        if kept.filter(job__state__in=jobs.OPEN).exists():
            raise BacktestRefused(_("A backtest of this lifecycle is being made. Wait for it, or cancel it."))
        if kept.count() >= MOST_KEPT:
            raise BacktestRefused(_("There are %(most)s results already. Remove some first.") % {"most": MOST_KEPT})
        made = Backtest.objects.create(
            version=version,
            against=against,
            begins_on=asked.begins_on,
            ends_on=asked.ends_on,
            stage=asked.stage,
            outcome_stage=asked.outcome_stage,
            outcome=asked.outcome if not asked.outcome_stage else None,
            horizon=asked.horizon,
            swept=swept,
            place=list(place),
            points=points,
            document=documents.dump(version),
            created_by=by,
            created_at=now,
        )
        made.job = jobs.enqueue(working.KIND, {"backtest": made.pk}, title=str(made), by=by, now=now)
        made.save(update_fields=["job"])
        after = {"from": str(asked.begins_on), "until": str(asked.ends_on), "stage": asked.stage}
        audit.record("lifecycle.backtest", str(version), by=by, now=now, after=after)
    return made


@transaction.atomic
def remove(backtest: Backtest, *, by: User | None, now: datetime) -> None:
    """Throw a result away with everything that was written for it. Raises BacktestRefused while it is being made."""
    if backtest.job and backtest.job.state in jobs.OPEN:
        raise BacktestRefused(_("This backtest is being made; cancel it first."))
    audit.record("lifecycle.backtest_remove", str(backtest), by=by, now=now)
    working.forget(backtest)
    backtest.delete()


@transaction.atomic
def take(backtest: Backtest, point: int, *, by: User | None, now: datetime) -> Transition:
    """Write one of the values that were tried into the draft's rule.

    Raises BacktestRefused when it was not tried, when the version is no draft any more, and when the rule was changed
    since to something that has no such number.
    """
    if point not in backtest.points or backtest.swept_id is None:
        raise BacktestRefused(_("This value was not tried."), "point")
    version = Version.objects.select_for_update().get(pk=backtest.version_id)
    if version.state != Version.State.DRAFT:
        raise BacktestRefused(_("%(version)s is not a draft any more.") % {"version": version})
    rule = (
        Transition.objects.select_for_update(of=("self",))
        .select_related("version__lifecycle")
        .get(pk=backtest.swept_id)
    )
    there = {each.place: each.value for each in numbers.of_rule(rule, version.lifecycle.of)}
    place = tuple(backtest.place)
    if place not in there:
        raise BacktestRefused(_("The rule was changed since, and has no such number any more."))
    rule.condition = numbers.with_value(rule.condition, place, point, version.lifecycle.of)
    rule.save(update_fields=["condition"])
    audit.record(
        "lifecycle.draft_number", str(version), by=by, now=now,
        before={"rule": str(rule), "number": there[place]}, after={"rule": str(rule), "number": point},
    )  # fmt: skip
    return rule


def changed_since(backtest: Backtest) -> bool:
    """Whether the draft is no longer what was tried."""
    return backtest.document != documents.dump(backtest.version)


def _refuse_bad_window(asked: Asked, now: datetime) -> None:
    today = now.astimezone(installation.zone()).date()
    if asked.ends_on <= asked.begins_on:
        raise BacktestRefused(_("The time span ends before it begins."), "ends_on")
    if asked.ends_on > today:
        raise BacktestRefused(_("The time span ends today at the latest: what is to come cannot be tried."), "ends_on")
    if asked.ends_on - asked.begins_on > timedelta(days=LONGEST):
        raise BacktestRefused(_("The time span is longer than ten years."), "begins_on")
    if not 1 <= asked.horizon <= MOST_DAYS:
        raise BacktestRefused(_("Choose between 1 and %(most)s days.") % {"most": MOST_DAYS}, "horizon")


def _refuse_bad_stages(version: Version, asked: Asked) -> None:
    there = set(version.stages.values_list("slug", flat=True))
    for field in ("stage", "outcome_stage"):
        slug = getattr(asked, field)
        if slug not in there and not (field == "outcome_stage" and not slug):
            raise BacktestRefused(_("%(version)s has no such stage.") % {"version": version}, field)
    if asked.outcome_stage == asked.stage:
        raise BacktestRefused(_("The outcome is another stage than the one it judges."), "outcome_stage")
    if not asked.outcome_stage and tree.is_everybody(tree.parse(asked.outcome, of=version.lifecycle.of)):
        raise BacktestRefused(_("Say what the stage is judged by: a later stage, or a condition."), "outcome")


def _read_number(version: Version, asked: Asked) -> tuple[Transition | None, numbers.Place, list[int]]:
    if not asked.number:
        return None, (), []
    found = next((each for each in numbers.of_version(version) if each.key == asked.number), None)
    if found is None:
        raise BacktestRefused(_("The rules have no such number."), "number")
    if asked.least is None or asked.most is None:
        raise BacktestRefused(_("Say from which value to which."), "least")
    if not 0 <= asked.least < asked.most <= numbers.LARGEST:
        raise BacktestRefused(_("The first value is a whole number not below 0, and the last one is larger."), "most")
    if found.place[-1] == "days" and asked.least < 1:
        raise BacktestRefused(_("A look back has at least one day."), "least")
    return found.rule, found.place, numbers.spread(asked.least, asked.most, found.value)
