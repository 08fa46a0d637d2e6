"""Sets of people and accounts, searched and annotated for the pages that show them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, TypeVar

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.search import SearchQueryField
from django.core.cache import cache
from django.db import connection
from django.db.models import (
    BooleanField,
    Count,
    Exists,
    F,
    Func,
    Max,
    Min,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Coalesce, NullIf
from django.db.models.lookups import Contains, Exact, StartsWith

from audience.commerce import contracts
from audience.models import (
    Account,
    AccountRole,
    Activity,
    Case,
    Contract,
    Deal,
    DealLine,
    DealRole,
    Field,
    Identity,
    Person,
    Purchase,
    Tagged,
)
from audience.models.people import ACCOUNT_NAMES, ACCOUNT_WORDS, PERSON_NAMES, PERSON_WORDS
from audience.models.subjects import Folded, Words, first_filled
from audience.subjects import listing, searchable, sight

Row = TypeVar("Row", bound=Model)

WORDS = 6  # of a search are looked at
LONGEST = 100  # letters of a word
CHOICES = 300  # values that a filter offers; more nobody reads, and any other may be asked for by its address
REMEMBERED = 60  # seconds for which the values on offer are remembered
LONG = 0.05  # seconds; what took longer to find is asked for anew beside whoever wants it
KEPT = 3600  # seconds for which that is shown at most


def standing(rows: QuerySet[Activity]) -> QuerySet[Activity]:
    """Those of the activities that count: no reversals, and none that is reversed by a row that stands itself."""
    return rows.filter(~Exists(reversals()), reversal_of=None)


def reversals() -> QuerySet[Activity]:
    """The rows that reverse the activity of an outer query, but those that were reversed in turn."""
    undone = Activity.objects.filter(reversal_of=OuterRef("pk"))
    return Activity.objects.filter(~Exists(undone), reversal_of=OuterRef("pk"))


def people() -> QuerySet[Person]:
    """Everybody but the erased, with account and owner, and what other apps show of people in lists."""
    return _listed(Person.objects.filter(erased_at=None), "person").select_related("account", "owner")


def accounts() -> QuerySet[Account]:
    """Every account but the erased, with the number of those whom `people_of` gives, and what other apps show."""
    members = Person.objects.filter(account=OuterRef("pk"), erased_at=None).order_by().values("account")
    others = AccountRole.objects.filter(
        Q(person__account=None) | ~Q(person__account=F("account")),
        account=OuterRef("pk"),
        ends_on=None,
        person__erased_at=None,
    ).order_by()
    return (
        _listed(Account.objects.filter(erased_at=None), "account")
        .select_related("owner", "parent")
        .annotate(
            people_count=Coalesce(Subquery(members.values(n=Count("pk"))), 0)
            + Coalesce(Subquery(others.values("account").values(n=Count("person", distinct=True))), 0)
        )
    )


def people_of(account: Account) -> QuerySet[Any]:
    """The people whose account it is and those with a role in it, each with the roles held in it now."""
    roles = AccountRole.objects.filter(person=OuterRef("pk"), account=account, ends_on=None).exclude(role="")
    with_role = AccountRole.objects.filter(account=account, ends_on=None).values("person")
    return (
        people()
        .filter(pk__in=Person.objects.filter(account=account).values("pk").union(with_role))
        .annotate(roles=ArraySubquery(roles.order_by("role").values("role")), has_role=Exists(roles))
    )


def filled(path: str) -> Func:
    """A text value for sorting, where nothing comes last: the empty text counts as no value."""
    return NullIf(F(path), Value(""))


def in_order(of: str) -> Coalesce:
    """By what people or accounts are sorted by name: the first value that is filled."""
    return first_filled(*(PERSON_NAMES if of == "person" else ACCOUNT_NAMES))


# ---- what belongs to one subject ----


def with_products(deals: QuerySet[Deal]) -> QuerySet[Any]:
    """Deals with the names of their products as `products`, in the order in which they came."""
    lines = DealLine.objects.filter(deal=OuterRef("pk"), removed_at=None).order_by("pk")
    return deals.annotate(products=ArraySubquery(lines.values("product__name")))


def deals_of(subject: Person | Account) -> QuerySet[Deal]:
    """The deals that a person has a role in, with the roles; an account’s own and as the partner. The newest first."""
    found = with_products(Deal.objects.select_related("owner", "account", "partner")).order_by("-opened_at", "-pk")
    if isinstance(subject, Account):
        return found.filter(Q(account=subject) | Q(partner=subject))
    roles = DealRole.objects.filter(person=subject)
    mine = roles.filter(deal=OuterRef("pk")).exclude(role="").order_by("role").values("role")
    return found.filter(pk__in=roles.values("deal")).annotate(roles=ArraySubquery(mine))


def holdings_of(subject: Person | Account) -> QuerySet[Purchase, Any]:
    """What was bought, a row for each product and currency: how often, how many, for how much, first and last when."""
    return (
        Purchase.objects.filter(subject_id__in=_with_people(subject))
        .values("product", "product__name", "product__family", "currency")
        .annotate(
            times=Count("pk"), quantity=Sum("quantity"), amount=Sum("amount"), first=Min("occurred_at"),
            last=Max("occurred_at"),
        )
        .order_by("-last", "product__name")
    )  # fmt: skip


def contracts_of(subject: Person | Account, on: date) -> QuerySet[Contract]:
    """Running contracts first, by renewal, then ended ones; `value` is what each is worth a year on that day."""
    found = Contract.objects.filter(subject_id__in=_with_people(subject)).select_related("product", "person")
    found = contracts.worth(found, on)
    return found.order_by(F("ends_on").desc(nulls_first=True), F("renews_on").asc(nulls_last=True), "pk")


def cases_of(subject: Person | Account) -> QuerySet[Case]:
    """Open service cases first, the newest first."""
    found = Case.objects.filter(subject_id__in=_with_people(subject)).select_related("person")
    return found.order_by(F("closed_at").desc(nulls_first=True), "-opened_at")


def identities_of(subject: Person | Account) -> QuerySet[Identity]:
    """The names under which other systems know a subject."""
    return Identity.objects.filter(subject_id=subject.pk).order_by("system", "kind", "external_id")


# ---- search ----


def find_people(rows: QuerySet[Person], text: str, *, by_account: bool = True) -> QuerySet[Person]:
    """Of `rows`, those where every word begins a word of the name, the email, an external id, or a searchable custom
    field; or, unless not `by_account`, of the account's name or domain. An @ word may stand anywhere in an email.
    """
    fields = searchable.marked("person")
    for word in words(text):
        ways = [Person.objects.filter(_begins_a_word(word, *PERSON_WORDS))]
        if "@" in word:
            ways.append(Person.objects.filter(Contains(Folded("email"), folded(word))))
        if by_account:
            ways.append(Person.objects.filter(account__in=_accounts_with(word).values("pk")))
        ways += _with_custom(Person, word, fields)
        rows = rows.filter(pk__in=_either(ways, word, "person"))
    return rows


def find_accounts(rows: QuerySet[Account], text: str) -> QuerySet[Account]:
    """Of `rows`, those where every word begins a word of the name or domain, an external id, or a searchable field."""
    fields = searchable.marked("account")
    for word in words(text):
        ways = [_accounts_with(word), *_with_custom(Account, word, fields)]
        rows = rows.filter(pk__in=_either(ways, word, "account"))
    return rows


def quick_people(text: str, limit: int, user: Any) -> list[Person]:
    """The first few people that a user sees for a search box: whose email begins with the text, then any that match.

    One word that begins an account's name is answered by the account, and not by all of its people.
    """
    asked = words(text)
    if not asked:
        return []
    there = sight.people(Person.objects.filter(erased_at=None), user)
    shown = there.select_related("account").annotate(external_id=external_id("person"))
    if len(asked) > 1:
        return _first_of([find_people(shown, text)], limit)
    return _first_of([shown.filter(begins_email(asked[0])), find_people(shown, text, by_account=False)], limit)


def quick_accounts(text: str, limit: int, user: Any) -> list[Account]:
    """The first few accounts that a user sees for a search box: that begin with the text, then any that match."""
    asked = words(text)
    if not asked:
        return []
    there = sight.accounts(Account.objects.filter(erased_at=None), user)
    shown = there.annotate(external_id=external_id("account"))
    whole = " ".join(asked)
    return _first_of([shown.filter(begins(whole, "name") | begins(whole, "domain")), find_accounts(shown, text)], limit)


def accounts_called(text: str, limit: int, user: Any) -> list[Account]:
    """The accounts that a user sees of this name or domain, whatever the case of its letters; else any that match."""
    there = sight.accounts(Account.objects.filter(erased_at=None), user)
    known = there.annotate(external_id=external_id("account")).order_by("name", "pk")
    called = _any(Q(Exact(Folded(column), form)) for column in ("name", "domain") for form in _forms(text))
    return list(known.filter(called)[:limit]) or list(find_accounts(known, text)[:limit])


def words(text: str) -> list[str]:
    """What a search asks for, word by word, in the letters as they were typed."""
    return [word[:LONGEST] for word in text.replace("\x00", "").split()[:WORDS]]


def folded(text: str) -> str:
    """Text as `Folded` compares it: ASCII letters small, all others as they are."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def begins(word: str, *columns: str) -> Q:
    """One of the columns begins with the word, whatever the case of its letters."""
    return _any(Q(StartsWith(Folded(column), form)) for column in columns for form in _forms(word))


