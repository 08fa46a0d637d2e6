"""Backtests beside what truly happened, and what an extra one costs: counted by hand."""

import re
from datetime import date
from html import unescape

import pytest

from audience.activity import channels
from audience.commerce import costs
from audience.models import SegmentMember
from kit.models import User
from lifecycle.backtests import recorded
from lifecycle.engine import replay
from lifecycle.handoffs import answering, turning
from lifecycle.ledger import stages, undo
from lifecycle.models import Handoff, Membership, Moved, Movement, Reached, Version
from tests.factories import activity, draft, person, published
from tests.lifecycle.test_backtests import NOW, SALES, made, on, visitor

pytestmark = pytest.mark.django_db

LOWER = SALES.replace("value: 3", "value: 2")
HIGHER = SALES.replace("value: 3", "value: 4")


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER))
    return client


def move(someone, to: str, day: int, *, written: int | None = None, kind: str = "hand") -> Movement:
    """Somebody is moved on a day, which is written down on that day unless said otherwise."""
    membership = Membership.objects.get(subject_id=someone.pk)
    stage = membership.version.stages.get(slug=to)
    at, now = on(day), on(written or day)
    assert stages.move(membership, to=stage, reason="Met at a fair", by=None, at=at, now=now, kind=kind)
    found = stages.last_movement(membership)
    assert found is not None
    return found


def five():
    """Five members of the live lifecycle beside others: moved by rules, by hand, by a file late, by hand and back."""
    live = published(SALES, NOW)
    ann, bob, cyd = visitor(10, 20, 30), visitor(10, 20), visitor(15)
    dan, gil = visitor(12), visitor(-10)
    left_out = visitor(12, is_excluded=True)
    replay.run(live, now=NOW)
    move(left_out, "mql", 45)
    move(bob, "mql", 40)
    move(cyd, "won", 50, written=100, kind="import")
    undo.undo(move(dan, "mql", 60), by=None, now=on(61))
    move(gil, "mql", 70, written=130)  # on the tenth of May, when the backtest has long been asked for
    return ann, bob, cyd, dan, gil


def test_the_ledger_stands_beside_the_rules_by_cause_and_agrees_with_the_hand_count():
    ann, bob, cyd, dan, gil = five()
    found = made(draft(LOWER, NOW)).result
    truly = found["sides"]["recorded"]
    #                          rule hand file sales otherwise
    known = {"came": (4, 0, 0, 0, 1), "left": (1, 2, 1, 0, 0)}
    mql = {"came": (1, 2, 0, 0, 0), "left": (0, 0, 0, 0, 1)}
    won = {"came": (0, 0, 1, 0, 0), "left": (0, 0, 0, 0, 0)}
    told = {stage["slug"]: stage for stage in truly["stages"]}
    for slug, flows in {"known": known, "mql": mql, "won": won}.items():
        for way, counts in flows.items():
            assert tuple(told[slug][f"{way}_by"][cause] for cause in recorded.CAUSES) == counts, (slug, way)
            assert told[slug][way] == sum(counts)
    assert [(slug, told[slug]["before"], told[slug]["after"]) for slug in told] == [
        ("known", 1, 2), ("mql", 0, 2), ("won", 0, 1)
    ]  # fmt: skip
    assert (truly["moves"], truly["late"]) == (9, 1)
    # Ann by rule, Bob and Dan by hand; the draft brings Ann on day 20 and Bob too, the live version Ann alone.
    assert truly["entered"] == 3
    assert found["differ"] == {
        "tried_only": 1, "live_only": 0, "both": 1, "sooner": 1, "later": 0,
        "recorded": 3, "recorded_only": 1, "unrecorded": 0,
    }  # fmt: skip
    assert dict(Reached.objects.values_list("subject_id", "ledger_at")) == {
        ann.pk: on(30), bob.pk: on(40), dan.pk: on(60)
    }  # fmt: skip
    # Bob stands where the draft has him, and not where the live version has; Cyd stands elsewhere by both; Dan is back.
    assert found["moved"] == {
        "hand": {"subjects": 2, "tried": 0, "live": 1},
        "file": {"subjects": 1, "tried": 1, "live": 1},
        "handoff": {"subjects": 0, "tried": 0, "live": 0},
    }
    late = Moved.objects.get(subject_id=cyd.pk)
    assert (late.from_stage, late.to_stage, late.moved_at, late.recorded_at) == ("known", "won", on(50), on(100))
    assert (late.stood, late.tried_stood, late.live_stood) == ("won", "known", "known")
    assert not Moved.objects.filter(subject_id__in=[ann.pk, gil.pk])


