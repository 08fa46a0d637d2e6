"""How messages leave: each state is reached, each refusal has its reason, and what is not ours is left alone."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from audience import consent
from audience.models import Activity, Person, Suppression
from campaigns import channels, plans, sending
from campaigns.channels import Outcome
from campaigns.letters import Unwritten
from campaigns.models import (
    Campaign,
    DomainPause,
    Enrollment,
    Letter,
    Message,
    MessageAttempt,
    Response,
)
from campaigns.sending import claiming, fence, outcomes
from kit import installation, instance
from kit.models import AuditEntry, Notice, User
from kit.sql import run, sql
from tests.campaigns.mailing import Scripted, email, plain, plainly, queued, reader, running
from tests.campaigns.making import content, sender
from tests.factories import NOW, person

pytestmark = pytest.mark.django_db

STATES = [state.value for state in Message.State]
ALLOWED = {
    "queued": {"claimed", "suppressed", "skipped", "expired", "cancelled"},
    "claimed": {"queued", "sending", "failed", "suppressed", "skipped", "expired", "cancelled"},
    "sending": {"queued", "sent", "failed", "unknown"},
    "unknown": {"queued", "sent"},
}
WAYS = {  # a lawful way into each state
    "queued": [],
    "claimed": ["claimed"],
    "sending": ["claimed", "sending"],
    "sent": ["claimed", "sending", "sent"],
    "failed": ["claimed", "failed"],
    "suppressed": ["suppressed"],
    "skipped": ["skipped"],
    "expired": ["expired"],
    "cancelled": ["cancelled"],
    "unknown": ["claimed", "sending", "unknown"],
}


def send(now=NOW, write=plainly) -> int:
    return sending.run_all(now, write=write)


def state(message: Message) -> tuple[str, str]:
    message.refresh_from_db()
    return message.state, message.reason


def walked(message: Message, way: list[str]) -> Message:
    for step in way:
        Message.objects.filter(pk=message.pk).update(state=step)
    message.refresh_from_db()
    return message


# ---- the protocol, held by the database ----


@pytest.mark.parametrize("old", STATES)
def test_the_database_refuses_every_change_of_state_but_those_of_the_protocol(old):
    message = walked(queued(running()), WAYS[old])
    for new in STATES:
        if new == old:
            continue
        allowed = new in ALLOWED.get(old, set())
        try:
            with transaction.atomic():
                Message.objects.filter(pk=message.pk).update(state=new)
                assert allowed, f"{old} → {new} went through"
                transaction.set_rollback(True)
        except DatabaseError as refused:
            assert not allowed and "cannot become" in str(refused), f"{old} → {new}: {refused}"


@pytest.mark.parametrize("begins", STATES[1:])
def test_a_message_begins_as_waiting(begins):
    version = running()
    with pytest.raises(DatabaseError, match="begins as queued"), transaction.atomic():
        queued(version, state=begins)


# ---- the plain way ----


def test_a_due_message_arrives_in_the_mailbox_and_its_row_tells_how():
    message = queued(running(), reader(email="rea@example.com"))
    assert send() == 1
    assert state(message) == ("sent", "")
    assert (message.attempt, message.sent_at, message.owner, message.lease_until) == (1, NOW, "", None)
    letter = Letter.objects.get()
    assert (letter.message_id, letter.recipient, letter.subject) == (message.pk, "rea@example.com", "Hi")
    attempt = MessageAttempt.objects.get()
    assert (attempt.attempt, attempt.state, attempt.code, attempt.at) == (1, "sent", 250, NOW)
    told = Activity.objects.get()
    assert (told.person_id, told.kind.slug, told.direction, told.occurred_at) == (
        message.person_id, "email_sent", "outbound", NOW,
    )  # fmt: skip
    assert send() == 0, "there is nothing to do again"


def test_what_is_due_later_waits():
    message = queued(running(), due_at=NOW + timedelta(minutes=1))
    assert send() == 0 and state(message)[0] == "queued"
    assert send(NOW + timedelta(minutes=1)) == 1 and state(message)[0] == "sent"


def test_more_than_one_lot_leaves_in_batches_and_each_once():
    version = running()
    all_of_them = {queued(version).pk for _ in range(60)}
    email(batch=7)
    assert send() == 60
    assert set(Letter.objects.values_list("message_id", flat=True)) == all_of_them
    assert not Message.objects.exclude(state="sent").exists() and MessageAttempt.objects.count() == 60


def test_a_batch_takes_the_same_number_of_queries_however_many_are_in_it():
    version, taken = running(), []
    queued(version)
    send()  # the first finds the channel and the live copy not yet written down
    for number in (1, 25):
        for _ in range(number):
            queued(version)
        with CaptureQueriesContext(connection) as queries:
            send()
        taken.append(len(queries))
    assert taken[0] == taken[1] < 50


def test_a_large_campaign_keeps_no_small_one_waiting():
    large, small = running("Large"), running("Small")
    for _ in range(30):
        queued(large, now=NOW - timedelta(hours=1))
    one = queued(small)
    first = [claiming.claim("email", f"w{n}", NOW, limit=5) for n in range(3)]
    firsts = set().union(*first)
    for n in range(60):
        if one.pk in firsts:
            break
        firsts |= set(claiming.claim("email", f"again{n}", NOW, limit=1))
    assert one.pk in firsts and len(firsts) <= 32


# ---- held back by the fence ----


def test_nothing_leaves_a_paused_campaign_and_everything_does_once_it_goes_on():
    version = running()
    message = queued(version)
    plans.pause(version.campaign, by=None, now=NOW)
    assert send() == 0 and state(message)[0] == "queued"
    plans.resume(version.campaign, by=None, now=NOW)
    assert send() == 1 and state(message)[0] == "sent"


def test_a_campaign_that_pauses_while_its_messages_are_written_keeps_them():
    version = running()
    message = queued(version)

    def pausing(ids, now):
        plans.pause(version.campaign, by=None, now=now)
        return plainly(ids, now)

    sending.run_once(NOW, owner="w", write=pausing)
    assert state(message) == ("queued", "") and message.attempt == 0 and not Letter.objects.exists()


def test_a_campaign_that_stops_while_its_messages_are_written_cancels_them():
    version = running()
    message = queued(version)

    def stopping(ids, now):
        Campaign.objects.update(state="stopped")
        return plainly(ids, now)

    sending.run_once(NOW, owner="w", write=stopping)
    assert state(message) == ("cancelled", "the campaign was stopped")


@pytest.mark.parametrize(
    "values, reason",
    [({"email": ""}, "no address"), ({"is_excluded": True}, "left out"), ({"erased_at": NOW}, "erased")],
)
def test_who_must_not_be_written_to_is_not_and_the_message_says_why(values, reason):
    message = queued(running(), reader(**values))
    send()
    assert state(message) == ("suppressed", reason) and not Letter.objects.exists()


def test_whoever_has_not_agreed_gets_nothing():
    message = queued(running(), person(email="x@example.com"))
    send()
    assert state(message) == ("suppressed", "no consent")


def test_a_suppression_between_writing_and_leaving_holds():
    ada = reader(email="ada@example.com")
    message = queued(running(), ada)

    def suppressing(ids, now):
        consent.suppress("ada@example.com", channel="email", reason="hard bounce", now=now)
        return plainly(ids, now)

    sending.run_once(NOW, owner="w", write=suppressing)
    assert state(message) == ("suppressed", "suppressed: hard bounce")


def test_what_comes_too_late_is_not_sent():
    on_time = queued(running(), not_after=NOW + timedelta(seconds=1))
    late = queued(running("Other"), not_after=NOW)
    send()
    assert state(on_time)[0] == "sent"
    assert late.pk and state(late) == ("expired", "it was to leave earlier than this, or not at all")


def test_a_message_that_somebody_took_back_while_it_was_written_is_left_alone():
    message = queued(running())

    def cancelling(ids, now):
        Message.objects.filter(pk=message.pk).update(state="cancelled", reason="left the stage")
        return plainly(ids, now)

    sending.run_once(NOW, owner="w", write=cancelling)
    assert state(message) == ("cancelled", "left the stage") and not Letter.objects.exists()


def test_a_claim_that_went_to_another_worker_is_left_alone():
    message = queued(running())

    def robbed(ids, now):
        Message.objects.filter(pk=message.pk).update(owner="another")
        return plainly(ids, now)

    sending.run_once(NOW, owner="w", write=robbed)
    assert state(message)[0] == "claimed" and message.owner == "another" and not Letter.objects.exists()


def test_a_copy_of_the_installation_sends_nothing_until_somebody_says_that_it_is_live(settings):
    message = queued(running())
    assert instance.is_live()
    settings.INSTALLATION_ID = "the copy"
    assert send() == 0 and state(message)[0] == "queued"
    instance.confirm(by=None, now=NOW)
    assert send() == 1 and state(message)[0] == "sent"


def test_a_copy_that_turns_out_to_be_one_in_the_middle_gives_everything_back(settings):
    message = queued(running())

    def copied(ids, now):
        settings.INSTALLATION_ID = "the copy"
        return plainly(ids, now)

    sending.run_once(NOW, owner="w", write=copied)
    assert state(message)[0] == "queued" and "live one" in message.reason and not Letter.objects.exists()


# ---- the cap ----


def test_the_cap_counts_over_all_campaigns_and_within_its_days_alone():
    installation.put("frequency_cap", {"messages": 2, "days": 7})
    ada = reader()
    long_ago = queued(running("Old"), ada, now=NOW - timedelta(days=8))
    send(NOW - timedelta(days=8))
    messages = [queued(running(f"No {n}"), ada, due_at=NOW + timedelta(seconds=n)) for n in range(3)]
    other = queued(running("Other"), reader())
    send(NOW + timedelta(minutes=1))
    assert state(long_ago)[0] == "sent" and state(other)[0] == "sent"
    assert sorted(state(each)[0] for each in messages) == ["sent", "sent", "skipped"]
    assert Message.objects.get(state="skipped").reason == "frequency cap: at most 2 messages in 7 days"


def test_two_in_one_batch_do_not_both_spend_the_last_one():
    installation.put("frequency_cap", {"messages": 1, "days": 7})
    ada, version = reader(), running()
    first, second = queued(version, ada), queued(version, ada, visit=2, due_at=NOW + timedelta(seconds=1))
    send(NOW + timedelta(minutes=1))
    assert (state(first)[0], state(second)[0]) == ("sent", "skipped")


def test_what_is_held_back_for_another_reason_spends_nothing():
    installation.put("frequency_cap", {"messages": 1, "days": 7})
    ada, version = reader(), running()
    expired, second = queued(version, ada, not_after=NOW), queued(version, ada, visit=2, due_at=NOW)
    send()
    assert (state(expired)[0], state(second)[0]) == ("expired", "sent")


def test_what_is_perhaps_sent_counts_and_what_failed_does_not():
    installation.put("frequency_cap", {"messages": 1, "days": 7})
    ada, bob, version = reader(), reader(), running()
    walked(queued(version, ada), WAYS["unknown"])
    Message.objects.update(sent_at=NOW)
    walked(queued(version, bob), WAYS["failed"])
    second, third = queued(version, ada, visit=2), queued(version, bob, visit=2)
    send()
    assert (state(second)[0], state(third)[0]) == ("skipped", "sent")


@pytest.mark.django_db(transaction=True)
def test_two_workers_cannot_both_spend_the_last_one():
    """Both have claimed one message to the same person; their intents come at the same moment, forty times."""
    installation.put("frequency_cap", {"messages": 1, "days": 7})
    email()
    instance.is_live()
    versions = [running("One"), running("Other")]
    for turn in range(40):
        ada = reader()
        two = [queued(each, ada) for each in versions]
        gate = threading.Barrier(2)

        def work(owner: str, gate: threading.Barrier = gate) -> None:
            def together(ids, now):
                gate.wait(10)
                return plainly(ids, now)

            try:
                sending._Turn(channels.setting_of("email"), owner, NOW).take(1, together)
            finally:
                connection.close()

        threads = [threading.Thread(target=work, args=[f"w{n}"]) for n in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(30)
        assert sorted(state(each)[0] for each in two) == ["sent", "skipped"], turn


@pytest.mark.django_db(transaction=True)
def test_several_workers_at_once_send_each_message_once():
    version = running()
    for _ in range(120):
        queued(version)
    email(batch=5)
    instance.is_live()
    box = Scripted(lambda _: None)

    class Provider(channels.Channel):
        name, label, longest = "counted", "Counted", timedelta(seconds=60)

        def connect(self):
            return box

    channels._kinds["counted"] = Provider
    email(provider="counted")

    def work(n: int) -> None:
        try:
            sending.run_all(NOW, owner=f"w{n}", write=plainly)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[n]) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    del channels._kinds["counted"]
    handed = [each.id for each in box.handed]
    assert len(handed) == len(set(handed)) == 120
    assert not Message.objects.exclude(state="sent").exists()


# ---- what cannot be written ----


def unwritten(then="strike", reason="a tag is not closed"):
    return lambda ids, now: {pk: Unwritten(reason, then) for pk in ids}


def test_after_three_strikes_a_message_has_failed():
    message = queued(running())
    for turn in range(3):
        assert send(NOW + timedelta(hours=turn), unwritten()) == 1
    assert state(message) == ("failed", "It cannot be written: a tag is not closed")
    assert message.strikes == 3 and message.attempt == 0
    assert list(MessageAttempt.objects.values_list("phase", "state")) == [
        ("render", "queued"), ("render", "queued"), ("render", "failed"),
    ]  # fmt: skip


def test_between_strikes_it_waits_and_may_then_be_written_after_all():
    message = queued(running())
    send(NOW, unwritten())
    assert send(NOW) == 0, "not at once"
    send(NOW + timedelta(minutes=2))
    assert state(message) == ("sent", "")


def test_what_is_not_its_fault_is_no_strike():
    message = queued(running())
    send(NOW, unwritten("later"))
    assert state(message)[0] == "queued" and message.strikes == 0 and message.due_at > NOW


def test_content_that_wants_no_reader_without_a_value_passes_them_over():
    message = queued(running())
    send(NOW, unwritten("skip", "no value for person.city"))
    assert state(message) == ("skipped", "no value for person.city")


def test_content_that_counts_a_missing_value_as_a_failure_fails_at_once():
    message = queued(running())
    send(NOW, unwritten("fail", "no value for person.city"))
    assert state(message)[0] == "failed"


def test_a_campaign_of_which_many_cannot_be_written_pauses_and_says_why():
    version, other = running(), running("Other")
    for _ in range(6):
        queued(version)
    fine = queued(other)
    for turn in range(3):
        sending.run_all(
            NOW + timedelta(hours=turn),
            write=lambda ids, now: {
                pk: Unwritten("a tag is not closed", "strike") if pk != fine.pk else plain(pk, "x@example.com")
                for pk in ids
            },
        )
    campaign = Campaign.objects.get(pk=version.campaign_id)
    assert campaign.state == "paused"
    assert campaign.paused_because.startswith("6 of 6 messages cannot be written. It cannot be written: a tag")
    assert Campaign.objects.get(pk=other.campaign_id).state == "running" and state(fine)[0] == "sent"


def test_a_few_that_cannot_be_written_pause_nothing():
    version = running()
    for _ in range(4):
        queued(version)
    for turn in range(3):
        send(NOW + timedelta(hours=turn), unwritten())
    assert Message.objects.filter(state="failed").count() == 4
    assert Campaign.objects.get().state == "running"


# ---- what the other side says ----


def answering(monkeypatch, result, phase="recipient", code=None, enhanced="", reply="", began=True, only=None):
    def answer(outgoing):
        if only and not outgoing.recipient.endswith(only):
            return None
        return Outcome(outgoing.id, result, phase, code, enhanced, reply, began)

    return Scripted(answer).installed(monkeypatch)


def test_what_is_refused_for_now_is_tried_again_with_growing_pauses_and_given_up_after_72_hours(monkeypatch):
    message = queued(running())
    answering(monkeypatch, channels.DEFERRED, code=450, enhanced="4.2.1", reply="Mailbox busy")
    pauses, at = [], NOW
    for _ in range(100):
        send(at)
        message.refresh_from_db()
        if message.state == "failed":
            break
        assert message.state == "queued" and message.reason == "not taken for now: 450 4.2.1 Mailbox busy"
        pauses.append(message.due_at - at)
        at = message.due_at
    assert pauses == sorted(pauses) and pauses[0] < timedelta(minutes=2) and pauses[-1] <= timedelta(hours=5)
    assert state(message) == ("failed", "not taken within 72 hours: 450 4.2.1 Mailbox busy")
    assert timedelta(hours=72) <= at - NOW < timedelta(hours=78)
    assert message.attempt == MessageAttempt.objects.count() == len(pauses) + 1


def test_an_address_that_does_not_exist_is_never_written_to_again(monkeypatch):
    ada = reader(email="ada@example.com")
    message, version = queued(running(), ada), running("Other")
    answering(monkeypatch, channels.BOUNCED, code=550, enhanced="5.1.1", reply="Nobody of this name here")
    send()
    assert state(message) == ("failed", "550 5.1.1 Nobody of this name here")
    assert Suppression.objects.get().reason == "hard bounce"
    assert Response.objects.get().kind == "bounced"
    again = queued(version, ada)
    send()
    assert state(again)[0] == "suppressed"


def test_a_campaign_whose_first_addresses_do_not_exist_pauses_and_whoever_made_it_is_told(monkeypatch):
    ada = User.objects.create_user("ada@marlow.example", "x")
    version = running()
    Campaign.objects.update(created_by=ada)
    good = [queued(version) for _n in range(4)]
    send()
    answering(monkeypatch, channels.BOUNCED, code=550, enhanced="5.1.1", reply="Nobody of this name here")
    for _n in range(6):
        queued(version)
    send()
    campaign = Campaign.objects.get()
    assert len(good) == 4 and campaign.state == "paused"
    assert campaign.paused_because.startswith("6 of its first 10 addresses do not exist")
    assert [(each.user, each.link) for each in Notice.objects.all()] == [(ada, campaign.get_absolute_url())]
    plans.resume(campaign, by=None, now=NOW + timedelta(hours=1))
    late = queued(version, now=NOW + timedelta(hours=2))
    send(NOW + timedelta(hours=2))
    assert state(late)[0] == "failed" and Campaign.objects.get().state == "running"  # somebody has looked


def test_an_address_that_is_none_costs_the_others_of_its_batch_no_outcome(monkeypatch):
    version = running()
    odd, fine = reader(), reader()
    Person.objects.filter(pk=odd.pk).update(email="a..b@example.com")
    odd, fine = queued(version, odd), queued(version, fine)
    bounced = channels.Outcome(odd.pk, channels.BOUNCED, "recipient", 550, "5.1.1", "Nobody")
    Scripted(lambda letter: bounced if letter.id == odd.pk else None).installed(monkeypatch)
    send()
    assert {state(odd)[0], state(fine)[0]} == {"failed", "sent"}


def test_what_is_refused_for_good_has_failed_and_suppresses_nobody(monkeypatch):
    message = queued(running())
    answering(monkeypatch, channels.REFUSED, "dot", 552, "5.3.4", "Too big")
    send()
    assert state(message) == ("failed", "552 5.3.4 Too big") and not Suppression.objects.exists()


def test_a_domain_that_will_not_have_us_pauses_alone_and_suppresses_nobody(monkeypatch):
    version = running()
    there = [queued(version, reader(email=f"r{n}@strict.example")) for n in range(3)]
    elsewhere = queued(version, reader(email="a@kind.example"))
    email(batch=1)
    box = answering(monkeypatch, channels.POLICY, code=550, enhanced="5.7.1", reply="No", only="@strict.example")
    send()
    assert state(elsewhere)[0] == "sent" and not Suppression.objects.exists()
    assert DomainPause.objects.get().domain == "strict.example"
    later = queued(version, reader(email="late@strict.example"))
    handed = len(box.handed)
    send()
    assert len(box.handed) == handed, "nothing goes there"
    assert state(later)[0] == "queued" and "strict.example will not have our mail" in later.reason
    assert all(state(each)[0] == "queued" for each in there)
    box.answer = lambda _: None
    send(NOW + timedelta(hours=2))
    assert all(state(each)[0] == "sent" for each in [*there, later])


def test_somebody_may_let_mail_go_to_a_domain_again(monkeypatch):
    message = queued(running(), reader(email="r@strict.example"))
    box = answering(monkeypatch, channels.POLICY, code=550, enhanced="5.7.1", reply="No")
    send()
    box.answer = lambda _: None
    outcomes.let_domain(DomainPause.objects.get(), now=NOW)
    send()
    assert state(message)[0] == "sent"


def test_when_every_domain_refuses_us_it_is_the_channel_that_pauses(monkeypatch):
    version = running()
    for n in range(30):
        queued(version, reader(email=f"r@d{n}.example"))
    box = answering(monkeypatch, channels.POLICY, code=554, enhanced="5.7.1", reply="Relaying denied")
    send()
    setting = email()
    assert setting.paused_because == "The provider will not have our mail: 554 5.7.1 Relaying denied"
    assert len(box.handed) == 25, "one batch"


def test_an_ambiguous_end_is_perhaps_sent_and_never_sent_again_by_itself(monkeypatch):
    message = queued(running())
    box = answering(monkeypatch, channels.UNKNOWN, "dot", reply="the connection was cut")
    send()
    assert state(message)[0] == "unknown" and message.sent_at == NOW
    for hours in (1, 24, 200):
        sending.sweep(NOW + timedelta(hours=hours))
        send(NOW + timedelta(hours=hours))
    assert state(message)[0] == "unknown" and len(box.handed) == 1


def test_those_whose_turn_never_came_wait_no_longer_than_before(monkeypatch):
    message = queued(running())
    box = answering(monkeypatch, channels.DEFERRED, "connect", reply="cut", began=False)
    sending.run_once(NOW, owner="w", write=plainly)
    assert state(message)[0] == "queued" and message.due_at == NOW
    box.answer = lambda _: None
    send()
    assert state(message)[0] == "sent"


# ---- a channel in trouble ----


class Unreachable(channels.Channel):
    name, label, longest = "unreachable", "Unreachable", timedelta(seconds=60)
    tries = 0

    def connect(self):
        type(self).tries += 1
        raise channels.Down("connection refused by mail.example:25")


def test_a_channel_that_cannot_be_reached_pauses_and_fails_nobody(monkeypatch):
    monkeypatch.setitem(channels._kinds, "unreachable", Unreachable)
    monkeypatch.setattr(Unreachable, "tries", 0)
    email(provider="unreachable")
    version = running()
    for _ in range(300):
        queued(version)
    send()
    setting = email()
    assert (setting.paused_because, setting.paused_at) == ("connection refused by mail.example:25", NOW)
    assert Unreachable.tries == 1 and not MessageAttempt.objects.exists()
    assert not Message.objects.exclude(state="queued", attempt=0, strikes=0).exists()


def test_it_is_tried_with_one_message_after_ever_longer_times_and_goes_on_when_it_is_there_again(monkeypatch):
    monkeypatch.setitem(channels._kinds, "unreachable", Unreachable)
    monkeypatch.setattr(Unreachable, "tries", 0)
    email(provider="unreachable")
    version = running()
    for _ in range(30):
        queued(version)
    waits, at = [], NOW
    for _ in range(12):
        send(at)
        setting = email()
        waits.append(setting.retry_at - at)
        assert send(at + timedelta(seconds=1)) == 0, "not before its time"
        at = setting.retry_at
    assert Unreachable.tries == 12 and waits == sorted(waits)
    assert waits[0] == timedelta(seconds=5) and waits[-1] == timedelta(minutes=30)
    box = Scripted(lambda _: None).installed(monkeypatch)
    assert send(at) == 30 and len(box.handed) == 30
    setting = email()
    assert (setting.paused_at, setting.paused_because, setting.retry_at) == (None, "", None)


def test_a_channel_that_somebody_paused_stays_so(monkeypatch):
    message = queued(running())
    setting = email()
    channels.pause(setting, "we move house", retry_at=None, now=NOW)
    assert send(NOW + timedelta(days=9)) == 0
    assert not channels.pause(setting, "trouble", retry_at=NOW, now=NOW)
    setting.refresh_from_db()
    assert setting.paused_because == "we move house" and setting.retry_at is None
    assert channels.resume(setting)
    assert send() == 1 and state(message)[0] == "sent"


def test_a_channel_paused_while_messages_are_written_lets_none_out():
    message = queued(running())

    def pausing(ids, now):
        channels.pause(email(), "by hand", retry_at=None, now=now)
        return plainly(ids, now)

    sending.run_once(NOW, owner="w", write=pausing)
    assert state(message)[0] == "queued" and not Letter.objects.exists()


def test_a_server_that_closes_at_once_pauses_the_channel(monkeypatch):
    queued(running())
    answering(monkeypatch, channels.DEFERRED, "mail", 421, "4.3.2", "Closing for now")
    send()
    assert email().paused_because == "421 4.3.2 Closing for now"


# ---- the sweeper and late evidence ----


def over(message: Message) -> None:
    """The lease of a message has run out."""
    run(sql("UPDATE campaigns_message SET lease_until = clock_timestamp() - interval '1 s' WHERE id = {}", message.pk))


def held(message: Message, way: str) -> Message:
    walked(message, WAYS[way])
    Message.objects.filter(pk=message.pk).update(owner="gone", attempt=int(way == "sending"))
    over(message)
    return message


def test_a_claim_that_ran_out_waits_again_with_a_strike():
    message = held(queued(running()), "claimed")
    assert sending.sweep(NOW).given_back == 1
    assert state(message)[0] == "queued" and message.strikes == 1 and message.owner == ""
    assert send() == 1 and state(message)[0] == "sent"


def test_a_message_that_five_workers_died_with_has_failed():
    message = queued(running())
    for turn in range(5):
        held(message, "claimed")
        sending.sweep(NOW + timedelta(hours=turn))
    assert state(message)[0] == "failed" and message.strikes == 5


def test_a_lease_that_holds_is_left_alone():
    version = running()
    claimed, sent = walked(queued(version), WAYS["claimed"]), walked(queued(version), WAYS["sending"])
    run(sql("UPDATE campaigns_message SET lease_until = clock_timestamp() + interval '1 min'"))
    assert sending.sweep(NOW) == sending.sweep(NOW).__class__()
    assert (state(claimed)[0], state(sent)[0]) == ("claimed", "sending")


def test_what_was_on_its_way_is_perhaps_sent():
    message = held(queued(running()), "sending")
    assert sending.sweep(NOW).unknown == 1
    assert state(message) == ("unknown", "its worker ended before it had heard whether it arrived")
    assert MessageAttempt.objects.get().phase == "sweep"
    assert send() == 0 and state(message)[0] == "unknown"


def test_a_service_message_that_is_perhaps_sent_is_sent_again():
    sender()
    message = sending.test(content().versions.get(), to=User.objects.create_user("u@example.com"), person=None, now=NOW)
    held(message, "sending")
    sending.sweep(NOW)
    assert state(message)[0] == "queued"
    assert send() == 1 and state(message)[0] == "sent"


def test_what_lies_in_the_mailbox_is_sent_after_all():
    message = held(queued(running()), "sending")
    Letter.objects.create(message_id=message.pk, sender="a", recipient="b", subject="c", raw=b"", received_at=NOW)
    swept = sending.sweep(NOW)
    assert (swept.unknown, swept.found) == (1, 1) and state(message) == ("sent", "")
    assert list(MessageAttempt.objects.order_by("pk").values_list("phase", flat=True)) == ["sweep", "evidence"]


@pytest.mark.parametrize("kind, actor, after", [
    ("clicked", "human", "sent"), ("clicked", "bot", "unknown"), ("opened", "human", "unknown"),
    ("unsubscribed", "human", "sent"), ("replied", "human", "sent"), ("clicked", "unknown", "unknown"),
])  # fmt: skip
def test_only_what_a_human_did_with_it_shows_that_it_arrived(kind, actor, after):
    message = held(queued(running()), "sending")
    Response.objects.create(message=message, kind=kind, actor=actor, at=NOW)
    sending.sweep(NOW)
    assert state(message)[0] == after


def late(message: Message, result: str, attempt: int = 1) -> None:
    intent = sending.fence.Intent(plain(message.pk, "x@example.com"), attempt)
    outcome = Outcome(message.pk, result, "outcome", 250, "2.0.0", "OK")
    outcomes.note([outcomes.Told(intent, outcome, NOW, NOW)], "gone", setting=email())


def test_an_answer_that_comes_after_the_sweeper_is_evidence():
    message = held(queued(running()), "sending")
    sending.sweep(NOW)
    late(message, channels.ACCEPTED)
    assert state(message)[0] == "sent"
    assert MessageAttempt.objects.order_by("pk").last().reply == "heard late: 250 2.0.0 OK"


def test_a_late_no_is_noted_and_changes_nothing():
    message = held(queued(running()), "sending")
    sending.sweep(NOW)
    late(message, channels.DEFERRED)
    assert state(message)[0] == "unknown" and MessageAttempt.objects.filter(phase="evidence").count() == 1


def test_a_late_answer_to_an_attempt_before_the_last_proves_nothing_about_the_last():
    message = held(queued(running()), "sending")
    sending.sweep(NOW)
    sending.resend(message, by=None, now=NOW)
    late(message, channels.ACCEPTED)
    assert state(message)[0] == "queued" and MessageAttempt.objects.filter(phase="evidence").count() == 1


# ---- asked for by somebody ----


def test_a_person_may_send_again_what_is_perhaps_sent_once():
    ada = User.objects.create_user("ada@example.com")
    message = held(queued(running(), not_after=NOW + timedelta(hours=1)), "sending")
    sending.sweep(NOW)
    assert sending.resend(message, by=ada, now=NOW + timedelta(hours=5))
    assert not sending.resend(message, by=ada, now=NOW + timedelta(hours=5)), "twice is once"
    assert AuditEntry.objects.get(action="message.resend").user == ada
    send(NOW + timedelta(hours=5))
    assert state(message)[0] == "sent" and message.attempt == 2


def test_what_was_sent_is_not_sent_again():
    message = queued(running())
    send()
    assert not sending.resend(message, by=None, now=NOW) and state(message)[0] == "sent"


def test_a_test_goes_to_one_of_us_whatever_the_reader_agreed_to():
    sender()
    ada = User.objects.create_user("ada@example.com")
    message = sending.test(content().versions.get(), to=ada, person=person(is_excluded=True), now=NOW)
    box_before = Letter.objects.count()
    sending.run_all(NOW, write=lambda ids, now: {pk: plain(pk, "ada@example.com") for pk in ids})
    assert state(message)[0] == "sent" and Letter.objects.count() == box_before + 1


def test_without_a_sender_a_test_is_refused_in_words():
    with pytest.raises(sending.Refused, match="Add a sender"):
        sending.test(content().versions.get(), to=User.objects.create_user("u@example.com"), person=None, now=NOW)


def test_a_notice_becomes_one_message_and_an_old_or_read_one_none():
    sender()
    ada = User.objects.create_user("ada@example.com")
    told = {"user": ada, "kind": "x", "title": "The channel stands still"}
    Notice.objects.create(created_at=NOW, **told)
    Notice.objects.create(created_at=NOW - timedelta(days=30), **told)
    Notice.objects.create(created_at=NOW, read_at=NOW, **told)
    assert (sending.notify(NOW), sending.notify(NOW)) == (1, 0)
    message = Message.objects.get()
    assert (message.purpose, message.policy, message.to_user) == ("notice", "at_least_once", ada)
    send()
    assert state(message)[0] == "sent"


# ---- the watchdog ----


def test_the_watchdog_tells_since_when_the_oldest_due_message_waits():
    assert sending.oldest_open(NOW) == sending.Open(None, 0, 0)
    version, paused = running(), running("Paused")
    queued(version, due_at=NOW - timedelta(minutes=3))
    queued(version, due_at=NOW + timedelta(hours=1))
    queued(paused, due_at=NOW - timedelta(days=3))
    plans.pause(paused.campaign, by=None, now=NOW)
    found = sending.oldest_open(NOW)
    assert found.age(NOW) == timedelta(minutes=3) and (found.held, found.unknown) == (0, 0)
    send()
    assert sending.oldest_open(NOW).since is None
    held(queued(version, due_at=NOW - timedelta(minutes=9)), "sending")
    assert (sending.oldest_open(NOW).age(NOW), sending.oldest_open(NOW).held) == (timedelta(minutes=9), 1)
    sending.sweep(NOW)
    assert sending.oldest_open(NOW) == sending.Open(None, 0, 1)


# ---- what happens while a message is in the air ----


def in_the_air(message: Message) -> fence.Intent:
    """The intent of the message, as a worker called “w” has it."""
    instance.is_live()
    claiming.claim("email", "w", NOW, limit=1)
    with transaction.atomic():
        letter = plain(message.pk, "rea@example.com")
        [intent] = fence.intend([letter], "w", setting=email(), longest=timedelta(minutes=1), now=NOW)
    return intent


def refused_for_now(intent: fence.Intent, at=NOW) -> None:
    answer = Outcome(intent.outgoing.id, channels.DEFERRED, "recipient", 450)
    with transaction.atomic():
        outcomes.note([outcomes.Told(intent, answer, NOW, at)], "w", setting=email())


def test_what_is_refused_for_now_after_its_campaign_was_stopped_is_cancelled_and_does_not_wait_for_ever():
    message = queued(running())
    intent = in_the_air(message)
    plans.stop(message.campaign, by=None, now=NOW)
    refused_for_now(intent)
    assert state(message) == ("cancelled", "the campaign was stopped")


@pytest.mark.parametrize("left, then", [(timedelta(), "cancelled"), (-timedelta(seconds=1), "queued")])
def test_what_is_refused_for_now_is_not_tried_again_when_its_reader_left_meanwhile(left, then):
    """Who had left before wanted it all the same: an exit behind a step takes nothing back that the step sent."""
    message = queued(running())
    intent = in_the_air(message)
    Enrollment.objects.update(state="goal", reason="bought", ended_at=NOW + left)
    refused_for_now(intent, NOW + timedelta(seconds=2))
    assert state(message)[0] == then
    if then == "cancelled":
        assert state(message)[1] == "bought"


def test_nothing_of_a_stopped_campaign_is_sent_again():
    message = walked(queued(running()), ["claimed", "sending", "unknown"])
    plans.stop(message.campaign, by=None, now=NOW)
    with pytest.raises(sending.Refused, match="stopped for ever"):
        sending.resend(message, by=None, now=NOW)
    assert state(message)[0] == "unknown"


def test_an_error_before_the_next_batch_loses_nothing_of_what_is_known_of_the_last(monkeypatch):
    version = running()
    for _ in range(4):
        queued(version)
    email(batch=2)
    intend, asked = fence.intend, []

    def failing(*given, **more):
        asked.append(1)
        if len(asked) == 2:
            run(sql("SELECT 1 / 0"))
        return intend(*given, **more)

    monkeypatch.setattr(fence, "intend", failing)
    with pytest.raises(DatabaseError):
        sending.run_once(NOW, owner="w", write=plainly)
    assert sorted(Message.objects.values_list("state", flat=True)) == ["claimed", "claimed", "sent", "sent"]


def test_within_another_transaction_nothing_is_sent_as_no_intent_could_be_committed():
    message = queued(running())
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        sending.run_once(NOW, owner="w", write=plainly)
    assert not Letter.objects.exists() and state(message)[0] == "queued"


def test_a_pause_by_hand_stands_whatever_a_worker_finds_that_was_trying_the_channel():
    message = queued(running())
    channels.pause(email(), "away", retry_at=NOW, now=NOW)
    trying = channels.setting_of("email")
    intent = in_the_air(message)
    channels.resume(email())
    channels.pause(email(), "by hand", retry_at=None, now=NOW)
    answer = Outcome(message.pk, channels.ACCEPTED, "outcome", 250)
    with transaction.atomic():
        outcomes.note([outcomes.Told(intent, answer, NOW, NOW)], "w", setting=trying)
    found = channels.setting_of("email")
    assert (found.paused_at, found.paused_because) == (NOW, "by hand") and state(message)[0] == "sent"


def test_a_connection_that_breaks_in_a_way_nobody_foresaw_costs_the_others_nothing(monkeypatch):
    version = running()
    for _ in range(4):
        queued(version)
    calls = []

    def answer(letter):
        calls.append(letter)
        if len(calls) == 1:
            raise RuntimeError("nobody foresaw it")

    scripted = Scripted(answer).installed(monkeypatch)
    monkeypatch.setattr(channels.Channel, "ways", lambda self, wanted: [scripted, scripted])
    email(batch=2)
    with pytest.raises(RuntimeError):
        sending.run_once(NOW, owner="w", write=plainly)
    assert sorted(Message.objects.values_list("state", flat=True)) == ["sending", "sending", "sent", "sent"]


def test_a_notice_that_ends_worker_after_worker_is_not_sent_for_ever():
    ada = User.objects.create_user("ada@example.com", "x")
    message = sending.test(content().versions.get(), to=ada, person=None, now=NOW) if sender() else None
    for _ in range(claiming.CRASHES):
        Message.objects.filter(pk=message.pk).update(state="claimed")
        Message.objects.filter(pk=message.pk).update(
            state="sending", attempt=F("attempt") + 1, lease_until=NOW - timedelta(days=999)
        )
        sending.sweep(NOW)
    assert state(message)[0] == "unknown"
