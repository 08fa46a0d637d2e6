"""Whose people a user sees: a salesperson those that they or their team own, everybody else all.

One rule, said once, as a statement over ids. An account is seen by whoever it belongs to, or a member of their team.
A person is seen by whoever they or their account belong to; a deal by whoever it belongs to, and by whoever sees an
account of it or a person with a role in it. Who belongs to nobody is seen by no salesperson.

Figures are the firm's and stay whole; whatever names somebody goes through here: lists by `people`, `accounts`,
`deals` or `subjects`, statements written by hand by `clause`, pages of one by `get`, ids that are known by `sees`.
A right says what somebody may do; this says to whom.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.http import Http404

from audience.models import Account, Case, Contract, Deal, Person
from kit.models import User
from kit.sql import Sql, sql
from kit.sql import rows as rows_of
from kit.sql import value as value_of

Row = TypeVar("Row", bound=Model)
ALL = Sql("true")
MANY = 10_000  # as many as a list counts


def everything(user: Any) -> bool:
    """Whether a user sees everybody: every role but sales. Nobody, and whose access was closed, sees nothing."""
    return isinstance(user, User) and user.is_active and user.role != User.Role.SALES


def people(rows: QuerySet[Row], user: Any, column: str = "pk") -> QuerySet[Row]:
    """The rows whose person, by the id in `column`, is seen; the very same query for whoever sees everything."""
    if everything(user):
        return rows
    owners = circle(user)
    if not _sees_many(user):
        return _within(rows, column, _people(owners))
    if rows.model is Person and column == "pk":
        return rows.filter(_owned(owners))
    return rows.filter(Exists(Person.objects.filter(_owned(owners), pk=OuterRef(column))))


def accounts(rows: QuerySet[Row], user: Any, column: str = "pk") -> QuerySet[Row]:
    """The rows whose account, by the id in `column`, is seen."""
    if everything(user):
        return rows
    if rows.model is Account and column == "pk":
        return rows.filter(owner__in=circle(user))
    return _within(rows, column, _accounts(circle(user)))


def deals(rows: QuerySet[Row], user: Any, column: str = "pk") -> QuerySet[Row]:
    """The rows whose deal, by the id in `column`, is seen."""
    return rows if everything(user) else _within(rows, column, _deals(circle(user)))


def subjects(rows: QuerySet[Row], user: Any, column: str = "subject_id") -> QuerySet[Row]:
    """The rows whose subject, a person or an account by the id in `column`, is seen."""
    if everything(user):
        return rows
    owners = circle(user)
    if not _sees_many(user):
        return _within(rows, column, _subjects(owners))
    person = Person.objects.filter(_owned(owners), pk=OuterRef(column))
    account = Account.objects.filter(owner__in=owners, pk=OuterRef(column))
    return rows.filter(Exists(person) | Exists(account))


def clause(user: Any, subject: Sql) -> Sql:
    """The condition of a statement that the subject with this id is seen; `ALL` for whoever sees everything."""
    if everything(user):
        return ALL
    owners = circle(user)
    return _is_one_of(subject, owners) if _sees_many(user) else sql("{} IN ({})", subject, _subjects(owners))


def sees(user: Any, ids: Collection[int]) -> set[int]:
    """Those of these subjects that a user sees, in one query at most. An id of nobody may be among them."""
    if everything(user) or not ids:
        return set(ids)
    seen = _is_one_of(Sql("asked.id"), circle(user))
    asked = sql("SELECT id FROM unnest({}::bigint[]) asked (id) WHERE {}", list(ids), seen)
    return {pk for (pk,) in rows_of(asked)}


def get(rows: QuerySet[Row], user: Any, **having: Any) -> Row:
    """The one person, account, deal, contract or case of a query that `having` tells.

    Raises Http404 when it is not there, or not seen.

    A foreign one is answered like one that does not exist, so that nobody finds out by asking.
    """
    narrow = {Person: people, Account: accounts, Deal: deals, Contract: subjects, Case: subjects}[rows.model]
    found = narrow(rows, user).filter(**having).first()
    if found is None:
        raise Http404
    return found


def is_seen(user: Any, subject: Person | Account) -> bool:
    """Whether a user sees a person or an account that was read already; a person's account had better be read too."""
    if everything(user):
        return True
    owners = {subject.owner_id, getattr(getattr(subject, "account", None), "owner_id", None)} - {None}
    return not owners.isdisjoint(circle(user))