def begins_email(word: str) -> Q:
    """The email begins with the word; the first half names the index's condition, so that it may serve."""
    return ~Q(email="") & begins(word, "email")


def external_id(of: str, column: str = "external_id") -> Subquery:
    """The first name under which another system knows the subject: what to call somebody without name and email.

    With `column` another one of the same row, such as its system.
    """
    whose = Identity.objects.filter(subject_id=OuterRef("pk"), **{f"{of}__isnull": False})
    return Subquery(whose.order_by("pk").values(column)[:1])


# ---- what a filter offers ----


def values_in_use(model: type[Model], column: str) -> list[str]:
    """The values of a text column, in order, at most CHOICES of them; remembered for a minute.

    Among many, where all rows are read for them, nobody waits for that but the first: those of before are shown while
    a thread finds those of now.
    """
    key = f"audience.values.{model._meta.label}.{column}"
    found, until = cache.get(key) or (None, 0.0)
    if found is None:
        return _find_values(key, model, column)
    if time.time() > until and cache.add(f"{key}.renewed", True, REMEMBERED):
        _beside(lambda: _find_values(key, model, column))
    return found


def _find_values(key: str, model: type[Model], column: str) -> list[str]:
    begun = time.time()
    used = model._default_manager.exclude(**{column: ""}).order_by(column).values_list(column, flat=True)
    found = list(used.distinct()[:CHOICES])
    took_long = time.time() - begun > LONG
    cache.set(key, (found, time.time() + REMEMBERED), KEPT if took_long else REMEMBERED)
    return found


