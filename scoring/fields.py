"""What conditions may ask about scores: points, whether they reach the limit, the grade, behaviour and fit apart."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from audience.conditions.moment import Span
from audience.conditions.registry import Ask, Field, Relation, register_family
from kit.sql import Sql, sql
from scoring import compiling
from scoring.models import ScoreChange, ScoringModel
from scoring.rules import Plan, Plans

GRADES = ("A", "B", "C", "D")
FRESH = timedelta(minutes=5)  # since the clock last looked: so long a stored score is taken for the present one
NOBODY = Sql(
    "SELECT NULL::bigint AS subject_id, NULL::int AS shown, NULL::bigint AS behaviour, NULL::bigint AS fit, "
    "NULL::text AS grade, NULL::timestamptz AS evidence WHERE false"
)


def register_all() -> None:
    """Make the scores of every model known to the condition language."""
    register_family("score.", _every)


def _every() -> Iterable[Field]:
    for model in ScoringModel.objects.order_by("slug"):
        yield from of_model(model)


def of_model(model: ScoringModel) -> list[Field]:
    """The fields of one model. What its versions count is read when a statement is first made, and then kept."""
    answers = Answers(model)
    named, group, kinds = {"model": model.name}, _("Scores"), frozenset({model.of})

    def number(name: str, label: object, column: str) -> Field:
        return Field(
            f"score.{model.slug}{name}",
            label,  # type: ignore[arg-type]
            "number",
            kinds,
            answers.relation(column),
            zero=True,
            fades=True,
            group=group,
        )

    return [
        number("", _("score of %(model)s") % named, "shown"),
        Field(
            f"score.{model.slug}.reached",
            _("limit of %(model)s reached") % named,
            "yes_no",
            kinds,
            answers.relation("reached"),
            always=True,
            fades=True,
            group=group,
            comes_to=answers.limit,
        ),
        Field(
            f"score.{model.slug}.grade",
            _("grade of %(model)s") % named,
            "choice",
            kinds,
            answers.relation("grade"),
            choices=tuple((grade, grade) for grade in GRADES),
            group=group,
        ),
        number(".behaviour", _("behaviour points of %(model)s") % named, "behaviour"),
        number(".fit", _("fit points of %(model)s") % named, "fit"),
    ]


class Answers:
    """The answers of one model: all its fields that are asked in one statement share one join."""

    def __init__(self, model: ScoringModel) -> None:
        self.model = model
        self.plans = Plans(model)

    def relation(self, column: str) -> Relation:
        """The answer whose value is in this column of `rows`."""
        return Relation(self.rows, self.touched, lambda alias, ask: self.read(column, alias, ask))

    def limit(self) -> dict[str, Any] | None:
        """The question whether the newest version's limit is reached, with its number."""
        points = self.plans.versions[-1].limit if self.plans.versions else None
        return None if points is None else {"field": f"score.{self.model.slug}", "op": "at_least", "value": points}

    def rows(self, ask: Ask) -> Sql:
        """subject_id, shown, behaviour, fit (micro-points), grade, evidence: stored where they are current.

        The date of the deciding fact is nowhere stored, so that whoever asks for evidence has the scores computed.
        """
        plan = self.plans.at(ask.moment.at)
        if plan is None:
            return NOBODY
        if not ask.evidence and self._stored_are_current(plan, ask):
            found = sql(
                "SELECT w.* FROM scoring_score w WHERE w.model_id = {}{}", self.model.pk, ask.only("w.subject_id")
            )
        else:
            found = compiling.totals(
                plan,
                at=ask.moment.at,
                known=ask.moment.known,
                among=ask.chosen if ask.chosen else None,
                evidence=ask.evidence,
            )
        return sql(
            "SELECT w.subject_id, w.shown, w.behaviour, w.fit, NULLIF(w.grade, '') AS grade, {} FROM ({}) w",
            Sql("w.evidence") if ask.evidence else Sql("NULL::timestamptz AS evidence"),
            found,
        )

    def read(self, column: str, alias: str, ask: Ask) -> Sql:
        """One figure out of the joined row."""
        if column in ("shown", "grade"):
            return Sql(f"{alias}.{column}")
        if column == "reached":
            plan = self.plans.at(ask.moment.at)
            limit = plan.version.limit if plan else None
            return Sql("false") if limit is None else sql(f"COALESCE({alias}.shown >= {{}}, false)", limit)
        return compiling.shown(Sql(f"{alias}.{column}"))

    def touched(self, ask: Ask, span: Span) -> list[Sql]:
        """Those whose score may differ, or with `turns` may have moved the way that turns the answer."""
        before, after = self.plans.at(span.since.at), self.plans.at(span.until.at)
        if before is None and after is None:
            return []
        if before is None or after is None or before.version.pk != after.version.pk:
            return [sql(f"SELECT s.id FROM audience_{self.model.of} s WHERE s.first_seen_at < {{}}", span.until.at)]
        return [compiling.touched(after, span=span, rises=_rises(ask))]

    def _stored_are_current(self, plan: Plan, ask: Ask) -> bool:
        """Whether the stored scores are those of the instant: nothing was judged as of later, nor is time behind."""
        if ask.moment.known is not None:
            return False
        at = ask.moment.at
        model = ScoringModel.objects.only("looked_until", "scored_by").get(pk=self.model.pk)
        if model.looked_until is None or model.scored_by_id != plan.version.pk:
            return False
        if not model.looked_until <= at <= model.looked_until + FRESH:
            return False
        same_day = model.looked_until.astimezone(ask.moment.zone).date() == ask.moment.today
        if plan.decays and not same_day:
            return False
        return not ScoreChange.objects.filter(model=model, occurred_at__gt=at).exists()


def _rises(ask: Ask) -> bool | None:
    """Which way the points must move for the answer to turn as asked; None: either."""
    if ask.turns is None:
        return None
    if ask.operator.name in ("at_least", "more_than") or ask.operand is True:
        return ask.turns
    if ask.operator.name in ("at_most", "less_than") or ask.operand is False:
        return not ask.turns
    return None
