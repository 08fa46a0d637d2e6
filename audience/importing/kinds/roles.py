"""Rows that are roles: who takes part in a deal, or belongs to an account, as what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.importing import planning, references, sourced
from audience.importing.run import Run
from audience.importing.targets import Derived, Kind, Need, Target
from audience.importing.values import EMAIL_ADDRESS
from kit.sql import Sql, join, name, run, sql

ROLE = Target(
    "role", _("role"), length=100, aliases=("contact role", "buying role", "association type", "type", "category")
)
DEAL = Target(
    "deal", _("external id of the deal"), length=200, aliases=("deal id", "opportunity id", "dealid", "opportunityid")
)
REFUSALS = {
    "no_email": ("person_email", EMAIL_ADDRESS.wrong),
    "nobody": ("person_external_id", sourced.NOBODY),
    "no_deal": ("deal", gettext_noop("No deal of this source has this id; bring the deals first.")),
}
NO_ONE = Need(("person_external_id", "person_email"), gettext_noop("The row names nobody."))


def of_account(work: Run) -> Sequence[Derived]:
    return [*references.person_key(work), *references.account_key(work)]


def match_deal(work: Run) -> None:
    """Which deal it is, who takes part in it, and whether that is known."""
    references.find_people(work)
    deal = sql("LEFT JOIN audience_deal d ON d.source = {} AND d.external_id = r.deal", work.source)
    _match(work, "audience_dealrole", "deal", Sql("d.id"), deal)


def match_account(work: Run) -> None:
    """Which account it is, who belongs to it, and whether that is known."""
    references.find_people(work)
    references.find_accounts(work)
    _match(work, "audience_accountrole", "account", Sql("aa.id"), Sql(""))


def write_deal(work: Run, after: int, last: int) -> Counter[str]:
    return _write(work, "audience_dealrole", "deal", after, last)


def write_account(work: Run, after: int, last: int) -> Counter[str]:
    return _write(work, "audience_accountrole", "account", after, last, source=work.source, recorded_at=work.now)


def _match(work: Run, table: str, of: str, found: Sql, joins: Sql) -> None:
    query = sql(
        """
        SELECT r.row, pp.id AS person, {} AS {}, role.said AS role, concat_ws('/', pp.id, {}, role.said) AS key,
               CASE WHEN pp.no_email THEN 'no_email' WHEN pp.id IS NULL THEN 'nobody' WHEN {} IS NULL THEN 'no_deal'
                    WHEN EXISTS (
                        SELECT FROM {} s WHERE s.person_id = pp.id AND s.{} = {} AND s.role = role.said) THEN {}
                    ELSE {} END AS action
        FROM {} r {} {} CROSS JOIN LATERAL (SELECT {} AS said) role WHERE r.problem IS NULL
        """,
        found, name(of), found, found, name(table), name(f"{of}_id"), found,
        "same" if work.updates else "skip", "create" if work.creates else "skip",
        work.table("rows"), references.joins(work), joins, sourced.or_else(work.value("role"), ""),
    )  # fmt: skip
    planning.make(work, query)
    for action, (target, reason) in REFUSALS.items():
        planning.refuse(work, action, target, reason)
    planning.last_counts_of(work, "key")


def _write(work: Run, table: str, of: str, after: int, last: int, **of_all: Any) -> Counter[str]:
    """Write the rows `(after, last]`, each with its columns that are the same `of_all`."""
    columns = join(", ", [Sql("person_id"), name(f"{of}_id"), Sql("role"), *map(name, of_all)])
    values = join(", ", [Sql("person"), name(of), Sql("role"), *(sql("{}", each) for each in of_all.values())])
    run(
        sql(
            """INSERT INTO {} ({}) SELECT {} FROM {}
               WHERE action = 'create' AND row > {} AND row <= {} ORDER BY row ON CONFLICT DO NOTHING""",
            name(table), columns, values, work.table("plan"), after, last,
        )
    )  # fmt: skip
    return planning.counted(work, after, last)


IN_DEALS = Kind(
    name="deal_roles",
    label=_("Roles in deals"),
    help=_("One row is one person who takes part in a deal that is in already, and as what."),
    names=("deal roles", "deal contact", "deal contacts", "opportunity contact role", "opportunity prospect"),
    targets=(DEAL, *sourced.PERSON, ROLE),
    needs=(Need(("deal",), gettext_noop("The row does not say which deal.")), NO_ONE),
    derive=references.person_key,
    match=match_deal,
    prepare=references.make,
    write=write_deal,
    touches_people=True,
)
IN_ACCOUNTS = Kind(
    name="account_roles",
    label=_("Roles in accounts"),
    help=_("One row is one person who has a role in an account, beside the one that they belong to."),
    names=("account roles", "account contact", "account contacts"),
    targets=(*sourced.PERSON, *references.ACCOUNT, ROLE),
    needs=(NO_ONE, Need(sourced.SUBJECT_NAMES[2:], gettext_noop("The row names no account."))),
    derive=of_account,
    match=match_account,
    prepare=references.make,
    write=write_account,
    touches_people=True,
)
