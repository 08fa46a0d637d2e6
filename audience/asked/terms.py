"""Contracts as they were at an instant, and what conditions may ask of their terms: when one ends, how it went on.

A term ends on the day on which the contract renews or ends, whichever comes first. One that renews by itself has a term
that ends on the same day of each later year, unless it is ended; and of each year before the first day of renewal that
was told of it, back to its start: whoever brings what renewed by itself brings its present dates only. As in the
renewals of reports, 30 days are grace: a contract that neither renews by itself nor was ended is lapsed when they are
over and nothing has followed.
"""

from __future__ import annotations

from datetime import date, timedelta

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from audience.conditions import facts
from audience.conditions.moment import Moment, Span
from audience.conditions.registry import BOTH, Ask, Field, Relation, register
from kit import installation
from kit.sql import Sql, join, sql

ABOUT_CONTRACTS = _("Contracts")
CONTRACT_WHERE = ("product", "source", "currency", "properties")
COLUMNS = {"source": "c.source", "currency": "c.currency", "properties": "c.properties"}
GRACE = 30  # days
# The day of renewal that was told first of a contract x.
FIRST_ON = Sql(
    """coalesce((SELECT k.renews_on FROM audience_contractchange k
                 WHERE k.contract_id = x.id AND k.renews_on IS NOT NULL
                 ORDER BY k.changed_at, k.id LIMIT 1), x.renews_on)"""
)


def register_all() -> None:
    """Make terms of contracts known to the condition language."""
    dates_asked = {"term_ends": (_("next end of a contract’s term"), _coming),
                   "ending": (_("next end of a contract that was given notice"), _ending)}  # fmt: skip
    for slug, (label, answered) in dates_asked.items():
        relation = Relation(answered, _touched)
        register(Field(f"contract.{slug}", label, "date", BOTH, relation, where=CONTRACT_WHERE, group=ABOUT_CONTRACTS))
    renewals = ngettext_lazy("renewal of a contract", "renewals of contracts")
    lapses = ngettext_lazy("lapsed contract", "lapsed contracts")
    counts = {"renewed": (_("number of renewals of contracts"), _renewed, renewals),
              "lapsed": (_("number of contracts that lapsed"), _lapsed, lapses)}  # fmt: skip
    for slug, (label, answered, counted) in counts.items():
        register(
            Field(
                f"contract.{slug}",
                label,
                "number",
                BOTH,
                Relation(answered, _touched),
                where=CONTRACT_WHERE,
                windowed=True,
                zero=True,
                counted=counted,
                group=ABOUT_CONTRACTS,
            )
        )


# ---- contracts as they were ----


def not_begun(moment: Moment) -> date:
    """The first day that has not begun before the moment: a day counts once its midnight is past."""
    midnight = installation.midnight(moment.today, moment.zone)
    return moment.today if moment.at <= midnight else moment.today + timedelta(days=1)


def dated(moment: Moment, only: Sql) -> Sql:
    """Every contract, as `x`, with the dates that it had at the moment.

    An end that was told late counts from its own day on, as it is a fact with a date; one told before it came is known
    from then on. Dates to come are what was thought of them: they count as they were. A start is a fact with a date
    too: corrected late, it counts as it is known now, or as it was known then.
    """
    starts = Sql("x.starts_on")
    if moment.known is not None:
        starts = sql(
            """coalesce((SELECT k.starts_on FROM audience_contractchange k WHERE k.contract_id = x.id
                         AND k.changed_at >= {} ORDER BY k.changed_at, k.id LIMIT 1), x.starts_on)""",
            moment.known,
        )
    return sql(
        """(SELECT x.id, x.subject_id, x.source, x.currency, x.properties, x.recorded_at, x.annual_value,
                   {} AS starts_on,
                   CASE WHEN h.id IS NULL THEN x.product_id ELSE h.product_id END AS product_id,
                   CASE WHEN h.id IS NULL THEN x.renews_on ELSE h.renews_on END AS renews_on,
                   CASE WHEN h.id IS NULL THEN x.notice_on ELSE h.notice_on END AS notice_on,
                   CASE WHEN h.id IS NULL THEN x.auto_renew ELSE h.auto_renew END AS auto_renew,
                   CASE WHEN h.id IS NULL OR x.ends_on < {} THEN x.ends_on ELSE h.ends_on END AS ends_on,
                   {} AS first_on
            FROM audience_contract x LEFT JOIN (
                SELECT DISTINCT ON (k.contract_id) k.* FROM audience_contractchange k
                WHERE {}{} ORDER BY k.contract_id, k.changed_at, k.id) h ON h.contract_id = x.id
            WHERE true{})""",
        starts,
        moment.local_day(Sql("h.changed_at")),
        FIRST_ON,
        moment.later("k", "changed_at", "changed_at"),
        sql(" AND k.contract_id IN (SELECT x.id FROM audience_contract x WHERE true{})", only) if only else only,
        only,
    )


