"""Members of the lifecycle that are in no figure: test, internal and competitor people and accounts.

Whoever is flagged so leaves every figure of every window, past ones too; taking the flag away brings them back.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audience.subjects import exclusions
from kit.sql import Sql, rows, sql
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question


def compute(question: Question) -> int:
    """How many memberships are left out."""
    return sum(by_list(question).values())


def by_list(question: Question) -> dict[str, int]:
    """How many memberships each list leaves out, by its name; OTHER for those left out for another reason."""
    found = rows(
        sql(
            """SELECT coalesce(person.excluded_reason, account.excluded_reason), count(*)
               FROM ({}) excluded (id) JOIN lifecycle_membership membership USING (id)
               LEFT JOIN audience_person person ON person.id = membership.person_id
               LEFT JOIN audience_account account ON account.id = membership.account_id GROUP BY 1""",
            people(question),
        )
    )
    return exclusions.by_list(found)


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