def _beside(work: Callable[[], object]) -> None:
    """Do it in a thread with a database session of its own."""

    def alone() -> None:
        try:
            work()
        finally:
            connection.close()  # the thread's

    threading.Thread(target=alone, name="values in use", daemon=True).start()


def _listed(rows: QuerySet[Any], of: str) -> QuerySet[Any]:
    """With what lists show beside the columns: the external id, and what other apps add."""
    tagged = Tagged.objects.filter(subject_id=OuterRef("pk")).order_by("tag__name").values("tag__name")
    rows = rows.annotate(external_id=external_id(of), system=external_id(of, "system"), tag_names=ArraySubquery(tagged))
    for extra in listing.extras(of):
        rows = rows.annotate(**extra.annotations())
    return rows


def _forms(word: str) -> list[str]:
    """A word as it may be stored. Only ASCII letters are folded by the database, so others are tried in each case."""
    if word.isascii():
        return [folded(word)]
    return sorted({folded(form) for form in (word, word.lower(), word.upper(), word.title())})


def _with_people(subject: Person | Account) -> QuerySet[Any, Any]:
    """Ids: the subject's own, an account's with those of its people."""
    if isinstance(subject, Person):
        return Person.objects.filter(pk=subject.pk).values("pk")
    own = Account.objects.filter(pk=subject.pk).values("pk")
    return own.union(Person.objects.filter(account=subject).values("pk"), all=True)


def _accounts_with(word: str) -> QuerySet[Account]:
    return Account.objects.filter(_begins_a_word(word, *ACCOUNT_WORDS))


def _with_custom(model: type[Model], word: str, fields: Iterable[Field]) -> list[QuerySet[Any]]:
    found = [searchable.beginning(model._meta.model_name or "", form, fields) for form in _forms(word)]
    return [model._default_manager.filter(pk__in=RawSQL(ids.text, ids.params)) for ids in found if ids]  # noqa: S611


def _begins_a_word(word: str, *columns: str) -> Q:
    """A word within one of the columns begins with `word`, whatever signs are in it."""
    quoted = (form.replace("\\", "\\\\").replace("'", "''") for form in _forms(word))
    return _any(Q(_Matches(Words(*columns), Cast(Value(f"'{form}':*"), SearchQueryField()))) for form in quoted)


class _Matches(Func):
    """A vector of words holds what a query asks for."""

    template, arg_joiner = "(%(expressions)s)", " @@ "
    output_field = BooleanField()


def _either(ways: list[QuerySet[Any]], word: str, of: str) -> QuerySet[Any]:
    """The ids that one of the ways finds, each by its own index, or that another system's id beginning so belongs to.

    A word without a digit is no id.
    """
    found: list[QuerySet[Any, Any]] = [way.values("pk") for way in ways]
    if any(letter.isdigit() for letter in word):
        named = Identity.objects.filter(external_id__startswith=word, **{f"{of}__isnull": False})
        found.append(named.values("subject_id"))
    return found[0].union(*found[1:], all=True) if len(found) > 1 else found[0]


def _any(conditions: Iterable[Q]) -> Q:
    found = Q(pk__in=[])
    for condition in conditions:
        found |= condition
    return found


def _first_of(sets: list[QuerySet[Row]], limit: int) -> list[Row]:
    """Rows of the first set, filled up from the next ones, none of them twice."""
    found: dict[int, Row] = {}
    for rows in sets:
        if len(found) < limit:
            found |= {row.pk: row for row in rows.exclude(pk__in=list(found))[: limit - len(found)]}
    return list(found.values())
