"""Rows that are contracts: running agreements with their renewal and notice dates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.importing import references, sourced
from audience.importing.run import Run
from audience.importing.targets import Check, Derived, Kind, Need, Target
from audience.importing.values import CURRENCY, DATE, MONEY, YES_NO
from kit.sql import Sql, sql

TABLE = "audience_contract"
TARGETS = (
    Target("external_id", _("external id of the contract"), aliases=(
        "id", "contract id", "subscription id", "contract number",
    )),
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
    Target("auto_renew", _("renews by itself"), YES_NO, aliases=("auto renew", "auto renewal", "autorenew")),
    Target("annual_value", _("annual value"), MONEY, aliases=(
        "acv", "arr", "annual contract value", "value", "amount",
    )),
    Target("currency", _("currency"), CURRENCY, aliases=("currency code",)),
)  # fmt: skip
PLAIN = ("name", "starts_on", "renews_on", "notice_on", "ends_on", "auto_renew", "annual_value", "currency")
BACKWARDS = gettext_noop("is before the day on which the contract starts")


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
    sourced.match(work, TABLE, _given(work), changed=sourced.differs(sourced.news(work, _given(work))))


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
    return counts


def _given(work: Run) -> dict[str, Sql]:
    given = {column: work.value(column) for column in PLAIN if work.has(column)}
    if references.product_key(work):
        given["product_id"] = Sql("pr.id")
    if work.properties:
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
