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
    DealLine,
    DealStageChange,
    Duplicate,
    Field,
    Person,
    Pipeline,
    Product,
    Purchase,
    Segment,
    SegmentMember,
    Tag,
    Tagged,
)
from audience.subjects import listing, querysets, searchable
from kit import installation, money, users
from kit.forms import Day

EMPTY = "(empty)"  # in the address: the bucket of the missing value
COUNTS = Q(account=None) | Q(account__is_excluded=False)
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


class SoldFilter(ValueFilter):
    """A deal has a product of this name; “(empty)” is whatever has none."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        lines = DealLine.objects.filter(removed_at=None)
        if value == EMPTY:
            return qs.exclude(pk__in=lines.values("deal"))
        return qs.filter(pk__in=lines.filter(product__name=value).values("deal")) if value else qs


class LeftOut(django_filters.ChoiceFilter):
    """Whether test, internal and competitor subjects are among the rows."""

    def __init__(self) -> None:
        choices = [("no", _("Only those that count")), ("yes", _("Only those left out"))]
        super().__init__("is_excluded", label=_("Left out of figures"), choices=choices, empty_label=_("All"))

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return qs.filter(**{str(self.field_name): value == "yes"}) if value else qs


class LeftOutAccount(LeftOut):
    """Whether rows of test, internal and competitor accounts are among the rows; what has no account counts."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        return qs.filter(account__is_excluded=True) if value == "yes" else qs.filter(COUNTS)


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


class _OfAccount(django_filters.CharFilter):
    """Of an account that is named by its number, and of what belongs to it; nobody's where the text is no number."""

    def __init__(self, path: str | None, label: Any) -> None:
        super().__init__(path, label=label, help_text=_("The number of an account, such as 12."))

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value or not value.strip():
            return qs
        number = NUMBER.fullmatch(value.strip())
        return self.of(qs, int(number[1])) if number else qs.none()

    def of(self, qs: QuerySet[Any], account: int) -> QuerySet[Any]:
        raise NotImplementedError


class Within(_OfAccount):
    """Of an account, or of anything below it."""

    def __init__(self, path: str) -> None:
        super().__init__(path, _("Account, with everything below it"))

    def of(self, qs: QuerySet[Any], account: int) -> QuerySet[Any]:
        family = families.below(account)
        return qs.filter(**{f"{self.field_name}__in": RawSQL(family.text, family.params)})  # noqa: S611 - bound


class OfCustomer(_OfAccount):
    """Of an account itself or of one of its people."""

    def __init__(self) -> None:
        super().__init__(None, _("Account, with its people"))

    def of(self, qs: QuerySet[Any], account: int) -> QuerySet[Any]:
        return qs.filter(Q(account_id=account) | Q(person__account_id=account))


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
        for field in searchable.marked(self.of):
            if not field.hidden:
                for name, added in _of_custom(field):
                    added.parent, added.model = self, self.queryset.model
                    self.filters[name] = added


class CustomValue(django_filters.CharFilter):
    """Those of whom a searchable custom field has this text, or begins with it; “(empty)” is a value of its own."""

    def __init__(self, field: Field, operator: str, **given: Any) -> None:
        super().__init__(label=given.pop("label", field.label), **given)
        self.field_asked, self.operator = field, operator

    def operand(self, value: Any) -> Any:
        if self.field_asked.type == Field.Type.MONEY:
            return money.minor(value, str(installation.get("currency")))
        return value

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        if value in (None, "") or "\x00" in str(value):
            return qs
        if value == EMPTY:
            ids = searchable.without_value(self.field_asked)
        else:
            ids = searchable.with_value(self.field_asked, self.operator, self.operand(value))
        return qs.filter(pk__in=RawSQL(ids.text, ids.params))  # noqa: S611 - bound


class CustomChoice(CustomValue):
    """Those of whom a searchable custom field is this choice, or yes, or no."""

    field_class = Choice

    def __init__(self, field: Field) -> None:
        super().__init__(field, "is", choices=lambda: self._choices())

    def _choices(self) -> Iterator[tuple[str, Any]]:
        yield "", _("Any")
        yield EMPTY, _("(empty)")
        yield from [("true", _("yes")), ("false", _("no"))] if self._is_yes_no else self.field_asked.labelled()

    @property
    def _is_yes_no(self) -> bool:
        return self.field_asked.type == Field.Type.YES_NO

    def operand(self, value: Any) -> Any:
        return value == "true" if self._is_yes_no else value


