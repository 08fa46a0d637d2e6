"""Hand-offs from the movement to the answer: made, routed, answered, missed, back again; and what is no hand-off."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from audience import live as engine
from audience.conditions import compile, tree
from audience.models import Person
from kit import access, installation, jobs, notices
from kit.models import AuditEntry, Notice, User
from kit.sql import rows
from kit.yamlfiles import DocumentError
from lifecycle.editions import versions
from lifecycle.handoffs import answering, offering, queue, routing, turning, wording
from lifecycle.ledger import stages, undo
from lifecycle.models import Handoff, HandoffEvent, Membership, Movement, Version
from tests.factories import NOW, account, activity, days_ago, deal, draft, person, published
from tests.lifecycle.handoffs import making
from tests.lifecycle.handoffs.making import handed, in_turns, seller, team, version

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def say(by: User | None, now=NOW, words: str = "", route: str = "page") -> answering.Saying:
    return answering.Saying(by, route, now, words)


def stage_of(handoff: Handoff) -> str:
    return Membership.objects.get(pk=handoff.membership_id).stage.slug


def newest(handoff: Handoff) -> Handoff:
    return Handoff.objects.filter(membership=handoff.membership_id).latest("pk")


def kinds(handoff: Handoff) -> list[str]:
    return list(HandoffEvent.objects.filter(handoff=handoff).order_by("pk").values_list("kind", flat=True))


# ---- made ----


def test_whoever_comes_into_the_stage_is_offered_with_its_due_date_and_a_replay_offers_nobody():
    made = draft(making.HANDING.replace("MISSED", "stay"))
    ada = person(country="DE")
    activity(ada, days_ago(3))
    jobs.run(versions.publish(made, by=None, now=NOW).pk, NOW)
    assert Membership.objects.get(person=ada).stage.slug == "mql" and not Handoff.objects.exists()
    ben = person(country="DE", first_seen_at=NOW)
    activity(ben, NOW)
    engine.run_all(NOW + timedelta(seconds=5))
    offered = Handoff.objects.get()
    here = Membership.objects.get(person=ben)
    assert (offered.membership, offered.seq, offered.state) == (here, here.seq, "offered")
    assert offered.due_at == here.due_at and offered.due_at is not None


def test_whoever_waited_before_is_handed_over_when_asked_once():
    made = version()
    ada = handed(made)
    HandoffEvent.objects.all().delete()
    Handoff.objects.all().delete()
    mql = made.stages.get(slug="mql")
    assert [offering.offer_waiting(mql, by=None, now=NOW) for _again in range(2)] == [1, 0]
    assert Handoff.objects.get().due_at == ada.due_at


@pytest.mark.parametrize(
    ("way", "state", "reason"),
    [("forward", "accepted", "Called"), ("back", "rejected", "Called"), ("rule", "expired", "Gone"),
     ("out", "rejected", "Called"), ("erased", "withdrawn", "erased")],
)  # fmt: skip
def test_a_hand_off_ends_with_the_move_that_leaves_its_stage_as_reports_count_it(way, state, reason):
    made = version()
    ada = handed(made)
    here = Membership.objects.get(pk=ada.membership_id)
    to = {"forward": "sal", "back": "recycled"}.get(way)
    if way == "rule":
        activity(here.person, NOW, kind="gone")
        engine.run_all(NOW + HOUR)
    elif way == "erased":
        stages.erase(here.subject_id, by=None, now=NOW)
    else:
        target = made.stages.get(slug=to) if to else None
        assert stages.move(here, to=target, reason="Called", by=None, at=NOW, now=NOW + HOUR)
    ada.refresh_from_db()
    assert (ada.state, ada.reason, ada.route) == (state, reason, "move")
    assert kinds(ada)[-1] == state


def test_an_answer_taken_back_offers_them_to_the_same_again():
    made, (north, (ina, bob)) = version(), team("Ina", "Bob")
    in_turns(made, north)
    ada = handed(made)
    assert ada.user == ina
    assert answering.accept(answering.one(ada), say(ina)) == 1
    undo.undo(stages.last_movement(ada.membership), by=ina, now=NOW + HOUR)
    turning.turn(NOW + HOUR)
    again = newest(ada)
    assert (again.state, again.user, again.via) == ("offered", ina, "returned")
    assert bob != ina


def test_an_answer_that_somebody_else_gave_and_took_back_offers_them_to_who_had_them():
    made, (north, (ina, bob)) = version(), team("Ina", "Bob")
    in_turns(made, north)
    ada = handed(made)
    assert (ada.user, answering.accept(answering.one(ada), say(bob))) == (ina, 1)
    undo.undo(stages.last_movement(ada.membership), by=bob, now=NOW + HOUR)
    turning.turn(NOW + HOUR)
    assert (newest(ada).state, newest(ada).user, newest(ada).via) == ("offered", ina, "returned")


# ---- routed ----


def test_the_usual_rules_give_to_the_owner_of_an_open_deal_then_of_the_account_then_of_the_person():
    made = version()
    cleo, dan, eve = (seller(each) for each in ("Cleo", "Dan", "Eve"))
    firm = account(name="Acme", owner=dan)
    by_person = handed(made, owner=eve)
    by_account = handed(made, owner=eve, account=firm)
    both = person(owner=eve, account=firm)
    deal(both, NOW, owner=cleo)
    stages.place(both.pk, made, to=made.stages.get(slug="mql"), reason="", by=None, at=NOW, now=NOW)
    turning.turn(NOW)
    by_deal = Handoff.objects.get(membership__person=both)
    nobodys = handed(made)
    found = [(each.user, each.via) for each in (by_deal, by_account, by_person, nobodys)]
    assert found == [
        (cleo, "deal_owner"), (dan, "account_owner"), (eve, "person_owner"), (None, "nobody")
    ]  # fmt: skip
    assert wording.why(by_account) == "Owns their account." and wording.why(nobodys) == "No rule found anybody."


def test_a_territory_is_a_condition_and_the_first_rule_that_finds_somebody_wins():
    made, (north, (ina, bob)) = version(), team("Ina", "Bob")
    germany = {"field": "person.country", "op": "is", "value": "DE"}
    routing.add(made.lifecycle, routing.Told("user", germany, user=bob), by=None, now=NOW)
    routing.add(made.lifecycle, routing.Told("team", {}, team=north), by=None, now=NOW)
    german, other = handed(made, country="DE"), handed(made, country="FR")
    assert (german.user, german.via, other.via) == (bob, "user", "team")
    assert wording.why(german) == "Gets those of this rule. For: country is “DE”."
    assert ina != bob


def test_a_team_takes_turns_within_capacity_and_what_finds_no_room_waits_for_the_team():
    made, (north, (ina, bob, cem)) = version(), team("Ina", "Bob", "Cem")
    User.objects.filter(pk=cem.pk).update(capacity=1)
    in_turns(made, north)
    for _each in range(3):
        handed(made)
    for _each in range(4):
        handed(made, turn=False)
    turning.turn(NOW + HOUR)
    dealt = Counter(Handoff.objects.values_list("user__name", flat=True))
    assert dealt == {"Ina": 3, "Bob": 3, "Cem": 1}
    User.objects.filter(team=north).update(capacity=0)
    last = handed(made)
    assert (last.user, last.team, wording.why(last)) == (None, north, "Nobody of North was free.")
    assert last in queue.of(Handoff.objects.all(), ina, queue.TEAM) and bob != cem


def test_whoever_is_away_is_stood_for_and_passed_over_in_turns():
    made, (north, (ina, bob)) = version(), team("Ina", "Bob")
    today = NOW.date()
    access.be_away(ina, today, today + timedelta(days=3), bob, by=None, now=NOW)
    owned = handed(made, owner=ina)
    assert (owned.user, owned.stands_for, owned.via) == (bob, ina, "person_owner")
    assert wording.why(owned) == "Stands in for Ina. Owns them."
    in_turns(made, north)
    assert {handed(made).user for _each in range(2)} == {bob}
    access.be_away(ina, None, None, None, by=None, now=NOW)
    assert {handed(made).user for _each in range(2)} == {ina, bob}


def test_what_waits_in_a_teams_queue_goes_to_whoever_has_room_again_and_no_further():
    made, (north, (ina, bob)) = version(), team("Ina", "Bob")
    in_turns(made, north)
    User.objects.filter(team=north).update(capacity=0)
    waiting = [handed(made) for _each in range(3)]
    news = HandoffEvent.objects.count()
    assert routing.route_again(NOW + HOUR) == 0 and HandoffEvent.objects.count() == news, "nobody is told anew"
    User.objects.filter(pk=bob.pk).update(capacity=2)
    assert routing.route_again(NOW + 2 * HOUR) == 2
    assert [newest(each).user for each in waiting] == [bob, bob, None] and ina.capacity is None
    assert list(HandoffEvent.objects.filter(to=bob).values_list("kind", "wants_telling")) == [("handed", True)] * 2
    assert routing.route_again(NOW + 3 * HOUR) == 0


@pytest.mark.parametrize("how", ["away", "viewer", "closed"])
def test_what_waits_in_nobodys_queue_goes_to_its_owner_once_they_are_back(how):
    made, ina = version(), seller("Ina")
    ada = handed(made, owner=ina)
    assert ada.user == ina
    gone, back = {
        "away": ({"out_until": (NOW + 9 * HOUR).date()}, {"out_until": None}),
        "viewer": ({"role": User.Role.VIEWER}, {"role": User.Role.SALES}),
        "closed": ({"is_active": False}, {"is_active": True}),
    }[how]
    User.objects.filter(pk=ina.pk).update(**gone)
    turning.turn(NOW + HOUR)
    assert (newest(ada).user, newest(ada).via) == (None, "nobody")
    assert routing.route_again(NOW + 2 * HOUR) == 0
    User.objects.filter(pk=ina.pk).update(**back)
    assert routing.route_again(NOW + 3 * HOUR) == 1
    assert (newest(ada).user, newest(ada).via, newest(ada).due_at) == (ina, "person_owner", ada.due_at)


def test_whoever_let_a_hand_off_pass_does_not_get_it_out_of_the_queue():
    made, (north, (ina,)) = version("pass_on"), team("Ina")
    in_turns(made, north)
    ada = handed(made)
    assert ada.user == ina and ada.due_at
    turning.turn(ada.due_at + HOUR)
    assert newest(ada).user is None
    assert routing.route_again(ada.due_at + 2 * HOUR) == 0


def test_a_rule_that_is_made_later_takes_what_nobody_had():
    made, (north, (ina,)) = version(), team("Ina")
    ada = handed(made)
    assert ada.via == "nobody"
    in_turns(made, north)
    assert routing.route_again(NOW + HOUR) == 1 and newest(ada).user == ina


@pytest.mark.parametrize("how", ["away", "closed", "viewer"])
def test_what_waits_for_somebody_who_is_not_there_any_more_finds_another(how):
    made, (north, (ina, bob)) = version(), team("Ina", "Bob")
    in_turns(made, north)
    ada = handed(made)
    assert ada.user == ina
    if how == "away":
        access.be_away(ina, None, NOW.date(), None, by=None, now=NOW)
    else:
        change = {"is_active": False} if how == "closed" else {"role": User.Role.VIEWER}
        User.objects.filter(pk=ina.pk).update(**change)
    turning.turn(NOW + HOUR)
    ada.refresh_from_db()
    assert (ada.state, newest(ada).user, newest(ada).due_at) == ("passed_on", bob, ada.due_at)
    turning.turn(NOW + 2 * HOUR)
    assert Handoff.objects.count() == 2


def test_a_rule_whose_field_is_gone_is_skipped_and_says_so():
    made, (north, _members) = version(), team("Ina")
    gone = {"field": "person.custom.gone", "op": "is", "value": "x"}
    broken = routing.add(made.lifecycle, routing.Told("team", {}, team=north), by=None, now=NOW)
    type(broken).objects.update(condition=gone)
    assert handed(made).via == "nobody"
    assert "skipped" in routing.out_of_reach(routing.rules_of(made.lifecycle), NOW.date())[1]


def test_rules_are_moved_removed_and_the_usual_ones_hold_behind_the_last():
    made, (north, (ina,)) = version(), team("Ina")
    lifecycle = made.lifecycle
    routing.adopt(lifecycle, by=ina, now=NOW)
    added = routing.add(lifecycle, routing.Told("team", {}, team=north), by=ina, now=NOW)
    assert [routing.move(added, -1, by=ina, now=NOW) for _up in range(4)] == [True, True, True, False]
    assert [each.kind for each in routing.rules_of(lifecycle)] == [
        "team", "deal_owner", "account_owner", "person_owner"
    ]  # fmt: skip
    for each in routing.rules_of(lifecycle):
        routing.remove(lifecycle.routing.get(pk=each.pk), by=ina, now=NOW)
    assert [each.pk for each in routing.rules_of(lifecycle)] == [None, None, None]
    assert AuditEntry.objects.filter(action__startswith="routing.").count() == 9


# ---- answered ----


def test_accepting_moves_on_says_who_and_gives_whom_nobody_owned_to_who_accepted():
    made, ina = version(), seller("Ina")
    ada = handed(made)
    assert answering.accept(answering.one(ada), say(ina, NOW + HOUR)) == 1
    ada.refresh_from_db()
    assert (ada.state, ada.answered_by, ada.route, ada.answered_at) == ("accepted", ina, "page", NOW + HOUR)
    moved = stages.last_movement(ada.membership)
    assert (moved.to_stage.slug, moved.kind, moved.actor) == ("sal", "hand", "ina@example.com")
    assert Person.objects.get(pk=ada.membership.subject_id).owner == ina
    assert AuditEntry.objects.filter(action="handoff.accepted", user=ina).exists()


def test_rejecting_takes_a_reason_of_the_list_and_the_ledger_keeps_it_as_reports_count_it():
    made, ina = version(), seller("Ina")
    answering.set_reasons(made.lifecycle, ["Wrong contact", "Too small"], by=ina, now=NOW)
    ada = handed(made)
    with pytest.raises(answering.Refused, match="Wrong contact, Too small"):
        answering.reject(answering.one(ada), "Ugly", say(ina))
    assert answering.reject(answering.one(ada), "Too small", say(ina, words="Two people")) == 1
    ada.refresh_from_db()
    assert (ada.state, ada.reason, ada.words, stage_of(ada)) == ("rejected", "Too small", "Two people", "recycled")
    assert stages.last_movement(ada.membership).reason == "Too small"


def test_not_now_waits_outside_of_the_stage_and_comes_back_on_its_day_to_who_had_it():
    made, ina = version(), seller("Ina")
    ada = handed(made, owner=ina)
    until = NOW.date() + timedelta(days=40)
    assert answering.not_now(answering.one(ada), until, say(ina)) == 1
    ada.refresh_from_db()
    assert (ada.state, ada.until, stage_of(ada)) == ("not_now", until, "recycled")
    User.objects.filter(pk=ina.pk).update(name="Ina Weber")
    Person.objects.update(owner=seller("Cleo"))
    turning.turn(NOW + timedelta(days=39))
    assert stage_of(ada) == "recycled"
    back = NOW + timedelta(days=40)
    turning.turn(back)
    again = newest(ada)
    assert (stage_of(ada), again.state, again.user, again.via) == ("mql", "offered", ina, "returned")
    assert again.due_at > back and Notice.objects.filter(user=ina, kind="handoff.returned").count() == 1
    turning.turn(back + HOUR)
    assert Handoff.objects.count() == 2


def test_whoever_moved_on_meanwhile_does_not_come_back():
    made, ina = version(), seller("Ina")
    ada = handed(made, owner=ina)
    answering.not_now(answering.one(ada), NOW.date() + timedelta(days=5), say(ina))
    deal(ada.membership.person, NOW, NOW + HOUR)
    engine.run_all(NOW + 2 * HOUR)
    turning.turn(NOW + timedelta(days=6))
    assert stage_of(ada) == "won" and Handoff.objects.count() == 1


@pytest.mark.parametrize("days", [0, -1, 731])
def test_not_now_wants_a_day_ahead(days):
    ada = handed(version())
    with pytest.raises(answering.Refused, match="after today"):
        answering.not_now(answering.one(ada), NOW.date() + timedelta(days=days), say(None))


def test_passing_on_keeps_the_clock_running_and_a_viewer_cannot_be_given_anything():
    made, ina, bob = version(), seller("Ina"), seller("Bob")
    ada = handed(made, owner=ina)
    assert answering.pass_on(answering.one(ada), bob, say(ina, words="Yours by rights")) == 1
    ada.refresh_from_db()
    again = newest(ada)
    assert (ada.state, again.state, again.user, again.due_at, again.via) == (
        "passed_on", "offered", bob, ada.due_at, "hand"
    )  # fmt: skip
    turning.turn(NOW + HOUR)
    assert Notice.objects.filter(user=bob, kind="handoff.passed_on").count() == 1
    with pytest.raises(answering.Refused, match="could not answer"):
        answering.pass_on(answering.one(again), seller("Vic", role=User.Role.VIEWER), say(bob))


def test_whoever_comes_second_changes_nothing_and_is_told_who_was_faster():
    made, ina, bob = version(), seller("Ina"), seller("Bob")
    ada = handed(made)
    answering.accept(answering.one(ada), say(ina))
    later = NOW + timedelta(seconds=3)
    assert answering.reject(answering.one(ada), "No budget", say(bob, later)) == 0
    assert str(answering.gone(ada, later)) == (
        "Somebody was faster: accepted by ina@example.com 3 s ago. Nothing was changed."
    )
    assert stage_of(ada) == "sal" and Movement.objects.count() == 2


def test_whoever_answers_after_a_rule_is_told_that_a_rule_moved_them_on():
    made, ina = version(), seller("Ina")
    ada = handed(made, owner=ina)
    activity(ada.membership.person, NOW + timedelta(minutes=1), kind="gone")
    later = NOW + timedelta(minutes=2)
    engine.run_all(later)
    assert answering.accept(answering.one(ada), say(ina, later + timedelta(seconds=5))) == 0
    assert str(answering.gone(ada, later + timedelta(seconds=5))) == (
        "Nobody can answer any more: a rule moved them on 5 s ago. Nothing was changed."
    )


# ---- the clock ----


def test_the_due_instant_is_told_once_and_counts_and_two_hours_before_it_is_said_too():
    made, ina = version(), seller("Ina")
    ada = handed(made, owner=ina)
    assert ada.due_at is not None
    turning.turn(ada.due_at - HOUR)
    turning.turn(ada.due_at - HOUR / 2)
    assert Notice.objects.filter(user=ina, kind="handoff.due_soon").count() == 1
    turning.turn(ada.due_at + HOUR)
    turning.turn(ada.due_at + 2 * HOUR)
    ada.refresh_from_db()
    assert ada.missed_at == ada.due_at + HOUR and ada.state == "offered"
    assert Notice.objects.filter(user=ina, kind="handoff.missed").count() == 1
    assert kinds(ada) == ["offered", "handed", "due_soon", "missed"]


RECYCLES = "when_missed: {to: recycled, reason: Nobody answered}"


@pytest.mark.parametrize("first", ["the clock of hand-offs", "the rules"])
def test_what_the_limit_itself_recycles_is_missed_and_told_once_whichever_comes_first(first):
    ina = seller("Ina")
    made = published(making.HANDING.replace("missed: MISSED}", f"missed: stay}}, {RECYCLES}"))
    Version.objects.filter(pk=made.pk).update(looked_until=NOW)
    ada = handed(made, owner=ina)
    late = ada.due_at + timedelta(minutes=1)
    turns = [turning.turn, lambda at: (engine.clock(at), engine.run_all(at))]
    for turn in turns if first == "the clock of hand-offs" else reversed(turns):
        turn(late)
    turning.turn(late + HOUR)
    ada.refresh_from_db()
    assert (stage_of(ada), ada.state, ada.missed_at) == ("recycled", "expired", late)
    assert sorted(kinds(ada)) == ["expired", "handed", "missed", "offered"]
    assert Notice.objects.filter(user=ina, kind="handoff.missed").count() == 1
    asked = {"field": "stage.handing.limit", "op": "in", "value": ["met", "missed", "past_due"]}
    for word, holds in (("met", False), ("missed", True), ("past_due", False)):
        found = compile.members(tree.parse(asked | {"value": [word]}), of="person", at=late + HOUR)
        assert bool(rows(found)) is holds, word


def test_an_answer_after_the_deadline_is_late_though_the_clock_has_not_come_to_it_and_one_before_is_not():
    made, ina = version(), seller("Ina")
    ada, eva = handed(made, owner=ina), handed(made, owner=ina)
    answering.accept(answering.one(eva), say(ina, eva.due_at))
    answering.accept(answering.one(ada), say(ina, ada.due_at + timedelta(seconds=1)))
    turning.turn(ada.due_at + HOUR)
    assert [newest(each).missed_at for each in (ada, eva)] == [ada.due_at + timedelta(seconds=1), None]
    assert "missed" in kinds(ada) and "missed" not in kinds(eva)


def test_where_the_stage_says_so_a_missed_one_goes_to_the_next_once():
    made, (north, (ina, bob)) = version("pass_on"), team("Ina", "Bob")
    in_turns(made, north)
    ada = handed(made)
    late = ada.due_at + HOUR
    turning.turn(late)
    ada.refresh_from_db()
    again = newest(ada)
    assert (ada.user, ada.state, again.user, again.missed_at) == (ina, "passed_on", bob, late)
    told = {(each.user, each.kind) for each in Notice.objects.filter(created_at=late)}
    assert told == {(ina, "handoff.missed"), (bob, "handoff.handed")}
    turning.turn(late + timedelta(days=9))
    assert Handoff.objects.count() == 2


def test_another_working_calendar_gives_another_due_date():
    ada = handed(version())
    engine.clock(NOW)
    installation.put("working_days", [7])
    engine.clock(NOW)
    before, due = ada.due_at, Handoff.objects.get().due_at
    assert due != before and due == Membership.objects.get().due_at


def test_a_thousand_at_once_are_one_notice_that_names_nobody():
    made, ina = version(), seller("Ina")
    for _each in range(30):
        handed(made, turn=False, owner=ina, account=account(name="Acme"))
    turning.turn(NOW)
    notice = Notice.objects.get(user=ina)
    assert (notice.title, notice.body, notice.link, notice.subject_id) == (
        "30 hand-offs for you", "", "/hand-offs/", None
    )  # fmt: skip
    lines = notices.mail_of(notice, NOW).lines
    assert len(lines) == 21 and lines[0].startswith("– Acme: MQL, due ") and "Okafor" not in "".join(lines)


def test_the_time_left_is_working_time():
    ada = handed(version(), at=NOW.replace(day=16, hour=9))
    queue.described([ada], NOW.replace(day=16, hour=10))
    assert ada.due_at is not None and ada.left_words == "15 working h left"
    queue.described([ada], ada.due_at + timedelta(days=1))
    assert ada.left_words.endswith(" late")


def test_a_version_is_refused_whose_answers_lead_nowhere():
    for wrong, words in (
        ("accept: nowhere", "is not another stage"), ("accept: mql", "is not another stage"),
        ("accept: recycled", "is not ahead"), ("accept: sal, later: won", "is ahead"), ("accept: sal, missed: shout", "can be"),
    ):  # fmt: skip
        text = making.HANDING.replace("accept: sal, reject: recycled, missed: MISSED", f"{wrong}, reject: recycled")
        with pytest.raises(DocumentError, match=words):
            draft(text)
    assert Version.objects.count() == 0
