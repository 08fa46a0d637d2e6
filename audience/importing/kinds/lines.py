"""Rows that are products of deals: which product, how many, and for how much, of a deal that is in already."""

from __future__ import annotations

from collections import Counter

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.importing import planning, references, sourced
from audience.importing.run import Run
from audience.importing.targets import Kind, Need, Target
from audience.importing.values import CURRENCY, MONEY, NUMBER
from kit.sql import Sql, run, sql

TARGETS = (
    Target("deal", _("external id of the deal"), aliases=(
        "deal id", "dealid", "opportunity id", "opportunityid", "deal",
    )),
    Target("product_external_id", _("product: external id"), aliases=(
        "product id", "productid", "product2id", "product 2 id", "hs product id", "sku",
    )),
    Target("product", _("product: name"), length=300, aliases=("product name", "product", "name", "item")),
    sourced.PRODUCT[2],
    Target("quantity", _("quantity"), NUMBER, aliases=("qty", "units", "number")),
    Target("amount", _("amount"), MONEY, aliases=("total price", "totalprice", "line total", "total", "price")),
    Target("currency", _("currency"), CURRENCY, aliases=("currency code", "currencyisocode")),
)  # fmt: skip
REFUSALS = {
    "no_deal": ("deal", gettext_noop("No deal of this source has this id; bring the deals first.")),
    "other_currency": ("currency", gettext_noop("The deal is in another currency; its products are in its own.")),
}
# That a line l says what a row k says of it; what the row leaves out may be anything.
SAME = Sql(
    """(k.quantity IS NULL OR l.quantity IS NOT DISTINCT FROM round(k.quantity, 4))
       AND (k.amount IS NULL OR l.amount IS NOT DISTINCT FROM k.amount)"""
)


def match(work: Run) -> None:
    """Which products are in their deals; of several rows of one deal and product the last counts."""
    references.find_products(work)
    query = sql(
        """
        SELECT k.row, k.deal, k.product, k.quantity, k.amount, k.deal || ' ' || k.product AS key,
               CASE WHEN k.deal IS NULL THEN 'no_deal' WHEN k.amount IS NOT NULL AND k.other THEN 'other_currency'
                    WHEN l.id IS NULL THEN {} WHEN l.removed_at IS NULL AND {} THEN {} ELSE {} END AS action
        FROM (SELECT r.row, d.id AS deal, pr.id AS product, {} AS quantity, {} AS amount,
                     d.currency NOT IN ('', {}) AS other
              FROM {} r {} LEFT JOIN audience_deal d ON d.source = {} AND d.external_id = r.deal
              WHERE r.problem IS NULL) k
        LEFT JOIN audience_dealline l ON l.deal_id = k.deal AND l.product_id = k.product
        """,
        "create" if work.creates else "skip",
        SAME,
        "same" if work.updates else "skip",
        "update" if work.updates and not work.fill else "skip",
        work.value("quantity"),
        work.value("amount"),
        sql("coalesce({}, {})", work.value("currency"), work.currency),
        work.table("rows"),
        references.joins(work),
        work.source,
    )
    planning.make(work, query)
    for action, (target, reason) in REFUSALS.items():
        planning.refuse(work, action, target, reason)
    planning.last_counts_of(work, "key")


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the rows `(after, last]`."""
    told = sql(
        """SELECT deal, product, quantity, amount, row FROM {}
           WHERE action IN ('create', 'update') AND row > {} AND row <= {}""",
        work.table("plan"), after, last,
    )  # fmt: skip
    put(work, told)
    return planning.counted(work, after, last)


def put(work: Run, told: Sql) -> None:
    """Put products into deals, or change what is said of them: a relation of deal, product, quantity, amount, row.

    Those that a deal is first told to have, it has had since it was there; others from now on.
    """
    run(
        sql(
            """
            INSERT INTO audience_dealline AS l (deal_id, product_id, quantity, amount, added_at, recorded_at)
            SELECT t.deal, t.product, t.quantity, t.amount, CASE WHEN EXISTS (
                SELECT FROM audience_dealline o WHERE o.deal_id = t.deal AND o.recorded_at < {}) THEN {} END, {}
            FROM ({}) t ORDER BY t.row
            ON CONFLICT (deal_id, product_id) DO UPDATE SET quantity = coalesce(EXCLUDED.quantity, l.quantity),
                amount = coalesce(EXCLUDED.amount, l.amount), removed_at = NULL
            WHERE (l.quantity, l.amount, l.removed_at) IS DISTINCT FROM (coalesce(EXCLUDED.quantity, l.quantity),
                coalesce(EXCLUDED.amount, l.amount), NULL::timestamptz)
            """,
            work.now, sql("{}::timestamptz", work.now), work.now, told,
        )
    )  # fmt: skip


KIND = Kind(
    name="deal_lines",
    label=_("Products of deals"),
    help=_("One row is one product of a deal that is in already: how many of it, and for how much."),
    names=("deal lines", "deal products", "opportunity line item", "opportunity line items"),
    targets=TARGETS,
    needs=(
        Need(("deal",), gettext_noop("The row does not say which deal.")),
        Need(("product_external_id", "product"), gettext_noop("The row names no product.")),
    ),
    derive=references.product_key,
    match=match,
    prepare=references.make,
    write=write,
)
