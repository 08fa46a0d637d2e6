"""Rows that are contracts: running agreements with their renewal and notice dates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.importing import planning, references, sourced
from audience.importing.run import Run
from audience.importing.targets import Check, Derived, Kind, Need, Target
from audience.importing.values import CURRENCY, DATE, MONEY, YES_NO, minor
from kit.sql import Sql, join, run, sql

TABLE = "audience_contract"
TARGETS = (
    Target("external_id", _("external id of the contract"), aliases=(
        "id", "contract id", "subscription id", "contract number",
    )),
    references.OWN_SYSTEM,
    Target("name", _("name"), length=300, aliases=("contract", "contract name", "plan", "plan name")),
    *sourced.PERSON,
    *references.ACCOUNT,
    *sourced.PRODUCT,
    Target("starts_on", _("starts"), DATE, aliases=(
        "start", "start date", "starts", "starts at", "current period start", "created",
    )),
    Target("renews_on", _("renews"), DATE, aliases=(
        "renewal", "renewal date", "renews", "current period end", "next renewal",
    )),
    Target("notice_on", _("notice by"), DATE, aliases=("notice", "notice date", "cancel by")),
    Target("ends_on", _("ended"), DATE, aliases=(
        "end", "end date", "ends", "ended at", "cancelled at", "canceled at", "cancel date",
    )),
    Target("auto_renew", _("renews by itself"), YES_NO, aliases=(
        "renews by itself", "auto renew", "auto renewal", "autorenew",
    )),
    Target("annual_value", _("annual value"), MONEY, aliases=(
        "acv", "arr", "annual contract value", "value", "amount",
    )),
    Target("currency", _("currency"), CURRENCY, aliases=("currency code",)),
    Target("amendments", _("amendments (day: annual value; day: annual value)"), length=20_000),
)  # fmt: skip
AMOUNT = r"^\d{1,13}(\.\d{1,4})?$"
PLAIN = ("name", "starts_on", "renews_on", "notice_on", "ends_on", "auto_renew", "annual_value", "currency")
BACKWARDS = gettext_noop("is before the day on which the contract starts")
NO_AMENDMENT = gettext_noop(
    "is no list of amendments after the contract’s start, such as 2025-01-01: 1200.00; 2026-01-01: 1500.00"
)


def derive(work: Run) -> Sequence[Derived]:
    return [*references.person_key(work), *references.account_key(work), *references.product_key(work)]


def checks(work: Run) -> Sequence[Check]:
    return [Check(sql("{} < starts_on", work.value("ends_on")), "ends_on", BACKWARDS)]


def match(work: Run) -> None:
    """Which contracts are there, and whose they are: an account's, or a person's where no account is named."""
    new = Sql("r.starts_on::timestamptz")
    references.find_people(work, new=new)
    references.find_accounts(work, new=new)
    references.find_products(work)
    _find_amendments(work)
    changed = [sourced.differs(sourced.news(work, _given(work)))]
    if work.has("amendments"):
        changed.append(
            sql(
                """EXISTS (SELECT FROM {} a WHERE a.row = r.row AND NOT EXISTS (
                       SELECT FROM audience_contractamendment held WHERE held.contract_id = s.id
                       AND held.valid_from = a.valid_from {}))""",
                work.table("amendments"),
                Sql("") if work.fill else Sql("AND held.annual_value = a.annual_value"),
            )
        )
    sourced.match(work, TABLE, _given(work), changed=join(" OR ", changed))
    if work.has("amendments"):
        wrong = sql(
            """UPDATE {} p SET action = 'no_amendment' FROM {} a, {} r WHERE a.row = p.row AND r.row = p.row
               AND (a.valid_from IS NULL OR a.annual_value IS NULL OR a.valid_from <= r.starts_on)""",
            work.table("plan"), work.table("amendments"), work.table("rows"),
        )  # fmt: skip
        planning.change(work, wrong)
        planning.refuse(work, "no_amendment", "amendments", NO_AMENDMENT)


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the rows `(after, last]`."""
    counts = sourced.count(work, after, last)
    given = _given(work)
    if counts["created"]:
        columns = sourced.planned(given) | {
            "person_id": Sql("CASE WHEN p.account IS NULL THEN p.person END"),
            "account_id": Sql("p.account"),
            "name": sourced.or_else(work.value("name"), ""),
            "currency": sourced.currency_of(work, "annual_value"),
            "auto_renew": sql("coalesce({}, false)", work.value("auto_renew")),
            "properties": given.get("properties", Sql("'{}'::jsonb")),
        }
        counts = sourced.count(work, after, last, sourced.insert(work, TABLE, after, last, columns))
    if counts["updated"]:
        sourced.update(work, TABLE, after, last, sourced.planned(given), sourced.news(work, given))
    if work.has("amendments") and (counts["created"] or counts["updated"]):
        _amend(work, after, last)
    return counts


