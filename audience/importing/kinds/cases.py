"""Rows that are cases: service matters of a person or an account, open or closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.importing import references, sourced
from audience.importing.run import Run
from audience.importing.targets import Check, Derived, Kind, Need, Target
from audience.importing.values import INSTANT
from kit.sql import Sql, sql

TABLE = "audience_case"
TARGETS = (
    Target("external_id", _("external id of the case"), aliases=(
        "id", "case id", "ticket id", "case number", "ticket number",
    )),
    references.OWN_SYSTEM,
    Target("title", _("title"), length=300, aliases=(
        "subject", "ticket subject", "case subject", "ticket", "ticket name", "summary",
    )),
    Target("severity", _("severity"), length=30, aliases=(
        "priority", "ticket priority", "hs ticket priority", "ticket severity", "urgency", "case priority",
    )),
    *sourced.PERSON,
    *references.ACCOUNT,
    Target("opened", _("opened"), INSTANT, aliases=(
        "opened at", "created", "created at", "createdate", "create date", "created date", "createddate", "opened date",
    )),
    Target("closed", _("closed"), INSTANT, aliases=(
        "closed at", "closed date", "closeddate", "close date", "resolved at", "resolved", "solved at",
    )),
)  # fmt: skip
BACKWARDS = gettext_noop("is before the case was opened")


def derive(work: Run) -> Sequence[Derived]:
    return [*references.person_key(work), *references.account_key(work)]


def checks(work: Run) -> Sequence[Check]:
    return [Check(sql("{} < opened", work.value("closed")), "closed", BACKWARDS)]


def match(work: Run) -> None:
    """Which cases are there, and whose they are: a person's, or an account's where no person is named."""
    references.find_people(work, Sql("r.opened"))
    references.find_accounts(work, Sql("r.opened"))
    sourced.match(work, TABLE, _given(work), changed=sourced.differs(sourced.news(work, _given(work))))


def prepare(work: Run) -> Counter[str]:
    made = references.make(work)
    references.see(work)
    return made


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the rows `(after, last]`."""
    counts = sourced.count(work, after, last)
    given = _given(work)
    if counts["created"]:
        columns = given | {
            "person_id": Sql("p.person"),
            "account_id": Sql("CASE WHEN p.person IS NULL THEN p.account END"),
            "severity": sourced.or_else(work.value("severity"), ""),
            "properties": given.get("properties", Sql("'{}'::jsonb")),
        }
        counts = sourced.count(work, after, last, sourced.insert(work, TABLE, after, last, columns))
    if counts["updated"]:
        sourced.update(work, TABLE, after, last, given, sourced.news(work, given))
    return counts


def _given(work: Run) -> dict[str, Sql]:
    given = {"title": Sql("r.title"), "opened_at": Sql("r.opened")}
    given |= {"severity": Sql("r.severity")} if work.has("severity") else {}
    given |= {"closed_at": Sql("r.closed")} if work.has("closed") else {}
    return given | ({"properties": Sql("r.properties")} if work.tells_properties else {})


KIND = Kind(
    name="cases",
    label=_("Cases"),
    table=TABLE,
    help=_("One row is one service matter of a person or an account, open or closed."),
    names=(
        "cases",
        "case",
        "tickets",
        "ticket",
        "issues",
    ),
    targets=TARGETS,
    needs=(
        sourced.WHO,
        Need(("title",), gettext_noop("The row does not say what the case is about.")),
        Need(("opened",), gettext_noop("The row does not say when the case was opened.")),
    ),
    derive=derive,
    checks=checks,
    match=match,
    prepare=prepare,
    write=write,
    properties=True,
    digest=True,
    touches_people=True,
)
