"""The funnel against tables counted by hand, and the ledger's identity for whatever moves there are."""

from datetime import date, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit import installation
from kit.sql import sql
from kit.statistics import Share
from lifecycle.ledger import stages
from lifecycle.models import Movement
from reporting import filling, integrity
from reporting.funnel import NeverPublished, as_json, funnel
from reporting.plans import Direction
from reporting.splits import find
from tests import factories
from tests.reporting.ledger import NOW, STAGES, TODAY, asked, lifecycle, move, on, version, walk

pytestmark = pytest.mark.django_db


def january():
    """Eight histories; what they add up to in January is in the tables below."""
    sales = lifecycle()
    walk(sales, ("lead", 1), ("mql", 3), ("sql", 5), ("won", 10), country="DE")
    walk(sales, ("lead", 1), ("mql", 4), ("recycled", 20), ("mql", 40), country="DE")
    walk(sales, ("lead", 2), ("sql", 6), ("mql", 8), ("sql", 30), country="FR")
    walk(sales, ("lead", 5), ("", 9))
    walk(sales, ("lead", 15))
    walk(sales, ("mql", 12), ("sql", 14), ("lost", 18), country="FR")
    walk(sales, ("lead", date(2024, 12, 22)), ("mql", 3))
    walk(sales, ("lead", 20), ("sql", 22), country="unknown")
    return sales


def rows(answer):
    return {row.place.slug: row for row in answer.everybody.rows}


def test_the_ledger_of_january_is_that_counted_by_hand():
    found = rows(asked(january(), 1, 32))
    flows = {slug: (r.balance_start, r.in_flow, r.out_flow, r.balance_end) for slug, r in found.items()}
    assert flows == {
        "lead": (1, 6, 6, 1),
        "mql": (0, 5, 4, 1),
        "sql": (0, 5, 3, 2),
        "won": (0, 1, 0, 1),
        "recycled": (0, 1, 0, 1),
        "lost": (0, 1, 0, 1),
    }


def test_moves_out_are_told_apart_by_where_they_led():
    sales = january()
    found = rows(asked(sales, 1, 32))
    ways = {slug: {way.value: n for way, n in row.out_by.items() if n} for slug, row in found.items()}
    assert ways == {
        "lead": {"direct": 3, "skip": 2, "exit": 1},
        "mql": {"direct": 3, "detour": 1},
        "sql": {"direct": 1, "back": 1, "detour": 1},
        "won": {},
        "recycled": {},
        "lost": {},
    }
    february = rows(asked(sales, 32, 60))
    assert february["recycled"].out_by[Direction.RETURN] == 1


def test_period_conversion_is_forward_moves_of_all_stays():
    found = rows(asked(january(), 1, 32))
    assert {slug: found[slug].period for slug in ("lead", "mql", "sql", "won")} == {
        "lead": Share(5, 7),
        "mql": Share(3, 5),
        "sql": Share(1, 5),
        "won": None,
    }


def test_cohort_conversion_is_counted_from_first_entries_to_the_next_stage_or_later():
    found = rows(asked(january(), 1, 32))
    assert [found[slug].next_step for slug in ("lead", "mql", "sql")] == [Share(4, 6), Share(3, 5), Share(1, 4)]


def test_cumulative_strict_and_any_order_conversion_stand_side_by_side():
    found = rows(asked(january(), 1, 32))
    shares = {slug: (row.cumulative, row.strict, row.any_order) for slug, row in found.items() if row.place.position}
    assert shares == {
        "lead": (Share(6, 6), Share(6, 6), Share(7, 7)),
        "mql": (Share(4, 6), Share(3, 6), Share(5, 7)),
        "sql": (Share(3, 6), Share(2, 6), Share(4, 7)),
        "won": (Share(1, 6), Share(1, 6), Share(1, 7)),
    }


def test_a_cohort_is_given_so_many_days_and_no_more():
    found = rows(asked(january(), 1, 32, within=3))
    assert found["lead"].next_step == Share(3, 6)  # four days to the next stage are too many


def test_cohorts_whose_days_are_not_over_are_shown_apart():
    # Asked on 1 March, the sixtieth day: 45 days are over for those who entered before 15 January.
    lead = rows(asked(january(), 1, 32, within=45))["lead"]
    assert (lead.entered, lead.unfinished, lead.next_step) == (6, 2, Share(3, 4))


