"""Rows that are a deal's history: which pipeline stage it entered, and when."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.commerce import pipelines
from audience.importing import planning, references
from audience.importing.kinds import deals
from audience.importing.run import Run
from audience.importing.targets import Check, Kind, Need, Target
from audience.importing.values import INSTANT
from kit.sql import Sql, run, sql

TARGETS = (
    Target("deal", _("external id of the deal"), aliases=(
        "deal id", "opportunity id", "deal", "dealid", "opportunityid", "external id", "id",
    )),
    references.OWN_SYSTEM,
    Target("stage", _("pipeline stage that it entered"), length=100, aliases=(
        "stage", "to stage", "new stage", "stage name", "stagename", "pipeline stage", "deal stage", "dealstage",
        "new value", "newvalue", "value",
    )),
    Target("occurred", _("when it entered the stage"), INSTANT, aliases=(
        "entered", "entered at", "date entered", "occurred at", "changed at", "fivetran start", "timestamp",
        "created date", "createddate", "created at", "when", "date",
    )),
    Target("was", _("pipeline stage before"), length=100, aliases=(
        "from stage", "old stage", "previous stage", "stage before", "old value", "oldvalue", "from",
    )),
    Target("status", _("status (won, lost or open)"), length=100, aliases=("deal status", "outcome", "result")),
    Target("field", _("which field changed (others than the stage are passed over)"), length=200, aliases=(
        "field", "field name", "property", "property name",
    )),
)  # fmt: skip
REFUSALS = {
    "no_deal": ("deal", gettext_noop("No deal of this source has this id; bring the deals first.")),
}
TO_COME = gettext_noop("is later than now; the deal cannot have entered the stage then")
# What the stage is called where a file has the history of every field.
STAGE = ("stage", "stagename", "dealstage", "pipelinestage", "dealpipelinestage", "dealpipelinestageid")


def checks(work: Run) -> Sequence[Check]:
    return [Check(sql("occurred > {}", work.now), "occurred", TO_COME)]


def match(work: Run) -> None:
    """Which steps are not known yet. A row that only says again the stage in which its deal was is no step.

    What is known of a deal is its first stage, since it was opened, and its steps since.
    """
    stage, was = _named_today(Sql("r.stage")), _named_today(work.value("was"))
    words = sql("lower({})", work.value("status"))
    said = sql("lower({})", stage)
    other = Sql("false")
    if work.has("field"):
        other = sql("regexp_replace(lower(coalesce(r.field, '')), '[^a-z]', '', 'g') <> ALL ({})", list(STAGE))
    work.create(
        "steps",
        sql(
            """
            SELECT r.row, d.id AS deal, left({}, 100) AS stage, left(coalesce({}, ''), 100) AS was, r.occurred,
                   coalesce({}, planned.kind, CASE WHEN {} = d.stage THEN d.status END, {}, 'open') AS status,
                   {} AS other
            FROM {} r LEFT JOIN audience_deal d ON d.source = {} AND d.external_id = r.deal
            LEFT JOIN LATERAL (
                SELECT s.kind FROM audience_pipelinestage s JOIN audience_pipeline l ON l.id = s.pipeline_id
                WHERE s.name = {} AND (l.name = d.pipeline OR d.pipeline = '' AND l.id = {})
                ORDER BY s.id LIMIT 1) planned ON true
            WHERE r.problem IS NULL
            """,
            stage, was, _state(words), stage, _state(said), other, work.table("rows"), references.source(work), stage,
            _first(),
        ),
        "deal",
    )  # fmt: skip
    known = Sql(
        """SELECT 0 AS row, d.id AS deal, h.to_stage AS stage, h.to_status AS status, h.occurred_at AS occurred, h.id
           FROM audience_dealstagechange h JOIN audience_deal d ON d.id = h.deal_id
           UNION ALL SELECT 0, * FROM (
               SELECT DISTINCT ON (h.deal_id) h.deal_id, h.from_stage, coalesce(nullif(h.from_status, ''), 'open'),
                      d.opened_at, 0
               FROM audience_dealstagechange h JOIN audience_deal d ON d.id = h.deal_id
               ORDER BY h.deal_id, h.occurred_at, h.id) first"""
    )
    query = sql(
        """
        SELECT told.row, told.deal, told.stage, told.was, told.status, told.occurred,
               concat_ws(chr(31), told.deal, told.occurred, told.stage, told.status) AS key,
               CASE WHEN told.deal IS NULL AND NOT told.other THEN 'no_deal' WHEN told.other THEN 'skip'
                    WHEN step.repeats OR step.known THEN {} ELSE {} END AS action
        FROM {} told LEFT JOIN (
            SELECT row, repeats, known FROM (
                SELECT row, (stage, status) IS NOT DISTINCT FROM (lag(stage) OVER steps, lag(status) OVER steps)
                           AS repeats,
                       bool_or(row = 0) OVER (PARTITION BY deal, occurred, stage, status) AS known
                FROM (SELECT * FROM ({}) known WHERE deal IN (SELECT deal FROM {})
                      UNION ALL SELECT row, deal, stage, status, occurred, 0 FROM {}
                      WHERE deal IS NOT NULL AND NOT other) every_one
                WINDOW steps AS (PARTITION BY deal ORDER BY occurred, row > 0, id, row)
            ) each WHERE row > 0
        ) step ON step.row = told.row
        """,
        "same" if work.updates else "skip", "create" if work.creates else "skip",
        work.table("steps"), known, work.table("steps"), work.table("steps"),
    )  # fmt: skip
    planning.make(work, query)
    for action, (target, reason) in REFUSALS.items():
        planning.refuse(work, action, target, reason)
    planning.last_counts_of(work, "key")


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the rows `(after, last]`. A deal that was in a stage was there: it was opened then at the latest."""
    chosen = sql("p.action = 'create' AND p.row > {} AND p.row <= {}", after, last)
    run(
        sql(
            """
            INSERT INTO audience_dealstagechange
                (deal_id, from_stage, to_stage, from_status, to_status, occurred_at, recorded_at, as_history)
            SELECT p.deal, p.was, p.stage, 'open', p.status, p.occurred, {}, true FROM {} p WHERE {}
            ORDER BY p.deal, p.occurred, p.row ON CONFLICT DO NOTHING
            """,
            work.now, work.table("plan"), chosen,
        )
    )  # fmt: skip
    run(
        sql(
            """UPDATE audience_deal d SET opened_at = p.first FROM (
                   SELECT p.deal, min(p.occurred) AS first FROM {} p WHERE {} GROUP BY 1) p
               WHERE d.id = p.deal AND p.first < date_trunc('second', d.opened_at)""",
            work.table("plan"), chosen,
        )
    )  # fmt: skip
    return planning.counted(work, after, last)