def dates() -> Sql:
    """The dates that contracts have and had, for finding whom a day may touch; more than they had is no harm."""
    return Sql(
        """(SELECT x.subject_id, x.starts_on, x.renews_on, x.notice_on, x.ends_on, x.auto_renew, x.renews_on AS first_on
            FROM audience_contract x
            UNION ALL
            SELECT x.subject_id, h.starts_on, h.renews_on, h.notice_on, h.ends_on, h.auto_renew OR x.auto_renew,
                   h.renews_on
            FROM audience_contractchange h JOIN audience_contract x ON x.id = h.contract_id)"""
    )


def changed(span: Span, days: int | None = None) -> Sql:
    """Whose contracts were given other dates within the span; with `days`, whose change leaves their window in it."""
    return sql(
        "SELECT c.subject_id FROM audience_contractchange h JOIN audience_contract c ON c.id = h.contract_id WHERE {}",
        span.within("h.changed_at") if days is None else span.leaves_window("h.changed_at", days),
    )


def narrowed(ask: Ask) -> list[Sql]:
    """Which contracts c count: known, begun, and as asked for."""
    known = sql("c.recorded_at < {}", ask.moment.known) if ask.moment.known else Sql("true")
    begun = sql("c.starts_on < {}::date", not_begun(ask.moment))
    return [begun, known, *facts.product(ask, "c.product_id"), *facts.narrowing(ask.where, COLUMNS)]


def ends_of_terms(year: int) -> Sql:
    """The days `term.day` on which terms of a contract c end; of one that renews by itself up to a year.

    Those behind `c.first_on` are told by its changes; where they were told as renewals, they count as such alone.
    """
    return sql(
        """(SELECT c.ends_on AS day WHERE c.ends_on IS NOT NULL
            UNION SELECT later.day FROM (
                SELECT (c.renews_on + make_interval(years => n))::date AS day
                FROM generate_series(0, CASE WHEN c.auto_renew THEN
                    greatest(0, {} - extract(year FROM c.renews_on)::int) ELSE 0 END) n) later
            WHERE c.renews_on IS NOT NULL AND (c.ends_on IS NULL OR later.day < c.ends_on)
            UNION SELECT earlier.day FROM (
                SELECT (c.first_on - make_interval(years => n))::date AS day
                FROM generate_series(1, CASE WHEN c.auto_renew THEN
                    extract(year FROM c.first_on)::int - extract(year FROM c.starts_on)::int ELSE 0 END) n) earlier
            WHERE earlier.day > c.starts_on AND (c.ends_on IS NULL OR earlier.day < c.ends_on)) term""",
        year,
    )


# ---- what is asked of terms ----


def _coming(ask: Ask) -> Sql:
    """The next end of a term of contracts in force, today or later."""
    today, first = ask.moment.today, not_begun(ask.moment)
    return sql(
        """SELECT c.subject_id, min(term.day) AS value, NULL::timestamptz AS evidence
           FROM {} c CROSS JOIN LATERAL {}
           WHERE term.day >= {}::date AND (c.ends_on IS NULL OR c.ends_on >= {}::date) AND {} GROUP BY 1""",
        dated(ask.moment, ask.only("x.subject_id")),
        ends_of_terms(today.year + 1),
        today,
        first,
        join(" AND ", narrowed(ask)),
    )


def _ending(ask: Ask) -> Sql:
    """The next day, today or later, on which a contract in force ends because somebody has said so."""
    return sql(
        """SELECT c.subject_id, min(c.ends_on) AS value, NULL::timestamptz AS evidence
           FROM {} c WHERE c.ends_on >= {}::date AND {} GROUP BY 1""",
        dated(ask.moment, ask.only("x.subject_id")),
        ask.moment.today,
        join(" AND ", narrowed(ask)),
    )


def _renewed(ask: Ask) -> Sql:
    """How often a term was followed by another.

    That is: the contract was given a later day of renewal that still stands; or it renewed by itself; or another
    contract of theirs had begun when it ended, or, if nobody ended it, began within the grace before or after its day.
    """
    return _counted(ask, [_moved_on(ask), _by_itself(ask), _by_another(ask)])


def _moved_on(ask: Ask) -> Sql:
    return sql(
        """SELECT c.subject_id, h.changed_at AS at
           FROM (SELECT k.*, lead(k.id) OVER later AS next_id, lead(k.renews_on) OVER later AS next_on
                 FROM audience_contractchange k
                 WINDOW later AS (PARTITION BY k.contract_id ORDER BY k.changed_at, k.id)) h
           JOIN {} c ON c.id = h.contract_id JOIN audience_contract held ON held.id = c.id
           CROSS JOIN LATERAL (
               SELECT CASE WHEN h.next_id IS NULL THEN held.renews_on ELSE h.next_on END AS renews_on) to_
           WHERE {} AND to_.renews_on > h.renews_on AND c.renews_on >= to_.renews_on AND {}""",
        dated(ask.moment, ask.only("x.subject_id")),
        ask.moment.counts("h", "changed_at", "changed_at"),
        join(" AND ", narrowed(ask)),
    )


