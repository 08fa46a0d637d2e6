"""The traits by which people or accounts are compared: one value each, as of an instant; "" where it is not known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from audience.activity import activities
from audience.belonging import holdings
from audience.conditions import columns, registry
from audience.conditions.moment import Moment
from kit.sql import Sql, join, sql

Text = str | Promise
EMPTY = ""  # the bucket of the unknown, called "(empty)" on every page
OF_PERSON = ("person.country", "person.title_group", "person.seniority", "person.source", "person.language")
OF_ACCOUNT = ("account.industry", "account.country", "account.ownership")
PARTING = ("choice", "yes_no")  # types of custom fields that part people into groups
CONTACT = {"title_group": _("first contact's title group"), "seniority": _("first contact's seniority"),
           "source": _("first contact's source")}  # fmt: skip


@dataclass(frozen=True)
class Trait:
    """One trait. `called` writes a value of it. `repeats`: it says much the same as another; scores leave it out."""

    name: str
    label: Text
    value: Callable[[Making], Sql]
    called: Callable[[str], str] = str
    repeats: bool = False

    def shown(self, value: str) -> str:
        """What a value is called on pages."""
        return self.called(value) if value != EMPTY else _now("(empty)")


class Making:
    """One statement of values in the making: what traits take of it is joined at its end."""

    def __init__(self, of: str, at: datetime) -> None:
        self.of = of
        self.moment = Moment(at)
        self.subjects = columns.Subjects(of, self.moment, Sql(""))
        self.contacts: list[str] = []
        self.with_channel = False

    def field(self, field: registry.Field) -> Sql:
        assert isinstance(field.answer, registry.Column)
        return self.subjects.value(field.answer, field.type)

    def contact(self, column: str) -> Sql:
        """A value of the person of the account who was seen first."""
        self.contacts.append(column)
        return sql("contact.{}", Sql(column))

    def channel(self) -> Sql:
        """The channel of the first act towards us that has one; of an account, its people's too."""
        self.with_channel = True
        return Sql("came.channel")

    def _first_channels(self) -> Sql:
        """`subject_id, channel` of everybody of whom there is such an act: one walk along an index that holds all that
        is asked, in the order of people and dates. To look each one's first act up takes seven times as long.
        """
        of_people = sql(
            """SELECT DISTINCT ON (act.person_id) act.person_id AS subject_id, act.channel, act.occurred_at, act.id
               FROM audience_activity act WHERE act.person_id IS NOT NULL AND {}
               ORDER BY act.person_id, act.occurred_at, act.id""",
            self._counts(),
        )
        if self.of == "person":
            return of_people
        return sql(
            """SELECT DISTINCT ON (each.subject_id) each.subject_id, each.channel FROM (
                 SELECT p.account_id AS subject_id, theirs.channel, theirs.occurred_at, theirs.id
                 FROM ({}) theirs JOIN audience_person p ON p.id = theirs.subject_id WHERE p.account_id IS NOT NULL
                 UNION ALL
                 SELECT own.* FROM audience_account a CROSS JOIN LATERAL (
                   SELECT act.account_id, act.channel, act.occurred_at, act.id FROM audience_activity act
                   WHERE act.account_id = a.id AND {} ORDER BY act.occurred_at, act.id LIMIT 1) own) each
               ORDER BY each.subject_id, each.occurred_at, each.id""",
            of_people,
            self._counts(),
        )

    def _counts(self) -> Sql:
        """That an act (act) is towards us, has a channel, and was not taken back."""
        return sql(
            """act.occurred_at < {} AND act.direction = 'inbound' AND act.channel <> '' AND act.reversal_of_id IS NULL
               AND act.id NOT IN ({})""",
            self.moment.at,
            activities.REVERSED,
        )

    def joins(self) -> Sql:
        """What the traits taken so far need beside the subjects."""
        came = Sql("")
        if self.with_channel:
            came = sql("LEFT JOIN ({}) came ON came.subject_id = s.id ", self._first_channels())
        return sql("{}{}", came, self._of_contacts())

    def _of_contacts(self) -> Sql:
        if not self.contacts:
            return Sql("")
        people = columns.Subjects("person", self.moment, Sql(""))
        catalogue = registry.catalogue("person")
        taken = []
        for column in self.contacts:
            field = catalogue.get(f"person.{column}")
            assert field is not None and isinstance(field.answer, registry.Column)
            taken.append(sql("{} AS {}", people.value(field.answer, field.type), Sql(column)))
        return sql(
            """LEFT JOIN (SELECT DISTINCT ON (s.account_id) s.account_id, {} {} WHERE {} AND s.account_id IS NOT NULL
                          ORDER BY s.account_id, s.first_seen_at, s.id) contact ON contact.account_id = s.id""",
            join(", ", taken),
            people.source(),
            people.there(),
        )


