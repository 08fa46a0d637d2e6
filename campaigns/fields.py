"""What conditions may ask about messages and campaigns: how often somebody was written to and answered, and how far
somebody has come in a campaign.

Messages are asked of the activities that they leave, so a count is what the timeline shows. Campaigns are asked of
enrollments, which keep when they began, when they ended and how.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from audience.conditions import facts, offering, scan
from audience.conditions.moment import Span
from audience.conditions.operators import fold
from audience.conditions.registry import BOTH, Ask, Field, Relation, register, register_family
from audience.models import Activity
from campaigns.models import Campaign, Enrollment
from campaigns.responses import SOURCE
from kit.sql import Sql, join, sql

Text = str | Promise
PREFIX = "campaign."  # of the fields of campaigns
ABOUT_MESSAGES = _("Messages")
ABOUT_CAMPAIGNS = _("Campaigns")

MESSAGES: tuple[tuple[str, Text, Any], ...] = (
    ("sent", _("messages sent"), ngettext_lazy("message sent", "messages sent")),
    ("delivered", _("messages delivered"), ngettext_lazy("message delivered", "messages delivered")),
    ("opened", _("messages opened"), ngettext_lazy("message opened", "messages opened")),
    ("clicked", _("links clicked in messages"), ngettext_lazy("link clicked", "links clicked")),
    ("replied", _("messages answered"), ngettext_lazy("message answered", "messages answered")),
    ("bounced", _("messages bounced"), ngettext_lazy("message bounced", "messages bounced")),
    ("complained", _("messages marked as spam"), ngettext_lazy("message marked as spam", "messages marked as spam")),
    ("unsubscribed", _("times unsubscribed"), ngettext_lazy("time unsubscribed", "times unsubscribed")),
)
DONE = ("email_opened", "email_clicked", "email_replied", "email_unsubscribed")  # the rest just happens to a message
WHERE = {
    "campaign": "x.properties ->> 'campaign'",
    "content": "x.properties ->> 'content'",
    "style": "x.properties ->> 'style'",
    "link": "x.properties ->> 'link'",
    "actor": "x.actor",
} | dict.fromkeys(facts.DAYS, "x.occurred_at")
CHOICES = {"style": ("education", "engagement"), "actor": tuple(Activity.Actor.values)}


def register_all() -> None:
    """Make messages and campaigns known to the condition language."""
    for slug, label, counted in MESSAGES:
        register(
            Field(
                f"message.{slug}",
                label,
                "number",
                BOTH,
                Relation(
                    lambda ask, kind=f"email_{slug}": _counted(kind, ask),  # type: ignore[misc]
                    lambda ask, span, kind=f"email_{slug}": _counted_touched(kind, ask, span),  # type: ignore[misc]
                ),
                where=tuple(WHERE),
                where_choices=CHOICES,
                windowed=True,
                zero=True,
                counted=counted,
                group=ABOUT_MESSAGES,
            )
        )
    offering.register("message.", _offered)
    register_family(PREFIX, _campaigns)


# ---- messages ----


def _counted(kind: str, ask: Ask) -> Sql:
    """Per subject how many activities of the kind there were, and the date of the one that decides."""
    subject = scan.SUBJECT[ask.of]
    least = ask.operator.least(ask.operand)
    if ask.evidence and least and least > 0:
        evidence = sql("(array_agg(x.occurred_at ORDER BY x.occurred_at, x.id))[{}]", least)
    else:
        evidence = Sql("NULL::timestamptz")
    return sql(
        "SELECT {} AS subject_id, count(*) AS value, {} AS evidence FROM audience_activity x "
        "WHERE {} IS NOT NULL AND {} AND {}{}{} AND {} GROUP BY 1",
        Sql(subject),
        evidence,
        Sql(subject),
        ask.moment.counts("x"),
        scan.standing(ask.moment),
        ask.in_window("x.occurred_at"),
        ask.only(subject),
        _ours(kind, ask),
    )


def _counted_touched(kind: str, ask: Ask, span: Span) -> list[Sql]:
    subject = scan.SUBJECT[ask.of]
    when = [span.within("x.occurred_at")]
    if ask.days is not None:
        when.append(span.leaves_window("x.occurred_at", ask.days))
    pieces = [sql(f"SELECT {subject} FROM audience_activity x WHERE {{}} AND {{}}", each, _ours(kind, ask))
              for each in when]  # fmt: skip
    taken_back = sql(
        f"SELECT {subject} FROM audience_activity r JOIN audience_activity x ON x.id = r.reversal_of_id "
        "WHERE {} AND {}",
        span.within("r.occurred_at"),
        _ours(kind, ask),
    )
    return [*pieces, taken_back]


def _ours(kind: str, ask: Ask) -> Sql:
    """An activity of the kind that our messages left, narrowed; what readers do, by humans unless asked otherwise."""
    parts = [
        sql("x.kind_id = (SELECT k.id FROM audience_activitykind k WHERE k.slug = {})", kind),
        sql("x.source = {}", SOURCE),
    ]
    if kind in DONE and not ask.wanted("actor"):
        parts.append(scan.PEOPLE)
    return join(" AND ", parts + facts.narrowing(ask.where, WHERE))


def _offered(field: Field, key: str) -> Sql | None:
    if key == "campaign":
        return Sql("SELECT slug FROM campaigns_campaign ORDER BY id DESC")
    if key == "content":
        return Sql("SELECT slug FROM campaigns_content ORDER BY id DESC")
    return None


# ---- campaigns ----


def of_campaign(slug: str, name: str) -> list[Field]:
    """The two fields of one campaign: how it stands with a subject now, and how it has ever stood."""
    choices = tuple(Enrollment.State.choices)
    return [
        Field(
            f"{PREFIX}{slug}",
            _("in “%(campaign)s”") % {"campaign": name},
            "choice",
            BOTH,
            Relation(lambda ask: _now(slug, ask), lambda ask, span: _changed(slug, span)),
            choices=choices,
            group=ABOUT_CAMPAIGNS,
        ),
        Field(
            f"{PREFIX}{slug}.ever",
            _("has, in “%(campaign)s”, ever been") % {"campaign": name},
            "ever",
            BOTH,
            Relation(lambda ask: _ever(slug, ask), lambda ask, span: _changed(slug, span)),
            choices=choices,
            group=ABOUT_CAMPAIGNS,
        ),
    ]


def _campaigns() -> Iterable[Field]:
    for slug, name in Campaign.objects.order_by("slug").values_list("slug", "name"):
        yield from of_campaign(slug, name)


def _passes(slug: str, ask: Ask) -> Sql:
    """The enrollments in the campaign that had begun, each with whether it had ended."""
    over = sql("(e.ended_at IS NOT NULL AND {})", ask.moment.counts("e", "ended_at", "ended_at"))
    return sql(
        "SELECT e.subject_id, e.pass_number, e.state, e.entered_at, e.ended_at, {} AS over FROM campaigns_enrollment e "
        "WHERE e.campaign_id = (SELECT c.id FROM campaigns_campaign c WHERE c.slug = {}) AND {}{}",
        over,
        slug,
        ask.moment.counts("e", "entered_at", "entered_at"),
        ask.only("e.subject_id"),
    )


# Before its end whoever was not held out was on the way.
_STATE = "CASE WHEN e.over OR e.ended_at IS NULL OR e.state = 'holdout' THEN e.state ELSE 'active' END"


def _now(slug: str, ask: Ask) -> Sql:
    return sql(
        f"""SELECT DISTINCT ON (e.subject_id) e.subject_id, {_STATE} AS value,
                   CASE WHEN e.over THEN e.ended_at ELSE e.entered_at END AS evidence
            FROM ({{}}) e ORDER BY e.subject_id, e.pass_number DESC""",
        _passes(slug, ask),
    )


def _ever(slug: str, ask: Ask) -> Sql:
    """Those of the states asked for that a subject has been in, and when first in one of them."""
    wanted = ask.operand if isinstance(ask.operand, tuple) else (ask.operand,)
    return sql(
        f"""SELECT s.subject_id, array_agg(DISTINCT s.state::text) AS value, min(s.at) AS evidence FROM (
                SELECT e.subject_id, CASE WHEN e.state = 'holdout' THEN e.state ELSE 'active' END AS state,
                       e.entered_at AS at FROM ({{}}) e
                UNION ALL
                SELECT e.subject_id, {_STATE}, coalesce(CASE WHEN e.over THEN e.ended_at END, e.entered_at)
                FROM ({{}}) e) s
            WHERE s.state = ANY ({{}}) GROUP BY s.subject_id""",
        _passes(slug, ask),
        _passes(slug, ask),
        [fold(each) for each in wanted],
    )


def _changed(slug: str, span: Span) -> list[Sql]:
    return [
        sql(
            "SELECT e.subject_id FROM campaigns_enrollment e WHERE {} AND e.campaign_id = "
            "(SELECT c.id FROM campaigns_campaign c WHERE c.slug = {})",
            span.within(f"e.{column}"),
            slug,
        )
        for column in ("entered_at", "ended_at")
    ]
