"""Pages of what is sold: products, and who bought which of them when."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from audience.models import Product, Purchase
from audience.subjects import filters, sight
from audience.views import returning
from audience.views.people import day
from kit import money, pages

IMPORT = pages.Action(_("Import"), "import_new", "upload", right="edit")


def _plain(value: Any) -> str:
    return f"{value.normalize():f}"


class Products(returning.Returning):
    """Everything that is sold."""

    queryset = Product.objects.all()
    filterset_class = filters.Products
    columns = (
        pages.Column("name", _("Product"), sort="name", template="audience/_product_name.html", whole=True),
        pages.Column("family", _("Family"), sort="family"),
        pages.Column("price", _("Price"), sort="price", align="end", desc_first=True,
                     value=lambda row: money.written(row.price, row.currency)),
        pages.Column("external_id", _("External id"), sort="external_id"),
        pages.Column("source", _("Source"), sort="source"),
    )  # fmt: skip
    returned = (
        *returning.ROW,
        pages.Column("name", _("Name"), sort="name"),
        pages.Column("family", _("Family"), sort="family"),
        pages.Column("price", _("Price"), value=lambda row: returning.major(row.price, row.currency)),
        pages.Column("currency", _("Currency")),
        returning.PROPERTIES,
    )
    about = ()
    title = _("Products")
    crumbs = ((_("Data"), ""),)
    purpose = _("What you sell, in its families. Purchases, deals and contracts name it.")
    counted = ngettext_lazy("%(shown)s product", "%(shown)s products", "count")
    also = (pages.Action(_("Purchases"), "purchases", "shopping-cart"), IMPORT)
    default_sort = "name"
    file_name = "products"
    empty_title = _("No products yet")
    empty_text = _("Products come with a file of their own, or with purchases, deals and contracts that name one.")
    empty_icon = "package"


class Purchases(returning.Returning):
    """Everything that was bought."""

    queryset = Purchase.objects.select_related("person", "account", "product")
    filterset_class = filters.Purchases
    columns = (
        pages.Column("product", _("Product"), value=lambda row: row.product or "", whole=True),
        pages.Column("whose", _("By"), template="audience/_whose.html"),
        pages.Column("quantity", _("Quantity"), sort="quantity", align="end", value=lambda row: _plain(row.quantity)),
        pages.Column("amount", _("Amount"), sort="amount", align="end", desc_first=True,
                     value=lambda row: money.written(row.amount, row.currency)),
        pages.Column("cost", _("What it cost us"), sort="cost", align="end", desc_first=True,
                     value=lambda row: money.written(row.cost, row.currency)),
        pages.Column("occurred_at", _("When"), sort="occurred_at", desc_first=True,
                     value=lambda row: day(row.occurred_at)),
        pages.Column("source", _("Source"), sort="source"),
    )  # fmt: skip
    returned = (
        *returning.ROW,
        *returning.PERSON,
        *returning.ACCOUNT,
        *returning.PRODUCT,
        pages.Column("quantity", _("Quantity"), value=lambda row: _plain(row.quantity)),
        pages.Column("amount", _("Amount"), value=lambda row: returning.major(row.amount, row.currency)),
        pages.Column("cost", _("What it cost us"), value=lambda row: returning.major(row.cost, row.currency)),
        pages.Column("currency", _("Currency")),
        pages.Column("occurred_at", _("When"), sort="occurred_at", value=lambda row: returning.exact(row.occurred_at)),
        returning.PROPERTIES,
    )
    title = _("Purchases")
    crumbs = ((_("Data"), ""),)
    purpose = _("Who bought what, when, for how much. Whoever buys comes with a file, or from your shop over the API.")
    counted = ngettext_lazy("%(shown)s purchase", "%(shown)s purchases", "count")
    also = (pages.Action(_("Products"), "products", "package"), IMPORT)
    default_sort = "-occurred_at"
    file_name = "purchases"
    empty_title = _("Nothing was bought yet")
    empty_text = _("Purchases come with a file, or from your shop over the API.")
    empty_icon = "shopping-cart"

    def rows(self) -> QuerySet[Purchase]:
        return returning.of_somebody(self.queryset.all())

    def seen(self, rows: QuerySet[Purchase]) -> QuerySet[Purchase]:
        return sight.subjects(rows, self.request.user)