def of(kind: str) -> Sequence[Trait]:
    """The traits of people or of accounts, their custom choices among them."""
    catalogue = registry.catalogue(kind)
    size = [_size(catalogue)]
    if kind == "person":
        found = [*_fields(catalogue, OF_PERSON), _channel(), *_fields(catalogue, OF_ACCOUNT[:1]), *size]
    else:
        contact = [Trait(f"contact.{column}", label, _of_contact(column)) for column, label in CONTACT.items()]
        found = [*_fields(catalogue, OF_ACCOUNT), *size, _channel(), *contact]
    own = [
        field
        for field in catalogue.all(families=(f"{kind}.custom.",))
        if field.name.startswith(f"{kind}.custom.") and field.type in PARTING
    ]
    return [*found, *map(_of_field, own)]


def values(some: Sequence[Trait], kind: str, at: datetime) -> Sql:
    """`subject_id, t0, t1 …` of everybody who counts and was there, "" where a value is not known."""
    making = Making(kind, at)
    taken = [sql(f"COALESCE(({{}})::text, '') AS t{number}", trait.value(making)) for number, trait in enumerate(some)]
    return sql(
        "SELECT s.id AS subject_id, {} {} {} WHERE {} AND NOT s.is_excluded",
        join(", ", taken),
        making.subjects.source(),
        making.joins(),
        making.subjects.there(),
    )


def there(kind: str, at: datetime) -> Sql:
    """Everybody who counts and was there."""
    making = Making(kind, at)
    return sql("SELECT s.id {} WHERE {} AND NOT s.is_excluded", making.subjects.source(), making.subjects.there())


def _fields(catalogue: registry.Catalogue, names: Sequence[str]) -> list[Trait]:
    return [_of_field(field) for name in names if (field := catalogue.get(name))]


def _of_field(field: registry.Field) -> Trait:
    def called(value: str) -> str:
        if field.type == "yes_no":
            return _now("yes") if value == "true" else _now("no")
        return str(dict(field.choices).get(value, value))

    return Trait(field.name, field.label, lambda making: making.field(field), called)


def _of_contact(column: str) -> Callable[[Making], Sql]:
    return lambda making: making.contact(column)


def _channel() -> Trait:
    """Of those who came by themselves the channel is their source."""
    return Trait("first_channel", _("first channel"), lambda making: making.channel(), repeats=True)


def _size(catalogue: registry.Catalogue) -> Trait:
    """Employees in the bands that lists filter by."""
    field = catalogue.get("account.employees")
    assert field is not None
    bands: dict[str, Any] = {str(least): (least, most) for least, most in holdings.BANDS}

    def value(making: Making) -> Sql:
        bounds = [least for least, _most in holdings.BANDS]
        return sql("({}::bigint[])[width_bucket({}, {}::bigint[])]", bounds, making.field(field), bounds)

    return Trait(
        "size", _("employees"), value, lambda text: holdings.band_words(*bands[text]) if text in bands else text
    )
