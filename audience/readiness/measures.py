"""Which fields are measured: of people or accounts, for whom of them each applies, and who lacks it.

What is kept on people and accounts is asked by conditions, so that a gap is a segment and has a past. What stands in
contracts, deals and purchases is asked of their customers by statements of its own, as it is now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from audience.conditions import compile, registry, tree
from audience.conditions.columns import TABLES
from audience.conditions.moment import Moment
from kit.sql import Sql, sql

Text = str | Promise
OF = {"person": _("People"), "account": _("Accounts")}


@dataclass(frozen=True)
class Applies:
    """For whom a field means something: in words, and as parts of a condition."""

    words: Text
    parts: tuple[Any, ...] = ()


EVERYBODY = {"person": Applies(_("everybody")), "account": Applies(_("every account"))}
AT_WORK = Applies(_("people with an account"), ({"field": "person.has_account", "op": "is", "value": True},))
APPLIES: Mapping[str, Applies] = dict.fromkeys(("person.title", "person.title_group", "person.seniority"), AT_WORK)


@dataclass(frozen=True)
class Measure:
    """One field that is kept on people or accounts."""

    field: registry.Field
    of: str

    has_history = True

    @property
    def of_words(self) -> str:
        return str(OF[self.of])

    @property
    def name(self) -> str:
        return self.field.name

    @property
    def label(self) -> str:
        return str(self.field.label)

    @property
    def history(self) -> str:
        """The name under which its changes are kept."""
        assert isinstance(self.field.answer, registry.Column) and self.field.answer.history
        return self.field.answer.history

    @property
    def applies(self) -> Applies:
        return APPLIES.get(self.name, EVERYBODY[self.of])

    @property
    def known(self) -> Any:
        return {"field": self.name, "op": "not_empty"}

    @property
    def lacking(self) -> Any:
        """The condition of those to whom it applies, who count, and of whom it is not known."""
        return {"all": [*self.applies.parts, counted(self.of), {"field": self.name, "op": "empty"}]}

    def without(self, at: datetime) -> Sql:
        """A statement with the `subject_id` of everybody who lacks it."""
        return compile.members(tree.parse(self.lacking, of=self.of), of=self.of, at=at)


@dataclass(frozen=True)
class Fact:
    """One value of the contracts, deals or purchases of customers; known of a customer when all of theirs have it.

    `rows(at, of)` selects subject_id and whether it is known, once for each customer of that kind.
    """

    name: str
    label: Text
    of: str
    applies: Applies
    rows: Callable[[Moment, str], Sql]

    has_history = False

    @property
    def of_words(self) -> str:
        return str(OF[self.of])

    def told(self, at: datetime) -> Sql:
        """The same of those who count."""
        return sql(
            "SELECT told.subject_id, told.is_known FROM ({}) told (subject_id, is_known) JOIN {} s "
            "ON s.id = told.subject_id WHERE s.erased_at IS NULL AND NOT s.is_excluded",
            self.rows(Moment(at), self.of),
            Sql(TABLES[self.of]),
        )

    def without(self, at: datetime) -> Sql:
        return sql("SELECT lacking.subject_id FROM ({}) lacking WHERE NOT lacking.is_known", self.told(at))


Measured = Measure | Fact


def counted(of: str) -> Any:
    """The part of a condition that keeps to those who are in figures."""
    return {"field": f"{of}.is_excluded", "op": "is", "value": False}


def kept(of: str) -> list[Measure]:
    """The fields of people or of accounts, custom ones among them."""
    fields = registry.catalogue(of).all(families=(f"{of}.custom.",))
    return [Measure(field, of) for field in fields if _is_measured(field, of)]


def facts(of: str) -> list[Fact]:
    """What contracts, deals and purchases say of the customers among people or accounts."""
    return [Fact(f"{of}.{name}", label, of, applies, rows) for name, label, applies, rows in _FACTS]


def find(name: str) -> Measured | None:
    """The measure of this name; None when there is none."""
    of = name.partition(".")[0]
    if of not in TABLES:
        return None
    field = registry.catalogue(of).get(name)
    if field is not None and _is_measured(field, of):
        return Measure(field, of)
    return next((each for each in facts(of) if each.name == name), None)


def _is_measured(field: registry.Field, of: str) -> bool:
    answer = field.answer
    kept_there = isinstance(answer, registry.Column) and answer.owner == of and bool(answer.history)
    return kept_there and not field.always and not field.name.endswith((".is_excluded", ".excluded_reason"))


def called(measure: Measured) -> str:
    """What those who lack it are called, as a segment."""
    return _now("Without %(field)s") % {"field": measure.label}


# ---- what stands in other tables ----


def _running(column: str) -> Callable[[Moment, str], Sql]:
    def rows(moment: Moment, of: str) -> Sql:
        return sql(
            f"""SELECT {of}_id, bool_and({column} IS NOT NULL) FROM audience_contract
                WHERE {of}_id IS NOT NULL AND starts_on <= {{}} AND (ends_on IS NULL OR ends_on > {{}})
                GROUP BY 1""",
            moment.today,
            moment.today,
        )

    return rows


def _bought(column: str) -> Callable[[Moment, str], Sql]:
    def rows(moment: Moment, of: str) -> Sql:
        return sql(
            f"""SELECT {of}_id, bool_and({column} IS NOT NULL) FROM audience_purchase
                WHERE {of}_id IS NOT NULL AND occurred_at < {{}} GROUP BY 1""",
            moment.at,
        )

    return rows


def _dealt(known: str, only: str) -> Callable[[Moment, str], Sql]:
    def rows(moment: Moment, of: str) -> Sql:
        source, subject = "audience_deal deal", "deal.account_id"
        if of == "person":
            source, subject = (
                "audience_deal deal JOIN audience_dealrole part ON part.deal_id = deal.id",
                "part.person_id",
            )
        return sql(
            f"""SELECT {subject}, bool_and({known}) FROM {source}
                WHERE {subject} IS NOT NULL AND deal.opened_at < {{}} AND {only} GROUP BY 1""",
            moment.at,
        )

    return rows


CUSTOMERS = Applies(_("customers with a contract in force"))
BUYERS = Applies(_("whoever bought something"))
WON = Applies(_("whoever has a won deal"))
LOST = Applies(_("whoever has a lost deal"))
_FACTS: Sequence[tuple[str, Text, Applies, Callable[[Moment, str], Sql]]] = (
    ("contract.renews_on", _("renewal date of contracts"), CUSTOMERS, _running("renews_on")),
    ("contract.notice_on", _("notice date of contracts"), CUSTOMERS, _running("notice_on")),
    ("contract.annual_value", _("annual value of contracts"), CUSTOMERS, _running("annual_value")),
    ("purchase.amount", _("amount of purchases"), BUYERS, _bought("amount")),
    ("purchase.cost", _("what purchases cost you"), BUYERS, _bought("cost")),
    ("deal.amount", _("amount of won deals"), WON, _dealt("deal.amount IS NOT NULL", "deal.status = 'won'")),
    ("deal.reason", _("why deals were lost"), LOST, _dealt("deal.reason <> ''", "deal.status = 'lost'")),
)
