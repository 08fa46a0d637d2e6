"""Figures over activities: all that a statement asks are answered by one pass over the table."""

from __future__ import annotations

from audience.conditions import facts
from audience.conditions.columns import joined
from audience.conditions.moment import Moment, Span
from audience.conditions.registry import Aggregate, Where
from audience.conditions.tree import Leaf
from kit.sql import Sql, join, sql

COLUMNS = {
    "channel": "x.channel",
    "platform": "x.platform",
    "direction": "x.direction",
    "actor": "x.actor",
    "source": "x.source",
    "properties": "x.properties",
    "since": "x.occurred_at",
    "until": "x.occurred_at",
    # Each asks the catalogue once for a statement, and not once for each activity.
    "response": "(x.kind_id = ANY (ARRAY(SELECT k.id FROM audience_activitykind k WHERE k.is_response)))::text",
    "engagement": "(x.kind_id = ANY (ARRAY(SELECT k.id FROM audience_activitykind k WHERE k.is_engagement)))::text",
    "paid": "(x.channel = ANY (ARRAY(SELECT c.slug FROM audience_channel c WHERE c.is_paid)))::text",
}
_INTENTS = "(SELECT jsonb_object_agg(k.id, k.intent) FROM audience_activitykind k WHERE k.intent > 0)"
INTENT = f"({_INTENTS} ->> x.kind_id::text)::int"
SUBJECT = {"person": "x.person_id", "account": "x.account_id"}
PEOPLE = Sql("x.actor = 'human'")  # by whom a thing must have been done where nobody asks by whom


def _kinds(where: Where) -> tuple[str, ...]:
    return dict(where).get("kind", ())


def _kind_is(kinds: tuple[str, ...]) -> Sql:
    return sql("x.kind_id = ANY (ARRAY(SELECT k.id FROM audience_activitykind k WHERE k.slug = ANY ({})))", list(kinds))


def _narrowing(where: Where) -> list[Sql]:
    """What `where` asks of an activity. Only humans count unless others are asked for."""
    parts = [_kind_is(_kinds(where))] if _kinds(where) else []
    if not any(key == "actor" for key, _wanted in where):
        parts.append(PEOPLE)
    return parts + facts.narrowing(where, COLUMNS)


class Activities:
    """The activities of one statement's subjects: figures first, `source` last. Alias x inside, t outside."""

    def __init__(self, of: str, moment: Moment, chosen: Sql, few: bool = False) -> None:
        self.few = few
        self.of = of
        self.moment = moment
        self.chosen = chosen
        self.asked: dict[tuple[Where, int | None], None] = {}
        self.figures: dict[tuple[str, Where, int | None], int] = {}

    def figure(self, function: str, where: Where, days: int | None) -> Sql:
        """One figure: "count", "sum", "intent", "first", "last", or "nth <n>", the instant of the nth."""
        self.asked[where, days] = None
        number = self.figures.setdefault((function, where, days), len(self.figures))
        return Sql(f"t.f{number}")

    def source(self) -> Sql:
        """The join that brings the figures; empty when none was taken."""
        if not self.figures:
            return Sql("")
        subject = SUBJECT[self.of]
        columns = [self._column(*figure, number) for figure, number in self.figures.items()]
        found = sql(
            "SELECT {} AS subject_id, {} FROM audience_activity x WHERE {} GROUP BY 1",
            Sql(subject),
            join(", ", columns),
            join(" AND ", self._rows(subject)),
        )
        return sql("LEFT JOIN ({}) t ON t.subject_id = s.id", joined(found, self.few))

    def _column(self, function: str, where: Where, days: int | None, number: int) -> Sql:
        parts = self._filter(where, days)
        only = sql(" FILTER (WHERE {})", join(" AND ", parts)) if parts and len(self.asked) > 1 else Sql("")
        figures = {
            "count": "count(*)",
            "sum": "sum(x.value)",
            "intent": f"sum({INTENT})",
            "first": "min(x.occurred_at)",
            "last": "max(x.occurred_at)",
        }
        if function in figures:
            return sql(f"{figures[function]}{{}} AS f{number}", only)
        nth = int(function.removeprefix("nth "))
        return sql(f"(array_agg(x.occurred_at ORDER BY x.occurred_at, x.id){{}})[{{}}] AS f{number}", only, nth)

    def _filter(self, where: Where, days: int | None) -> list[Sql]:
        window = [sql("x.occurred_at >= {}", self.moment.window_start(days))] if days is not None else []
        return _narrowing(where) + window

    def _rows(self, subject: str) -> list[Sql]:
        """Which activities are looked at: those that stand, and no more than the figures can need."""
        parts = [Sql(f"{subject} IS NOT NULL"), self.moment.counts("x"), standing(self.moment)]
        if self.chosen:
            parts.append(sql(f"{subject} IN ({{}})", self.chosen))
        if len(self.asked) == 1:
            return parts + self._filter(*next(iter(self.asked)))
        windows = [days for _where, days in self.asked if days is not None]
        if len(windows) == len(self.asked):
            parts.append(sql("x.occurred_at >= {}", self.moment.window_start(max(windows))))
        kinds = [_kinds(where) for where, _days in self.asked]
        if all(kinds):
            parts.append(_kind_is(tuple(sorted({kind for some in kinds for kind in some}))))
        return parts


