"""The page of the customers' book: who looks after whom, what is due, what is amiss; each figure opens its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import django_filters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from audience.commerce import rates
from audience.models import Account
from audience.subjects import sight
from audience.subjects.filters import OneOf, OwnerFilter
from audience.subjects.querysets import find_accounts
from kit import money, pages
from kit.models import Team
from lifecycle.models import Lifecycle, Stage, Version
from reporting import book

OWNERS = 20  # of the table by owner
NOBODY = "(empty)"  # as the filter of owners calls it


def stages() -> list[tuple[str, str]]:
    """The stages in which accounts of the book can be: of lifecycles of customers, as the newest version calls them."""
    ever_live = [Version.State.PUBLISHED, Version.State.PUBLISHING, Version.State.RETIRED]
    found = Stage.objects.filter(
        version__lifecycle__species=Lifecycle.Species.CUSTOMER, version__lifecycle__of="account",
        version__state__in=ever_live,
    ).exclude(kind=Stage.Kind.TERMINAL)  # fmt: skip
    named = found.order_by("version__lifecycle__name", "-version__number", "order").select_related("version__lifecycle")
    told: dict[str, str] = {}
    for each in named:
        told.setdefault(f"{each.version.lifecycle.slug}:{each.slug}", f"{each.version.lifecycle}: {each}")
    return list(told.items())


class BookFilters(django_filters.FilterSet):
    """What the book can be narrowed by."""

    DUE = tuple((str(days), format_lazy(gettext_lazy("within {days} days"), days=days)) for days in book.WINDOWS)

    q = django_filters.CharFilter(
        method="with_words", label=gettext_lazy("Search"), help_text=gettext_lazy("Name, domain or id")
    )
    owner = OwnerFilter()
    team = OneOf(lambda: ((str(pk), name) for pk, name in Team.objects.order_by("name").values_list("pk", "name")),
                 field_name="owner__team", label=gettext_lazy("Owner’s team"))  # fmt: skip
    due = django_filters.ChoiceFilter(
        choices=DUE, method="due_within", label=gettext_lazy("Term ends"), empty_label=gettext_lazy("Any")
    )
    signal = django_filters.ChoiceFilter(
        choices=book.Signal.choices, method="with_signal", label=gettext_lazy("Signal"), empty_label=gettext_lazy("Any")
    )
    stage = OneOf(stages, method="in_stage", label=gettext_lazy("Stage"))

    def with_words(self, rows: QuerySet[Account], name: str, value: str) -> QuerySet[Account]:
        return find_accounts(rows, value) if value else rows

    def due_within(self, rows: QuerySet[Account], name: str, value: str) -> QuerySet[Account]:
        return book.due_within(rows, int(value), timezone.now())

    def with_signal(self, rows: QuerySet[Account], name: str, value: str) -> QuerySet[Account]:
        return book.with_signal(rows, value, timezone.now())

    def in_stage(self, rows: QuerySet[Account], name: str, value: str) -> QuerySet[Account]:
        lifecycle, _colon, stage = value.partition(":")
        return book.in_stage(rows, lifecycle, stage)


def _value(row: Any) -> str:
    return money.written(row.told.value, row.told.currency)


COLUMNS = (
    pages.Column("name", gettext_lazy("Customer"), sort="name", template="reporting/_book_name.html", whole=True),
    pages.Column("value", gettext_lazy("A year"), sort="value", align="end", desc_first=True, value=_value,
                 template="reporting/_book_value.html"),
    pages.Column("due_on", gettext_lazy("Term ends"), sort="due_on", template="reporting/_book_due.html"),
    pages.Column("notice_on", gettext_lazy("Notice by"), sort="notice_on", value="told.notice_on"),
    pages.Column("cases", gettext_lazy("Open cases"), template="reporting/_book_cases.html", align="end"),
    pages.Column("signals", gettext_lazy("Signals"), template="reporting/_book_signals.html"),
    pages.Column("stages", gettext_lazy("Stages"), template="reporting/_book_stages.html", whole=True),
)  # fmt: skip
EXPORTED = (
    pages.Column("id", gettext_lazy("Id"), value="pk"),
    pages.Column("name", gettext_lazy("Customer"), sort="name"),
    pages.Column("owner", gettext_lazy("Owner"), value=lambda row: row.owner.email if row.owner else ""),
    pages.Column("contracts", gettext_lazy("Contracts in force"), value="told.contracts"),
    pages.Column("value", gettext_lazy("A year"), sort="value",
                 value=lambda row: money.major(row.told.value, row.told.currency)),
    pages.Column("currency", gettext_lazy("Currency"), value="told.currency"),
    pages.Column("due_on", gettext_lazy("Term ends"), sort="due_on", value="told.due_on"),
    pages.Column("days_left", gettext_lazy("Days left"), value="told.days_left"),
    pages.Column("by_itself", gettext_lazy("Renews by itself"), value="told.by_itself"),
    pages.Column("notice_on", gettext_lazy("Notice by"), sort="notice_on", value="told.notice_on"),
    pages.Column("stages", gettext_lazy("Stages"),
                 value=lambda row: "; ".join(f"{each.lifecycle}: {each.stage}" for each in row.told.stages)),
    pages.Column("scores", gettext_lazy("Scores"),
                 value=lambda row: "; ".join(f"{each.model}: {each.shown}" for each in row.told.scores)),
    pages.Column("open_cases", gettext_lazy("Open cases"), value="told.open_cases"),
    pages.Column("signals", gettext_lazy("Signals"),
                 value=lambda row: "; ".join(str(each.label) for each in row.told.signals)),
)  # fmt: skip


class Book(pages.ListPage):
    """Every customer with a contract in force, those whose term ends first first."""

    queryset = Account.objects.all()
    filterset_class = BookFilters
    columns: Sequence[pages.Column] = COLUMNS
    title = gettext_lazy("Customers")
    purpose = gettext_lazy("Who has a contract in force, and who looks after them: what is due, and what is amiss.")
    counted = ngettext_lazy("%(shown)s customer", "%(shown)s customers", "count")
    default_sort = "due_on"
    file_name = "customers"
    template_name = "reporting/book.html"
    empty_title = gettext_lazy("No customers here")
    empty_text = gettext_lazy(
        "A customer is an account with a contract in force. Contracts come with a file, from another system, or are "
        "added on the page of an account."
    )
    empty_icon = "book-open"

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.leaves = bool(request.GET.get("export"))
        self.columns = EXPORTED if self.leaves else COLUMNS
        self.now = timezone.now()

    def get_crumbs(self) -> Sequence[tuple[Any, str]]:
        return [(_("Reports"), ""), (self.get_title(), "")]

    def rows(self) -> QuerySet[Account]:
        return book.customers(self.now)

    def seen(self, rows: QuerySet[Account]) -> QuerySet[Account]:
        return sight.accounts(rows, self.request.user)

    def prepare(self, rows: list[Any]) -> list[Any]:
        told = book.of([row.pk for row in rows], self.now)
        for row in rows:
            row.told = told[row.pk]
        return rows

    def for_file(self, rows: QuerySet[Account], sort: str) -> QuerySet[Account]:
        return book.ordered(rows, sort, self.now)

    def _page(self, rows: QuerySet[Account], wish: pages.Wish) -> pages.Page:
        return book.page(rows, sort=wish.sort, size=wish.size, after=wish.after, before=wish.before, now=self.now)

    def context(self) -> dict[str, Any]:
        sums = book.sums(self.request.user, self.now)
        currency = rates.own()

        def tile(label: Any, tally: book.Tally, about: Any, **asked: Any) -> dict[str, Any]:
            value = _("%(amount)s a year") % {"amount": money.short(tally.value, currency)} if tally.customers else ""
            return {"label": label, "count": tally.customers, "note": value, "about": about, "url": _address(**asked)}

        within = [
            tile(_("Term ends within %(days)s days") % {"days": days}, tally, ABOUT["due"], due=days)
            for days, tally in sums.within.items()
        ]
        signals = [
            tile(signal.label, tally, ABOUT[signal.value], signal=signal.value)
            for signal, tally in sums.signals.items()
        ]
        return {
            "tiles": [tile(_("Customers"), sums.all, ABOUT["customers"]), *within],
            "signals": signals,
            "owners": [_owned(each, currency) for each in sums.owners[:OWNERS]],
            "more_owners": max(len(sums.owners) - OWNERS, 0),
            "untold": sums.untold,
            "currency": currency,
            "soon_days": book.WINDOWS[-1],
        }


ABOUT: dict[str, Any] = {
    "customers": gettext_lazy(
        "Accounts that themselves, or one of whose people, have a contract that has begun and not ended. The amount is "
        "what these contracts are worth a year today, by their amendments, converted at the rates of the days from "
        "which their values were agreed."
    ),
    "due": gettext_lazy(
        "A term ends on the day on which a contract in force renews or ends; of one that renews by itself on that day "
        "of each year. Counted are customers with such a day from today on, within so many days; the amount is of the "
        "contracts whose term ends then, and of no other."
    ),
    book.Signal.PASSED.value: gettext_lazy(
        "A contract in force does not renew by itself, and its day of renewal is over: nobody has told its new date, "
        "or that it ended. The amount is of all contracts of these customers."
    ),
    book.Signal.ENDING.value: gettext_lazy(
        "It is said of a contract in force on which day it ends. The amount is of all contracts of these customers."
    ),
    book.Signal.NOTICE.value: gettext_lazy(
        "The day by which notice is given lies within the next 14 days, today included. The amount is of all contracts "
        "of these customers."
    ),
    book.Signal.CASE.value: gettext_lazy(
        "The oldest open service case of the account, or of one of its people, was opened a week ago or earlier. The "
        "amount is of all contracts of these customers."
    ),
}


def _address(**asked: Any) -> str:
    given = {name: value for name, value in asked.items() if value not in (None, "")}
    return reverse("report_book") + (f"?{urlencode(given)}" if given else "")


def _owned(each: book.Owned, currency: str) -> dict[str, Any]:
    owner = NOBODY if each.owner is None else each.owner
    return {
        "name": each.name or _("(nobody)"),
        "url": _address(owner=owner),
        "customers": each.all.customers,
        "value": money.written(each.all.value, currency),
        "soon": each.soon.customers,
        "soon_value": money.written(each.soon.value, currency),
        "soon_url": _address(owner=owner, due=book.WINDOWS[-1]),
        "signals": [
            {"name": signal.value, "label": signal.label, "count": count,
             "url": _address(owner=owner, signal=signal.value)}
            for signal, count in each.signals.items()
        ],
    }  # fmt: skip
