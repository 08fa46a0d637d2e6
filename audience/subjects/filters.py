"""Filters of the lists of people and accounts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import django_filters
from django import forms
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from audience.belonging import families
from audience.belonging.holdings import BANDS, band_words
from audience.commerce import contracts, pipelines
from audience.models import (
    Account,
    Contract,
    Deal,
    Duplicate,
    Field,
    Person,
    Pipeline,
    Product,
    Segment,
    SegmentMember,
    Tag,
    Tagged,
)
from audience.subjects import listing, querysets
from kit import installation, users
from kit.forms import Day

EMPTY = "(empty)"  # in the address: the bucket of the missing value
NUMBER = re.compile(r"#?(\d{1,18})", re.ASCII)


class DayInput(forms.DateInput):
    """A day as browsers choose one."""

    input_type = "date"

    def __init__(self, attrs: Any = None) -> None:
        super().__init__(attrs, format="%Y-%m-%d")


class Choice(forms.ChoiceField):
    """A choice whose possibilities are asked for once for each page, and not each time that they are looked at."""

    def __init__(self, *, choices: Callable[[], Iterable[tuple[str, Any]]], **given: Any) -> None:
        super().__init__(choices=list(choices()), **given)


class OneOf(django_filters.Filter):
    """One of the choices that `choices` gives when the page is drawn; none: all rows."""

    field_class = Choice

    def __init__(self, choices: Callable[[], Iterable[tuple[str, Any]]], **given: Any) -> None:
        super().__init__(**given)
        self.extra["choices"] = lambda: [("", _("Any")), *choices()]


class AnyOneOf(Choice):
    """One of the values on offer, or any other that somebody names in the address; that one is then on offer too."""

    def valid_value(self, value: str) -> bool:
        return "\x00" not in value

    def clean(self, value: Any) -> Any:
        value = super().clean(value)
        offered = list(self.choices)  # type: ignore[arg-type]
        if value and value not in dict(offered):
            self.choices = [*offered, (value, value)]
        return value


class ValueFilter(OneOf):
    """A text column has this value; “(empty)” is a choice of its own. The values on offer are those in use.

    `path` leads to the column, over at most one relation; where the relation is missing, so is the value.
    """

    field_class = AnyOneOf

    def __init__(self, path: str, model: type[Model], column: str, **given: Any) -> None:
        super().__init__(lambda: self._in_use(model, column), field_name=path, **given)

    def _in_use(self, model: type[Model], column: str) -> Iterator[tuple[str, Any]]:
        yield EMPTY, _("(empty)")
        for value in querysets.values_in_use(model, column):
            yield value, value

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        path = str(self.field_name)
        if value == EMPTY:
            relation = path.rpartition("__")[0]
            return qs.filter(Q(**{path: ""}) | Q(**{f"{relation}__isnull": True}) if relation else Q(**{path: ""}))
        return qs.filter(**{path: value}) if value else qs


class LeftOut(django_filters.ChoiceFilter):
    """Whether test, internal and competitor subjects are among the rows."""

    def __init__(self) -> None:
        choices = [("no", _("Only those that count")), ("yes", _("Only those left out"))]
        super().__init__("is_excluded", label=_("Left out of figures"), choices=choices, empty_label=_("All"))

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return qs.filter(**{str(self.field_name): value == "yes"}) if value else qs


class OwnerFilter(OneOf):
    """Looked after by this user; “me” is whoever asks."""

    ME = "me"

    def __init__(self, **given: Any) -> None:
        super().__init__(self._users, label=_("Owner"), **given)

    def _users(self) -> Iterator[tuple[str, Any]]:
        yield self.ME, _("Me")
        yield EMPTY, _("(nobody)")
        for user in users.to_choose():
            yield str(user.pk), str(user)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if value == self.ME:
            return qs.filter(owner=self.parent.request.user)
        if value == EMPTY:
            return qs.filter(owner=None)
        return qs.filter(owner=int(value)) if value else qs


class Within(django_filters.CharFilter):
    """Of an account, or of anything below it; the account is named by its number."""

    def __init__(self, path: str) -> None:
        super().__init__(
            path, label=_("Account, with everything below it"), help_text=_("The number of an account, such as 12.")
        )

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value or not value.strip():
            return qs
        number = NUMBER.fullmatch(value.strip())
        if number is None:
            return qs.none()
        family = families.below(int(number[1]))
        return qs.filter(**{f"{self.field_name}__in": RawSQL(family.text, family.params)})  # noqa: S611 - bound


class TagFilter(OneOf):
    """With this tag, or with none."""

    def __init__(self) -> None:
        super().__init__(self._tags, label=_("Tag"))

    def _tags(self) -> Iterator[tuple[str, Any]]:
        yield EMPTY, _("(empty)")
        yield from Tag.objects.order_by("name").values_list("slug", "name")

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        tagged = Tagged.objects.filter(subject_id=OuterRef("pk"))
        if value == EMPTY:
            return qs.filter(~Exists(tagged))
        return qs.filter(Exists(tagged.filter(tag__slug=value))) if value else qs


class Extended(django_filters.FilterSet):
    """A list's own filters, and those that other apps add to it."""

    of = ""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        for extra in listing.extras(self.of):
            for name, make in extra.filters.items():
                added = make()
                added.parent, added.model = self, self.queryset.model
                self.filters[name] = added


