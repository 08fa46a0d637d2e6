"""One after the other: who works on the same keys waits until the first is done. Held to the end of the transaction."""

from __future__ import annotations

from collections.abc import Collection

from kit.sql import run, sql

FEW = 50  # keys that are held one by one; whoever comes with more holds the whole room


def take(room: str, keys: Collection[str]) -> None:
    """Wait until nobody else in the room holds one of the keys, and hold them.

    Keys are taken in one order for all, so that nobody waits for one who waits for them. What the earlier have written
    is seen by the statements after this one.
    """
    if len(keys) > FEW:
        run(sql("SELECT pg_advisory_xact_lock(hashtextextended({}, 0))", room))
        return
    run(sql("SELECT pg_advisory_xact_lock_shared(hashtextextended({}, 0))", room))
    run(
        sql(
            "SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT hashtextextended(said, 1) AS key "
            "FROM unnest({}::text[]) said ORDER BY 1 OFFSET 0) keys",
            [f"{room}/{key}" for key in keys],
        )
    )