def standing(moment: Moment) -> Sql:
    """An activity that is no reversal, and that none reverses but such as were reversed themselves."""
    return sql(
        "x.reversal_of_id IS NULL AND NOT EXISTS (SELECT FROM audience_activity r WHERE r.reversal_of_id = x.id AND {} "
        "AND NOT EXISTS (SELECT FROM audience_activity u WHERE u.reversal_of_id = r.id AND {}))",
        moment.counts("r"),
        moment.counts("u"),
    )


def touched(leaves: list[Leaf], leaving: list[Leaf], of: str, span: Span) -> list[Sql]:
    """The subjects of whom a figure, or the answer to it, may differ between two instants; for `leaving`, those of the
    leaves to which that matters, also by what leaves their windows."""
    if not leaves:
        return []
    subject = SUBJECT[of]
    pieces = [
        sql(
            f"SELECT {subject} FROM audience_activity x WHERE {{}} AND ({{}})",
            span.within("x.occurred_at"),
            _one(leaves),
        ),
        sql(
            f"SELECT {subject} FROM audience_activity r JOIN audience_activity x ON x.id = r.reversal_of_id WHERE {{}}",
            span.within("r.occurred_at"),
        ),
    ]
    windows = [(days, leaf) for leaf in leaving for days in leaf.windows]
    for days in sorted({days for days, _leaf in windows}):
        same = [leaf for each, leaf in windows if each == days]
        pieces.append(
            sql(
                f"SELECT {subject} FROM audience_activity x WHERE {{}} AND ({{}})",
                span.leaves_window("x.occurred_at", days),
                _one(same),
            )
        )
    for leaf in leaves:
        crosses = span.instant_crosses("x.occurred_at", leaf.how.ages(leaf.operand)) if _ages(leaf) else None
        if crosses:
            pieces.append(
                sql(f"SELECT {subject} FROM audience_activity x WHERE {{}} AND ({{}})", crosses, _one([leaf]))
            )
    return pieces


def only_grows(leaf: Leaf) -> bool:
    """Whether nobody comes to fulfil it by what leaves the window: who must have done something at least so often."""
    answer = leaf.field.answer
    return isinstance(answer, Aggregate) and answer.function in ("count", "intent") and not leaf.comes_by_time


def news(leaves: list[Leaf], of: str, *, subject: str, since: str) -> Sql:
    """Whether an activity that one of the leaves counts was recorded later than `since`, both columns of a query's own
    rows; for statements over few of them."""
    return sql(
        f"EXISTS (SELECT FROM audience_activity x WHERE {SUBJECT[of]} = {subject} AND x.recorded_at > {since} "
        "AND x.reversal_of_id IS NULL AND ({}))",
        _one(leaves),
    )


def _ages(leaf: Leaf) -> bool:
    return leaf.field.timed or leaf.how.timed


def _one(leaves: list[Leaf]) -> Sql:
    """An activity that one of the leaves counts."""
    return join(
        " OR ", [sql("({})", join(" AND ", _narrowing(where))) for where in {leaf.where: None for leaf in leaves}]
    )
