"""Offers of the window accepted so fast, and how many of them reached the target or a later stage, at any time since.

How fast is counted in days of 24 hours between the offer and its acceptance: within one, within five, later.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from reporting import offers
from reporting.metrics.acceptance import LEFT
from reporting.metrics.metric import FIGURE, Metric
from reporting.offers import Outcome, Speed
from reporting.questions import Question

BASE = "base"


def reached(question: Question) -> Sql:
    """Whether an accepted offer (alias `offer`) reached the target or a later stage by or after its acceptance."""
    plan = question.plan
    stages = [place.slug for place in plan.success if place.position >= plan.place(question.target).position]
    return sql(
        """EXISTS (SELECT FROM {} later WHERE later.membership_id = offer.membership_id
                   AND later.seq >= offer.next_seq AND later.to_stage = ANY({}) AND NOT later.by_version)""",
        question.table,
        stages,
    )


def people(question: Question, part: str = FIGURE) -> Sql:
    """The accepted offers; of the figure itself those that reached the target."""
    accepted = sql("SELECT id FROM ({}) offer WHERE outcome = {}", offers.made(question), str(Outcome.ACCEPTED))
    return accepted if part == BASE else sql("{} AND {}", accepted, reached(question))


def title(question: Question) -> str:
    """The figure in words."""
    names = {"stage": question.plan.label(question.stage), "target": question.plan.label(question.target)}
    words = gettext("Accepted from “%(stage)s”, and on to “%(target)s”") % names
    if not question.speed:
        return words
    return gettext("%(words)s: %(speed)s") % {"words": words, "speed": Speed(question.speed).label}


METRIC = Metric(
    name="accepted_so_fast",
    label=_("Conversion by speed"),
    definition=_(
        "Offers of the window accepted so fast, and how many of them reached the target or a later stage, at any time "
        "since. How fast is counted in days of 24 hours between the offer and its acceptance: within one, within "
        "five, later."
    ),
    people=people,
    title=title,
    needs=("stage", "target"),
    parts={FIGURE: _("reached it"), BASE: _("accepted")},
    extras=(LEFT,),
)
