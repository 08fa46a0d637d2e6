"""Pages of accounts: the list, the profile, the people of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from django.views.decorators.http import require_GET

from audience.models import Account, Field, Person
from audience.subjects import filters, listing, names, querysets, sight
from audience.views import people, profile
from kit import money, pages

SHOWN = 10  # people that a profile names

COLUMNS = (
    pages.Column("name", _("Name"), sort="by_name", template="audience/_account_name.html", whole=True),
    pages.Column("industry", _("Industry"), sort="by_industry"),
    pages.Column("country", _("Country"), sort="by_country"),
    pages.Column("employees", _("Employees"), sort="employees", align="end", desc_first=True),
    pages.Column(
        "annual_revenue",
        _("Annual revenue"),
        sort="annual_revenue",
        align="end",
        desc_first=True,
        value=lambda row: money.written(row.annual_revenue, row.currency),
        aside=True,
    ),
    pages.Column("people_count", _("People"), template="audience/_account_people.html", align="end"),
)
DATES = (
    pages.Column(
        "first_seen_at",
        _("First seen"),
        value=lambda row: people.day(row.first_seen_at),
        sort="first_seen_at",
        desc_first=True,
        aside=True,
    ),
    pages.Column(
        "created_at",
        _("Recorded"),
        value=lambda row: people.day(row.created_at),
        sort="pk",
        desc_first=True,
        aside=True,
    ),
)
EXPORTED = (
    pages.Column("id", _("Number"), sort="pk"),
    pages.Column("external_id", _("External id")),
    pages.Column("system", _("Source system")),
    pages.Column("name", _("Account name"), sort="by_name"),
    pages.Column("domain", _("Domain")),
    pages.Column("industry", _("Industry"), sort="by_industry"),
    pages.Column("employees", _("Employees"), sort="employees"),
    pages.Column("annual_revenue", _("Annual revenue"), sort="annual_revenue", value=lambda row: _revenue(row)),
    pages.Column("currency", _("Currency")),
    pages.Column("ownership", _("Ownership")),
    pages.Column("parent", _("Parent"), value="parent.name"),
    pages.Column("country", _("Country"), sort="by_country"),
    pages.Column("region", _("Region")),
    pages.Column("city", _("City")),
    pages.Column("owner", _("Owner"), value="owner.email"),
    pages.Column("people_count", _("People")),
    pages.Column("is_excluded", _("Left out of figures")),
    pages.Column("first_seen_at", _("First seen"), sort="first_seen_at"),
)


def _revenue(row: Account) -> Any:
    return None if row.annual_revenue is None else money.major(row.annual_revenue, row.currency)


class Accounts(pages.ListPage):
    """Every organisation that is known."""

    queryset = Account.objects.all()
    template_name = "audience/list.html"
    filterset_class = filters.Accounts
    columns: Sequence[pages.Column] = (*COLUMNS, *DATES)
    title = _("Accounts")
    purpose = _("The organisations that your people belong to, and those that you sell to or with.")
    action: pages.Action | None = pages.Action(_("New account"), "account_new", "plus", right="people")
    also: Sequence[pages.Action] = (pages.Action(_("Import"), "import_new", "upload", right="edit"),)
    counted = ngettext_lazy("%(shown)s account", "%(shown)s accounts", "count")
    default_sort = "-pk"
    rows_are = "account"
    file_name = "accounts"
    empty_title = _("No accounts yet")
    empty_text = _("Accounts come with a file of their own, or with people whose rows name one.")
    empty_icon = "building-2"

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        added = [extra.column for extra in listing.extras("account")]
        if request.GET.get("export"):
            self.columns = (*EXPORTED, people.HANDLED[0], *added, *people.custom_columns(Field.Of.ACCOUNT))
        else:
            self.columns = (*COLUMNS, *added, *people.HANDLED, *DATES)

    def rows(self) -> QuerySet[Account]:
        return querysets.accounts().annotate(
            by_name=querysets.in_order("account"),
            by_industry=querysets.filled("industry"),
            by_country=querysets.filled("country"),
        )

    def seen(self, rows: QuerySet[Account]) -> QuerySet[Account]:
        return sight.accounts(rows, self.request.user)

    def tools(self) -> list[dict[str, Any]]:
        return listing.save_as_segment(self, "account")


class PeopleOf(people.People):
    """The people of one account, with their roles in it."""

    purpose = _("Those whose account this is, and those with a role in it.")
    action = None
    also = ()
    empty_title = _("Nobody of this account is known")
    empty_text = _("People who name this account come here, such as by an import.")

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.account = _account(request, kwargs["pk"], erased_at=None)
        roles = pages.Column("roles", _("Role"), value=lambda row: ", ".join(row.roles))
        if request.GET.get("export"):
            self.columns = (*self.columns, roles)
        else:
            self.columns = tuple(roles if column.name == "account" else column for column in self.columns)

    def rows(self) -> QuerySet[Person]:
        return people.sortable(querysets.people_of(self.account))

    def tools(self) -> list[dict[str, Any]]:
        return []  # the filters alone do not say whose people these are

    def get_title(self) -> str:
        return _now("People of %(account)s") % {"account": names.of(self.account)}

    def get_crumbs(self) -> list[tuple[Any, str]]:
        return [
            (_("Accounts"), reverse("accounts")),
            (names.of(self.account), reverse("account", args=[self.account.pk])),
            (_("People"), ""),
        ]


@require_GET
def account(request: HttpRequest, pk: int) -> HttpResponse:
    """One account: where it is, what is known, its people, what it has, what happened."""
    found = profile.found(request, pk, _account, "account")
    if isinstance(found, HttpResponse):
        return found
    return profile.page(
        found, "audience/account_profile.html", request, timezone.now(), lambda: _with_members(found, request)
    )


def _with_members(found: Account, request: HttpRequest) -> dict[str, Any]:
    if found.erased_at:
        return {"account": found}
    members = sight.people(querysets.people_of(found), request.user).order_by("-has_role", "-pk")
    return {"account": found, "members": list(members[:SHOWN]), "members_count": pages.counted(members)}


@require_GET
def account_timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """What happened with one account and its people, page by page."""
    found = profile.found(request, pk, _there, "account_timeline")
    return found if isinstance(found, HttpResponse) else profile.timeline_of(found, request)


def _there(request: HttpRequest, pk: int) -> Account:
    return _account(request, pk, erased_at=None)


def _account(request: HttpRequest, pk: int, **having: Any) -> Account:
    found = Account.objects.select_related("parent", "owner").annotate(external_id=querysets.external_id("account"))
    return sight.get(found, request.user, pk=pk, **having)
