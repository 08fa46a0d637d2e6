"""Members of the lifecycle that are in no figure: test, internal and competitor people and accounts.

Whoever is flagged so leaves every figure of every window, past ones too; taking the flag away brings them back.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql, value
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question


def compute(question: Question) -> int:
    """How many memberships are left out."""
    return value(sql("SELECT count(*) FROM ({}) members", people(question)))


def people(question: Question, part: str = FIGURE) -> Sql:
    """The ids of the memberships left out."""
    return sql(
        """SELECT membership.id FROM lifecycle_membership membership
           WHERE membership.lifecycle_id = {} AND membership.subject_id IN (
               SELECT id FROM audience_person WHERE is_excluded
               UNION ALL SELECT id FROM audience_account WHERE is_excluded)""",
        question.plan.lifecycle.pk,
    )


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Left out of all figures")


METRIC = Metric(
    name="excluded",
    label=_("Left out"),
    definition=_(
        "Members of the lifecycle that are in no figure: test, internal and competitor people and accounts. Whoever is "
        "flagged so leaves every figure of every window, past ones too; taking the flag away brings them back."
    ),
    people=people,
    title=title,
    needs=(),
    unit="membership",
)
