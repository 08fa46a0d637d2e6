"""Which account belongs to which: everything below one, the tree of a family, and that nobody belongs to themselves."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from audience.models import Account
from audience.subjects import sight
from kit.sql import Sql, run, sql
from kit.sql import dicts as rows_of
from kit.sql import value as value_of

MOST = 200  # accounts that a tree draws; its figures are of all of them
CIRCLE = "account_no_circle"  # what the database calls its refusal


def hold() -> None:
    """Until the end of the transaction nobody else writes a parent, and what was written before is seen."""
    run(Sql("SELECT pg_advisory_xact_lock(hashtextextended('account_tree', 0))"))


def is_circle(account_id: int, parent_id: int) -> bool:
    """Whether the parent is the account itself, or belongs to it, however many steps away."""
    above = sql(
        """WITH RECURSIVE above AS (
             SELECT id, parent_id FROM audience_account WHERE id = {}
             UNION SELECT a.id, a.parent_id FROM audience_account a JOIN above ON a.id = above.parent_id)
           SELECT EXISTS (SELECT FROM above WHERE id = {})""",
        parent_id,
        account_id,
    )
    return bool(value_of(above))


def below(account_id: int) -> Sql:
    """The ids of an account and of everything below it, as a statement."""
    return sql(
        """WITH RECURSIVE family AS (
             SELECT {}::bigint AS id
             UNION SELECT a.id FROM audience_account a JOIN family f ON a.parent_id = f.id WHERE a.erased_at IS NULL)
           SELECT id FROM family""",
        account_id,
    )


@dataclass
class Node:
    """One account of a family: how deep it stands, and its own people, open deals, and annual value by currency."""

    account: Account
    depth: int
    people: int = 0
    deals: int = 0
    value: dict[str, int] = field(default_factory=dict)


@dataclass
class Tree:
    """A family from its top downwards, as far as somebody sees it, and the sums of all that they see."""

    nodes: list[Node]
    count: int
    people: int
    deals: int
    open: dict[str, int]
    value: dict[str, int]

    @property
    def more(self) -> int:
        """How many accounts are not drawn."""
        return self.count - len(self.nodes)


def top(account: Account) -> int:
    """The account at which the family begins."""
    above = sql(
        """WITH RECURSIVE above AS (
             SELECT id, parent_id, 0 AS steps FROM audience_account WHERE id = {}
             UNION SELECT a.id, a.parent_id, steps + 1 FROM audience_account a JOIN above ON a.id = above.parent_id
             WHERE a.erased_at IS NULL AND steps < 1000)
           SELECT id FROM above ORDER BY steps DESC LIMIT 1""",
        account.pk,
    )
    return int(value_of(above))


def tree(account: Account, user: Any, today: date) -> Tree | None:
    """The whole family of an account; None when it stands alone. In three statements."""
    begin = top(account)
    seen = sight.clause(user, Sql("f.id"))
    found = rows_of(
        sql(
            """
            WITH RECURSIVE family AS (
                SELECT a.id, 0 AS depth, ARRAY[]::text[] || (lower(a.name) || '/' || a.id) AS place
                FROM audience_account a WHERE a.id = {}
                UNION ALL
                SELECT a.id, f.depth + 1, f.place || (lower(a.name) || '/' || a.id)
                FROM audience_account a JOIN family f ON a.parent_id = f.id
                WHERE a.erased_at IS NULL AND f.depth < 1000)
            SELECT f.id, f.depth, people.n AS people, deals.n AS deals, deals.sums AS open, worth.sums AS value
            FROM family f
            CROSS JOIN LATERAL (
                SELECT count(*) AS n FROM audience_person p WHERE p.account_id = f.id AND p.erased_at IS NULL) people
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(n), 0) AS n,
                       jsonb_object_agg(currency, amount) FILTER (WHERE amount IS NOT NULL) AS sums
                FROM (SELECT currency, count(*) AS n, sum(amount) AS amount FROM audience_deal d
                      WHERE d.account_id = f.id AND d.status = 'open' GROUP BY currency) each) deals
            CROSS JOIN LATERAL (
                SELECT jsonb_object_agg(currency, amount) FILTER (WHERE amount IS NOT NULL) AS sums
                FROM (SELECT c.currency, sum(coalesce(
                          (SELECT m.annual_value FROM audience_contractamendment m WHERE m.contract_id = c.id
                           AND m.valid_from <= {} ORDER BY m.valid_from DESC LIMIT 1), c.annual_value)) AS amount
                      FROM audience_contract c
                      WHERE c.subject_id IN (
                          SELECT f.id UNION ALL SELECT p.id FROM audience_person p WHERE p.account_id = f.id)
                      AND c.starts_on <= {} AND (c.ends_on IS NULL OR c.ends_on > {}) GROUP BY c.currency) each) worth
            WHERE {} ORDER BY f.place
            """,
            begin, today, today, today, seen,
        )
    )  # fmt: skip
    if len(found) < 2:
        return None
    accounts = Account.objects.in_bulk([row["id"] for row in found[:MOST]])
    nodes = [
        Node(accounts[row["id"]], min(row["depth"], 8), row["people"], int(row["deals"]), _amounts(row["value"]))
        for row in found[:MOST]
    ]
    people, deals = sum(row["people"] for row in found), sum(int(row["deals"]) for row in found)
    return Tree(nodes, len(found), people, deals, _sums(found, "open"), _sums(found, "value"))


def _sums(rows: Sequence[dict[str, Any]], column: str) -> dict[str, int]:
    sums: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        for currency, amount in _amounts(row[column]).items():
            sums[currency] += amount
    return dict(sorted(sums.items()))


def _amounts(told: str | None) -> dict[str, int]:
    return {currency: int(amount) for currency, amount in json.loads(told or "{}").items()}


def drop_circles(links: Sql, *, fill: bool) -> int:
    """Take out of a table (id, parent_id) of links to be written those that would close a circle; how many.

    `hold` comes first. With `fill` an account that has a parent keeps it.
    """
    there = "a.parent_id, g.parent_id" if fill else "g.parent_id, a.parent_id"
    return run(
        sql(
            f"""
            WITH RECURSIVE walk AS (
                SELECT id AS start, parent_id AS at FROM {{}} WHERE parent_id IS NOT NULL
                UNION
                SELECT w.start, coalesce({there}) FROM walk w JOIN audience_account a ON a.id = w.at
                LEFT JOIN {{}} g ON g.id = w.at WHERE w.at <> w.start AND coalesce({there}) IS NOT NULL)
            DELETE FROM {{}} link USING walk WHERE link.id = walk.start AND walk.at = walk.start
            """,
            links, links, links,
        )
    )  # fmt: skip