def _by_itself(ask: Ask) -> Sql:
    first = not_begun(ask.moment)
    return sql(
        """SELECT c.subject_id, {} AS at FROM {} c CROSS JOIN LATERAL {}
           WHERE c.auto_renew AND term.day < {}::date AND (c.ends_on IS NULL OR term.day < c.ends_on) AND {}""",
        _midnight(ask, "term.day"),
        dated(ask.moment, ask.only("x.subject_id")),
        ends_of_terms(first.year),
        first,
        join(" AND ", narrowed(ask)),
    )


def _by_another(ask: Ask) -> Sql:
    first = not_begun(ask.moment)
    return sql(
        """SELECT c.subject_id, {} AS at
           FROM {} c JOIN {} n ON n.subject_id = c.subject_id AND n.starts_on > c.starts_on AND n.starts_on < {}::date
           CROSS JOIN LATERAL (
               SELECT CASE WHEN {} THEN c.ends_on ELSE greatest(c.renews_on, n.starts_on) END AS day) went_on
           WHERE {} AND went_on.day < {}::date AND {}""",
        _midnight(ask, "went_on.day"),
        dated(ask.moment, ask.only("x.subject_id")),
        dated(ask.moment, ask.only("x.subject_id")),
        first,
        _was_ended(),
        _followed("n"),
        first,
        join(" AND ", narrowed(ask)),
    )


def _lapsed(ask: Ask) -> Sql:
    """How many contracts ended, or had their grace over, and no other had followed."""
    first = not_begun(ask.moment)
    return _counted(
        ask,
        [
            sql(
                """SELECT c.subject_id, {} AS at FROM {} c
                   CROSS JOIN LATERAL (SELECT CASE WHEN {} THEN c.ends_on ELSE c.renews_on + {} END AS day) over
                   WHERE over.day < {}::date AND ({} OR NOT c.auto_renew) AND {} AND NOT EXISTS (
                       SELECT FROM {} n WHERE n.subject_id = c.subject_id AND n.starts_on > c.starts_on
                       AND n.starts_on < {}::date AND {})""",
                _midnight(ask, "over.day"),
                dated(ask.moment, ask.only("x.subject_id")),
                _was_ended(),
                GRACE,
                first,
                _was_ended(),
                join(" AND ", narrowed(ask)),
                dated(ask.moment, ask.only("x.subject_id")),
                first,
                _followed("n"),
            )
        ],
    )


def _was_ended() -> Sql:
    """Whether a contract c was ended before its grace was over, or at whatever time where it renews by itself."""
    return sql(
        "(c.ends_on IS NOT NULL AND (c.renews_on IS NULL OR c.auto_renew OR c.ends_on <= c.renews_on + {}))", GRACE
    )


def _followed(other: str) -> Sql:
    """Whether a contract that began later took the place of a contract c."""
    return sql(
        f"""CASE WHEN {{}} THEN {other}.starts_on BETWEEN c.ends_on - {{}} AND c.ends_on
                 AND ({other}.ends_on IS NULL OR {other}.ends_on > c.ends_on)
                 ELSE NOT c.auto_renew AND {other}.starts_on BETWEEN c.renews_on - {{}} AND c.renews_on + {{}} END""",
        _was_ended(),
        GRACE,
        GRACE,
        GRACE,
    )


def _counted(ask: Ask, events: list[Sql]) -> Sql:
    least = ask.operator.least(ask.operand)
    return sql(
        "SELECT subject_id, count(*) AS value, {} AS evidence FROM ({}) event WHERE true{} GROUP BY 1",
        sql("(array_agg(at ORDER BY at))[{}]", least) if least and least > 0 else Sql("NULL::timestamptz"),
        join(" UNION ALL ", events),
        ask.in_window("at"),
    )


def _midnight(ask: Ask, day: str) -> Sql:
    return sql(f"({day}::timestamp AT TIME ZONE {{}})", str(ask.moment.zone))


def _touched(ask: Ask, span: Span) -> list[Sql]:
    """Whoever has a day that begins between the two instants, reaches an age or leaves a window; or other dates."""
    first, last = not_begun(span.since), not_begun(span.until)
    ages = (0, 1, *ask.operator.ages(ask.operand))
    when, days = [], ("c.starts_on", "term.day", f"(term.day + {GRACE})")
    for day in days:
        when.append(sql(f"({day} >= {{}}::date AND {day} < {{}}::date)", first, last))
        if crosses := span.day_crosses(Sql(day), ages):
            when.append(crosses)
        if ask.days is not None:
            begun = _midnight(ask, day)
            starts = sorted([span.since.window_start(ask.days), span.until.window_start(ask.days)])
            when.append(sql("({} >= {} AND {} < {})", begun, starts[0], begun, starts[1]))
    found = [changed(span)]
    if ask.days is not None:
        found.append(changed(span, ask.days))
    found.append(
        sql(
            "SELECT c.subject_id FROM {} c LEFT JOIN LATERAL {} ON true WHERE {}",
            dates(),
            ends_of_terms(last.year + 1),
            join(" OR ", when),
        )
    )
    return found
