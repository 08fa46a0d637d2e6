"""What conditions may ask of others: of the people of an account, and of the account that a person belongs to.

Both take a condition about those others (`who`), asked as of the same instant; whom a change of the others touches is
found through them.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from audience.conditions import columns, compile, tree, uses
from audience.conditions.moment import Span
from audience.conditions.registry import ACCOUNT, PERSON, Ask, Field, Relation, register
from kit.sql import Sql, join, run, sql

PEOPLE, IN_ACCOUNT = "account.people", "person.in_account"


def register_all() -> None:
    """Make what others are and did known to the condition language."""
    register(
        Field(
            PEOPLE,
            _("number of people"),
            "number",
            ACCOUNT,
            Relation(_people, _people_touched),
            who="person",
            zero=True,
            counted=ngettext_lazy("person", "people"),
            group=_("Its people"),
        )
    )
    register(
        Field(
            IN_ACCOUNT,
            _("belongs to an account"),
            "yes_no",
            PERSON,
            Relation(_in_account, _account_touched, read=lambda alias, ask: Sql(f"COALESCE({alias}.value, false)")),
            who="account",
            always=True,
            group=_("Account"),
        )
    )


def _people(ask: Ask) -> Sql:
    """Per account the number of those of its people, as they then were, for whom the condition holds."""
    some = join(" UNION ", columns.people_of(ask.chosen)) if ask.chosen else Sql("")
    return sql(
        "SELECT link.account_id AS subject_id, count(*) AS value, NULL::timestamptz AS evidence FROM {} "
        "WHERE link.account_id IS NOT NULL{} GROUP BY 1",
        _linked(ask, some, held_by="person_id", among=some),
        ask.only("link.account_id"),
    )


def _in_account(ask: Ask) -> Sql:
    among = columns.accounts_of(ask.chosen) if ask.chosen else Sql("")
    return sql(
        "SELECT link.person_id AS subject_id, true AS value, NULL::timestamptz AS evidence FROM {} "
        "WHERE link.account_id IS NOT NULL",
        _linked(ask, ask.chosen, held_by="account_id", among=among),
    )


def _linked(ask: Ask, people: Sql, *, held_by: str, among: Sql) -> Sql:
    """People (person_id) with their accounts of that time (account_id), of whom the condition holds (`held_by`)."""
    subjects = columns.Subjects("person", ask.moment, people)
    account = subjects.account()
    link = sql(
        "(SELECT s.id AS person_id, {} AS account_id {} WHERE {}) link", account, subjects.source(), subjects.there()
    )
    of = "person" if held_by == "person_id" else "account"
    chosen = sql("SELECT others.id AS subject_id FROM ({}) others (id)", among) if among else None
    held = compile.members(ask.who or tree.EVERYBODY, of=of, at=ask.moment.at, known=ask.moment.known, among=chosen)
    held = columns.joined(held, few=bool(among))
    return sql(f"{{}} JOIN ({{}}) held ON held.subject_id = link.{held_by}", link, held)


def _others_touched(ask: Ask, of: str, span: Span) -> Sql:
    """The others for whom the condition may have changed its answer, those first seen then among them."""
    return compile.touched([ask.who or tree.EVERYBODY], of=of, since=span.since.at, until=span.until.at)


def _people_touched(ask: Ask, span: Span) -> list[Sql]:
    people = sql(
        "SELECT subject_id FROM ({}) theirs UNION {}",
        _others_touched(ask, "person", span),
        columns.changed(columns.LINK, span),
    )
    return [columns.accounts_of(people)]


def _account_touched(ask: Ask, span: Span) -> list[Sql]:
    return [*columns.people_of(_others_touched(ask, "account", span)), columns.changed(columns.LINK, span)]


# ---- marks ----


def pass_on(changed: Sql) -> None:
    """Have those judged again who are asked about through others, the changed subjects of a statement (subject_id).

    The accounts of people and the people of accounts, and only where a kept condition asks through them.
    """
    asked = uses.through()
    others = []
    if PEOPLE in asked:
        others.append(columns.accounts_of(changed))
    if IN_ACCOUNT in asked:
        others.append(sql("SELECT id FROM audience_person WHERE account_id IN ({})", changed))
    if others:
        run(
            sql(
                "INSERT INTO audience_dirty (subject_id, passed_on) SELECT id, true FROM ({}) others (id) "
                "WHERE id IS NOT NULL",
                join(" UNION ", others),
            )
        )
