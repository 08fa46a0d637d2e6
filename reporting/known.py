"""The entries of a past day, on both clocks: out of the ledger's rows before it, for one request.

What happened later, or was written later, is taken out and the chain closed over it, so that balances and flows
reconcile as they do for what is known now. Nothing is kept: the table is gone with the transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from kit import installation
from kit.sql import Sql, run, sql
from reporting import filling
from reporting.questions import Question

MOVES, ENTRIES = Sql("known_moves"), Sql("known_entries")


@contextmanager
def entries(question: Question) -> Iterator[Question]:
    """The question over the entries that had happened, and were known, when its days began; itself if it has none."""
    if not question.is_past:
        yield question
        return
    zone = installation.zone()
    path = [place.slug for place in question.plan.success]
    lifecycle = question.plan.lifecycle.pk
    with transaction.atomic():
        run(Sql("SET LOCAL work_mem = '64MB'; SET LOCAL jit = off"))
        everybody = sql("(SELECT id AS membership_id FROM lifecycle_membership WHERE lifecycle_id = {})", lifecycle)
        known, past = (installation.midnight(day, zone) if day else None for day in (question.known, question.past))
        moves = filling.entries(everybody, str(zone), path, known=known, before=past)
        run(sql("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS {}", MOVES, moves))
        run(sql("CREATE INDEX ON {} (membership_id, position, seq)", MOVES))
        run(sql("ANALYZE {}", MOVES))
        run(
            sql(
                """CREATE TEMPORARY TABLE {} ON COMMIT DROP AS
                   SELECT told.id, {}::bigint AS lifecycle_id, fresh.* FROM ({}) fresh
                   LEFT JOIN reporting_stageentry told
                       ON told.membership_id = fresh.membership_id AND told.seq = fresh.seq""",
                ENTRIES,
                lifecycle,
                filling.ways(MOVES, len(path)),
            )
        )
        run(sql("CREATE INDEX ON {} (membership_id, seq)", ENTRIES))
        run(sql("ANALYZE {}", ENTRIES))
        yield question.about(table=ENTRIES)
        run(sql("DROP TABLE {}, {}", ENTRIES, MOVES))