class CustomNumber(CustomValue):
    """Those of whom a searchable number or amount is at least, or at most, so large."""

    field_class = forms.DecimalField

    def __init__(self, field: Field, operator: str, label: Any) -> None:
        super().__init__(field, operator, label=label, max_digits=27, decimal_places=9)


class CustomDay(CustomValue):
    """Those of whom a searchable date is on this day or later, or before it."""

    field_class = Day


def _of_custom(field: Field) -> Iterator[tuple[str, CustomValue]]:
    """The filters of a custom field, by their names in the address."""
    name = f"custom.{field.slug}"
    if field.chosen or field.type == Field.Type.YES_NO:
        yield name, CustomChoice(field)
    elif field.type in (Field.Type.NUMBER, Field.Type.MONEY):
        yield f"{name}.least", CustomNumber(field, "at_least", format_lazy(_("{field}, at least"), field=field.label))
        yield f"{name}.most", CustomNumber(field, "at_most", format_lazy(_("{field}, at most"), field=field.label))
    elif field.type == Field.Type.DATE:
        since = format_lazy(_("{field}, from"), field=field.label)
        yield f"{name}.from", CustomDay(field, "on_or_after", label=since)
        yield f"{name}.before", CustomDay(field, "before", label=format_lazy(_("{field}, before"), field=field.label))
    else:
        yield name, CustomValue(field, "starts_with", help_text=_("How it begins, or “(empty)”."))


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
    """In a pipeline: the deals that name it, and in the first one also those that name none.

    So nothing is “(empty)” while there is a first one.
    """

    def _in_use(self, model: type[Model], column: str) -> Iterator[tuple[str, Any]]:
        first = pipelines.first()
        if first is None:
            yield from super()._in_use(model, column)
            return
        for value in dict.fromkeys([first.name, *querysets.values_in_use(model, column)]):
            yield value, value

    def filter(self, qs: QuerySet[Deal], value: str) -> QuerySet[Deal]:
        planned = Pipeline.objects.filter(name=value).first() if value else None
        return qs.filter(pipelines.within(planned)) if planned else super().filter(qs, value)


class DayFilter(django_filters.DateFilter):
    """By a day of an ordinary year."""

    field_class = Day


class Since(DayFilter):
    """An instant is on a local day or later."""

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return (
            qs.filter(**{f"{self.field_name}__gte": installation.midnight(value, installation.zone())}) if value else qs
        )


class Until(DayFilter):
    """An instant is on a local day or earlier."""

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        end = value and installation.midnight(value + timedelta(days=1), installation.zone())
        return qs.filter(**{f"{self.field_name}__lt": end}) if value else qs


class Deals(django_filters.FilterSet):
    """Deals by word, status, pipeline and stage, owner, product, and the local days of their opening and closing."""

    q = django_filters.CharFilter(method="with_words", label=_("Search"), help_text=_("Name, account or id"))
    status = django_filters.ChoiceFilter(choices=Deal.Status.choices, label=_("Status"), empty_label=_("Any"))
    pipeline = PipelineFilter("pipeline", Deal, "pipeline", label=_("Pipeline"))
    stage = ValueFilter("stage", Deal, "stage", label=_("Pipeline stage"))
    owner = OwnerFilter()
    product = SoldFilter("pk", Product, "name", label=_("Product"))
    within = Within("account_id")
    left_out = LeftOutAccount()
    opened_from = Since("opened_at", label=_("Opened from"))
    opened_to = Until("opened_at", label=_("Opened to, that day included"))
    closed_from = Since("closed_at", label=_("Closed from"))
    closed_to = Until("closed_at", label=_("Closed to, that day included"))

    class Meta:
        model = Deal
        fields: list[str] = []

    def with_words(self, rows: QuerySet[Deal], name: str, value: str) -> QuerySet[Deal]:
        text = value.replace("\x00", "").strip()
        by_account = Q(account__in=querysets.find_accounts(Account.objects.all(), text).values("pk"))
        return rows.filter(Q(name__icontains=text) | Q(external_id=text) | by_account) if text else rows


class DealSteps(django_filters.FilterSet):
    """Steps of deals by word, by the stage that was entered, and by the local days on which it was."""

    q = django_filters.CharFilter(method="with_words", label=_("Search"), help_text=_("Name or id of the deal"))
    stage = ValueFilter("to_stage", DealStageChange, "to_stage", label=_("Pipeline stage"))
    entered_from = Since("occurred_at", label=_("Entered from"))
    entered_to = Until("occurred_at", label=_("Entered to, that day included"))

    class Meta:
        model = DealStageChange
        fields: list[str] = []

    def with_words(self, rows: QuerySet[DealStageChange], name: str, value: str) -> QuerySet[DealStageChange]:
        text = value.replace("\x00", "").strip()
        return rows.filter(Q(deal__name__icontains=text) | Q(deal__external_id=text)) if text else rows


