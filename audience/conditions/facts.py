"""Narrowing the facts behind a figure: the keys of `where`, over the columns that hold them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta

from audience.conditions.operators import fold
from audience.conditions.registry import Ask, Where
from kit import installation
from kit.sql import Sql, sql

DAYS = ("since", "until")  # the keys of `where` by which a fact is of that local day or later, or earlier


def narrowing(where: Where, columns: Mapping[str, str]) -> list[Sql]:
    """Conditions on the columns for all keys of `where` that have one; "" among the values finds what is not set.

    `columns` gives the SQL of a key's column; "properties" that of the JSON behind `properties.<key>`, "since" and
    "until" that of the fact's instant.
    """
    parts = []
    for key, wanted in where:
        if key.startswith("properties."):
            parts.append(is_one(sql(f"{columns['properties']} ->> {{}}", key.removeprefix("properties.")), wanted))
        elif key in DAYS and key in columns:
            parts.append(_of_days(Sql(columns[key]), key, date.fromisoformat(wanted[0])))
        elif key == "channel" and key in columns:
            parts.append(_of_channel(Sql(columns[key]), wanted))
        elif key in columns:
            parts.append(is_one(Sql(columns[key]), wanted))
    return parts


def _of_days(column: Sql, key: str, day: date) -> Sql:
    zone = installation.zone()
    if key == "since":
        return sql("{} >= {}", column, installation.midnight(day, zone))
    return sql("{} < {}", column, installation.midnight(day + timedelta(days=1), zone))


def _of_channel(column: Sql, wanted: tuple[str, ...]) -> Sql:
    """A channel by its slug, or by one of the other spellings that the taxonomy knows."""
    spelled = [re.sub(r"[^\w]+", "_", each.strip().casefold()).strip("_") for each in wanted if each]
    named = is_one(column, tuple(dict.fromkeys((*wanted, *spelled))))
    if not spelled:
        return named
    return sql("({} OR {} IN (SELECT c.slug FROM audience_channel c WHERE c.aliases && {}::varchar[]))",
               named, column, spelled)  # fmt: skip


def is_one(column: Sql, wanted: tuple[str, ...]) -> Sql:
    """A column that holds one of these texts, whatever the case of its letters."""
    texts = [fold(each) for each in wanted]
    if "" in wanted:
        column = sql("COALESCE({}, '')", column)
    if len(texts) == 1:
        return sql('lower(({}) COLLATE "C") = {}', column, texts[0])
    return sql('lower(({}) COLLATE "C") = ANY ({})', column, texts)


def one_currency(ask: Ask, column: str) -> list[Sql]:
    """Amounts are summed in one currency: the one asked for, else the installation's (or none given)."""
    wanted = ask.wanted("currency") or (str(installation.get("currency")), "")
    return [is_one(Sql(column), wanted)]


def product(ask: Ask, column: str) -> list[Sql]:
    """Keeps to the products asked for, by name or by the number of their system."""
    wanted = ask.wanted("product")
    if not wanted:
        return []
    named = [is_one(Sql("p.name"), wanted), is_one(Sql("p.external_id"), wanted)]
    return [sql(f"{column} IN (SELECT p.id FROM audience_product p WHERE {{}} OR {{}})", *named)]
