"""Made-up people with what they did, the same for the same numbers: four countries, eight kinds, a year, a stage each.

Workloads that only read them share them; whoever changes them says so by `spoil`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from kit.sql import Sql, rows, sql
from kit.sql import run as execute
from lifecycle.editions import documents, versions
from lifecycle.models import Lifecycle, Version

NOTE = """
lifecycle: bench
name: Bench
species: net_new
entry: {}
stages:
  - {slug: known, name: Known}
  - {slug: mql, name: MQL}
  - {slug: won, name: Won, kind: terminal}
transitions:
  - {from: known, to: mql, by_hand: true, reason: By hand}
  - {from: mql, to: won, by_hand: true, reason: By hand}
"""


NOTED = "CREATE TABLE IF NOT EXISTS work.bench_history (people int, activities int, until timestamptz)"


def fill(people: int, activities: int, *, without: str = "") -> datetime:
    """People, activities and memberships are there, and no lifecycle `without`; the instant at which their history ends.

    That is ten in the morning of the day before. They are loaded by SQL alone, and nobody is marked for judgement.
    """
    if Lifecycle.objects.filter(slug=without).exists():
        spoil()
    execute(Sql(NOTED))
    for (until,) in rows(
        sql("SELECT until FROM work.bench_history WHERE people = {} AND activities = {}", people, activities)
    ):
        execute(Sql("TRUNCATE scoring_scoringmodel, audience_segment, campaigns_campaign, audience_dirty CASCADE"))
        return until
    now = (timezone.now() - timedelta(days=1)).replace(hour=10, minute=0, second=0, microsecond=0)
    spoil()
    _load(people, activities, now)
    execute(Sql(NOTED))
    execute(sql("INSERT INTO work.bench_history VALUES ({}, {}, {})", people, activities, now))
    return now


def spoil() -> None:
    """They are no longer as they were filled: the next who asks for them gets new ones."""
    execute(Sql("DROP TABLE IF EXISTS work.bench_history"))


def _load(people: int, activities: int, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE audience_person, audience_account, audience_activitykind, lifecycle_lifecycle, scoring_scoringmodel, audience_dirty "
            "CASCADE"
        )
    version = versions.draft(documents.parse(NOTE), by=None, now=now)
    stages = dict(version.stages.values_list("slug", "pk"))
    Version.objects.filter(pk=version.pk).update(state=Version.State.PUBLISHED, published_at=now, looked_until=now)
    with connection.cursor() as cursor:
        # References are right by construction: a replica does not look them up. Nor are there triggers that mark.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SELECT setseed(0.42)")
        cursor.execute(
            """INSERT INTO audience_person (email, first_name, last_name, title, country, source, first_seen_at, created_at)
               SELECT 'p' || n || '@example.com', 'First' || n %% 97, 'Last' || n %% 991,
                      (ARRAY['Director of Sales', 'Engineer', 'Head of Marketing', ''])[1 + n %% 4],
                      (ARRAY['DE', 'FR', 'US', 'GB', ''])[1 + (random() * 4.99)::int %% 5],
                      (ARRAY['organic_search', 'email', 'referral', ''])[1 + n %% 4],
                      %s - random() * interval '700 days', %s - interval '1 day'
               FROM generate_series(1, %s) n""",
            [now, now, people],
        )
        cursor.execute(
            """INSERT INTO audience_activitykind (slug, label, channel, direction, is_response)
               SELECT 'kind_' || n, 'Kind ' || n, 'web', 'inbound', false FROM generate_series(1, 8) n"""
        )
        # Half of all is done by a tenth of the people, as in life.
        cursor.execute(
            """INSERT INTO audience_activity
                   (person_id, kind_id, channel, direction, actor, properties, occurred_at, recorded_at, source, external_id)
               SELECT first.id + (CASE WHEN n %% 2 = 0 THEN random() * (%s - 1) ELSE random() * (%s / 10 - 1) END)::bigint,
                      kind.id + n %% 8, 'web', 'inbound', 'human', '{}', at.t, at.t, 'bench', n::text
               FROM (SELECT min(id) AS id FROM audience_person) first,
                    (SELECT min(id) AS id FROM audience_activitykind) kind,
                    generate_series(1, %s) n,
                    LATERAL (SELECT %s - (n::float8 / %s) * interval '365 days' AS t) at ORDER BY n DESC""",
            [people, people, activities, now, activities],
        )
        cursor.execute(
            """INSERT INTO lifecycle_membership
                   (lifecycle_id, person_id, version_id, stage_id, pass_number, seq, entered_at)
               SELECT %s, p.id, %s, CASE WHEN p.id %% 7 = 0 THEN %s ELSE %s END, 1, 1, p.first_seen_at
               FROM audience_person p""",
            [version.lifecycle_id, version.pk, stages["mql"], stages["known"]],
        )
        cursor.execute(
            """INSERT INTO lifecycle_movement (membership_id, version_id, seq, to_stage_id, occurred_at, evidence_at,
                   recorded_at, kind, reason, actor)
               SELECT m.id, m.version_id, 1, m.stage_id, m.entered_at, m.entered_at, %s, 'placement', '', 'bench'
               FROM lifecycle_membership m""",
            [now],
        )
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("VACUUM ANALYZE")