def test_time_in_stage_is_that_of_the_stays_that_ended_in_the_window():
    found = rows(asked(january(), 1, 32))
    lead, mql = found["lead"].stays, found["mql"].stays  # 2 2 3 4 4 12, and 2 2 16 22
    assert (lead.count, lead.median, lead.p90, lead.mean) == (6, 3.5, 12, 4.5)
    assert (mql.count, mql.median, mql.p90, mql.mean) == (4, 9, 22, 10.5)
    assert found["lead"].stays_by[Direction.EXIT].median == 4
    assert found["mql"].stays_by[Direction.DETOUR].median == 16


def test_velocity_is_that_of_first_entries_of_those_that_moved():
    answer = asked(january(), 1, 32)
    to_mql, to_sql = rows(answer)["lead"].to_next, rows(answer)["mql"].to_next  # 2 3 6 12, and 2 2
    assert (to_mql.count, to_mql.median) == (4, 4.5)
    assert (to_sql.count, to_sql.median) == (2, 2)
    assert (answer.everybody.first_to_last.count, answer.everybody.first_to_last.median) == (1, 9)


def test_a_fact_dated_before_the_entry_counts_as_it_is_dated_and_is_flagged():
    sales = lifecycle()
    walk(sales, ("lead", 10), ("won", 8))
    walk(sales, ("lead", 10), ("won", 14))
    answer = asked(sales, 1, 32)
    days = answer.everybody.first_to_last
    assert (days.count, days.minimum, days.negative, days.median) == (2, -2, 1, 1)
    assert rows(answer)["won"].in_flow == 2


def test_the_buckets_of_a_split_add_up_to_everybody():
    sales = january()
    answer = asked(sales, 1, 32, split=find("country", "person"))
    for row in answer.everybody.rows:
        parts = [rows_of(bucket)[row.place.slug] for bucket in answer.buckets]
        for count in ("balance_start", "in_flow", "out_flow", "balance_end", "entered", "unfinished"):
            assert sum(getattr(part, count) for part in parts) == getattr(row, count), (row.place.slug, count)
        for rate in ("next_step", "cumulative", "strict", "any_order", "period"):
            if whole := getattr(row, rate):
                shares = [getattr(part, rate) for part in parts]
                assert (sum(s.hits for s in shares), sum(s.of for s in shares)) == (whole.hits, whole.of)
        assert sum(part.stays.count for part in parts) == row.stays.count
    assert sum(bucket.body.placed for bucket in answer.buckets) == answer.everybody.placed == 7
    speeds = [bucket.body.first_to_last.count for bucket in answer.buckets]
    assert sum(speeds) == answer.everybody.first_to_last.count


def rows_of(bucket):
    return {row.place.slug: row for row in bucket.body.rows}


def test_the_unknown_are_a_bucket_of_their_own_beside_those_called_unknown():
    answer = asked(january(), 1, 32, split=find("country", "person"))
    entered = {bucket.label: (bucket.value, bucket.body.entered, bucket.body.won) for bucket in answer.buckets}
    assert entered == {
        "DE": ("DE", 2, Share(1, 2)),
        "(empty)": ("", 2, Share(0, 2)),
        "FR": ("FR", 1, Share(0, 1)),
        "unknown": ("unknown", 1, Share(0, 1)),
    }


def test_an_exit_by_erasure_is_dated_the_day_of_the_erasure_and_changes_no_day_before():
    sales = lifecycle()
    gone = walk(sales, ("lead", 1), ("mql", 3))
    walk(sales, ("lead", 2))
    before = rows(asked(sales, 1, 20))
    gone.refresh_from_db()
    stages.move(gone, to=None, reason="erased", by=None, at=on(25), now=NOW, kind=Movement.Kind.ERASURE)
    after = rows(asked(sales, 1, 20))
    assert {s: (r.in_flow, r.out_flow, r.balance_end) for s, r in before.items()} == {
        s: (r.in_flow, r.out_flow, r.balance_end) for s, r in after.items()
    }
    later = rows(asked(sales, 20, 32))["mql"]
    assert (later.balance_start, later.out_flow, later.balance_end) == (1, 1, 0)
    assert later.out_by[Direction.EXIT] == 1


def test_each_pass_of_a_subject_counts_for_itself():
    sales = lifecycle()
    someone = factories.person()
    walk(sales, ("lead", 1), ("won", 5), subject=someone)
    walk(sales, ("lead", 10), ("lost", 12), subject=someone)
    found = rows(asked(sales, 1, 32))
    assert found["lead"].entered == 2
    assert found["won"].cumulative == Share(1, 2)
    assert (found["won"].balance_end, found["lost"].balance_end) == (1, 1)


