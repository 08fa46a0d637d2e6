"""What somebody has of what is sold, by product family, and what accounts like theirs have that they have not.

An account has a family when it, or one of its people, bought a product of it or is under a contract for one. Its peers
are the accounts of the same industry and the same band of employees that count in figures; an unknown industry or size
is a bucket of its own. What is sold without a family is the family "(empty)".
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime

from django.utils.translation import gettext as _

from audience.models import Account, Person
from kit import writing
from kit.sql import Sql, sql
from kit.sql import dicts as rows_of
from kit.sql import rows as fetched

BANDS = ((1, 9), (10, 49), (50, 249), (250, 999), (1_000, 4_999), (5_000, None))  # employees, both ends included
ENOUGH = 5  # peers; a share of fewer says nothing
MOST_PEERS = 2000  # the nearest in size; more would not change a share


@dataclass
class Family:
    """One family of products: what was bought of it, what runs, and how many peers have it."""

    name: str
    products: list[str] = field(default_factory=list)
    since: datetime | None = None
    last: datetime | None = None
    spent: dict[str, int] = field(default_factory=dict)
    contracts: int = 0
    value: dict[str, int] = field(default_factory=dict)
    peers: int = 0

    @property
    def held(self) -> bool:
        return bool(self.products or self.contracts)


@dataclass(frozen=True)
class Peers:
    """Who is compared with: how many, of which industry ("" unknown) and size (None unknown)."""

    count: int
    industry: str
    band: tuple[int, int | None] | None

    @property
    def enough(self) -> bool:
        return self.count >= ENOUGH

    @property
    def size(self) -> str:
        """The band in words; "" when it is unknown."""
        return band_words(*self.band) if self.band else ""


@dataclass(frozen=True)
class Holdings:
    """Every family that the subject or a peer has, those held first; without peers for a person without account."""

    families: list[Family]
    peers: Peers | None

    @property
    def held(self) -> list[Family]:
        return [each for each in self.families if each.held]

    @property
    def open(self) -> list[Family]:
        """What peers have and the subject has not, the most usual first."""
        return [each for each in self.families if not each.held]


def band_of(employees: int | None) -> tuple[int, int | None] | None:
    """The band of a number of employees; None when it is not known, or none at all."""
    if not employees:
        return None
    return next(band for band in BANDS if employees >= band[0] and (band[1] is None or employees <= band[1]))


def band_words(least: int, most: int | None) -> str:
    """A band as pages write it: “50–249”, “5,000+”."""
    return f"{writing.number(least)}–{writing.number(most)}" if most else f"{writing.number(least)}+"


def of(subject: Person | Account, today: date) -> Holdings:
    """What a subject has; of an account also what its peers have. Two statements for a person, three for an account."""
    families = _held(subject, today)
    if isinstance(subject, Person):
        return Holdings(list(families.values()), None)
    peers, shares = _peers(subject, today)
    if peers.enough:
        for name, count in shares.items():
            families.setdefault(name, Family(name)).peers = count
    ordered = sorted(families.values(), key=lambda each: (not each.held, -each.peers, each.name.lower()))
    return Holdings(ordered, peers)


def _held(subject: Person | Account, today: date) -> dict[str, Family]:
    found = rows_of(
        sql(
            """
            WITH members AS ({}),
            bought AS (
                SELECT coalesce(pr.family, '') AS family, coalesce(pr.name, '') AS product, b.currency, b.amount,
                       b.occurred_at
                FROM members JOIN audience_purchase b USING (subject_id)
                LEFT JOIN audience_product pr ON pr.id = b.product_id),
            running AS (
                SELECT coalesce(pr.family, '') AS family, c.currency, c.starts_on, coalesce(
                    (SELECT m.annual_value FROM audience_contractamendment m WHERE m.contract_id = c.id
                     AND m.valid_from <= {} ORDER BY m.valid_from DESC LIMIT 1), c.annual_value) AS worth,
                    coalesce(pr.name, '') AS product
                FROM members JOIN audience_contract c USING (subject_id)
                LEFT JOIN audience_product pr ON pr.id = c.product_id
                WHERE c.starts_on <= {} AND (c.ends_on IS NULL OR c.ends_on > {})),
            families AS (SELECT family FROM bought UNION SELECT family FROM running)
            SELECT family,
                   (SELECT array_agg(DISTINCT product ORDER BY product) FROM (
                       SELECT product FROM bought b WHERE b.family = f.family
                       UNION SELECT product FROM running r WHERE r.family = f.family) named) AS products,
                   least((SELECT min(occurred_at) FROM bought b WHERE b.family = f.family),
                         (SELECT min(starts_on)::timestamptz FROM running r WHERE r.family = f.family)) AS since,
                   (SELECT max(occurred_at) FROM bought b WHERE b.family = f.family) AS last,
                   (SELECT jsonb_object_agg(currency, amount) FROM (
                       SELECT currency, sum(amount) AS amount FROM bought b
                       WHERE b.family = f.family AND amount IS NOT NULL GROUP BY 1) sums) AS spent,
                   (SELECT count(*) FROM running r WHERE r.family = f.family) AS contracts,
                   (SELECT jsonb_object_agg(currency, worth) FROM (
                       SELECT currency, sum(worth) AS worth FROM running r
                       WHERE r.family = f.family AND worth IS NOT NULL GROUP BY 1) sums) AS value
            FROM families f ORDER BY family
            """,
            _members(sql("SELECT {}::bigint AS id", subject.pk)), today, today, today,
        )
    )  # fmt: skip
    return {
        row["family"]: Family(
            row["family"], [each or str(_("(empty)")) for each in row["products"]], row["since"], row["last"],
            json.loads(row["spent"] or "{}"), row["contracts"], json.loads(row["value"] or "{}"),
        )
        for row in found
    }  # fmt: skip


def _peers(account: Account, today: date) -> tuple[Peers, dict[str, int]]:
    band = band_of(account.employees)
    peers = sql(
        """SELECT id FROM audience_account WHERE erased_at IS NULL AND NOT is_excluded AND id <> {} AND industry = {}
           AND {} ORDER BY abs(employees - {}), id LIMIT {}""",
        account.pk, account.industry, _in_band(band), account.employees or 0, MOST_PEERS,
    )  # fmt: skip
    found = fetched(
        sql(
            """
            WITH peers AS MATERIALIZED ({}),
            members AS ({}),
            have AS (
                SELECT m.id, coalesce(pr.family, '') AS family FROM members m
                JOIN audience_purchase b USING (subject_id) LEFT JOIN audience_product pr ON pr.id = b.product_id
                UNION
                SELECT m.id, coalesce(pr.family, '') FROM members m
                JOIN audience_contract c USING (subject_id) LEFT JOIN audience_product pr ON pr.id = c.product_id
                WHERE c.starts_on <= {} AND (c.ends_on IS NULL OR c.ends_on > {}))
            SELECT NULL, count(*) FROM peers UNION ALL SELECT family, count(*) FROM have GROUP BY family
            """,
            peers, _members(Sql("SELECT id FROM peers")), today, today,
        )
    )  # fmt: skip
    shares = dict(found)
    return Peers(shares.pop(None), account.industry, band), shares


def _in_band(band: tuple[int, int | None] | None) -> Sql:
    if band is None:
        return Sql("coalesce(employees, 0) = 0")
    least, most = band
    return sql("employees >= {}", least) if most is None else sql("employees BETWEEN {} AND {}", least, most)


def _members(subjects: Sql) -> Sql:
    """The subjects (id) and the people of those that are accounts, each as (id, subject_id)."""
    return sql(
        """SELECT id, id AS subject_id FROM ({}) own
           UNION ALL SELECT own.id, p.id FROM ({}) own JOIN audience_person p ON p.account_id = own.id""",
        subjects,
        subjects,
    )
