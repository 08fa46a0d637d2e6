"""Keeping the stored scores true: full runs by difference, live runs of those who changed, and the clock.

A full run and a live run of the same model never overlap: the one holds a lock of the database that the other shares,
so a full run cannot write over what was judged while it computed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import DataError, ProgrammingError, transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from audience import live
from audience.conditions import registry
from audience.conditions.tree import ConditionError
from kit import audit, installation, jobs
from kit.models import Job, User
from kit.sql import Sql, name, run, sql, value
from scoring import compiling
from scoring.models import ScoringModel, ScoringVersion
from scoring.rules import Plan, Plans

LOCK = "scoring"  # with the model's id: who holds it may write that model's scores
MEMORY = "256MB"  # for sorting and hashing in a full run
FEW = "1.1"  # the price of a random page in a live run: few rows are wanted, and their cost must not follow the total
KIND = "scoring"
FAULTS = (ConditionError, DataError, ProgrammingError)  # of the rules themselves; a lost connection is none of theirs

logger = logging.getLogger(__name__)

# What a run has found, and what it has changed; of the session, so that each step is planned with knowledge of it.
FOUND = """
CREATE TEMPORARY TABLE IF NOT EXISTS score_found (
    subject_id bigint NOT NULL, total bigint NOT NULL, behaviour bigint NOT NULL, fit bigint NOT NULL,
    shown int NOT NULL, grade text NOT NULL);
TRUNCATE score_found;
"""


def judge(subjects: Sql, *, at: datetime, now: datetime) -> None:
    """Bring the scores of these people and accounts up to date as of `at`, by every model; the live engine's judge."""
    for model in ScoringModel.objects.order_by("pk"):
        with _alone(model):
            plan = Plans(model).at(at)
            if plan is not None:
                refresh(plan, subjects, at=at, now=now)


@transaction.atomic
def refresh(plan: Plan, subjects: Sql, *, at: datetime, now: datetime) -> int:
    """Score some subjects as of `at`, equal to what a full run gives them; how many shown scores or grades changed."""
    run(sql("SELECT pg_advisory_xact_lock_shared(hashtext({}), {})", LOCK, plan.version.model_id))
    run(Sql(FOUND))
    scored = compiling.totals(plan, at=at, among=sql("SELECT subject_id FROM ({}) asked", subjects))
    with _set("random_page_cost", FEW):
        run(sql("INSERT INTO score_found {}", scored))
        run(Sql("ANALYZE score_found"))
        return _merge(plan, Sql("score_found"), among=subjects, at=at, now=now)


def full(model: ScoringModel, *, at: datetime, now: datetime, mark: bool = True) -> dict[str, Any] | None:
    """Score everybody as of `at` by the version in force and write only what differs; None when none is in force.

    With `mark` whoever's shown score or grade changed is judged again by those whom it concerns: stages, segments.
    The result counts the scored and the changed.
    """
    plan = Plans(model).at(at)
    if plan is None:
        return None
    with transaction.atomic(), _computed(plan, at) as (found, scored):
        changed = _merge(plan, found, among=None, at=at, now=now)
        if mark and changed:
            live.mark(
                sql(
                    "SELECT subject_id FROM scoring_scorechange WHERE model_id = {} AND occurred_at = {} "
                    "AND recorded_at = {}",
                    model.pk,
                    at,
                    now,
                )
            )
        ScoringModel.objects.filter(pk=model.pk).update(looked_until=at, scored_by=plan.version)
    return {"scored": scored, "changed": changed}


@contextmanager
def _computed(plan: Plan, at: datetime) -> Iterator[tuple[Sql, int]]:
    """A table of `work` with everybody's score, computed alone and in parallel, and gone at the end."""
    run(sql("SELECT pg_advisory_xact_lock(hashtext({}), {})", LOCK, plan.version.model_id))
    table = sql("work.{}", name(f"scores_{plan.version.model_id}"))
    with _set("work_mem", MEMORY):
        run(sql("DROP TABLE IF EXISTS {}", table))
        scored = run(sql("CREATE UNLOGGED TABLE {} AS {}", table, compiling.totals(plan, at=at)))
        run(sql("ANALYZE {}", table))
        yield table, scored
        run(sql("DROP TABLE {}", table))


@contextmanager
def _set(setting: str, to: str) -> Iterator[None]:
    """A setting of the database within a transaction, for as long as this lasts."""
    before = value(sql("SELECT current_setting({})", setting))
    run(sql("SELECT set_config({}, {}, true)", setting, to))
    yield
    run(sql("SELECT set_config({}, {}, true)", setting, before))