def _find_amendments(work: Run) -> None:
    """The amendments of each row, out of the column that lists them; NULL for what is none."""
    if not work.has("amendments"):
        return
    day = Sql("btrim(split_part(entry, ':', 1))")
    amount = Sql("btrim(split_part(entry, ':', 2))")
    currency = sql("coalesce({}, {})", work.value("currency"), work.currency)
    work.create(
        "amendments",
        sql(
            """SELECT r.row, {} AS valid_from,
                      CASE WHEN {} ~ {} THEN {} END AS annual_value
               FROM {} r CROSS JOIN LATERAL regexp_split_to_table(r.amendments, ';') entry
               WHERE r.problem IS NULL AND r.amendments IS NOT NULL AND btrim(entry) <> ''""",
            DATE.read(day), amount, AMOUNT, minor(sql("{}::numeric", amount), currency), work.table("rows"),
        ),
        "row",
    )  # fmt: skip


def _amend(work: Run, after: int, last: int) -> None:
    """An amendment of a day that is there already is corrected, unless only blanks are to be filled."""
    told = (
        "DO NOTHING"
        if work.fill
        else (
            "DO UPDATE SET annual_value = EXCLUDED.annual_value, recorded_at = EXCLUDED.recorded_at "
            "WHERE audience_contractamendment.annual_value <> EXCLUDED.annual_value"
        )
    )
    run(
        sql(
            f"""
            INSERT INTO audience_contractamendment (contract_id, valid_from, annual_value, recorded_at)
            SELECT DISTINCT ON (s.id, a.valid_from) s.id, a.valid_from, a.annual_value, {{}}
            FROM {{}} p JOIN {{}} r ON r.row = p.row JOIN {{}} a ON a.row = r.row
            JOIN audience_contract s ON s.source = {{}} AND s.external_id = p.external_id
            WHERE p.action IN ('create', 'update') AND {{}} ORDER BY s.id, a.valid_from, r.row DESC
            ON CONFLICT (contract_id, valid_from) {told}
            """,
            work.now, work.table("plan"), work.table("rows"), work.table("amendments"), references.source(work),
            planning.between(after, last),
        )
    )  # fmt: skip


def _given(work: Run) -> dict[str, Sql]:
    given = {column: work.value(column) for column in PLAIN if work.has(column)}
    if references.product_key(work):
        given["product_id"] = Sql("pr.id")
    if work.tells_properties:
        given["properties"] = Sql("r.properties")
    return given


KIND = Kind(
    name="contracts",
    label=_("Contracts"),
    table=TABLE,
    help=_("One row is one running agreement with a person or an account."),
    names=(
        "contracts",
        "contract",
        "subscriptions",
        "subscription",
        "agreements",
    ),
    targets=TARGETS,
    needs=(sourced.WHO, Need(("starts_on",), gettext_noop("The row does not say when the contract starts."))),
    derive=derive,
    checks=checks,
    match=match,
    prepare=references.make,
    write=write,
    properties=True,
    digest=True,
    touches_people=True,
)
