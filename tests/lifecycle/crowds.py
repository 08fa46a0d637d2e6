"""Many members at once, placed by the one writer of movements."""

from __future__ import annotations

from datetime import datetime

from kit.sql import run, sql
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement, Version
from tests.factories import days_ago


def crowd(version: Version, number: int, slug: str = "known", at: datetime | None = None) -> list[Membership]:
    """So many new people in a stage, in the order of their memberships."""
    at = at or days_ago(10)
    before = Membership.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    run(sql("CREATE TEMPORARY TABLE crowd (subject_id bigint)"))
    run(
        sql(
            """WITH made AS (INSERT INTO audience_person (first_name, first_seen_at)
                             SELECT 'Member ' || n, {} FROM generate_series(1, {}) n RETURNING id)
               INSERT INTO crowd SELECT id FROM made""",
            at,
            number,
        )
    )
    stages.move_many(
        sql(
            """SELECT subject_id, NULL::bigint AS membership_id, 0 AS seq, 1 AS pass_number, 1 AS step,
                      NULL::bigint AS from_stage, {}::bigint AS to_stage, {}::timestamptz AS occurred_at,
                      {}::timestamptz AS evidence_at, NULL::bigint AS transition_id, 'Test' AS reason FROM crowd""",
            version.stages.get(slug=slug).pk,
            at,
            at,
        ),
        stages.Ledgering(version, Movement.Kind.PLACEMENT, "system", at),
    )
    run(sql("DROP TABLE crowd"))
    return list(Membership.objects.filter(pk__gt=before).order_by("pk"))