def test_what_sales_answer_is_told_apart_from_what_people_move_by_hand():
    handing = SALES.replace("{slug: mql, name: MQL}", "{slug: mql, name: MQL, hand_off: {accept: won, reject: known}}")
    live = published(handing, NOW)
    accepted, later, moved_on = visitor(10), visitor(11), visitor(12)
    replay.run(live, now=NOW)
    for someone in (accepted, later, moved_on):
        move(someone, "mql", 40)
    one = answering.one(Handoff.objects.get(membership__person=accepted))
    assert answering.accept(one, answering.Saying(None, "page", on(41)))
    two = answering.one(Handoff.objects.get(membership__person=later))
    assert answering.not_now(two, date(2025, 2, 20), answering.Saying(None, "link", on(42)))
    turning.bring_back(on(60))
    move(moved_on, "won", 43)  # by hand: it ends the hand-off, and is nobody's answer
    found = made(draft(handing, NOW)).result
    told = {stage["slug"]: stage for stage in found["sides"]["recorded"]["stages"]}
    assert told["mql"]["came_by"] == {"rule": 0, "hand": 3, "file": 0, "handoff": 1, "other": 0}
    assert told["mql"]["left_by"] == {"rule": 0, "hand": 1, "file": 0, "handoff": 2, "other": 0}
    assert told["won"]["came_by"] == {"rule": 0, "hand": 1, "file": 0, "handoff": 1, "other": 0}
    assert {cause: each["subjects"] for cause, each in found["moved"].items()} == {"hand": 1, "file": 0, "handoff": 2}
    assert Moved.objects.get(subject_id=accepted.pk).moves == 2


def test_a_first_draft_has_nothing_beside_it_and_a_publication_taken_back_is_in_nothing():
    visitor(10, 20, 30)
    version = draft(SALES, NOW)
    found = made(version).result
    assert "recorded" not in found["sides"] and found["moved"] is None
    everywhere = Version.objects.filter(pk=version.pk)
    everywhere.update(state="published", published_at=NOW)
    replay.run(version, now=NOW)
    assert made(draft(LOWER, NOW)).result["sides"]["recorded"]["entered"] == 1
    everywhere.update(state="withdrawn")
    assert "recorded" not in made(draft(HIGHER, NOW)).result["sides"]


def spent(channel: str, begins: date, ends: date, amount: int, currency: str = "EUR") -> None:
    costs.add(
        {"channel": channel, "starts_on": begins, "ends_on": ends, "amount": amount, "currency": currency},
        by=None, now=NOW,
    )  # fmt: skip


def test_an_extra_one_costs_its_share_of_what_brought_it_and_agrees_with_the_hand_count():
    channels.ensure_defaults(NOW)
    published(SALES, NOW)
    # Sixty days, of which 31 lie in January: 310.00, with 690.00 it is 1,000.00 for whom paid search brought then.
    spent("paid_search", date(2025, 1, 1), date(2025, 3, 2), 600_00)
    spent("ppc", date(2025, 1, 1), date(2025, 2, 1), 690_00)
    spent("webinar", date(2025, 2, 1), date(2025, 3, 1), 90_01)
    spent("paid_search", date(2025, 1, 1), date(2025, 2, 1), 5_00, "USD")  # there is no rate
    spent("paid_search", date(2024, 1, 1), date(2024, 2, 1), 77_00)  # brought others
    extra = [visitor(10 + day, 20 + day, source="ppc") for day in range(5)]
    extra.append(visitor(3, 9, won=15, source="ppc"))
    unknown = visitor(10, 20, source="fair")
    for day in range(4):
        visitor(5 + day, source="ppc")  # brought too, and no MQL
    visitor(5, source="ppc", is_excluded=True)
    both, other = person(first_seen_at=on(40, 8)), person(first_seen_at=on(41, 8))
    for someone, days in ((both, (40, 41, 42)), (other, (41,))):
        for day in days:
            activity(someone, on(day), channel="webinar")
    late = visitor(10, 40, won=41)  # clicked an advertisement only after the month in which it came
    activity(late, on(39), channel="paid_search")
    found = made(draft(LOWER, NOW))
    money = found.result["money"]
    assert (money["currency"], money["unrated"]) == ("EUR", 1)
    # Ten were brought by paid search in January: 100.00 each. Two by webinars in February: 45.005, in whole cents.
    assert set(Reached.objects.filter(subject_id__in=[each.pk for each in extra]).values_list("cost", flat=True)) == {
        100_00
    }
    assert Reached.objects.get(subject_id=both.pk).cost == 45_01
    assert set(Reached.objects.filter(cost=None).values_list("subject_id", flat=True)) == {unknown.pk, late.pk}
    group = money["groups"]["tried_only"]
    assert {key: group[key] for key in ("subjects", "known", "cost")} == {"subjects": 7, "known": 6, "cost": 600_00}
    assert (group["hits"], group["of"]) == (1, 7)
    assert money["groups"]["both"] == {"subjects": 2, "known": 1, "cost": 45_01, "of": 2, "hits": 1}
    assert sum(each.cost or 0 for each in found.reached.all()) == 645_01


