"""Moving somebody by hand from the profile: done, refused, and lost to somebody who was faster."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from kit.models import User
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement
from tests.factories import SMALL, days_ago, person, published

pytestmark = pytest.mark.django_db


@pytest.fixture
def sara():
    return User.objects.create_user("sara@example.com", "secret", role=User.Role.MARKETER)


@pytest.fixture
def browser(client, sara):
    client.force_login(sara)
    return client


@pytest.fixture
def version():
    return published()


@pytest.fixture
def membership(version):
    someone = person(first_name="Ada")
    known = version.stages.get(slug="known")
    assert stages.place(someone.pk, version, to=known, reason="", by=None, at=days_ago(5), now=days_ago(5))
    return Membership.objects.get(subject_id=someone.pk)


def ask(browser, membership, **told):
    """What the page answers, and the page that it leads to."""
    asked = {"seq": membership.seq, "reason": "Called us"} | told
    return browser.post(reverse("membership_move", args=[membership.pk]), asked, follow=True)


def said(response):
    return " ".join(str(message) for message in response.context["messages"])


def test_a_move_is_written_with_the_reason_and_the_user_and_the_profile_shows_it(browser, membership, version):
    lead = version.stages.get(slug="lead")
    response = ask(browser, membership, to=lead.pk)
    assert response.redirect_chain == [(reverse("person", args=[membership.subject_id]), 302)]
    assert said(response) == "Moved to “Lead”."
    moved = stages.last_movement(membership)
    assert (moved.to_stage, moved.reason, moved.actor, moved.kind) == (lead, "Called us", "sara@example.com", "hand")
    content = response.content.decode()
    assert "by hand (sara@example.com): Called us" in " ".join(content.split())


def test_the_form_offers_every_stage_but_the_present_one_and_gates(browser, membership, version):
    content = browser.get(reverse("person", args=[membership.subject_id])).content.decode()
    offered = [stage.slug for stage in version.stages.order_by("order") if f'<option value="{stage.pk}">' in content]
    assert offered == ["engaged", "lead", "won", "resting"]


def test_out_of_the_lifecycle_ends_the_pass_and_nothing_more_is_offered(browser, membership):
    response = ask(browser, membership, to="exit")
    assert said(response) == "Left Small."
    membership.refresh_from_db()
    assert (membership.stage, membership.ended_at is None) == (None, False)
    assert "Move by hand" not in response.content.decode()


def test_the_loser_of_a_race_is_told_who_was_faster_and_nothing_is_moved(browser, membership, version):
    anna = User.objects.create_user("anna@example.com", "secret")
    now = timezone.now()
    read = Membership.objects.get(pk=membership.pk)
    stages.move(
        membership, to=version.stages.get(slug="lead"), reason="Met at the fair", by=anna, at=now,
        now=now - timedelta(seconds=3),
    )  # fmt: skip
    response = ask(browser, read, to=version.stages.get(slug="engaged").pk)
    text = said(response)
    assert text.startswith("Not moved: it was changed to “Lead” by hand (anna@example.com) ")
    assert "s ago (Met at the fair). Look again, then decide." in text
    assert any(f" {seconds} s ago" in text for seconds in range(3, 10))
    assert Movement.objects.filter(membership=membership).count() == 2


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"to": ""}, "choose a stage and say why"),
        ({"reason": ""}, "choose a stage and say why"),
        ({"reason": "x" * 501}, "choose a stage and say why"),
        ({"seq": "x"}, "choose a stage and say why"),
        ({"seq": str(2**40)}, "choose a stage and say why"),
        ({"to": "999999999"}, "does not exist any more"),
        ({"to": "abc"}, "does not exist any more"),
        ({"to": "²"}, "does not exist any more"),
        ({"to": "9" * 20}, "does not exist any more"),
    ],
)
def test_what_cannot_be_a_move_is_refused_in_words(browser, membership, version, told, words):
    told = {"to": version.stages.get(slug="lead").pk} | told
    assert words in said(ask(browser, membership, **told))
    assert Movement.objects.filter(membership=membership).count() == 1


def test_a_stage_of_another_lifecycle_the_same_stage_and_a_gate_are_refused(browser, membership, version):
    other = published(SMALL.replace("lifecycle: small", "lifecycle: other").replace("name: Small", "name: Other"))
    for stage, words in (
        (other.stages.get(slug="lead"), "is a stage of Other v1"),
        (version.stages.get(slug="known"), "Already in “Known”"),
        (version.stages.get(slug="checked"), "gate and holds nobody"),
    ):
        assert words in said(ask(browser, membership, to=stage.pk))


def test_who_may_only_look_is_offered_no_form_and_refused(client, membership, version):
    viewer = User.objects.create_user("vera@example.com", "secret", role=User.Role.VIEWER)
    client.force_login(viewer)
    assert "Move by hand" not in client.get(reverse("person", args=[membership.subject_id])).content.decode()
    response = ask(client, membership, to=version.stages.get(slug="lead").pk)
    assert response.status_code == 403
    assert Movement.objects.filter(membership=membership).count() == 1


def test_a_way_back_to_another_site_is_not_taken(browser, membership, version):
    response = ask(browser, membership, to=version.stages.get(slug="lead").pk, next="https://evil.example/")
    assert response.redirect_chain[0][0].startswith("/people/")


def test_an_unknown_membership_is_not_found(browser, membership):
    assert browser.post(reverse("membership_move", args=[424242])).status_code == 404


def test_the_form_has_a_page_of_its_own_that_leads_back_to_where_it_was_asked_for(browser, membership, version):
    address = reverse("membership_move", args=[membership.pk])
    board = reverse("lifecycle_board", args=["small"])
    page = browser.get(address, {"next": board})
    content = page.content.decode()
    assert "Move Ada" in content and "In “Known” of Small now." in content
    offered = [stage.slug for stage in version.stages.order_by("order") if f'<option value="{stage.pk}">' in content]
    assert offered == ["engaged", "lead", "won", "resting"]
    response = ask(browser, membership, to=version.stages.get(slug="lead").pk, next=page.context["back"])
    assert response.redirect_chain == [(board, 302)]
    assert reverse("movement_undo", args=[stages.last_movement(membership).pk]) in response.content.decode()
    stages.move(
        Membership.objects.get(), to=version.stages.get(slug="won"), reason="", by=None, at=timezone.now(),
        now=timezone.now(),
    )  # fmt: skip
    assert "This pass has ended" in browser.get(address).content.decode()


def as_script(browser, address, **told):
    return browser.post(address, told, headers={"accept": "application/json"})


def test_the_script_is_told_the_truth_of_the_card_the_undo_and_who_was_faster(browser, membership, version):
    lead, engaged = version.stages.get(slug="lead"), version.stages.get(slug="engaged")
    address = reverse("membership_move", args=[membership.pk])
    done = as_script(browser, address, to=lead.pk, seq=1, reason="Called us")
    assert (done.status_code, done.json()["words"], done.json()["stage"]) == (200, "Moved to “Lead”.", lead.pk)
    assert 'data-seq="2"' in done.json()["card"]
    lost = as_script(browser, address, to=engaged.pk, seq=1, reason="Called us")
    assert (lost.status_code, lost.json()["stage"], lost.json()["undo"]) == (409, lead.pk, "")
    assert lost.json()["words"].startswith("Not moved: it was changed to “Lead” by hand (sara@example.com) ")
    assert as_script(browser, address, to="x", seq=2, reason="").status_code == 400
    back = as_script(browser, done.json()["undo"])
    assert (back.status_code, back.json()["stage"]) == (200, version.stages.get(slug="known").pk)
    again = as_script(browser, done.json()["undo"])
    assert again.status_code == 409 and "moved again since" in again.json()["words"]
    ended = as_script(browser, address, to=version.stages.get(slug="won").pk, seq=3, reason="Bought")
    assert ended.json()["stage"] is None