class Contracts(django_filters.FilterSet):
    """Contracts by word, state, how soon they renew, who looks after them, product and account."""

    RENEWS = tuple((str(days), format_lazy(_("within {days} days"), days=days)) for days in contracts.WINDOWS)
    STATES = (("in_force", _("in force")), *contracts.STATES.items())

    q = django_filters.CharFilter(method="with_words", label=_("Search"), help_text=_("Name, account or id"))
    state = django_filters.ChoiceFilter(choices=STATES, method="in_state", label=_("State"), empty_label=_("Any"))
    renews = django_filters.ChoiceFilter(choices=RENEWS, method="soon", label=_("Renews"), empty_label=_("Any"))
    owner = OwnerFilter(method="of_owner")
    product = ValueFilter("product__name", Product, "name", label=_("Product"))
    auto_renew = django_filters.ChoiceFilter(
        choices=[("yes", _("yes")), ("no", _("no"))], method="by_itself", label=_("Renews by itself"),
        empty_label=_("Any"),
    )  # fmt: skip
    within = Within("account_id")
    customer = OfCustomer()
    renews_from = DayFilter("renews_on", lookup_expr="gte", label=_("Renews from"))
    renews_to = DayFilter("renews_on", lookup_expr="lte", label=_("Renews to, that day included"))

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


class Products(django_filters.FilterSet):
    """Products by word, family and source."""

    q = django_filters.CharFilter(field_name="name", lookup_expr="icontains", label=_("Search"), help_text=_("Name"))
    family = ValueFilter("family", Product, "family", label=_("Family"))
    source = ValueFilter("source", Product, "source", label=_("Source"))

    class Meta:
        model = Product
        fields: list[str] = []


class Purchases(django_filters.FilterSet):
    """Purchases by buyer, product, source and local day."""

    q = django_filters.CharFilter(method="with_words", label=_("Search"), help_text=_("Buyer, or id"))
    product = ValueFilter("product__name", Product, "name", label=_("Product"))
    family = ValueFilter("product__family", Product, "family", label=_("Family"))
    source = ValueFilter("source", Purchase, "source", label=_("Source"))
    since = Since("occurred_at", label=_("From"))
    until = Until("occurred_at", label=_("To, that day included"))

    class Meta:
        model = Purchase
        fields: list[str] = []

    def with_words(self, rows: QuerySet[Purchase], name: str, value: str) -> QuerySet[Purchase]:
        text = value.replace("\x00", "").strip()
        accounts = querysets.find_accounts(Account.objects.all(), text).values("pk")
        people = querysets.find_people(Person.objects.all(), text).values("pk")
        return rows.filter(Q(external_id=text) | Q(account__in=accounts) | Q(person__in=people)) if text else rows


class Segments(django_filters.FilterSet):
    """Segments by word, subject and kind."""

    q = django_filters.CharFilter(field_name="name", lookup_expr="icontains", label=_("Search"), help_text=_("Name"))
    of = django_filters.ChoiceFilter(choices=Field.Of.choices, label=_("Of"), empty_label=_("Any"))
    kind = django_filters.ChoiceFilter(choices=Segment.Kind.choices, label=_("Kind"), empty_label=_("Any"))

    class Meta:
        model = Segment
        fields: list[str] = []


class Fields(django_filters.FilterSet):
    """Custom fields by word, whose they are, and whether they are hidden."""

    SHOWN = (("yes", _("hidden")), ("no", _("shown")))

    q = django_filters.CharFilter(field_name="label", lookup_expr="icontains", label=_("Search"), help_text=_("Name"))
    of = django_filters.ChoiceFilter(choices=Field.Of.choices, label=_("Kept of"), empty_label=_("Any"))
    hidden = django_filters.ChoiceFilter(
        choices=SHOWN, method="by_shown", label=_("Hidden or shown"), empty_label=_("Any")
    )

    class Meta:
        model = Field
        fields: list[str] = []

    def by_shown(self, rows: QuerySet[Field], name: str, value: str) -> QuerySet[Field]:
        return rows.filter(hidden=value == "yes")


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
