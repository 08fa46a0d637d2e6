"""Made-up people with what they did, the same for the same numbers: four countries, eight kinds, a year, a stage each."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from lifecycle import documents, versions
from lifecycle.models import Version

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


def fill(people: int, activities: int, now: datetime) -> None:
    """Load people, activities and memberships by SQL alone, in place of any; nobody is marked for judgement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE audience_person, audience_activitykind, lifecycle_lifecycle, scoring_scoringmodel, audience_dirty "
            "CASCADE"
        )
    version = versions.draft(documents.parse(NOTE), by=None, now=now)
    stages = dict(version.stages.values_list("slug", "pk"))
    Version.objects.filter(pk=version.pk).update(state=Version.State.PUBLISHED, published_at=now, looked_until=now)
    with connection.cursor() as cursor:
        cursor.execute("SET perennial.marks = 'off'")
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
        cursor.execute("SET perennial.marks = 'on'")
        cursor.execute("VACUUM ANALYZE")
