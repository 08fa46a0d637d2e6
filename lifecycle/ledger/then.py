"""Who was where when a past day began, on both clocks: the board and the list of members of that day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext as _

from audience.conditions.columns import Subjects
from audience.conditions.moment import Moment
from audience.models import Account
from kit import installation
from kit.past import Past
from kit.sql import Sql, dicts, rows, run, sql
from lifecycle import board
from lifecycle.board import FIRST, NEWEST, Card, Column, Figures
from lifecycle.models import Lifecycle, Membership, Stage, Version

THERE = Sql("places_then")  # of one request


def places(lifecycle: Lifecycle, then: Past) -> Sql:
    """`id, subject_id, stage_id, entered_at` of every pass that had begun: its last move strictly before the day, of
    those recorded by then if that is asked. Whoever had left is in no stage.

    As known now, a pass that has not moved since answers by itself, and only the others by the ledger.
    """
    moment = Moment(then.at, then.known)
    last = sql(
        """SELECT m.id, m.subject_id, last.to_stage_id AS stage_id, last.occurred_at AS entered_at
           FROM lifecycle_membership m CROSS JOIN LATERAL (
               SELECT v.to_stage_id, v.occurred_at FROM lifecycle_movement v
               WHERE v.membership_id = m.id AND {} ORDER BY v.seq DESC LIMIT 1) last
           WHERE m.lifecycle_id = {}""",
        moment.counts("v"),
        lifecycle.pk,
    )
    if then.known is not None:
        return last
    settled = sql("GREATEST(m.entered_at, m.ended_at) < {}", then.at)
    return sql(
        """SELECT m.id, m.subject_id, m.stage_id, m.entered_at FROM lifecycle_membership m
           WHERE m.lifecycle_id = {} AND {} UNION ALL {} AND NOT {}""",
        lifecycle.pk,
        settled,
        last,
        settled,
    )


def members(found: QuerySet[Membership], lifecycle: Lifecycle, then: Past, stage: str = "") -> QuerySet[Membership]:
    """Those of `found` that were in a stage (of this slug), each with `stage_then` and `since_then`."""
    there = sql(
        """SELECT there.id FROM ({}) there JOIN lifecycle_stage g ON g.id = there.stage_id WHERE {}""",
        places(lifecycle, then),
        sql("g.slug = {}", stage) if stage else Sql("true"),
    )
    counts = Moment(then.at, then.known).counts("v")
    of_row = "FROM lifecycle_movement v LEFT JOIN lifecycle_stage g ON g.id = v.to_stage_id"
    last = sql(f"{of_row} WHERE v.membership_id = lifecycle_membership.id AND {{}} ORDER BY v.seq DESC LIMIT 1", counts)
    told = {
        "stage_then": sql("(SELECT g.name {})", last),
        "since_then": sql("(SELECT v.occurred_at {})", last),
    }
    annotated = {name: RawSQL(each.text, each.params) for name, each in told.items()}  # noqa: S611 - values are bound
    return found.filter(pk__in=RawSQL(there.text, there.params)).annotate(**annotated)  # noqa: S611


def columns(version: Version, found: QuerySet[Membership], then: Past, *, sort: str) -> list[Column]:
    """The board of that day, of those of `found`: the stages of the live version, then such as only earlier ones had.

    Deals count where they were open then; their amounts are those known now, of which no history is kept.
    """
    text, params = found.order_by().values_list("pk").query.sql_with_params()
    there = sql(
        """SELECT there.*, g.slug FROM ({}) there JOIN lifecycle_stage g ON g.id = there.stage_id
           WHERE there.id IN ({})""",
        places(version.lifecycle, then),
        Sql(text, params),
    )
    of = version.lifecycle.of
    with transaction.atomic():  # found once, for the figures and the cards
        run(sql("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS {}", THERE, there))
        figures = _figures(of, then)
        made = [Column(stage, figures.pop(stage.slug, Figures())) for stage in board.stages_of(version)]
        former = Stage.objects.filter(version__lifecycle=version.lifecycle, slug__in=figures)
        former = former.order_by("slug", "-version").distinct("slug")
        made += [Column(stage, figures[stage.slug]) for stage in former]
        _fill(made, then, of, sort)
        run(sql("DROP TABLE {}", THERE))
    return made


def _figures(of: str, then: Past) -> dict[str, Figures]:
    told = dicts(
        sql(
            """
            WITH held AS MATERIALIZED (
                SELECT there.slug, there.id, deal.deal_id, deal.amount, deal.is_ours
                FROM ({}) deal JOIN {} there USING (subject_id)
            ), valued AS (
                SELECT slug, sum(amount) FILTER (WHERE is_ours) AS amount, count(*) FILTER (WHERE is_ours) AS deals,
                       count(*) FILTER (WHERE NOT is_ours) AS others
                FROM (SELECT DISTINCT slug, deal_id, amount, is_ours FROM held) once GROUP BY 1
            ), holders AS (SELECT slug, count(DISTINCT id) AS with_deal FROM held GROUP BY 1)
            SELECT counted.slug, counted.count, coalesce(amount, 0)::bigint AS amount, coalesce(deals, 0) AS deals,
                   coalesce(others, 0) AS others, coalesce(with_deal, 0) AS with_deal
            FROM (SELECT slug, count(*) AS count FROM {} there GROUP BY 1) counted
            LEFT JOIN valued USING (slug) LEFT JOIN holders USING (slug)
            """,
            board.open_deals(of, installation.get("currency"), was_open(then)),
            THERE,
            THERE,
        )
    )
    return {row.pop("slug"): Figures(**row) for row in told}


def was_open(then: Past) -> Sql:
    """That a deal (alias `deal`) was open: created before, and not closed by then, as known then or now."""
    closing = Sql("true")
    opened = sql("deal.opened_at < {}", then.at)
    if then.known is not None:
        opened = sql("{} AND deal.recorded_at < {}", opened, then.known)
        closing = sql(
            """NOT EXISTS (SELECT FROM audience_dealstagechange later WHERE later.deal_id = deal.id
                           AND later.to_status <> 'open' AND NOT later.as_history AND later.recorded_at >= {})""",
            then.known,
        )
    return sql("{} AND NOT (deal.closed_at IS NOT NULL AND deal.closed_at < {} AND {})", opened, then.at, closing)


def _fill(made: Iterable[Column], then: Past, of: str, sort: str) -> None:
    """The first cards of every column that shows some."""
    wide = {column.stage.slug: column for column in made if not column.is_slim and column.figures.count}
    if not wide:
        return
    newest = Sql("DESC" if sort == NEWEST else "ASC")
    first = rows(
        sql(
            """SELECT slug, id, entered_at FROM (
                   SELECT there.*, row_number() OVER (PARTITION BY slug ORDER BY entered_at {}, id {}) AS place
                   FROM {} there WHERE slug = ANY ({})
               ) numbered WHERE place <= {} ORDER BY place""",
            newest,
            newest,
            THERE,
            list(wide),
            FIRST,
        )
    )
    found = Membership.objects.select_related("person", "account").in_bulk([pk for _slug, pk, _at in first])
    accounts = _accounts([row.subject_id for row in found.values()], then) if of == "person" else {}
    for slug, pk, entered_at in first:
        row = found[pk]
        row.entered_at = entered_at  # of that day, for the card; never saved
        days = (then.day - entered_at.astimezone(then.zone).date()).days
        assert row.subject is not None
        wide[slug].cards.append(Card(row, row.subject, accounts.get(row.subject_id, ""), days, False, None, []))


def _accounts(people: list[int], then: Past) -> dict[int, str]:
    """The accounts to which these people belonged."""
    subjects = Subjects("person", Moment(then.at, then.known), sql("SELECT unnest({}::bigint[])", people))
    account = subjects.account()
    pairs = dict(rows(sql("SELECT s.id, {} {} WHERE {}", account, subjects.source(), subjects.there())))
    named = Account.objects.in_bulk({pk for pk in pairs.values() if pk})
    found: dict[int, str] = defaultdict(str)
    for person, pk in pairs.items():
        if pk in named:
            found[person] = str(named[pk])
    return found


def note() -> str:
    """What to bear in mind on a board of a past day."""
    return _("Filters, and the amounts of deals, are those of today.")