def test_with_few_known_costs_none_is_told_and_what_a_stricter_draft_misses_is_not_called_saved(admin):
    channels.ensure_defaults(NOW)
    published(SALES, NOW)
    spent("paid_search", date(2025, 1, 1), date(2025, 2, 1), 50_00)
    missed = [visitor(10, 11, 12 + day, won=20 if day < 2 else None, source="ppc") for day in range(5)]
    found = made(draft(HIGHER, NOW))
    groups = found.result["money"]["groups"]
    assert groups["live_only"] == {"subjects": 5, "known": 5, "cost": 50_00, "of": 5, "hits": 2}
    assert groups["tried_only"]["subjects"] == 0
    page = admin.get(found.get_absolute_url()).content.decode()
    assert "brings 0 whom the live one does not, and misses 5." in page
    assert "50.00\u00a0EUR had been paid to bring those it misses: that is not saved." in page
    assert "lost are the successes among them: 2 of 5" in page
    assert (
        "10.00\u00a0EUR" in page and "not enough data" in page
    )  # of each it misses; of the extra ones there is nobody
    people = admin.get(f"/backtests/{found.pk}/people/?who=live_only&cost=yes").content.decode()
    assert all(f"/people/{each.pk}/" in people for each in missed) and "10.00\u00a0EUR" in people
    assert f"/people/{missed[0].pk}/" not in admin.get(f"/backtests/{found.pk}/people/?cost=no").content.decode()


def test_the_page_shows_what_truly_happened_and_opens_whom_people_moved(admin):
    ann, bob, cyd, dan, gil = five()
    found = made(draft(LOWER, NOW))
    page = admin.get(found.get_absolute_url()).content.decode()
    assert "As recorded" in page and "3 were last moved by hand, by a program or by a file" in page
    assert "9 moves happened from" in page and "1 of them was written down only after the time span" in page
    url = f"/backtests/{found.pk}/moved/"
    assert f"{url}?cause=hand_or_file&amp;elsewhere=tried" in page

    def listed(query: str) -> set[int]:
        text = admin.get(f"{url}?{query}").content.decode()
        return {each.pk for each in (ann, bob, cyd, dan, gil) if f"/people/{each.pk}/" in text}

    assert listed("") == {bob.pk, cyd.pk, dan.pk}
    assert listed("cause=hand_or_file&elsewhere=tried") == {cyd.pk}
    assert listed("cause=hand&elsewhere=live") == {bob.pk}
    assert listed("cause=handoff") == set()
    text = admin.get(f"{url}?cause=file").content.decode()
    assert "by a file" in text and "Won" in text and "Known" in text
    admin.post(f"{url}segment/?elsewhere=live", {"name": "Corrected"})
    assert set(SegmentMember.objects.values_list("subject_id", flat=True)) == {bob.pk, cyd.pk}
    truly = admin.get(f"/backtests/{found.pk}/people/?who=recorded_only").content.decode()
    assert f"/people/{dan.pk}/" in truly and f"/people/{bob.pk}/" not in truly


def test_each_count_of_moves_opens_as_many_moves(admin):
    ann, bob, cyd, dan, gil = five()
    found = made(draft(LOWER, NOW))
    page = admin.get(found.get_absolute_url()).content.decode()
    counts = re.findall(r'<a href="(/backtests/\d+/movements/\?[^"]+)">([\d,]+)</a>', page)
    assert len(counts) > 10
    for url, count in counts:
        told = admin.get(unescape(url)).content.decode()
        assert re.search(rf"\b{count} moves?\b", told), url
    url = f"/backtests/{found.pk}/movements/"
    by_hand = admin.get(f"{url}?came=mql&cause=hand").content.decode()
    assert [f"/people/{each.pk}/" in by_hand for each in (ann, bob, cyd, dan, gil)] == [False, True, False, True, False]
    assert f"/people/{dan.pk}/" in admin.get(f"{url}?left=mql&cause=other").content.decode()
    stage = Version.objects.get(pk=found.version_id).stages.get(slug="mql")
    assert f'value="{stage.slug}"' in by_hand
    assert "9 moves happened from" in admin.get(url).content.decode()


def test_a_result_of_before_is_still_shown(admin):
    """What was kept when nothing of the ledger and of shares was counted yet."""
    visitor(10, 20)
    found = made(draft(LOWER, NOW))
    old = dict(found.result)
    for key in ("money", "moved"):
        del old[key]
    old["sides"] = {"tried": old["sides"]["tried"]}
    old["differ"] = {key: old["differ"][key] for key in ("tried_only", "live_only", "both", "sooner", "later")}
    type(found).objects.filter(pk=found.pk).update(result=old)
    assert admin.get(found.get_absolute_url()).status_code == 200
