"""Who buys, and who of them is best: by won deals, contracts or purchases, as of an instant.

A customer has a won deal, a purchase or a contract that has begun. What the people of an account have bought is their
account's too. Only who counts in figures is one. Amounts in other currencies than the installation's are in no sum.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

from audience import segments
from audience.conditions.columns import TABLES
from audience.conditions.moment import Moment
from kit import installation
from kit.sql import Sql, sql, value

if TYPE_CHECKING:
    from audience.likeness.asking import Question

WINDOW = timedelta(days=730)  # of money: the last two years
FEW = 10  # customers with a sum, from which on a basis is the usual one


class Basis(models.TextChoices):
    """By what customers are ranked."""

    DEALS = "deals", _("Won deals of two years")
    CONTRACTS = "contracts", _("Annual value of contracts in force")
    PURCHASES = "purchases", _("Purchases of two years")


def best(question: Question) -> Sql:
    """A statement with the `subject_id` of each of the best: the top so many per cent of those with a sum, rounded up;
    or everybody of a segment."""
    if question.segment is not None:
        members = segments.members(question.segment, at=question.at if question.day else None)
        return sql("SELECT there.id AS subject_id FROM {} WHERE there.id IN ({})", _there(question.of), members)
    return sql(
        """SELECT ranked.subject_id FROM (
             SELECT sums.subject_id, row_number() OVER (ORDER BY sums.amount DESC, sums.subject_id) AS place,
                    count(*) OVER () AS number FROM ({}) sums) ranked
           WHERE ranked.place <= ceil(ranked.number * {} / 100.0)""",
        sums(question.of, question.basis, question.at),
        question.top,
    )


def sums(of: str, basis: str, at: datetime) -> Sql:
    """`subject_id, amount` of every customer with more than nothing by this basis, in minor units."""
    facts = {Basis.DEALS: _deals, Basis.CONTRACTS: _contracts, Basis.PURCHASES: _purchases}[Basis(basis)](of, at)
    return sql(
        """SELECT fact.subject_id, sum(fact.amount) AS amount FROM ({}) fact (subject_id, amount, currency)
           JOIN {} ON there.id = fact.subject_id WHERE fact.currency IN ('', {})
           GROUP BY 1 HAVING sum(fact.amount) > 0""",
        facts,
        _there(of),
        str(installation.get("currency")),
    )


def all_of(of: str, at: datetime) -> Sql:
    """A statement with the `subject_id` of everybody who was a customer; of people those, too, whose account was."""
    buyers = _account_buyers(at)
    if of == "person":
        buyers = sql(
            """SELECT part.person_id AS subject_id
               FROM audience_deal deal JOIN audience_dealrole part ON part.deal_id = deal.id
               WHERE deal.status = 'won' AND deal.closed_at < {}
               UNION SELECT person_id FROM audience_purchase WHERE occurred_at < {}
               UNION SELECT person_id FROM audience_contract WHERE starts_on <= {}
               UNION SELECT worker.id FROM audience_person worker WHERE worker.account_id IN ({})""",
            at,
            at,
            Moment(at).today,
            buyers,
        )
    return sql("SELECT buyer.subject_id FROM ({}) buyer WHERE buyer.subject_id IS NOT NULL", buyers)


def _account_buyers(at: datetime) -> Sql:
    return sql(
        """SELECT deal.account_id AS subject_id FROM audience_deal deal
           WHERE deal.status = 'won' AND deal.closed_at < {}
           UNION SELECT coalesce(bought.account_id, buyer.account_id) FROM audience_purchase bought
           LEFT JOIN audience_person buyer ON buyer.id = bought.person_id WHERE bought.occurred_at < {}
           UNION SELECT coalesce(agreed.account_id, buyer.account_id) FROM audience_contract agreed
           LEFT JOIN audience_person buyer ON buyer.id = agreed.person_id WHERE agreed.starts_on <= {}""",
        at,
        at,
        Moment(at).today,
    )


def usual_of(at: datetime) -> str:
    """Accounts, unless only people buy."""
    return "account" if usual_number("account", at) or not usual_number("person", at) else "person"


def usual_basis(of: str, at: datetime) -> str:
    """The first by which there are some customers; deals where there are none."""
    return next((basis for basis in Basis.values if _number(of, basis, at) >= FEW), Basis.DEALS)


def usual_number(of: str, at: datetime) -> int:
    """How many have a sum by the usual basis, counted up to a few."""
    return _number(of, usual_basis(of, at), at)


def _number(of: str, basis: str, at: datetime) -> int:
    return int(value(sql("SELECT count(*) FROM ({} LIMIT {}) counted", sums(of, basis, at), FEW)))


def _there(of: str) -> Sql:
    """Those who count, as `there`."""
    return sql("(SELECT s.id FROM {} s WHERE s.erased_at IS NULL AND NOT s.is_excluded) there", Sql(TABLES[of]))


def _deals(of: str, at: datetime) -> Sql:
    source, subject = Sql("audience_deal deal"), Sql("deal.account_id")
    if of == "person":
        source, subject = (
            Sql("audience_deal deal JOIN audience_dealrole part ON part.deal_id = deal.id"),
            Sql("part.person_id"),
        )
    return sql(
        """SELECT DISTINCT ON (deal.id, {}) {}, deal.amount, deal.currency FROM {}
           WHERE deal.status = 'won' AND deal.closed_at >= {} AND deal.closed_at < {}""",
        subject, subject, source, at - WINDOW, at,
    )  # fmt: skip


def _contracts(of: str, at: datetime) -> Sql:
    """What a contract is worth a year by its latest amendment."""
    today = Moment(at).today
    return sql(
        """SELECT {}, coalesce((SELECT amended.annual_value FROM audience_contractamendment amended
                                WHERE amended.contract_id = fact.id AND amended.valid_from <= {}
                                ORDER BY amended.valid_from DESC LIMIT 1), fact.annual_value), fact.currency
           FROM audience_contract fact LEFT JOIN audience_person buyer ON buyer.id = fact.person_id
           WHERE fact.starts_on <= {} AND (fact.ends_on IS NULL OR fact.ends_on > {})""",
        _buyer(of), today, today, today,
    )  # fmt: skip


def _purchases(of: str, at: datetime) -> Sql:
    return sql(
        """SELECT {}, fact.amount, fact.currency
           FROM audience_purchase fact LEFT JOIN audience_person buyer ON buyer.id = fact.person_id
           WHERE fact.occurred_at >= {} AND fact.occurred_at < {}""",
        _buyer(of),
        at - WINDOW,
        at,
    )


def _buyer(of: str) -> Sql:
    return Sql("fact.person_id" if of == "person" else "coalesce(fact.account_id, buyer.account_id)")
