"""Rows that are accounts of deals: with which account a deal is that is in already."""

from __future__ import annotations

from collections import Counter

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.importing import planning, references, sourced
from audience.importing.kinds.roles import DEAL
from audience.importing.run import Run
from audience.importing.targets import Kind, Need
from kit.sql import Sql, run, sql

REFUSALS = {
    "no_deal": ("deal", gettext_noop("No deal of this source has this id; bring the deals first.")),
}


def match(work: Run) -> None:
    """Which deals are with which accounts; of several rows of one deal the last counts."""
    references.find_accounts(work)
    changed = "d.account_id IS NULL" if work.fill else "d.account_id IS DISTINCT FROM aa.id"
    query = sql(
        """
        SELECT r.row, d.id AS deal, aa.id AS account, d.id AS key,
               CASE WHEN d.id IS NULL THEN 'no_deal' WHEN {} THEN {} ELSE {} END AS action
        FROM {} r {} LEFT JOIN audience_deal d ON d.source = {} AND d.external_id = r.deal WHERE r.problem IS NULL
        """,
        Sql(changed), "update" if work.updates else "skip", "same" if work.updates else "skip",
        work.table("rows"), references.joins(work), references.source(work),
    )  # fmt: skip
    planning.make(work, query)
    for action, (target, reason) in REFUSALS.items():
        planning.refuse(work, action, target, reason)
    planning.last_counts_of(work, "key")


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the rows `(after, last]`."""
    run(
        sql(
            """UPDATE audience_deal d SET account_id = p.account FROM {} p
               WHERE p.deal = d.id AND p.action = 'update' AND p.row > {} AND p.row <= {}""",
            work.table("plan"), after, last,
        )
    )  # fmt: skip
    return planning.counted(work, after, last)


KIND = Kind(
    name="deal_accounts",
    label=_("Accounts of deals"),
    help=_("One row is one deal that is in already, and the account that it is with."),
    names=("deal company", "deal companies", "deal account", "deal accounts", "opportunity account"),
    targets=(DEAL, references.OWN_SYSTEM, *references.ACCOUNT),
    needs=(
        Need(("deal",), gettext_noop("The row does not say which deal.")),
        Need(sourced.SUBJECT_NAMES[2:], gettext_noop("The row names no account.")),
    ),
    derive=references.account_key,
    match=match,
    prepare=references.make,
    write=write,
)
