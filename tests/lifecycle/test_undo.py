"""Taking moves back: where it leads, what refuses it, races, and that ledger, roll-ups and rules stay true."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse

from audience.conditions import compile, tree
from kit.models import User
from lifecycle.engine import passes, rules
from lifecycle.ledger import stages, undo
from lifecycle.models import Membership, Movement
from reporting import integrity
from tests.factories import NOW, SMALL, activity, days_ago, person, published

pytestmark = pytest.mark.django_db

OTHER = SMALL.replace("lifecycle: small", "lifecycle: other").replace("name: Small", "name: Other")
ASKING = OTHER.replace("entry: {}", "entry: {field: stage.small, op: is, value: won}")
AGAIN = SMALL.replace("entry: {}", "entry: {}\nreentry: true")


def placed(version, at=None, subject=None):
    known = version.stages.get(slug="known")
    subject = subject or person()
    at = at or days_ago(10)
    assert stages.place(subject.pk, version, to=known, reason="", by=None, at=at, now=at)
    return Membership.objects.get(lifecycle=version.lifecycle, subject_id=subject.pk, ended_at=None)


def moved(membership, slug, at=NOW, kind="hand"):
    to = membership.version.stages.get(slug=slug) if slug else None
    assert stages.move(membership, to=to, reason="Test", by=None, at=at, now=at, kind=kind)
    membership.refresh_from_db()
    return stages.last_movement(membership)


def take_back(movement, now=NOW + timedelta(minutes=5)):
    return undo.undo(movement, by=None, now=now)


def test_an_undo_is_one_more_row_that_names_what_it_takes_back_and_leads_to_the_stage_before():
    version = published()
    membership = placed(version)
    lead = moved(membership, "lead")
    ada = User.objects.create_user("ada@example.com", "secret")
    assert undo.undo(lead, by=ada, now=NOW + timedelta(minutes=5), reason="Wrong person")
    membership.refresh_from_db()
    assert (membership.stage.slug, membership.seq, membership.ended_at) == ("known", 3, None)
    last = stages.last_movement(membership)
    assert (last.kind, last.from_stage.slug, last.to_stage.slug, last.actor) == (
        "undo", "lead", "known", "ada@example.com",
    )  # fmt: skip
    assert last.reason == "Takes back move 2: “Known” → “Lead” (Wrong person)"
    assert last.occurred_at == last.recorded_at == NOW + timedelta(minutes=5)
    assert Movement.objects.filter(pk=lead.pk).exists()


@pytest.mark.parametrize("slug", ["won", ""])
def test_a_pass_that_had_ended_by_the_move_is_open_again(slug):
    membership = placed(published())
    ended = moved(membership, slug)
    assert membership.ended_at
    assert take_back(ended)
    membership.refresh_from_db()
    assert (membership.stage.slug, membership.ended_at) == ("known", None)
    moved(membership, "lead", NOW + timedelta(hours=1))


def test_a_first_placement_is_taken_back_by_an_exit():
    version = published()
    membership = placed(version)
    assert take_back(stages.last_movement(membership))
    membership.refresh_from_db()
    assert (membership.stage, membership.ended_at is None) == (None, False)
    last = stages.last_movement(membership)
    assert (last.kind, last.from_stage.slug, last.to_stage) == ("undo", "known", None)
    assert last.reason == "Takes back move 1: the placement in “Known”"
    again = placed(version, NOW + timedelta(days=1), membership.person)
    assert again.pass_number == 2


@pytest.mark.parametrize("kind", ["hand", "rule", "import", "api", "campaign"])
def test_what_somebody_or_a_rule_decided_can_be_taken_back(kind):
    assert take_back(moved(placed(published()), "lead", kind=kind))


@pytest.mark.parametrize("kind", ["replay", "migration", "merge", "erasure", "void"])
def test_what_was_no_decision_about_this_subject_cannot(kind):
    movement = moved(placed(published()), "lead", kind=kind)
    with pytest.raises(undo.UndoRefused, match="replay of history" if kind == "replay" else "cannot be taken back"):
        take_back(movement)


def test_moves_through_a_gate_are_taken_back_together():
    version = published()
    someone = person(country="DE", first_seen_at=days_ago(1))
    placed(version, days_ago(1), someone)
    for minutes in (10, 20, 30):
        activity(someone, days_ago(0.9) + timedelta(minutes=minutes))
    passes.apply(rules.read(version), among=None, at=NOW, now=NOW)
    membership = Membership.objects.get()
    assert (membership.stage.slug, membership.seq) == ("lead", 4)  # known, engaged, checked, lead
    assert take_back(stages.last_movement(membership))
    membership.refresh_from_db()
    assert (membership.stage.slug, membership.seq) == ("engaged", 5)


def refused(movement, words):
    count = Movement.objects.count()
    with pytest.raises(undo.UndoRefused, match=words):
        take_back(movement)
    assert Movement.objects.count() == count


def test_a_move_with_a_later_one_is_refused():
    membership = placed(published())
    lead = moved(membership, "lead")
    moved(membership, "engaged")
    refused(lead, "moved again since")


def test_an_undo_is_not_undone():
    membership = placed(published())
    take_back(moved(membership, "lead"))
    refused(stages.last_movement(membership), "an undo itself")


def test_a_move_behind_which_a_new_pass_began_is_refused():
    version = published()
    membership = placed(version)
    won = moved(membership, "won")
    placed(version, NOW + timedelta(minutes=1), membership.person)
    refused(won, "a new pass through this lifecycle has begun")


def test_a_move_of_a_version_that_is_not_live_is_refused():
    version = published()
    lead = moved(placed(version), "lead")
    type(version).objects.filter(pk=version.pk).update(state="retired")
    refused(lead, "not live any more")


def test_a_move_of_somebody_erased_is_refused():
    membership = placed(published())
    won = moved(membership, "won")
    type(membership.person).objects.filter(pk=membership.person_id).update(erased_at=NOW)
    refused(won, "has been erased")


def test_a_move_because_of_which_another_lifecycle_began_is_refused_until_that_is_taken_back():
    membership = placed(published())
    asking = published(ASKING)
    won = moved(membership, "won")
    began = placed(asking, NOW + timedelta(minutes=1), membership.person)
    refused(won, "“Other” asks for this stage, and a pass through it began since")
    assert take_back(stages.last_movement(began))
    assert take_back(won, NOW + timedelta(minutes=10))


def test_a_lifecycle_that_does_not_ask_for_the_stage_or_began_before_is_no_reason():
    membership = placed(published())
    published(OTHER)
    asking = published(ASKING.replace("lifecycle: other", "lifecycle: third"))
    placed(asking, days_ago(1), membership.person)
    won = moved(membership, "won")
    placed(type(asking).objects.get(lifecycle__slug="other"), NOW + timedelta(minutes=1), membership.person)
    assert take_back(won)


def test_the_ledger_and_its_roll_ups_stay_true():
    version = published()
    won, lead, placement = (placed(version) for _ in range(3))
    movements = [moved(won, "won", days_ago(1)), moved(lead, "lead", days_ago(2)), stages.last_movement(placement)]
    assert integrity.check(version.lifecycle, now=NOW) == []
    for movement in movements:
        assert take_back(movement)
    assert integrity.check(version.lifecycle, now=NOW + timedelta(minutes=6)) == []


def test_conditions_see_the_stage_before_again():
    membership = placed(published())
    lead = moved(membership, "lead", days_ago(1))

    def in_lead(at):
        node = tree.parse({"field": "stage.small", "op": "is", "value": "lead"}, of="person")
        return compile.count(node, of="person", at=at)

    assert in_lead(NOW) == 1
    take_back(lead, NOW)
    assert in_lead(NOW + timedelta(seconds=1)) == 0
    assert in_lead(NOW) == 1  # as of before the undo it is history


# ---- rules ----


def walk(version, at):
    return passes.apply(rules.read(version), among=None, at=at, now=at)


def test_a_rule_does_not_do_again_what_was_taken_back_until_a_new_fact():
    version, someone = published(), person(first_seen_at=days_ago(3))
    activity(someone, days_ago(2))
    assert walk(version, NOW) == 2
    membership = Membership.objects.get()
    assert membership.stage.slug == "engaged"
    assert take_back(stages.last_movement(membership), NOW)
    assert walk(version, NOW + timedelta(hours=1)) == 0
    assert walk(version, NOW + timedelta(days=1)) == 0
    lead = version.stages.get(slug="lead")
    membership.refresh_from_db()
    assert stages.move(membership, to=lead, reason="", by=None, at=NOW + timedelta(days=2), now=NOW + timedelta(days=2))
    membership.refresh_from_db()
    moved(membership, "known", NOW + timedelta(days=3))
    assert walk(version, NOW + timedelta(days=4)) == 1  # the undo is not the last word any more


def test_a_rule_that_comes_to_hold_anew_moves_again():
    version, someone = published(), person(first_seen_at=days_ago(3))
    activity(someone, days_ago(2))
    walk(version, NOW)
    assert take_back(stages.last_movement(Membership.objects.get()), NOW)
    later = NOW + timedelta(days=100)  # the old activity has left the window of 90 days
    activity(someone, later - timedelta(hours=1))
    assert walk(version, later) == 1
    assert Membership.objects.get().stage.slug == "engaged"


def test_a_rule_that_asks_for_days_in_the_stage_counts_them_from_the_undo():
    text = SMALL.replace(
        "{field: activity.count, days: 30, op: equals, value: 0}",
        "{field: stage.small.days_in, op: at_least, value: 5}",
    )
    version = published(text)
    membership = placed(version, days_ago(20))
    moved(membership, "engaged", days_ago(8))
    assert walk(version, NOW) == 1
    membership.refresh_from_db()
    assert membership.stage.slug == "resting"
    assert take_back(stages.last_movement(membership), NOW)
    assert walk(version, NOW + timedelta(days=2)) == 0
    assert walk(version, NOW + timedelta(days=6)) == 1


def test_an_entry_that_was_taken_back_is_not_made_again():
    version = published(AGAIN)
    person(first_seen_at=days_ago(3))
    assert walk(version, NOW) == 1
    assert take_back(stages.last_movement(Membership.objects.get()), NOW)
    assert walk(version, NOW + timedelta(days=1)) == 0


# ---- races ----


def at_once(*functions):
    gate, results = threading.Barrier(len(functions)), {}

    def run(number, function):
        try:
            gate.wait()
            results[number] = function()
        except undo.UndoRefused as refused:
            results[number] = str(refused)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in range(len(functions))]


@pytest.mark.django_db(transaction=True)
def test_of_many_who_take_one_move_back_at_once_one_does():
    membership = placed(published())
    lead = moved(membership, "lead")
    answers = at_once(*[lambda: undo.undo(lead, by=None, now=NOW)] * 6)
    assert answers.count(True) == 1
    assert Movement.objects.filter(kind="undo").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_an_undo_and_a_move_at_once_one_wins():
    version = published()
    for _round in range(5):
        membership = placed(version)
        lead = moved(membership, "lead")
        read = Membership.objects.select_related("version__lifecycle", "stage").get(pk=membership.pk)
        won = version.stages.get(slug="won")
        answers = at_once(
            lambda lead=lead: undo.undo(lead, by=None, now=NOW),
            lambda read=read, won=won: stages.move(read, to=won, reason="", by=None, at=NOW, now=NOW),
        )
        assert [answer is True for answer in answers].count(True) == 1
        membership.refresh_from_db()
        assert membership.seq == 3
    assert integrity.check(version.lifecycle, now=NOW) == []


@pytest.mark.django_db(transaction=True)
def test_of_an_undo_that_opens_a_pass_again_and_a_new_pass_at_once_one_wins():
    version = published()
    known = version.stages.get(slug="known")
    for _round in range(5):
        membership = placed(version)
        won = moved(membership, "won")
        at_once(
            lambda won=won: undo.undo(won, by=None, now=NOW),
            lambda m=membership: stages.place(
                m.subject_id, version, to=known, reason="", by=None, at=NOW, now=NOW + timedelta(minutes=1)
            ),
        )
        assert Membership.objects.filter(subject_id=membership.subject_id, ended_at=None).count() == 1


# ---- the page ----


@pytest.fixture
def browser(client):
    client.force_login(User.objects.create_user("sara@example.com", "secret", role=User.Role.MARKETER))
    return client


def test_the_profile_offers_it_on_the_newest_move_and_tells_what_came_of_it(browser):
    membership = placed(published())
    lead = moved(membership, "lead")
    profile = reverse("person", args=[membership.subject_id])
    content = browser.get(profile).content.decode()
    assert content.count("Take this move back") == 1
    assert reverse("movement_undo", args=[lead.pk]) in content
    response = browser.post(reverse("movement_undo", args=[lead.pk]), follow=True)
    assert [str(each) for each in response.context["messages"]] == ["Taken back: “Known” → “Lead”"]
    content = response.content.decode()
    assert "(taken back)" in content and "Take this move back" not in content
    response = browser.post(reverse("movement_undo", args=[lead.pk]), follow=True)
    assert "Not taken back: it has been moved again since" in str(*response.context["messages"])


def test_a_replayed_move_is_not_offered_and_one_on_which_something_depends_says_what(browser):
    membership = placed(published())
    moved(membership, "engaged", days_ago(2), kind="replay")
    profile = reverse("person", args=[membership.subject_id])
    assert "Take this move back" not in browser.get(profile).content.decode()
    asking = published(ASKING)
    moved(membership, "won")
    placed(asking, NOW + timedelta(minutes=1), membership.person)
    content = browser.get(profile).content.decode()
    assert "Cannot be taken back: “Other” asks for this stage" in content


def test_who_may_only_look_is_not_offered_it(client):
    client.force_login(User.objects.create_user("vera@example.com", "secret", role=User.Role.VIEWER))
    membership = placed(published())
    moved(membership, "lead")
    assert "Take this move back" not in client.get(reverse("person", args=[membership.subject_id])).content.decode()
