"""Which values a builder of conditions offers for what activities, purchases, contracts and deals are narrowed by."""

from __future__ import annotations

from audience.conditions import offering
from audience.conditions.registry import Field
from kit.sql import Sql, sql

KEYS = 10_000  # rows, the latest, whose properties are looked into for their names


def register_all() -> None:
    """Make the values of this floor's facts known to builders."""
    offering.register("activity.", _of_activities)
    offering.register("purchase.", lambda field, key: _of_facts("audience_purchase", ("source", "currency"), key))
    offering.register("contract.", lambda field, key: _of_facts("audience_contract", ("source", "currency"), key))
    offering.register("case.", lambda field, key: _of_facts("audience_case", ("severity", "source"), key))
    offering.register(
        "deal.", lambda field, key: _of_facts("audience_deal", ("pipeline", "stage", "source", "currency"), key)
    )


def _of_activities(field: Field, key: str) -> Sql | None:
    if key == "kind":  # every kind of the catalogue once, and the frequent ones more often
        lately = offering.latest(Sql("x.kind_id"), "audience_activity")
        return sql(
            "SELECT k.slug FROM audience_activitykind k UNION ALL "
            "SELECT k.slug FROM ({}) lately (kind_id) JOIN audience_activitykind k ON k.id = lately.kind_id",
            lately,
        )
    return _of_facts("audience_activity", ("channel", "platform", "source"), key)


def _of_facts(table: str, columns: tuple[str, ...], key: str) -> Sql | None:
    if key in columns:
        return offering.latest(Sql(f"x.{key}"), table)
    if key == "product":
        return Sql("SELECT p.name FROM audience_product p")
    if key == "properties":
        return sql(
            f"SELECT jsonb_object_keys(x.properties) FROM (SELECT y.properties FROM {table} y "
            "WHERE jsonb_typeof(y.properties) = 'object' ORDER BY y.id DESC LIMIT {}) x",
            KEYS,
        )
    if key.startswith(offering.PROPERTY):
        return offering.latest(sql("x.properties ->> {}", key.removeprefix(offering.PROPERTY)), table)
    return None
