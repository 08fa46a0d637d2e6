"""Rows that are products: known by the external id of the file's source, else by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.importing import planning, references, sourced
from audience.importing.run import Run
from audience.importing.targets import Derived, Kind, Need, Target
from audience.importing.values import CURRENCY, MONEY
from kit.sql import Sql, join, name, sql

TABLE = "audience_product"
TARGETS = (
    Target("external_id", _("external id"), aliases=("id", "product id", "sku", "product code", "productcode")),
    references.OWN_SYSTEM,
    Target("name", _("name"), length=300, aliases=("product", "product name", "title", "item")),
    Target("family", _("family"), aliases=("series", "product family", "category", "product type", "line")),
    Target("price", _("price"), MONEY, aliases=("sales price", "list price", "unit price", "amount")),
    Target("currency", _("currency"), CURRENCY, aliases=("currency code",)),
)


def derive(work: Run) -> Sequence[Derived]:
    return references.product_key(work, "external_id", "name")


def match(work: Run) -> None:
    """Which products are there; the last row about one counts."""
    references.find_products(work, "external_id", "name")
    given = _given(work)
    query = sql(
        """
        SELECT r.row, pr.id AS product, s.id AS known,
               coalesce({}, left('name:' || lower(r.name COLLATE "C"), 200)) AS external_id,
               CASE WHEN s.id IS NULL THEN {} WHEN {} THEN {} ELSE {} END AS action
        FROM {} r {} LEFT JOIN audience_product s ON s.id = pr.id CROSS JOIN LATERAL (SELECT {}) g
        WHERE r.problem IS NULL
        """,
        work.value("external_id"),
        "create" if work.creates else "skip",
        sourced.differs(sourced.news(work, given)),
        "update" if work.updates else "skip",
        "same" if work.updates else "skip",
        work.table("rows"),
        references.joins(work),
        join(", ", (sql("{} AS {}", value, name(column)) for column, value in given.items())),
    )
    planning.make(work, query)
    planning.last_counts_of(work, "product")


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the rows `(after, last]`."""
    counts = sourced.count(work, after, last)
    given = _given(work)
    if counts["created"]:
        columns = {column: sourced.or_else(work.value(column), "") for column in ("family", "currency")}
        columns |= {"name": Sql("r.name"), "properties": given.get("properties", Sql("'{}'::jsonb"))}
        columns |= {"price": work.value("price"), "id": Sql("p.product")}
        counts = sourced.count(work, after, last, sourced.insert(work, TABLE, after, last, columns))
    if counts["updated"]:
        sourced.update(work, TABLE, after, last, given, sourced.news(work, given))
    return counts


def _given(work: Run) -> dict[str, Sql]:
    given = {column: work.value(column) for column in ("name", "family", "price", "currency") if work.has(column)}
    return given | ({"properties": Sql("r.properties")} if work.tells_properties else {})


KIND = Kind(
    name="products",
    label=_("Products"),
    table=TABLE,
    planned="product",
    help=_("One row is one thing that is sold."),
    names=(
        "products",
        "product",
        "items",
        "catalogue",
        "catalog",
    ),
    targets=TARGETS,
    needs=(Need(("name",), gettext_noop("The product has no name.")),),
    derive=derive,
    match=match,
    write=write,
    properties=True,
)