def _merge(plan: Plan, found: Sql, *, among: Sql | None, at: datetime, now: datetime) -> int:
    """Write the difference between the scores found and those stored; how many shown scores or grades changed.

    Whoever has no stored score counts as having had none of the points and the lowest grade.
    """
    model = plan.version.model_id
    person = Sql("new_id") if plan.of == "person" else Sql("NULL::bigint")
    account = Sql("new_id") if plan.of == "account" else Sql("NULL::bigint")
    only = sql(" AND stored.subject_id IN ({})", among) if among else Sql("")
    # Found and stored are joined once; all that is written is written from what differs between them. Whoever is
    # stored and not found is not there any more: erased, or first seen later than was thought.
    return run(
        sql(
            """
            WITH differing AS MATERIALIZED (
                SELECT old.id, found.subject_id AS new_id, found.total, found.behaviour, found.fit, found.shown,
                       found.grade, COALESCE(old.shown, 0) AS old_shown, COALESCE(old.grade, {}) AS old_grade
                FROM {} found
                FULL JOIN (SELECT * FROM scoring_score stored WHERE stored.model_id = {}{}) old
                    ON old.subject_id = found.subject_id
                WHERE old.id IS NULL OR found.subject_id IS NULL
                   OR (old.total, old.behaviour, old.fit, old.shown, old.grade)
                      IS DISTINCT FROM (found.total, found.behaviour, found.fit, found.shown, found.grade)
            ),
            gone AS (
                DELETE FROM scoring_score WHERE id IN (SELECT id FROM differing WHERE new_id IS NULL)
            ),
            changed AS (
                UPDATE scoring_score stored
                SET total = differing.total, behaviour = differing.behaviour, fit = differing.fit,
                    shown = differing.shown, grade = differing.grade
                FROM differing WHERE stored.id = differing.id AND differing.new_id IS NOT NULL
            ),
            added AS (
                INSERT INTO scoring_score (model_id, person_id, account_id, total, behaviour, fit, shown, grade)
                SELECT {}, {}, {}, total, behaviour, fit, shown, grade FROM differing WHERE id IS NULL
            )
            INSERT INTO scoring_scorechange
                (model_id, version_id, person_id, account_id, old_shown, shown, old_grade, grade,
                 occurred_at, recorded_at)
            SELECT {}, {}, {}, {}, old_shown, shown, old_grade, grade, {}, {}
            FROM differing WHERE new_id IS NOT NULL AND (shown <> old_shown OR grade <> old_grade)
            """,
            plan.lowest_grade,
            found,
            model,
            only,
            model,
            person,
            account,
            model,
            plan.version.pk,
            person,
            account,
            at,
            now,
        )
    )


# ---- time ----


def clock(now: datetime) -> None:
    """What time alone does to scores since the last look: a new day, a new version in force, points that expire."""
    for model in ScoringModel.objects.exclude(looked_until=None).order_by("pk"):
        with _alone(model):
            _look(model, now)


def _look(model: ScoringModel, now: datetime) -> None:
    until = now + live.INSTANT
    plan = Plans(model).at(until)
    if plan is None or model.looked_until is None or until <= model.looked_until:
        return
    span = registry.span(model.looked_until, until)
    new_day = plan.decays and span.since.today != span.until.today
    if new_day or plan.version.pk != model.scored_by_id:
        full(model, at=until, now=now)
        return
    live.mark(compiling.by_time(plan, span=span))
    ScoringModel.objects.filter(pk=model.pk, looked_until__lt=until).update(looked_until=until)


@contextmanager
def _alone(model: ScoringModel) -> Iterator[None]:
    """A model whose rules fail stands still alone, says why, and goes on by itself when they no longer do."""
    try:
        with transaction.atomic():
            yield
    except FAULTS as fault:
        logger.exception("the scores of %s stand still", model)
        ScoringModel.objects.filter(pk=model.pk).update(fault=str(fault)[:500])
    else:
        if model.fault:
            ScoringModel.objects.filter(pk=model.pk).update(fault="")
            live.mark_everybody(model.of)  # who was passed over meanwhile is not known


# ---- as a job ----


def ask(model: ScoringModel, *, by: User | None, now: datetime, publishing: ScoringVersion | None = None) -> Job:
    """Ask for a full run in the background, which at its end makes the version published that is being published.

    Without one the run that waits already is returned instead of a second one.
    """
    if publishing is None:
        waiting = Job.objects.filter(kind=KIND, payload__model=model.pk, state=Job.State.QUEUED).first()
        if waiting:
            return waiting
        audit.record("scoring.rescore", str(model), by=by, now=now)
    title = _("Scores of %(model)s") % {"model": publishing or model}
    payload = {"model": model.pk} | ({"version": publishing.pk} if publishing else {})
    return jobs.enqueue(KIND, payload, by=by, now=now, title=title)


@installation.remembering()
def work(held: jobs.Held) -> dict[str, Any]:
    """The job: score everybody as of now, and make the version published that is being published."""
    model = ScoringModel.objects.get(pk=held.payload["model"])
    held.progress(phase=_("computing"), rows_done=0, rows_total=_everybody(model))
    with transaction.atomic():
        result = full(model, at=held.now + live.INSTANT, now=held.now) or {"scored": 0, "changed": 0}
        if publishing := held.payload.get("version"):
            ScoringVersion.objects.filter(pk=publishing, state=ScoringVersion.State.PUBLISHING).update(
                state=ScoringVersion.State.PUBLISHED, published_at=held.now
            )
        held.progress(phase="", rows_done=result["scored"], rows_total=result["scored"])
    return result | {"link": reverse("scoring_model", args=[model.slug])}


def _everybody(model: ScoringModel) -> int:
    return value(sql("SELECT count(*) FROM {} WHERE erased_at IS NULL", name(f"audience_{model.of}")))