def circle(user: Any) -> list[int]:
    """The users whose people a salesperson sees: themselves and their team. Asked once for each request's user."""
    if not isinstance(user, User) or not user.is_active or user.pk is None:
        return []
    known: list[int] | None = getattr(user, "_sight_circle", None)
    if known is None:
        team = User.objects.filter(team=user.team_id).values_list("pk", flat=True) if user.team_id else []
        known = sorted({user.pk, *team})
        user._sight_circle = known  # type: ignore[attr-defined]
    return known


# ---- the rule ----


def _sees_many(user: Any) -> bool:
    """Whether a salesperson sees so many that a list finds them by looking row by row, which stops when a page is full.

    Few are found by their owners first, whatever the list is sorted by. Asked once for each request's user.
    """
    known: bool | None = getattr(user, "_sight_many", None)
    if known is None:
        owners = circle(user)
        some = sql("SELECT count(*) FROM (SELECT FROM ({}) seen LIMIT {}) looked_at", _subjects(owners), MANY + 1)
        known = bool(owners) and value_of(some) > MANY
        if owners:
            user._sight_many = known
    return known


def _owned(owners: list[int]) -> Q:
    """The rule as a condition on people."""
    return Q(owner__in=owners) | Q(account__in=Account.objects.filter(owner__in=owners).order_by().values("pk"))


def _is_one_of(subject: Sql, owners: list[int]) -> Sql:
    """The rule as a condition on one id, looked up by it."""
    return sql(
        """(EXISTS (SELECT FROM audience_person p WHERE p.id = {} AND (p.owner_id = ANY ({}::bigint[])
                    OR p.account_id IN (SELECT id FROM audience_account WHERE owner_id = ANY ({}::bigint[]))))
            OR EXISTS (SELECT FROM audience_account a WHERE a.id = {} AND a.owner_id = ANY ({}::bigint[])))""",
        subject, owners, owners, subject, owners,
    )  # fmt: skip


def _within(rows: QuerySet[Row], column: str, ids: Sql) -> QuerySet[Row]:
    return rows.filter(**{f"{column}__in": RawSQL(ids.text, ids.params)})  # noqa: S611 - values are bound


def _accounts(owners: list[int]) -> Sql:
    return sql("SELECT id FROM audience_account WHERE owner_id = ANY ({}::bigint[])", owners)


def _people(owners: list[int]) -> Sql:
    """Two ranges of indexes beside one another; an OR over both would read everybody."""
    return sql(
        """SELECT id FROM audience_person WHERE owner_id = ANY ({}::bigint[])
           UNION ALL SELECT p.id FROM audience_person p JOIN audience_account a ON a.id = p.account_id
           WHERE a.owner_id = ANY ({}::bigint[])""",
        owners,
        owners,
    )


def _subjects(owners: list[int]) -> Sql:
    return sql("{} UNION ALL {}", _people(owners), _accounts(owners))


def _deals(owners: list[int]) -> Sql:
    return sql(
        """SELECT id FROM audience_deal WHERE owner_id = ANY ({}::bigint[])
           UNION ALL SELECT id FROM audience_deal WHERE account_id IN ({})
           UNION ALL SELECT id FROM audience_deal WHERE partner_id IN ({})
           UNION ALL SELECT deal_id FROM audience_dealrole WHERE person_id IN ({})""",
        owners,
        _accounts(owners),
        _accounts(owners),
        _people(owners),
    )
