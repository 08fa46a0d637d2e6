"""Rows that are purchases: who bought what, when, for how much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.importing import references, sourced
from audience.importing.run import Run
from audience.importing.targets import Derived, Kind, Need, Target
from audience.importing.values import CURRENCY, INSTANT, MONEY, NUMBER
from kit.sql import Sql, sql

TABLE = "audience_purchase"
TARGETS = (
    Target("external_id", _("external id of the purchase"), aliases=(
        "id", "order id", "purchase id", "transaction id", "invoice id",
    )),
    references.OWN_SYSTEM,
    *sourced.PERSON,
    *references.ACCOUNT,
    *sourced.PRODUCT,
    Target("quantity", _("quantity"), NUMBER, aliases=("qty", "units", "number of items")),
    Target("amount", _("amount"), MONEY, aliases=(
        "total", "total price", "price", "order total", "value", "revenue", "subtotal price",
    )),
    Target("cost", _("what it cost us"), MONEY, aliases=(
        "cost", "what it cost us", "cost of goods", "cogs", "cost price", "total cost", "purchase cost",
    )),
    Target("currency", _("currency"), CURRENCY, aliases=("currency code",)),
    Target(
        "occurred",
        _("when"),
        INSTANT,
        aliases=(
            "date", "order date", "purchase date", "created at", "processed at", "purchased at", "created",
            "invoice date", "timestamp", "when",
        ),
    ),
)  # fmt: skip


def derive(work: Run) -> Sequence[Derived]:
    return [*references.person_key(work), *references.account_key(work), *references.product_key(work)]


def match(work: Run) -> None:
    """Which purchases are there, and whose they are: a person's, or an account's where no person is named."""
    references.find_people(work, Sql("r.occurred"))
    references.find_accounts(work, Sql("r.occurred"))
    references.find_products(work)
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
        columns = sourced.planned(given) | {
            "person_id": Sql("p.person"),
            "account_id": Sql("CASE WHEN p.person IS NULL THEN p.account END"),
            "currency": sourced.currency_of(work, "amount"),
            "quantity": sql("coalesce(round({}, 4), 1)", work.value("quantity")),
            "properties": given.get("properties", Sql("'{}'::jsonb")),
        }  # fmt: skip
        counts = sourced.count(work, after, last, sourced.insert(work, TABLE, after, last, columns))
    if counts["updated"]:
        sourced.update(work, TABLE, after, last, sourced.planned(given), sourced.news(work, given))
    return counts


def _given(work: Run) -> dict[str, Sql]:
    given = {"occurred_at": Sql("r.occurred")}
    given |= {column: work.value(column) for column in ("amount", "cost", "currency") if work.has(column)}
    if work.has("quantity"):
        given["quantity"] = Sql("round(r.quantity, 4)")
    if references.product_key(work):
        given["product_id"] = Sql("pr.id")
    if work.tells_properties:
        given["properties"] = Sql("r.properties")
    return given


KIND = Kind(
    name="purchases",
    label=_("Purchases"),
    table=TABLE,
    help=_("One row is one thing bought by a person or an account."),
    names=(
        "purchases",
        "purchase",
        "orders",
        "order",
        "sales",
        "charges",
        "charge",
        "transactions",
        "invoices",
        "payments",
    ),  # fmt: skip
    targets=TARGETS,
    needs=(sourced.WHO, Need(("occurred",), gettext_noop("The row has no date."))),
    derive=derive,
    match=match,
    prepare=prepare,
    write=write,
    properties=True,
    digest=True,
    touches_people=True,
)