def test_a_funnel_spans_the_versions_of_its_lifecycle():
    sales = lifecycle()
    walk(sales, ("lead", 1), ("mql", 3))
    walk(sales, ("lead", 2), ("recycled", 4))
    shorter = [stage for stage in STAGES if stage[0] != "recycled"]
    version(sales, stages_of=shorter)
    walk(sales, ("lead", 10), ("mql", 12), ("sql", 14))
    answer = asked(sales, 1, 32)
    found = rows(answer)
    assert (found["lead"].in_flow, found["mql"].in_flow, found["sql"].in_flow) == (3, 2, 1)
    assert found["recycled"].place.former
    assert found["recycled"].balance_end == 1
    assert answer.everybody.totals.balance_end == 3
    assert answer.plan.version.number == 2


def test_a_move_between_two_editions_of_a_stage_is_no_move():
    sales = lifecycle()
    member = walk(sales, ("lead", 1), ("mql", 3))
    two = version(sales)
    migrate(member, two, 10)
    move(member, "sql", 15)
    found = rows(asked(sales, 1, 32))
    assert (found["mql"].in_flow, found["mql"].out_flow) == (1, 1)
    assert found["mql"].stays.median == 12  # from the third to the fifteenth
    assert integrity.check(sales, now=NOW) == []


def migrate(member, to_version, day):
    member.refresh_from_db()
    relation = sql(
        """SELECT {}::bigint AS subject_id, {}::bigint AS membership_id, {}::int AS seq, {}::int AS pass_number,
                  1 AS step, {}::bigint AS from_stage, {}::bigint AS to_stage, {}::timestamptz AS occurred_at,
                  {}::timestamptz AS evidence_at, NULL::bigint AS transition_id, '' AS reason""",
        member.subject_id,
        member.pk,
        member.seq,
        member.pass_number,
        member.stage_id,
        to_version.stages.get(slug=member.stage.slug).pk,
        on(day),
        on(day),
    )
    assert stages.move_many(relation, stages.Ledgering(to_version, Movement.Kind.MIGRATION, "system", NOW)) == 1


@pytest.mark.parametrize(
    ("zone", "last_moment", "first_moment", "day"),
    [
        # A day of 23 hours, and the one after it.
        ("Europe/Berlin", "2025-03-29T22:59Z", "2025-03-29T23:00Z", date(2025, 3, 30)),
        ("Europe/Berlin", "2025-03-30T21:59Z", "2025-03-30T22:00Z", date(2025, 3, 31)),
        # A day of 25 hours.
        ("Europe/Berlin", "2024-10-27T22:59Z", "2024-10-27T23:00Z", date(2024, 10, 28)),
        # A day without a midnight: the clock goes from 24:00 to 01:00.
        ("Africa/Cairo", "2025-04-24T21:59Z", "2025-04-24T22:00Z", date(2025, 4, 25)),
    ],
)
def test_a_window_begins_and_ends_at_local_midnights(zone, last_moment, first_moment, day):
    installation.put("zone", zone)
    sales = lifecycle()
    for instant in (last_moment, first_moment):
        walk(sales, ("lead", datetime.fromisoformat(instant)))
    yesterday, today = day - timedelta(days=1), day + timedelta(days=1)
    assert rows(asked(sales, yesterday, day))["lead"].in_flow == 1
    of_the_day = rows(asked(sales, day, today))["lead"]
    assert (of_the_day.balance_start, of_the_day.in_flow, of_the_day.balance_end) == (1, 1, 2)


def test_an_empty_lifecycle_has_a_funnel_of_zeros():
    answer = asked(lifecycle(), 1, 32, split=find("country", "person"))
    assert answer.everybody.totals.in_flow == 0
    assert answer.buckets == ()
    assert answer.everybody.won == Share(0, 0)


def test_a_lifecycle_that_was_never_published_has_no_funnel():
    sales = lifecycle()
    sales.versions.update(state="draft")
    with pytest.raises(NeverPublished):
        funnel(sales, start=date(2025, 1, 1), end=date(2025, 2, 1), today=TODAY)


def test_a_window_that_ends_before_it_starts_is_refused():
    with pytest.raises(ValueError, match="ends after it starts"):
        funnel(lifecycle(), start=date(2025, 2, 1), end=date(2025, 1, 1), today=TODAY)


