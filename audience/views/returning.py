"""Lists that leave as files which can come in again unchanged: the columns that name a row and whom it is about.

Their headings are those that an import understands. Instants have their parts of a second, properties are one object,
whoever is named is named by all that an import may know them by. Whom the reader does not see is not named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audience.models import Account, Identity, Person
from audience.subjects import sight
from kit import money, pages


def _named_by(path: str, name: str) -> Callable[[Any], str]:
    return lambda row: _of(row, path, name)


ROW = (pages.Column("external_id", _("External id")), pages.Column("source", _("Source system")))
PROPERTIES = pages.Column("properties", _("Properties"), value=lambda row: told(row.properties))
PERSON = (
    pages.Column("person_external_id", _("Person: external id"), value=_named_by("person", "external_id")),
    pages.Column("person_system", _("Person: source system"), value=_named_by("person", "system")),
    pages.Column("person_email", _("Person: email"), value=_named_by("person", "email")),
)


def _product(path: str) -> tuple[pages.Column, ...]:
    return (
        pages.Column("product_external_id", _("Product: external id"), value=f"{path}.external_id"),
        pages.Column("product_system", _("Product: source system"), value=f"{path}.source"),
        pages.Column("product", _("Product: name"), value=f"{path}.name"),
    )


PRODUCT = _product("product")
LINE = (  # of a deal, whose file has a row for each of its products
    *_product("line.product"),
    pages.Column("product_quantity", _("Product: quantity"), value="line.quantity"),
    pages.Column(
        "product_amount", _("Product: amount"), value=lambda row: row.line and major(row.line.amount, row.currency)
    ),
)


def _account(path: str, *headings: Any) -> tuple[pages.Column, ...]:
    return tuple(
        pages.Column(f"{path}_{name}", heading, value=_named_by(path, name))
        for name, heading in zip(("external_id", "system", "domain", "name"), headings, strict=True)
    )


ACCOUNT = _account(
    "account", _("Account: external id"), _("Account: source system"), _("Account: domain"), _("Account: name")
)
PARTNER = _account(
    "partner", _("Partner: external id"), _("Partner: source system"), _("Partner: domain"), _("Partner: name")
)


class Returning(pages.ListPage):
    """A list whose file, `returned`, has all that an import of its kind can bring; `about` are its people and accounts.

    Rows that are alike in the order of the list stand in the order of their own names, so that two files of the same
    rows are the same.
    """

    returned: Sequence[pages.Column] = ()
    about: Sequence[str] = ("person", "account")

    def setup(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.leaves = bool(request.GET.get("export"))
        if self.leaves:
            self.columns = self.returned

    def for_file(self, rows: QuerySet[Any], sort: str) -> QuerySet[Any]:
        ordered = super().for_file(rows, sort)
        return ordered.order_by(*ordered.query.order_by[:-1], "source", "external_id")

    def prepare(self, rows: list[Any]) -> list[Any]:
        return name_all(rows, self.about, self.request.user) if self.leaves else self.shown(rows)

    def shown(self, rows: list[Any]) -> list[Any]:
        """The rows of the page before they are drawn."""
        return rows


def of_somebody(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The rows whose person, or account, was not erased: no import could say whose the others are."""
    return rows.filter(Q(person__erased_at=None), Q(account__erased_at=None))


def name_all(rows: list[Any], paths: Iterable[str], user: Any) -> list[Any]:
    """The rows with what an import knows their people and accounts by, as `named`; two queries for all of them."""
    there = {path: [getattr(row, path) for row in rows] for path in paths}
    everybody = [each for some in there.values() for each in some if each is not None and each.erased_at is None]
    seen = _seen(everybody, user)
    names = first_names({each.pk for each in everybody})
    for place, row in enumerate(rows):
        row.named = {path: _named(some[place], names, seen) for path, some in there.items()}
    return rows


def first_names(subjects: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Of each subject (its id) the first name that a system gave it: the system, and the external id."""
    kinds = Q(kind="person", person__isnull=False) | Q(kind="account", account__isnull=False)
    known = Identity.objects.filter(kinds, subject_id__in=list(subjects)).order_by("subject_id", "pk")
    found = known.distinct("subject_id").values_list("subject_id", "system", "external_id")
    return {subject: (system, external_id) for subject, system, external_id in found}


def exact(at: datetime | None) -> str:
    """An instant as it is, with the parts of its second."""
    return timezone.localtime(at).isoformat(sep=" ") if at else ""


def told(properties: dict[str, Any]) -> str:
    """Properties as one object; nothing for none. Their order is the same wherever they come from."""
    kept = json.dumps(properties, cls=DjangoJSONEncoder, ensure_ascii=False, sort_keys=True)
    return kept if properties else ""


def major(amount: int | None, currency: str) -> Any:
    """An amount in the currency's own unit; None where it is not known."""
    return None if amount is None else money.major(amount, currency)


def _seen(subjects: list[Any], user: Any) -> set[int] | None:
    """Those of the people and accounts that a user sees; None: all."""
    if sight.everything(user):
        return None
    found: set[int] = set()
    for model, narrowed in ((Person, sight.people), (Account, sight.accounts)):
        ids = {each.pk for each in subjects if isinstance(each, model)}
        if ids:
            there: QuerySet[Any] = model._default_manager.filter(pk__in=ids)
            found |= set(narrowed(there, user).values_list("pk", flat=True))
    return found


def _named(subject: Any, names: dict[int, tuple[str, str]], seen: set[int] | None) -> dict[str, str]:
    if subject is None or subject.erased_at or (seen is not None and subject.pk not in seen):
        return {}
    system, external_id = names.get(subject.pk, ("", ""))
    if isinstance(subject, Person):
        return {"external_id": external_id, "system": system, "email": subject.email}
    return {"external_id": external_id, "system": system, "domain": subject.domain, "name": subject.name}


def _of(row: Any, path: str, name: str) -> str:
    found: str = row.named.get(path, {}).get(name, "")
    return found