def _state(words: Sql) -> Sql:
    """Won or lost, where words say so; open where they are those of a status that says neither."""
    return sql("CASE WHEN {} ~ {} THEN 'won' WHEN {} ~ {} THEN 'lost' WHEN {} = 'open' THEN 'open' END",
               words, deals.WON, words, deals.LOST, words)  # fmt: skip


def _named_today(stage: Sql) -> Sql:
    """A stage by its name of today, of rows r and their deals d."""
    known = pipelines.renamed()
    if not known.stages:
        return stage
    key = sql("lower(coalesce(d.pipeline, '') || chr(10) || {})", stage)
    return sql("coalesce({}::jsonb ->> {}, {})", json.dumps(known.stages), key, stage)


def _first() -> Sql:
    """The pipeline of deals that name none."""
    begin = pipelines.first()
    return sql("{}", begin.pk if begin else 0)


KIND = Kind(
    name="deal_stages",
    label=_("Stages of deals"),
    help=_("One row is one pipeline stage that a deal which is in already entered, and when: its history."),
    names=(
        "deal stage",
        "deal stages",
        "deal stage history",
        "opportunity history",
        "stage history",
        "opportunity field history",
        "sf opportunity history",
    ),  # fmt: skip
    targets=TARGETS,
    needs=(
        Need(("deal",), gettext_noop("The row does not say which deal.")),
        Need(("stage",), gettext_noop("The row does not say which stage.")),
        Need(("occurred",), gettext_noop("The row does not say when the deal entered the stage.")),
    ),
    checks=checks,
    match=match,
    write=write,
)