class People(Extended):
    """People by word, account, where they are from, what they do."""

    of = "person"
    q = django_filters.CharFilter(method="with_words", label=_("Search"), help_text=_("Name, email, account or id"))
    account = django_filters.CharFilter(
        method="of_account", label=_("Account"), help_text=_("Name or domain, or “(empty)” for people without one.")
    )
    within = Within("account_id")
    country = ValueFilter("country", Person, "country", label=_("Country"))
    source = ValueFilter("source", Person, "source", label=_("Original source"))
    industry = ValueFilter("account__industry", Account, "industry", label=_("Industry"))
    seniority = ValueFilter("seniority", Person, "seniority", label=_("Seniority"))
    title_group = ValueFilter("title_group", Person, "title_group", label=_("Title group"))
    owner = OwnerFilter()
    tag = TagFilter()
    left_out = LeftOut()

    class Meta:
        model = Person
        fields: list[str] = []

    def with_words(self, rows: QuerySet[Person], name: str, value: str) -> QuerySet[Person]:
        return querysets.find_people(rows, value)

    def of_account(self, rows: QuerySet[Person], name: str, value: str) -> QuerySet[Person]:
        if value.strip() == EMPTY:
            return rows.filter(account=None)
        if number := NUMBER.fullmatch(value.strip()):
            return rows.filter(account_id=int(number[1]))
        return rows.filter(account__in=querysets.find_accounts(Account.objects.all(), value).values("pk"))


class Accounts(Extended):
    """Accounts by word, industry, size and place."""

    of = "account"
    q = django_filters.CharFilter(method="with_words", label=_("Search"), help_text=_("Name, domain or id"))
    within = Within("pk")
    industry = ValueFilter("industry", Account, "industry", label=_("Industry"))
    country = ValueFilter("country", Account, "country", label=_("Country"))
    ownership = ValueFilter("ownership", Account, "ownership", label=_("Ownership"))
    size = OneOf(lambda: _sizes(), method="of_size", label=_("Employees"))
    owner = OwnerFilter()
    tag = TagFilter()
    left_out = LeftOut()

    class Meta:
        model = Account
        fields: list[str] = []

    def with_words(self, rows: QuerySet[Account], name: str, value: str) -> QuerySet[Account]:
        return querysets.find_accounts(rows, value)

    def of_size(self, rows: QuerySet[Account], name: str, value: str) -> QuerySet[Account]:
        if value == EMPTY:
            return rows.filter(employees=None)
        least, most = next(band for band in BANDS if str(band[0]) == value)
        return rows.filter(employees__gte=least, **({"employees__lte": most} if most else {}))


