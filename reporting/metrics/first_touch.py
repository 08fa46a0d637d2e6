"""Working hours from the entry into the stage to the first human sales activity, of the entries of the window.

A human sales activity is an outbound one by a human, over a channel from human to human, as a call, a meeting or a
chat; mail and advertising are none, nor is what was taken back. Those whom nobody has spoken to since are counted
apart.
"""

from __future__ import annotations

from django.db.models import DateTimeField
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, rows, sql
from kit.statistics import Counts
from lifecycle.engine import sla
from reporting.metrics.metric import FIGURE, Extra, Metric
from reporting.questions import Question

UNTOUCHED = "untouched"


def entered(question: Question) -> Sql:
    """`id, hours` of every entry into the stage in the window; no hours where nobody was spoken to."""
    return sql(
        """
        WITH came AS MATERIALIZED (
            SELECT entry.id, entry.occurred_at AS since, ({}) AS touched_at, COALESCE((
                SELECT {} FROM lifecycle_stage stage
                WHERE stage.version_id = entry.version_id AND stage.slug = entry.to_stage), '') AS named
            FROM {} AND entry.to_stage = {} AND NOT entry.by_version
        ),
        calendar AS MATERIALIZED ({})
        SELECT came.id, (({} - {}) / {})::int AS hours FROM came JOIN calendar USING (named)
        """,
        first_touch(question, "entry"),
        sla.BY_STAGE,
        question.entries(),
        question.stage,
        sla.calendars(
            Sql("came"), first=Sql("min(since)"), last=Sql("COALESCE(max(touched_at), min(since))"), hours=Sql("1")
        ),
        sla.worked(Sql("came.touched_at")),
        sla.worked(Sql("came.since")),
        sla.HOUR,
    )


def first_touch(question: Question, entry: str) -> Sql:
    """When somebody was first spoken to after an entry, of those things known and past by the question's day."""
    bounds = []
    if question.past is not None:
        bounds.append(sql("AND done.occurred_at < {}", question.as_of_day(question.past)))
    if question.known is not None:
        bounds.append(sql("AND done.recorded_at < {}", question.as_of_day(question.known)))
    subject = Sql("done.person_id" if question.plan.lifecycle.of == "person" else "done.account_id")
    return sql(
        f"""SELECT min(done.occurred_at) FROM audience_activity done
            JOIN audience_activitykind kind ON kind.id = done.kind_id
            JOIN audience_channel channel ON channel.slug = COALESCE(NULLIF(done.channel, ''), kind.channel)
            WHERE {{}} = (SELECT subject_id FROM lifecycle_membership whose WHERE whose.id = {entry}.membership_id)
              AND done.occurred_at >= {entry}.occurred_at AND channel.is_human AND done.actor = 'human'
              AND COALESCE(NULLIF(done.direction, ''), kind.direction) = 'outbound' AND done.reversal_of_id IS NULL
              AND NOT EXISTS (SELECT FROM audience_activity back WHERE back.reversal_of_id = done.id) {{}} {{}}""",
        subject,
        bounds[0] if bounds else Sql(""),
        bounds[1] if len(bounds) > 1 else Sql(""),
    )


def compute(question: Question) -> tuple[Counts, int]:
    """The hours of those spoken to, and how many nobody has spoken to."""
    told = rows(sql("SELECT hours, count(*) FROM ({}) came GROUP BY 1", entered(question)))
    return Counts((hours, n) for hours, n in told if hours is not None), sum(n for hours, n in told if hours is None)


def people(question: Question, part: str = FIGURE) -> Sql:
    """The entries into the stage of those spoken to, or of the others."""
    return sql(
        "SELECT id FROM ({}) came WHERE hours IS {}",
        entered(question),
        Sql("NULL" if part == UNTOUCHED else "NOT NULL"),
    )


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Working hours in “%(stage)s” until somebody spoke to them") % {
        "stage": question.plan.label(question.stage)
    }


METRIC = Metric(
    name="first_touch",
    label=_("Speed to the first human contact"),
    definition=_(
        "Working hours from the entry into the stage to the first human sales activity, of the entries of the "
        "window. A human sales activity is an outbound one by a human, over a channel from human to human, as a "
        "call, a meeting or a chat; mail and advertising are none, nor is what was taken back. Those whom nobody has "
        "spoken to since are counted apart."
    ),
    people=people,
    title=title,
    needs=("stage",),
    parts={FIGURE: _("spoken to"), UNTOUCHED: _("not spoken to yet")},
    extras=(
        Extra(
            "touched_at",
            _("Spoken to"),
            lambda question: sql("({})", first_touch(question, "reporting_stageentry")),
            DateTimeField(),
        ),
    ),
)
