"""Pages of people: the list and the profile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from django.views.decorators.http import require_GET

from audience.models import Field, Person
from audience.subjects import filters, listing, names, querysets, sight
from audience.views import profile
from kit import installation, money, pages


def day(at: datetime) -> date:
    """The day of an instant, in the reader's zone."""
    return timezone.localdate(at)


COLUMNS = (
    pages.Column("name", _("Name"), sort="by_name", template="audience/_person_name.html", whole=True),
    pages.Column("title", _("Job title"), sort="by_title"),
    pages.Column("account", _("Account"), sort="by_account", template="audience/_person_account.html"),
    pages.Column("country", _("Country"), sort="by_country", aside=True),
    pages.Column("source", _("Original source"), sort="by_source"),
)
HANDLED = (
    pages.Column("tags", _("Tags"), template="audience/_tags_cell.html", export=lambda row: ", ".join(row.tag_names)),
    pages.Column("owner", _("Owner"), value=lambda row: row.owner and (row.owner.name or row.owner.get_short_name())),
)
DATES = (
    pages.Column(
        "first_seen_at",
        _("First seen"),
        value=lambda row: day(row.first_seen_at),
        sort="first_seen_at",
        desc_first=True,
        aside=True,
    ),
    pages.Column(  # numbers are given in order
        "created_at", _("Recorded"), value=lambda row: day(row.created_at), sort="pk", desc_first=True, aside=True
    ),
)
# What the file has: a column for each value, under the names that an import understands.
EXPORTED = (
    pages.Column("id", _("Number"), sort="pk"),
    pages.Column("external_id", _("External id")),
    pages.Column("system", _("Source system")),
    pages.Column("email", _("Email")),
    pages.Column("first_name", _("First name"), sort="by_name"),
    pages.Column("last_name", _("Last name")),
    pages.Column("phone", _("Phone")),
    pages.Column("title", _("Job title"), sort="by_title"),
    pages.Column("title_group", _("Title group")),
    pages.Column("seniority", _("Seniority")),
    pages.Column("account", _("Account name"), value="account.name", sort="by_account"),
    pages.Column("account_domain", _("Account domain"), value="account.domain"),
    pages.Column("country", _("Country"), sort="by_country"),
    pages.Column("region", _("Region")),
    pages.Column("city", _("City")),
    pages.Column("language", _("Language")),
    pages.Column("source", _("Original source"), sort="by_source"),
    pages.Column("owner", _("Owner"), value="owner.email"),
    pages.Column("is_excluded", _("Left out of figures")),
    pages.Column("first_seen_at", _("First seen"), sort="first_seen_at"),
)


class People(pages.ListPage):
    """Everybody who is known, but the erased."""

    queryset = Person.objects.all()
    template_name = "audience/list.html"
    filterset_class = filters.People
    columns: Sequence[pages.Column] = (*COLUMNS, *DATES)
    title = _("People")
    purpose = _("Everybody you know of, with where they came from and where they are now.")
    counted = ngettext_lazy("%(shown)s person", "%(shown)s people", "count")
    default_sort = "-pk"
    rows_are = "person"
    action: pages.Action | None = pages.Action(_("New person"), "person_new", "user-plus", right="people")
    also: Sequence[pages.Action] = (pages.Action(_("Import"), "import_new", "upload", right="edit"),)
    file_name = "people"
    empty_title = _("Nobody yet")
    empty_text = _("People come with a file: import one, and each row becomes a person with a history.")
    empty_icon = "users"

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        added = [extra.column for extra in listing.extras("person")]
        if request.GET.get("export"):
            self.columns = (*EXPORTED, HANDLED[0], *added, *custom_columns(Field.Of.PERSON))
        else:
            self.columns = (*COLUMNS, *added, *HANDLED, *DATES)

    def rows(self) -> QuerySet[Person]:
        return sortable(querysets.people())

    def seen(self, rows: QuerySet[Person]) -> QuerySet[Person]:
        return sight.people(rows, self.request.user)

    def tools(self) -> list[dict[str, Any]]:
        return listing.save_as_segment(self, "person")


def sortable(rows: QuerySet[Person]) -> QuerySet[Person]:
    """With what the columns sort by: people without a value come last."""
    return rows.annotate(
        by_name=querysets.in_order("person"),
        by_title=querysets.filled("title"),
        by_account=querysets.filled("account__name"),
        by_country=querysets.filled("country"),
        by_source=querysets.filled("source"),
    )


def custom_columns(of: str) -> list[pages.Column]:
    """A column of the file for each custom field."""
    defined = Field.objects.filter(of=of).order_by("label")
    return [pages.Column(f"custom.{each.slug}", each.label, value=_custom(each)) for each in defined]


def _custom(field: Field) -> Any:
    """The value as an import takes it: money in major units, of the account's own currency where it has one."""
    if field.type == Field.Type.SEVERAL:
        return lambda row: "; ".join(row.custom.get(field.slug) or ())
    if field.type != Field.Type.MONEY:
        return lambda row: row.custom.get(field.slug)
    usual = installation.get("currency")

    def amount(row: Any) -> Any:
        of_row = getattr(row, "currency", "") or usual
        return money.major(row.custom[field.slug], of_row) if field.slug in row.custom else None

    return amount


@require_GET
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """One person: where they are, what is known, what they have, what happened."""
    found = profile.found(request, pk, _person, "person")
    if isinstance(found, HttpResponse):
        return found
    return profile.page(
        found, "audience/person_profile.html", request, timezone.now(),
        lambda: {"person": found, "name": names.of(found)},
    )  # fmt: skip


@require_GET
def person_timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """What happened with one person, page by page."""
    found = profile.found(request, pk, _there, "person_timeline")
    return found if isinstance(found, HttpResponse) else profile.timeline_of(found, request)


def _there(request: HttpRequest, pk: int) -> Person:
    return _person(request, pk, erased_at=None)


def _person(request: HttpRequest, pk: int, **having: Any) -> Person:
    people = Person.objects.select_related("account", "owner").annotate(external_id=querysets.external_id("person"))
    return sight.get(people, request.user, pk=pk, **having)