def test_a_lifecycle_of_accounts_is_split_by_their_industry():
    partners = lifecycle(of="account")
    walk(partners, ("lead", 1), ("won", 5), industry="Retail")
    walk(partners, ("lead", 2))
    answer = asked(partners, 1, 32, split=find("industry", "account"))
    assert {b.label: (b.body.entered, b.body.won) for b in answer.buckets} == {
        "Retail": (1, Share(1, 1)),
        "(empty)": (1, Share(0, 1)),
    }


def test_the_funnel_as_json_has_plain_values():
    told = as_json(asked(january(), 1, 32, split=find("country", "person")))
    assert (told["entered"], told["won"], told["conversion"], told["from"], told["to"]) == (
        6, 1, 1 / 6, "2025-01-01", "2025-02-01",
    )  # fmt: skip
    assert [bucket["bucket"] for bucket in told["split"]["buckets"]] == ["DE", "(empty)", "FR", "unknown"]
    lead = told["stages"][0]
    assert (lead["stage"], lead["balance_start"], lead["in"], lead["out"], lead["balance_end"]) == ("lead", 1, 6, 6, 1)
    assert lead["next_step"]["hits"] == 4
    assert told["first_to_won_days"]["median"] == 9


def test_the_number_of_statements_does_not_depend_on_the_number_of_stages_or_people(django_assert_num_queries):
    sales = january()
    filling.fill(sales, now=NOW)
    with django_assert_num_queries(8):
        funnel(sales, start=date(2025, 1, 1), end=date(2025, 2, 1), today=TODAY)


PATH = ["lead", "mql", "sql", "won"]


def paths(of):
    """Each membership's moves, as stage and day."""
    for member in of.membership_set.all():
        moves = member.movement_set.order_by("seq").select_related("to_stage")
        yield [(each.to_stage.slug if each.to_stage else "", each.occurred_at.date()) for each in moves]


def by_hand(walked, origin, target, start, length, days, strict=False):
    """A cohort's conversion, by walking every path one move at a time."""
    hits = of = 0
    for path in walked:
        begins = 0 if not origin else next((n for n, (slug, _) in enumerate(path) if slug == origin), None)
        if begins is None or not on(start).date() <= path[begins][1] < on(start + length).date():
            continue
        day = path[begins][1]
        if days is not None and day + timedelta(days=days) >= TODAY:
            continue
        of += 1
        seen = [slug for slug, at in path[begins:] if days is None or (at - day).days <= days]
        if strict:
            wanted = PATH[PATH.index(origin) : PATH.index(target) + 1]
            onward = iter(seen)
            hits += all(slug in onward for slug in wanted)
        else:
            hits += any(slug in PATH[PATH.index(target) :] for slug in seen)
    return Share(hits, of)


SLUGS = ["lead", "mql", "sql", "won", "recycled", "lost", ""]
HISTORIES = st.lists(
    st.lists(st.tuples(st.sampled_from(SLUGS), st.integers(0, 40)), min_size=1, max_size=6), min_size=1, max_size=6
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(HISTORIES, st.integers(1, 59), st.integers(1, 30))
def test_opening_plus_in_less_out_is_closing_whatever_moves(histories, start, length):
    with transaction.atomic():
        sales = lifecycle()
        for history in histories:
            member = None
            for slug, day in history:
                if member is None:
                    if slug:
                        member = walk(sales, (slug, day + 1))
                elif member.ended_at is None and slug != (member.stage.slug if member.stage else ""):
                    move(member, slug, day + 1)
                    member.refresh_from_db()
        answer = asked(sales, start, start + length)
        whole = asked(sales, date(2024, 1, 1), date(2026, 1, 1))
        assert integrity.check(sales, now=NOW) == []
        assert all(row.balances and sum(row.out_by.values()) == row.out_flow for row in answer.everybody.rows)
        members = sales.membership_set.exclude(stage=None).count()
        assert whole.everybody.totals.balance_end == members
        before = asked(sales, date(2024, 1, 1), on(start).date())
        assert [row.balance_end for row in before.everybody.rows] == [
            row.balance_start for row in answer.everybody.rows
        ]
        for days in (None, 5):
            told = rows(asked(sales, start, start + length, within=days))
            walked = list(paths(sales))
            for slug in PATH:
                assert told[slug].cumulative == by_hand(walked, "lead", slug, start, length, days)
                assert told[slug].strict == by_hand(walked, "lead", slug, start, length, days, strict=True)
                assert told[slug].any_order == by_hand(walked, "", slug, start, length, days)
            for slug, onward in zip(PATH, PATH[1:], strict=False):
                assert told[slug].next_step == by_hand(walked, slug, onward, start, length, days)
        transaction.set_rollback(True)
