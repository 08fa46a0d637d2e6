"""Rows that are amendments: what a contract that is in already is worth a year, from a day on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.importing import planning
from audience.importing.run import Run
from audience.importing.targets import Check, Kind, Need, Target
from audience.importing.values import CURRENCY, DATE, MONEY
from kit.sql import Sql, run, sql

TARGETS = (
    Target("contract", _("external id of the contract"), aliases=(
        "contract id", "contract", "subscription id", "contract number", "id",
    )),
    Target("valid_from", _("valid from"), DATE, aliases=(
        "from", "effective date", "effective from", "date", "changed on", "start", "amendment date",
    )),
    Target("annual_value", _("annual value"), MONEY, aliases=(
        "acv", "arr", "annual contract value", "new annual value", "value", "amount",
    )),
    Target("currency", _("currency"), CURRENCY, aliases=("currency code",)),
)  # fmt: skip
REFUSALS = {
    "no_contract": ("contract", gettext_noop("No contract of this source has this id; bring the contracts first.")),
    "too_early": ("valid_from", gettext_noop("The contract starts on that day or later; its first value is its own.")),
    "other_currency": ("currency", gettext_noop("The contract is in another currency; an amendment is in its own.")),
}
NEGATIVE = gettext_noop("is less than nothing")


def checks(work: Run) -> Sequence[Check]:
    return [Check(Sql("annual_value < 0"), "annual_value", NEGATIVE)]


def match(work: Run) -> None:
    """Which amendments are there; of several of one contract and day in the file the last counts."""
    currency = sql("coalesce({}, {})", work.value("currency"), work.currency)
    query = sql(
        """
        SELECT r.row, contract.id AS contract, r.valid_from, r.annual_value,
               contract.id || ' ' || r.valid_from AS key,
               CASE WHEN contract.id IS NULL THEN 'no_contract'
                    WHEN r.valid_from <= contract.starts_on THEN 'too_early'
                    WHEN contract.currency NOT IN ('', {}) THEN 'other_currency'
                    WHEN known.id IS NULL THEN {} WHEN known.annual_value <> r.annual_value THEN {} ELSE {}
               END AS action
        FROM {} r
        LEFT JOIN audience_contract contract ON contract.source = {} AND contract.external_id = r.contract
        LEFT JOIN audience_contractamendment known
            ON known.contract_id = contract.id AND known.valid_from = r.valid_from
        WHERE r.problem IS NULL
        """,
        currency,
        "create" if work.creates else "skip",
        "update" if work.updates and not work.fill else "skip",
        "same" if work.updates else "skip",
        work.table("rows"),
        work.source,
    )
    planning.make(work, query)
    for action, (target, reason) in REFUSALS.items():
        planning.refuse(work, action, target, reason)
    planning.last_counts_of(work, "key")


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the rows `(after, last]`."""
    run(
        sql(
            """
            INSERT INTO audience_contractamendment (contract_id, valid_from, annual_value, recorded_at)
            SELECT contract, valid_from, annual_value, {} FROM {}
            WHERE action IN ('create', 'update') AND row > {} AND row <= {} ORDER BY row
            ON CONFLICT (contract_id, valid_from) DO UPDATE
                SET annual_value = EXCLUDED.annual_value, recorded_at = EXCLUDED.recorded_at
            """,
            work.now,
            work.table("plan"),
            after,
            last,
        )
    )
    return planning.counted(work, after, last)


KIND = Kind(
    name="contract_amendments",
    label=_("Contract amendments"),
    help=_("One row is a new annual value of a contract that is in already, and the day from which it holds."),
    names=("amendments",),
    targets=TARGETS,
    needs=(
        Need(("contract",), gettext_noop("The row does not say which contract.")),
        Need(("valid_from",), gettext_noop("The row does not say from which day the new value holds.")),
        Need(("annual_value",), gettext_noop("The row does not say what the contract is worth.")),
    ),
    checks=checks,
    match=match,
    write=write,
)