def _sizes() -> list[tuple[str, Any]]:
    bands = [(str(least), band_words(least, most)) for least, most in BANDS]
    return [(EMPTY, _("(empty)")), *bands]


class PipelineFilter(ValueFilter):
    """In a pipeline: the deals that name it, and in the first one also those that name none."""

    def filter(self, qs: QuerySet[Deal], value: str) -> QuerySet[Deal]:
        planned = Pipeline.objects.filter(name=value).first() if value else None
        return qs.filter(pipelines.within(planned)) if planned else super().filter(qs, value)


class DayFilter(django_filters.DateFilter):
    """By a day of an ordinary year."""

    field_class = Day


class OfThoseThatCount(LeftOut):
    """Of deals: whether their account is left out; one without an account counts."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        left_out = Q(account__is_excluded=True)
        return qs.filter(left_out if value == "yes" else ~left_out) if value else qs


class Deals(django_filters.FilterSet):
    """Deals by word, status, pipeline and stage, owner, product, and the local days on which they stood or closed."""

    q = django_filters.CharFilter(method="with_words", label=_("Search"), help_text=_("Name, account or id"))
    status = django_filters.ChoiceFilter(choices=Deal.Status.choices, label=_("Status"), empty_label=_("Any"))
    pipeline = PipelineFilter("pipeline", Deal, "pipeline", label=_("Pipeline"))
    stage = ValueFilter("stage", Deal, "stage", label=_("Pipeline stage"))
    owner = OwnerFilter()
    product = ValueFilter("product__name", Product, "name", label=_("Product"))
    within = Within("account_id")
    open_on = DayFilter(method="open_at_end_of", label=_("Open at the end of"))
    left_out = OfThoseThatCount()
    closed_from = DayFilter(method="since", label=_("Closed from"))
    closed_to = DayFilter(method="until", label=_("Closed to, that day included"))

    class Meta:
        model = Deal
        fields: list[str] = []

    def with_words(self, rows: QuerySet[Deal], name: str, value: str) -> QuerySet[Deal]:
        text = value.replace("\x00", "").strip()
        by_account = Q(account__in=querysets.find_accounts(Account.objects.all(), text).values("pk"))
        return rows.filter(Q(name__icontains=text) | Q(external_id=text) | by_account) if text else rows

    def open_at_end_of(self, rows: QuerySet[Deal], name: str, value: Any) -> QuerySet[Deal]:
        end = installation.midnight(value + timedelta(days=1), installation.zone())
        return rows.filter(Q(closed_at=None) | Q(closed_at__gte=end), opened_at__lt=end)

    def since(self, rows: QuerySet[Deal], name: str, value: Any) -> QuerySet[Deal]:
        return rows.filter(closed_at__gte=installation.midnight(value, installation.zone()))

    def until(self, rows: QuerySet[Deal], name: str, value: Any) -> QuerySet[Deal]:
        return rows.filter(closed_at__lt=installation.midnight(value + timedelta(days=1), installation.zone()))


class Contracts(django_filters.FilterSet):
    """Contracts by word, state, how soon they renew, who looks after them, product and account."""

    RENEWS = tuple((str(days), format_lazy(_("within {days} days"), days=days)) for days in contracts.WINDOWS)

    q = django_filters.CharFilter(method="with_words", label=_("Search"), help_text=_("Name, account or id"))
    state = django_filters.ChoiceFilter(
        choices=list(contracts.STATES.items()), method="in_state", label=_("State"), empty_label=_("Any")
    )
    renews = django_filters.ChoiceFilter(choices=RENEWS, method="soon", label=_("Renews"), empty_label=_("Any"))
    owner = OwnerFilter(method="of_owner")
    product = ValueFilter("product__name", Product, "name", label=_("Product"))
    auto_renew = django_filters.ChoiceFilter(
        choices=[("yes", _("yes")), ("no", _("no"))], method="by_itself", label=_("Renews by itself"),
        empty_label=_("Any"),
    )  # fmt: skip
    within = Within("account_id")

    class Meta:
        model = Contract
        fields: list[str] = []

    def with_words(self, rows: QuerySet[Contract], name: str, value: str) -> QuerySet[Contract]:
        text = value.replace("\x00", "").strip()
        by_account = Q(account__in=querysets.find_accounts(Account.objects.all(), text).values("pk"))
        return rows.filter(Q(name__icontains=text) | Q(external_id=text) | by_account) if text else rows

    def in_state(self, rows: QuerySet[Contract], name: str, value: str) -> QuerySet[Contract]:
        return rows.filter(contracts.in_state(value, timezone.localdate()))

    def soon(self, rows: QuerySet[Contract], name: str, value: str) -> QuerySet[Contract]:
        return rows.filter(contracts.renewing(timezone.localdate(), int(value)))

    def by_itself(self, rows: QuerySet[Contract], name: str, value: str) -> QuerySet[Contract]:
        return rows.filter(auto_renew=value == "yes")

    def of_owner(self, rows: QuerySet[Contract], name: str, value: str) -> QuerySet[Contract]:
        """Whoever looks after the account, or after the person whose contract it is."""
        if value == EMPTY:
            return rows.filter(account__owner=None, person__owner=None)
        number = self.request.user.pk if value == OwnerFilter.ME else int(value)
        return rows.filter(Q(account__owner=number) | Q(person__owner=number))


class Segments(django_filters.FilterSet):
    """Segments by word, subject and kind."""

    q = django_filters.CharFilter(field_name="name", lookup_expr="icontains", label=_("Search"), help_text=_("Name"))
    of = django_filters.ChoiceFilter(choices=Field.Of.choices, label=_("Of"), empty_label=_("Any"))
    kind = django_filters.ChoiceFilter(choices=Segment.Kind.choices, label=_("Kind"), empty_label=_("Any"))

    class Meta:
        model = Segment
        fields: list[str] = []


class Stays(django_filters.FilterSet):
    """The stays of a segment in which somebody entered or left within a period of local days."""

    BOTH = (("entered", _("entered")), ("left", _("left")))

    what = django_filters.ChoiceFilter(choices=BOTH, method="unread", label=_("Who"), empty_label=_("Entered or left"))
    first = django_filters.DateFilter(method="unread", label=_("From"), widget=DayInput)
    last = django_filters.DateFilter(method="unread", label=_("To, that day included"), widget=DayInput)

    class Meta:
        model = SegmentMember
        fields: list[str] = []

    def unread(self, rows: QuerySet[SegmentMember], name: str, value: Any) -> QuerySet[SegmentMember]:
        """The three are read together, in `filter_queryset`."""
        return rows

    def filter_queryset(self, queryset: QuerySet[SegmentMember]) -> QuerySet[SegmentMember]:
        asked = self.form.cleaned_data
        zone = installation.zone()
        since = installation.midnight(asked["first"], zone) if asked.get("first") else None
        until = installation.midnight(asked["last"] + timedelta(days=1), zone) if asked.get("last") else None
        entered, left = (
            Q(**{f"{column}__isnull": False})
            & (Q(**{f"{column}__gte": since}) if since else Q())
            & (Q(**{f"{column}__lt": until}) if until else Q())
            for column in ("entered_at", "left_at")
        )
        return queryset.filter({"entered": entered, "left": left}.get(asked.get("what") or "", entered | left))


class Duplicates(django_filters.FilterSet):
    """Pairs of people or of accounts."""

    of = django_filters.ChoiceFilter(choices=Field.Of.choices, label=_("Kind"), empty_label=_("People and accounts"))

    class Meta:
        model = Duplicate
        fields: list[str] = []
