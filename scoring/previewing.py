"""Scores as a whole: how many there are of each, who reaches the limit, and what a draft would change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from audience import live
from kit import audit, jobs
from kit.models import Job, User
from kit.sql import Sql, dicts, name, rows, run, sql
from scoring import compiling, versions
from scoring.models import Crossing, ScoringModel, ScoringVersion
from scoring.rules import Plan, Plans, read

KIND = "scoring_preview"
ROWS = 14  # of a distribution, about


@dataclass(frozen=True)
class Span:
    """One row of a distribution: how many have from `low` to `high` points, and how many by the draft beside it."""

    low: int
    high: int
    count: int
    drafted: int | None = None

    @property
    def words(self) -> str:
        sign = lambda points: str(points).replace("-", "−")  # noqa: E731
        if self.low == self.high:
            return sign(self.low)
        return _("%(low)s to %(high)s") % {"low": sign(self.low), "high": sign(self.high)}

    @property
    def query(self) -> str:
        """What asks the list of scores for these."""
        return f"least={self.low}&most={self.high}"


def summary(version: ScoringVersion, *, now: datetime) -> dict[str, Any]:
    """The scores that a version, draft or not, gives as of now, in figures: `_told` says which."""
    return _told(read(version), now + live.INSTANT)


def as_of(model: ScoringModel, at: datetime) -> dict[str, Any]:
    """The scores of a model as of an instant, by the version in force then, in the same figures."""
    plan = Plans(model).at(at)
    if plan is None:
        return {"version": None, "scored": 0}
    return {"version": plan.version.number, **_told(plan, at)}


def distribution(model: ScoringModel) -> list[Span]:
    """How many have how many points now, in about a dozen spans; 0 is one of its own. Empty when nobody is scored."""
    counts = dict(rows(sql("SELECT shown, count(*) FROM scoring_score WHERE model_id = {} GROUP BY 1", model.pk)))
    return spans(counts)


def spans(counts: dict[int, int], drafted: dict[int, int] | None = None) -> list[Span]:
    """Counts by points, gathered into spans of equal width to both sides of 0."""
    points = [*counts, *(drafted or {})]
    if not points:
        return []
    width = _width(max(points) - min(points))
    of_span: dict[int, list[int]] = {}
    for column, found in enumerate((counts, drafted or {})):
        for each, count in found.items():
            of_span.setdefault(_span_of(each, width), [0, 0])[column] += count
    return [
        Span(*_ends(number, width), *((of_span.get(number) or [0, 0])[: 1 if drafted is None else 2]))
        for number in range(min(of_span), max(of_span) + 1)
    ]


def ask(version: ScoringVersion, *, by: User | None, now: datetime) -> Job:
    """Start the job that finds what a draft would change; the version remembers it.

    Raises Refused when it is no draft, or a preview of it is being made.
    """
    versions.refuse_unless_idle_draft(version)
    title = _("Preview of %(version)s") % {"version": version}
    job = jobs.enqueue(KIND, {"version": version.pk}, by=by, now=now, title=title)
    ScoringVersion.objects.filter(pk=version.pk).update(job=job)
    audit.record("scoring.preview", str(version), by=by, now=now)
    return job


def work(held: jobs.Held) -> dict[str, Any]:
    """The job: everybody scored by the draft beside the scores as they stand; who would come to the limit, who leave.

    The result has both distributions by points, as text, for JSON knows no other keys.
    """
    version = ScoringVersion.objects.select_related("model").get(pk=held.payload["version"])
    plan, model = read(version), version.model
    in_force = Plans(model).version_at(held.now + live.INSTANT)
    held.progress(phase=_("computing"))
    table = sql("work.{}", name(f"preview_{version.pk}"))
    with transaction.atomic():
        run(sql("DROP TABLE IF EXISTS {}", table))
        scored = run(sql("CREATE UNLOGGED TABLE {} AS {}", table, compiling.totals(plan, at=held.now + live.INSTANT)))
        run(sql("ANALYZE {}", table))
        _note_crossings(version, in_force, table)
        crossings = Crossing.objects.filter(version=version)
        drafted = rows(sql("SELECT shown, count(*) FROM {} GROUP BY 1", table))
        counts = rows(sql("SELECT shown, count(*) FROM scoring_score WHERE model_id = {} GROUP BY 1", model.pk))
        result = {
            "scored": scored,
            "reached": _reached(dict(drafted), version.limit),
            "reached_now": _reached(dict(counts), in_force.limit if in_force else None),
            "enter": crossings.filter(enters=True).count(),
            "leave": crossings.filter(enters=False).count(),
            "drafted": {str(points): count for points, count in drafted},
            "counts": {str(points): count for points, count in counts},
            "link": reverse("scoring_version", args=[model.slug, version.number]),
        }
        run(sql("DROP TABLE {}", table))
        held.progress(phase="", rows_done=scored, rows_total=scored)
    return result


def _note_crossings(version: ScoringVersion, in_force: ScoringVersion | None, table: Sql) -> None:
    """Who is on the one side of the limit by the version in force, and on the other by the draft."""
    Crossing.objects.filter(version=version).delete()
    columns = {"person": ("d.subject_id", "NULL::bigint"), "account": ("NULL::bigint", "d.subject_id")}
    was_in = _is_in(Sql("COALESCE(s.shown, 0)"), in_force.limit if in_force else None)
    will_be = _is_in(Sql("d.shown"), version.limit)
    run(
        sql(
            "INSERT INTO scoring_crossing (version_id, person_id, account_id, was, shown, enters) "
            "SELECT {}, {}, {}, COALESCE(s.shown, 0), d.shown, {} FROM {} d "
            "LEFT JOIN scoring_score s ON s.model_id = {} AND s.subject_id = d.subject_id WHERE {} <> {}",
            version.pk,
            *(Sql(column) for column in columns[version.model.of]),
            will_be,
            table,
            version.model_id,
            was_in,
            will_be,
        )
    )


def _is_in(shown: Sql, limit: int | None) -> Sql:
    return Sql("false") if limit is None else sql("({} >= {})", shown, limit)


def _reached(counts: dict[int, int], limit: int | None) -> int | None:
    return None if limit is None else sum(count for points, count in counts.items() if points >= limit)


def _told(plan: Plan, at: datetime) -> dict[str, Any]:
    """How many are scored, have any points, reach the limit (None without one); the highest; how many of each grade."""
    limit = plan.version.limit
    reached = sql("count(*) FILTER (WHERE shown >= {})", limit) if limit is not None else Sql("NULL::bigint")
    found = dicts(
        sql(
            "SELECT grade, count(*) AS scored, count(*) FILTER (WHERE shown <> 0) AS with_points, "
            "{} AS reached, max(shown) AS highest FROM ({}) scored GROUP BY grade ORDER BY grade",
            reached,
            compiling.totals(plan, at=at),
        )
    )
    told: dict[str, Any] = {figure: sum(each[figure] for each in found) for figure in ("scored", "with_points")}
    told["reached"] = None if limit is None else sum(each["reached"] for each in found)
    told["highest"] = max((each["highest"] for each in found), default=None)
    if plan.grades:
        told["grades"] = {each["grade"]: each["scored"] for each in found}
    return told


def _width(reach: int) -> int:
    """A round width, so that about ROWS spans cover so many points."""
    width = 1
    for step in range(60):
        width = (1, 2, 5)[step % 3] * 10 ** (step // 3)
        if reach <= width * ROWS:
            break
    return width


def _span_of(points: int, width: int) -> int:
    """The number of the span: 0 for no points, 1 for the first above, −1 for the first below."""
    if points == 0:
        return 0
    number = (abs(points) - 1) // width + 1
    return number if points > 0 else -number


def _ends(number: int, width: int) -> tuple[int, int]:
    if number == 0:
        return (0, 0)
    near, far = (abs(number) - 1) * width + 1, abs(number) * width
    return (near, far) if number > 0 else (-far, -near)
