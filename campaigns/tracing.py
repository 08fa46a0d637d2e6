"""Why somebody got something in a campaign, or did not: every step of theirs in the marketer's words, with its time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience import live
from audience.conditions import explain, tree
from audience.conditions.explain import Explanation
from audience.conditions.tree import ConditionError
from audience.models import Activity, Person
from campaigns import entry, responses, story, waits, wording
from campaigns.models import Campaign, CampaignVersion, Enrollment, Message, Response, Step, StepRun
from kit import installation, writing
from kit.sql import rows, sql, value

State = Enrollment.State
Kind = Step.Kind
OK, WAITS, HELD, WRONG = "ok", "waits", "held", "wrong"

# What is said of a message in each state, and how good that is.
MESSAGES: dict[str, tuple[str, Any]] = {
    Message.State.QUEUED: (WAITS, gettext_lazy("waits to be sent")),
    Message.State.CLAIMED: (WAITS, gettext_lazy("is being written")),
    Message.State.SENDING: (WAITS, gettext_lazy("is being sent")),
    Message.State.SENT: (OK, gettext_lazy("sent")),
    Message.State.FAILED: (WRONG, gettext_lazy("could not be sent: %(why)s")),
    Message.State.SUPPRESSED: (HELD, gettext_lazy("held back: %(why)s")),
    Message.State.SKIPPED: (HELD, gettext_lazy("passed over: %(why)s")),
    Message.State.EXPIRED: (HELD, gettext_lazy("dropped as too late: %(why)s")),
    Message.State.CANCELLED: (HELD, gettext_lazy("cancelled: %(why)s")),
    Message.State.UNKNOWN: (WRONG, gettext_lazy("perhaps sent, nobody knows: %(why)s")),
}
ENDS: dict[str, tuple[str, Any]] = {
    State.FINISHED: (OK, gettext_lazy("Went through to the end")),
    State.GOAL: (OK, gettext_lazy("Done: %(why)s")),
    State.EXITED: (HELD, gettext_lazy("Left: %(why)s")),
    State.STOPPED: (HELD, gettext_lazy("Stopped: %(why)s")),
    State.QUARANTINED: (WRONG, gettext_lazy("Set aside: %(why)s")),
}
LOOKS = {
    Response.Kind.OPENED: "mail-open",
    Response.Kind.CLICKED: "mouse-pointer-click",
    Response.Kind.BOUNCED: "mail-x",
    Response.Kind.UNSUBSCRIBED: "bell-off",
    Response.Kind.COMPLAINED: "flag",
    Response.Kind.REPLIED: "reply",
}
ACTORS = {
    Activity.Actor.BOT: gettext_lazy("by a machine"),
    Activity.Actor.PROXY: gettext_lazy("by a mailbox's proxy"),
    Activity.Actor.UNKNOWN: gettext_lazy("nobody knows by whom"),
}


@dataclass(frozen=True)
class Line:
    """One thing that happened, is, or stands against it; `at` is empty for what is so now.

    `level`: "ok", "waits", "held" (kept back on purpose) or "wrong". `why` is the condition's answer, part by part.
    """

    at: datetime | None
    text: str
    step: Step | None = None
    level: str = OK
    why: Explanation | None = None
    message: Message | None = None
    look: str = ""

    @property
    def tone(self) -> str:
        return {OK: "", WAITS: "info", HELD: "warn", WRONG: "bad"}[self.level]

    @property
    def icon(self) -> str:
        if self.look:
            return self.look
        if self.step is not None:
            return wording.LOOKS[self.step.kind].icon
        return {OK: "circle-check", WAITS: "clock", HELD: "circle-slash", WRONG: "triangle-alert"}[self.level]


def trace(campaign: Campaign, subject_id: int, *, now: datetime) -> list[Line]:
    """Everything about one person in one campaign, pass by pass, as it happened; of who never entered, why not."""
    passes = list(
        Enrollment.objects.filter(campaign=campaign, subject_id=subject_id)
        .select_related("version", "step__content", "step__lifecycle")
        .order_by("pass_number")
    )
    if not passes:
        return list(_why_not(campaign, subject_id, now))
    told = _Told(campaign, passes, now)
    return [line for each in passes for line in told.of(each)]


class _Told:
    """The rows of all passes of one person, read once."""

    def __init__(self, campaign: Campaign, passes: list[Enrollment], now: datetime) -> None:
        self.campaign, self.now, self.zone = campaign, now, installation.zone()
        self.several, self.subject_id = len(passes) > 1, passes[0].subject_id
        ids = [each.pk for each in passes]
        runs = StepRun.objects.filter(enrollment__in=ids).select_related("step__content", "step__lifecycle")
        self.runs = _grouped(runs.order_by("pk"), "enrollment_id")
        messages = Message.objects.filter(enrollment__in=ids).order_by("created_at")
        self.messages = {(each.enrollment_id, each.step_id, each.visit): each for each in messages}
        self.learnt = _learnt([each.pk for each in messages])
        answers = list(Response.objects.filter(message__in=[each.pk for each in messages]).order_by("at"))
        self.responses, self.taken_back = _grouped(answers, "message_id"), responses.taken_back_of(answers)
        here = [each.step for each in passes if each.step]
        self.words = wording.Words([run.step for some in self.runs.values() for run in some] + here)

    def of(self, enrolled: Enrollment) -> Iterator[Line]:
        yield from self._entered(enrolled)
        lines = [line for run in self.runs[enrolled.pk] for line in self._run(enrolled, run)]
        yield from sorted(lines, key=lambda line: line.at or self.now)
        yield from self._now(enrolled) if enrolled.state == State.ACTIVE else self._ended(enrolled)

    def _entered(self, enrolled: Enrollment) -> Iterator[Line]:
        told = {"nth": enrolled.pass_number, "why": enrolled.why, "version": enrolled.version.number}
        if self.several:
            text = _("Entered for the %(nth)s. time, on version %(version)s: %(why)s") % told
        else:
            text = _("Entered, on version %(version)s: %(why)s") % told
        yield Line(enrolled.entered_at, text)
        if enrolled.state == State.HOLDOUT:
            share = {"share": self.campaign.holdout}
            text = _("Held out: one of the %(share)s %% who get nothing, so that the difference can be told") % share
            yield Line(enrolled.entered_at, text, level=HELD)

    def _run(self, enrolled: Enrollment, run: StepRun) -> Iterator[Line]:
        title = self.words.title(run.step)
        if run.step.kind == Kind.SEND:
            if message := self.messages.get((enrolled.pk, run.step_id, run.visit)):
                yield from self._message(title, message, run)
            return
        told = {"step": title, "detail": run.detail}
        text = {
            "yes": _("%(step)s: yes"),
            "no": _("%(step)s: no, %(detail)s") if run.detail else _("%(step)s: no"),
            "reached": _("%(step)s: reached"),
            "passed": _("%(step)s: not yet"),
            "refused": _("%(step)s: not possible, %(detail)s"),
            "moved": _("%(step)s: done"),
        }.get(run.outcome, "%(step)s")
        level = HELD if run.outcome == "refused" else OK
        yield Line(run.at, text % told, run.step, level, self._answer(run))

    def _answer(self, run: StepRun) -> Explanation | None:
        """Why a condition held or did not, as of the instant at which it was asked."""
        if run.step.condition is None:
            return None
        return _explained(run.step.condition, self.subject_id, run.at + live.INSTANT)

    def _message(self, title: str, message: Message, run: StepRun) -> Iterator[Line]:
        level, said = MESSAGES[message.state]
        at = message.sent_at or self.learnt.get(message.pk) or run.at
        words = str(said) % {"why": story.why(message) or _("for no reason that was written down")}
        if message.state in (Message.State.QUEUED, Message.State.CLAIMED) and message.reason:
            words = f"{words} ({message.reason})"
        yield Line(at, _("%(step)s: %(what)s") % {"step": title, "what": words}, run.step, level, message=message)
        for each in self.responses[message.pk]:
            told = {"step": title, "what": each.get_kind_display()}
            by = ACTORS.get(Activity.Actor(each.actor))
            text = _("%(step)s: %(what)s") % told
            text, level = (f"{text} ({by})", HELD) if by else (text, OK)
            if each.pk in self.taken_back:
                text, level = _("%(text)s, taken back since: it counts nowhere") % {"text": text}, HELD
            look = LOOKS.get(Response.Kind(each.kind), "mail-check")
            yield Line(each.at, text, run.step, level, message=message, look=look)

    def _now(self, enrolled: Enrollment) -> Iterator[Line]:
        if enrolled.step is None:
            return
        told = {"step": self.words.title(enrolled.step), "at": writing.instant(enrolled.wake_at)}
        if self.campaign.state == Campaign.State.PAUSED:
            because = self.campaign.paused_because or _("somebody paused it")
            yield Line(None, _("The campaign stands still: %(why)s") % {"why": because}, level=HELD)
        if enrolled.strikes:
            text = _("Looking at “%(step)s” failed %(times)s times; it is tried again")
            yield Line(None, text % {**told, "times": enrolled.strikes}, enrolled.step, WRONG)
        elif enrolled.step.kind == Kind.WAIT_UNTIL:
            why = _explained(enrolled.step.condition, enrolled.subject_id, self.now + live.INSTANT)
            end = waits.over(enrolled.step, enrolled.step_at, self.zone) if enrolled.step_at else None
            told["at"] = writing.instant(end)
            text = _("Now: %(step)s; in vain from %(at)s") if end else _("Now: %(step)s")
            yield Line(None, text % told, enrolled.step, WAITS, why)
        elif enrolled.wake_at and enrolled.wake_at > self.now:
            yield Line(None, _("Now: %(step)s, which is over %(at)s") % told, enrolled.step, WAITS)
        else:
            yield Line(None, _("Next: %(step)s, within seconds") % told, enrolled.step, WAITS)

    def _ended(self, enrolled: Enrollment) -> Iterator[Line]:
        if enrolled.state == State.HOLDOUT:
            return
        level, said = ENDS[enrolled.state]
        text = str(said) % {"why": enrolled.reason or _("for no reason that was written down")}
        if enrolled.step is not None:
            text = _("%(text)s, before “%(step)s”") % {"text": text, "step": self.words.title(enrolled.step)}
        yield Line(enrolled.ended_at, text, level=level)


# ---- why not ----


def _why_not(campaign: Campaign, subject_id: int, now: datetime) -> Iterator[Line]:
    """What stands between somebody and the campaign, all of it."""
    at = now + live.INSTANT
    version = (
        CampaignVersion.objects.filter(campaign=campaign, state=CampaignVersion.State.LIVE)
        .select_related("campaign__lifecycle", "segment")
        .first()
    )
    person = Person.objects.filter(pk=subject_id).first()
    if person is None:
        yield Line(None, _("It speaks to people, and this is none."), level=HELD)
        return
    if person.erased_at:
        yield Line(person.erased_at, _("Erased: no campaign takes them."), level=HELD)
    if person.is_excluded:
        text = _("Left out of figures (%(why)s): no campaign takes them.") % {"why": person.excluded_reason}
        yield Line(None, text, level=HELD)
    if version is None or campaign.state != Campaign.State.RUNNING:
        told = {"state": campaign.get_state_display(), "why": campaign.paused_because}
        text = _("It is not running (%(state)s: %(why)s).") if told["why"] else _("It is not running (%(state)s).")
        yield Line(None, text % told, level=HELD)
    if version is not None:
        yield from _against(version, subject_id, at)


def _against(version: CampaignVersion, subject_id: int, at: datetime) -> Iterator[Line]:
    among = sql("SELECT {}::bigint AS subject_id", subject_id)
    arrived = rows(entry.arrivals(version, at=at, among=among))
    clear = True
    if version.entry == CampaignVersion.Entry.HAND:
        yield Line(None, _("People are put in by hand, and nobody has put them in."), level=HELD)
    elif not arrived:
        told = {"entry": wording.entry(version), "since": writing.instant(version.launched_at)}
        yield Line(None, _("%(entry)s: they have not, since the launch %(since)s.") % told, level=HELD)
    for _id, came, why in arrived:
        yield Line(came, _("They came: %(why)s") % {"why": why})
    there = entry.in_stage(version.campaign, sql("{}::bigint", subject_id))
    if entry.stays_with_stage(version) and not value(sql("SELECT {}", there)):
        yield Line(None, _("They are not in the stage that the campaign is for."), level=HELD)
        clear = False
    for condition, wanted, words in (
        (version.audience, True, _("They are not of the audience.")),
        (version.goal, False, _("They have reached its goal already.")),
        (version.exit, False, _("What would have them leave holds already.")),
    ):
        found = _explained(condition, subject_id, at) if condition is not None else None
        if found is not None and found.held != wanted:
            yield Line(None, words, level=HELD, why=found)
            clear = False
    if arrived and clear:
        yield Line(None, _("Nothing stands against it: they enter within seconds."), level=WAITS)


def _explained(condition: Any, subject_id: int, at: datetime) -> Explanation | None:
    try:
        return explain.explain(tree.parse(condition, of="person"), subject_id, of="person", at=at)
    except ConditionError:
        return None


def _learnt(message_ids: list[Any]) -> dict[Any, datetime]:
    """When something was last learnt about each message."""
    if not message_ids:
        return {}
    return dict(
        rows(
            sql(
                "SELECT message_id, max(at) FROM campaigns_messageattempt "
                "WHERE message_id = ANY ({}::uuid[]) GROUP BY message_id",
                message_ids,
            )
        )
    )


def _grouped(found: Iterable[Any], key: str) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = defaultdict(list)
    for each in found:
        groups[getattr(each, key)].append(each)
    return groups
