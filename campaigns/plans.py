"""Making campaigns: drafts and their steps, what is still wrong with them, launching, pausing, stopping.

A launched version never changes; a change is a new draft, and whoever is on the way stays on the version they entered.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Max
from django.urls import reverse
from django.utils.translation import gettext as _

from audience import live
from audience.conditions import tree as conditions
from audience.conditions import uses
from audience.conditions.tree import ConditionError
from audience.models import Segment, Topic
from campaigns import content, entry, flows, senders, styles
from campaigns.flows import Node
from campaigns.models import (
    Campaign,
    CampaignVersion,
    ChannelSetting,
    ContentVersion,
    Enrollment,
    Message,
    Step,
)
from kit import audit, installation, notices, origin, slugs, writing
from kit.models import User
from lifecycle.ledger import stages
from lifecycle.models import Lifecycle, Stage

State = CampaignVersion.State
Entry = CampaignVersion.Entry
PAUSED = "campaign"  # the kind of notices of one that paused by itself
MOST_STEPS = 100
DEEPEST = 12  # arms within arms
UNASKED = 100  # so many may enter at a launch without anybody confirming the exact number
CARRIED = ("entry", "segment_id", "present", "reentry_days", "leave_with_stage", "audience", "goal", "exit")
STEP = ("key", "kind", "name", "arm", "position", "content_id", "condition", "lifecycle_id", "stage", "settings")
FIXED = frozenset({"lifecycle", "stage", "holdout"})  # once somebody has entered: they say who is compared with whom


class Refused(ValueError):
    """What cannot be done with a campaign, in the user's words; `count` is the number that has to be confirmed."""

    def __init__(self, message: str, *, count: int | None = None) -> None:
        super().__init__(message)
        self.count = count


@dataclass(frozen=True)
class Check:
    """One line of the checklist: "stop" forbids the launch, "warn" is to be thought over, "ok" is in order.

    `where`: the key of the step that it speaks of, "settings", or the address of the page where it is put right.
    """

    level: str
    text: str
    where: str = ""


# ---- drafts ----


@transaction.atomic
def create(
    name: str,
    *,
    kind: str,
    lifecycle: Lifecycle | None = None,
    stage: str = "",
    segment: Segment | None = None,
    by: User | None,
    now: datetime,
) -> Campaign:
    """A campaign with an empty draft, bound to a stage where one is named: then whoever enters that enters it. With a
    segment whoever is in it when it is launched, and whoever joins it later, enters instead.

    Raises Refused for a stage that the lifecycle's live version has not.
    """
    _check_stage(lifecycle, stage)
    made = Campaign.objects.create(
        name=name,
        slug=slugs.free(name, Campaign.objects.all(), "campaign"),
        kind=kind,
        lifecycle=lifecycle,
        stage=stage,
        topic=Topic.objects.order_by("pk").first(),
        sender=senders.default(),
        outcome_stage=_stage_behind(lifecycle, stage),
        created_by=by,
        created_at=now,
    )
    entry = Entry.SEGMENT if segment else Entry.STAGE if stage else Entry.HAND
    CampaignVersion.objects.create(
        campaign=made,
        number=1,
        entry=entry,
        segment=segment,
        present=segment is not None,
        created_by=by,
        created_at=now,
    )
    audit.record("campaign.create", made.name, by=by, now=now, after={"kind": kind, "stage": stage})
    return made


@transaction.atomic
def draft_of(campaign: Campaign, *, by: User | None, now: datetime) -> CampaignVersion:
    """The draft that is being worked on, or a new one like the newest version."""
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    if draft := campaign.versions.filter(state=State.DRAFT).first():
        return draft
    newest = campaign.versions.order_by("-number")[0]
    carried = {name: getattr(newest, name) for name in CARRIED} | {"present": False}
    draft = CampaignVersion.objects.create(
        campaign=campaign, number=newest.number + 1, created_by=by, created_at=now, **carried
    )
    _copy_steps(flows.tree(newest), draft, None)
    audit.record("campaign.draft", str(draft), by=by, now=now)
    return draft


@transaction.atomic
def discard(version: CampaignVersion, *, by: User | None, now: datetime) -> None:
    """Throw a draft away, and its campaign with it when nothing else is left of that. Raises Refused for no draft."""
    _hold(version)
    campaign = version.campaign
    version.steps.all().delete()
    version.delete()
    if not campaign.versions.exists():
        campaign.delete()
    audit.record("campaign.discard", str(version), by=by, now=now)


@transaction.atomic
def change(version: CampaignVersion, *, by: User | None = None, now: datetime | None = None, **values: Any) -> None:
    """Who enters, who leaves: `values` are columns of the version. Raises ConditionError, and Refused for no draft."""
    _hold(version)
    for column in ("audience", "goal", "exit"):
        if values.get(column) is not None:
            values[column] = checked(values[column])
    _write(version, values, "campaign.change", by, now)


@transaction.atomic
def change_campaign(campaign: Campaign, *, by: User | None = None, now: datetime | None = None, **values: Any) -> None:
    """Name, type, topic, sender and so on. Raises Refused for what is fixed once somebody may have entered."""
    held = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    moved = {name for name in FIXED & set(values) if values[name] != getattr(held, name)}
    if moved and held.launched_at:
        raise Refused(_("Stage and held-out share are fixed since the launch; clone the campaign to change them."))
    _check_stage(values.get("lifecycle", held.lifecycle), values.get("stage", held.stage))
    _write(campaign, values, "campaign.change", by, now)


def checked(condition: Any) -> Any:
    """A condition as it is kept. Raises ConditionError, and Refused for one that asks nothing: that means everybody."""
    node = conditions.parse(condition, of="person")
    if conditions.is_everybody(node):
        raise Refused(_("Add at least one condition: an empty one means everybody."))
    return conditions.dump(node)


# ---- steps ----


@transaction.atomic
def add_step(
    version: CampaignVersion,
    kind: str,
    *,
    parent: Step | None = None,
    arm: str = "",
    position: int | None = None,
    by: User | None = None,
    now: datetime | None = None,
    **values: Any,
) -> Step:
    """A step more, at this place among its brothers (1 is the first), or behind them; with `now` it is in the trail.

    Raises Refused for a version that is no draft, an arm that is not there, or too many steps.
    """
    _hold(version)
    _check_arm(version, parent, arm)
    _check_depth(parent)
    if version.steps.count() >= MOST_STEPS:
        raise Refused(_("A campaign has at most %(most)s steps.") % {"most": MOST_STEPS})
    last = _brothers(version, parent, arm).aggregate(last=Max("position"))["last"] or 0
    place = last + 1 if position is None else max(1, min(position, last + 1))
    _shift(version, parent, arm, place, 1)
    step = Step.objects.create(
        version=version, key=secrets.token_hex(4), kind=kind, parent=parent, arm=arm, position=place, **_kept(values)
    )
    _note_step("campaign.step_add", version, step, by, now)
    return step


@transaction.atomic
def change_step(step: Step, *, by: User | None = None, now: datetime | None = None, **values: Any) -> None:
    """What a step does: name, content, condition, lifecycle, stage, settings. Raises ConditionError and Refused."""
    version = _hold_step(step)
    changed = _kept(values)
    for name, value in changed.items():
        setattr(step, name, value)
    step.save(update_fields=list(changed))
    _note_step("campaign.step_change", version, step, by, now)


@transaction.atomic
def move_step(
    step: Step,
    *,
    parent: Step | None,
    arm: str,
    position: int,
    by: User | None = None,
    now: datetime | None = None,
) -> None:
    """Put a step, with all that is in its arms, elsewhere. Raises Refused for a place within itself."""
    version = _hold_step(step)
    _check_arm(version, parent, arm)
    above = parent
    while above is not None:
        if above.pk == step.pk:
            raise Refused(_("A branch cannot be put into itself."))
        above = above.parent
    _check_depth(parent, _arms_within(step))
    _shift(version, step.parent, step.arm, step.position + 1, -1, aside=step)
    last = _brothers(version, parent, arm).exclude(pk=step.pk).aggregate(last=Max("position"))["last"] or 0
    place = max(1, min(position, last + 1))
    _shift(version, parent, arm, place, 1, aside=step)
    step.parent, step.arm, step.position = parent, arm, place
    step.save(update_fields=["parent", "arm", "position"])
    _note_step("campaign.step_move", version, step, by, now)


@transaction.atomic
def remove_step(step: Step, *, by: User | None = None, now: datetime | None = None) -> None:
    """Take a step out, and what is in its arms with it."""
    version = _hold_step(step)
    parent, arm, place = step.parent, step.arm, step.position
    _note_step("campaign.step_remove", version, step, by, now)
    step.delete()
    _shift(version, parent, arm, place + 1, -1)


def _note_step(action: str, version: CampaignVersion, step: Step, by: User | None, now: datetime | None) -> None:
    if now is not None:
        after = {"step": step.key, "kind": step.kind, "place": step.position}
        audit.record(action, str(version), by=by, now=now, after=after)


# ---- launch, pause, stop ----


def checklist(version: CampaignVersion, *, now: datetime) -> list[Check]:
    """What forbids a launch and what should be thought over; what is in order is not told."""
    return [*_of_campaign(version.campaign), *_of_entry(version), *_of_sending(version), *_of_steps(version)]


@transaction.atomic
def launch(version: CampaignVersion, *, confirmed: int | None = None, by: User | None, now: datetime) -> None:
    """From now on people enter this version; whoever is on an older one stays there.

    `confirmed`: how many the launcher was told would enter at once. Raises Refused while the checklist forbids it,
    and, with the number that has to be confirmed, when it is another, or is large and was not confirmed at all.
    """
    held = _hold(version)
    if stops := [each.text for each in checklist(held, now=now) if each.level == "stop"]:
        raise Refused(" ".join(stops))
    _check_count(held, confirmed, now)
    for step in version.steps.filter(kind=Step.Kind.SEND):
        newest = ContentVersion.objects.filter(content=step.content_id).order_by("-number").first()
        Step.objects.filter(pk=step.pk).update(content_version=newest)
    flows.lay_out(version)
    campaign = version.campaign
    if held.campaign.state == Campaign.State.PAUSED:
        live.mark_everybody("person")  # whoever is on an older version goes on, as after a resume
    campaign.versions.filter(state=State.LIVE).update(state=State.RETIRED)
    CampaignVersion.objects.filter(pk=version.pk).update(
        state=State.LIVE, launched_at=now, looked_until=now + live.INSTANT, request_id=origin.request_id()
    )
    Campaign.objects.filter(pk=campaign.pk).update(
        state=Campaign.State.RUNNING,
        paused_because="",
        launched_at=campaign.launched_at or now,
        running_since=now,
    )
    version.refresh_from_db()
    audit.record("campaign.launch", str(version), by=by, now=now, after={"confirmed": confirmed})


@transaction.atomic
def pause(campaign: Campaign, *, because: str = "", by: User | None, now: datetime) -> bool:
    """Nobody enters, nobody goes on, nothing leaves but what is in the air. False when it was not running.

    When it pauses by itself (`by` is None), whoever made it is told, or the administrators.
    """
    held = Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.RUNNING)
    if not held.update(state=Campaign.State.PAUSED, paused_because=because[:500]):
        return False
    audit.record("campaign.pause", campaign.name, by=by, now=now, after={"because": because[:500]})
    if by is None:
        told = _("“%(campaign)s” has paused by itself") % {"campaign": campaign}
        notices.tell(campaign.created_by, PAUSED, told, because, link=campaign.get_absolute_url(), now=now)
    return True


@transaction.atomic
def resume(campaign: Campaign, *, by: User | None, now: datetime) -> bool:
    """Everybody goes on from where they are; whoever came meanwhile enters. False when it was not paused."""
    held = Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.PAUSED)
    if not held.update(state=Campaign.State.RUNNING, paused_because="", running_since=now):
        return False
    live.mark_everybody("person")
    audit.record("campaign.resume", campaign.name, by=by, now=now)
    return True


@transaction.atomic
def stop(campaign: Campaign, *, by: User | None, now: datetime) -> bool:
    """For ever: nobody enters, whoever is on the way stays where they are, what has not left is cancelled.

    False when it was neither running nor paused.
    """
    held = Campaign.objects.filter(pk=campaign.pk, state__in=[Campaign.State.RUNNING, Campaign.State.PAUSED])
    if not held.update(state=Campaign.State.STOPPED, paused_because="", stopped_at=now):
        return False
    reason = _("the campaign was stopped")
    people = Enrollment.objects.filter(campaign=campaign, state=Enrollment.State.ACTIVE)
    stopped = people.update(state=Enrollment.State.STOPPED, reason=reason, ended_at=now, wake_at=None)
    waiting = Message.objects.filter(campaign=campaign, state__in=[Message.State.QUEUED, Message.State.CLAIMED])
    cancelled = waiting.update(state=Message.State.CANCELLED, reason=reason)
    after = {"stopped": stopped, "cancelled": cancelled}
    audit.record("campaign.stop", campaign.name, by=by, now=now, after=after)
    return True


def on_the_way(campaign: Campaign) -> int:
    """How many are in it now: who would be stopped with it."""
    return Enrollment.objects.filter(campaign=campaign, state=Enrollment.State.ACTIVE).count()


def kept() -> Iterator[uses.Use]:
    """The conditions of every version that people are in or may enter, for the register of who asks what."""
    versions = CampaignVersion.objects.select_related("campaign").exclude(campaign__state=Campaign.State.STOPPED)
    for each in versions.prefetch_related("steps").order_by("pk"):
        asked = [each.audience, each.goal, each.exit, *(step.condition for step in each.steps.all())]
        if any(asked):
            yield uses.Use(
                _("Campaign"), str(each), each.campaign.get_absolute_url(), {"all": [part for part in asked if part]}
            )


# ---- within ----


def _hold(version: CampaignVersion) -> CampaignVersion:
    """The draft, locked: its campaign first, like everybody who changes both. Raises Refused when it is none now."""
    Campaign.objects.select_for_update(no_key=True).filter(pk=version.campaign_id).first()
    locked = CampaignVersion.objects.select_for_update(no_key=True, of=("self",)).select_related("campaign")
    held = locked.filter(pk=version.pk).first()
    if held is None:
        raise Refused(_("Somebody has thrown this draft away meanwhile."))
    if held.state != State.DRAFT:
        raise Refused(_("This version was launched, and so does not change; edit the campaign to make a new one."))
    return held


def _hold_step(step: Step) -> CampaignVersion:
    """The draft of a step, locked, and the step as it stands now. Raises Refused when somebody took it out."""
    version = _hold(step.version)
    try:
        step.refresh_from_db()
    except Step.DoesNotExist:
        raise Refused(_("Somebody has taken this step out meanwhile.")) from None
    return version


def _check_count(version: CampaignVersion, confirmed: int | None, now: datetime) -> None:
    entering = entry.count(version, at=now + live.INSTANT)
    told = {"count": writing.number(entering), "confirmed": writing.number(confirmed)}
    if confirmed is None and entering > UNASKED:
        raise Refused(_("%(count)s people would enter at once: confirm that number.") % told, count=entering)
    if confirmed is not None and confirmed != entering:
        raise Refused(
            _("%(count)s people would enter at once by now, not %(confirmed)s. Confirm the new number.") % told,
            count=entering,
        )


def _write(row: Any, values: dict[str, Any], action: str, by: User | None, now: datetime | None) -> None:
    before = {name: getattr(row, name) for name in values}
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=list(values))
    if now is not None:
        audit.record(action, str(row), by=by, now=now, before=_told(before), after=_told(values))


def _told(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int | float | bool | list | dict | None) else str(value)
        for name, value in values.items()
    }


def _copy_steps(nodes: Iterable[Node], version: CampaignVersion, parent: Step | None) -> None:
    for node in nodes:
        same = {name: getattr(node.step, name) for name in STEP}
        made = Step.objects.create(version=version, parent=parent, **same)
        _copy_steps([*node.yes, *node.no], version, made)


def _kept(values: dict[str, Any]) -> dict[str, Any]:
    if values.get("condition") is not None:
        values["condition"] = checked(values["condition"])
    return values


def _brothers(version: CampaignVersion, parent: Step | None, arm: str) -> Any:
    return Step.objects.filter(version=version, parent=parent, arm=arm)


def _shift(
    version: CampaignVersion, parent: Step | None, arm: str, place: int, by_places: int, aside: Step | None = None
) -> None:
    moved = _brothers(version, parent, arm).filter(position__gte=place)
    if aside is not None:
        moved = moved.exclude(pk=aside.pk)
    moved.update(position=F("position") + by_places)


def _check_arm(version: CampaignVersion, parent: Step | None, arm: str) -> None:
    if parent is not None:
        try:
            parent.refresh_from_db()  # somebody may have moved it, or taken it out, before the draft was locked
        except Step.DoesNotExist:
            raise Refused(_("Somebody has taken the branch around that place out meanwhile.")) from None
    right = arm == "" if parent is None else parent.kind in flows.PARTING and arm in Step.Arm.values
    if not right or (parent is not None and parent.version_id != version.pk):
        raise Refused(_("There is no such place in the flow; look at it again."))


def _check_depth(parent: Step | None, within: int = 0) -> None:
    """Raises Refused for a place in so many arms within arms that no page could draw it."""
    around = 0
    while parent is not None:
        around, parent = around + 1, parent.parent
    if around + within > DEEPEST:
        raise Refused(_("A path is parted at most %(most)s times within its arms.") % {"most": DEEPEST})


def _arms_within(step: Step) -> int:
    """How many arms within arms a step holds."""
    inside, deep = [step.pk], 0
    while inside := list(Step.objects.filter(parent__in=inside).values_list("pk", flat=True)):
        deep += 1
    return deep


def _check_stage(lifecycle: Lifecycle | None, stage: str) -> None:
    if stage and (lifecycle is None or stage not in {each.slug for each in stages.offered(lifecycle)}):
        raise Refused(_("The lifecycle has no such stage."))


def _stage_behind(lifecycle: Lifecycle | None, stage: str) -> str:
    """The next stage of the success path that holds somebody: what a campaign for this stage is for."""
    if lifecycle is None or not stage:
        return ""
    path = [each for each in stages.offered(lifecycle) if each.path == Stage.Path.SUCCESS]
    at = next((place for place, each in enumerate(path) if each.slug == stage), len(path))
    return next((each.slug for each in path[at + 1 :] if each.kind != Stage.Kind.GATE), "")


def _of_campaign(campaign: Campaign) -> Iterator[Check]:
    if campaign.state == Campaign.State.STOPPED:
        yield Check("stop", _("It was stopped for ever; make a new campaign."))


def _of_entry(version: CampaignVersion) -> Iterator[Check]:
    campaign = version.campaign
    if version.entry == Entry.STAGE:
        if not campaign.stage or campaign.lifecycle is None:
            yield Check("stop", _("Choose the lifecycle and stage whose entrance brings people in."), "settings")
        elif stages.live_version(campaign.lifecycle) is None:
            yield Check(
                "stop", _("“%(name)s” is not published, so nobody enters its stages.") % {"name": campaign.lifecycle}
            )
    elif version.entry != Entry.HAND and version.segment is None:
        yield Check("stop", _("Choose the segment whose people enter."), "settings")
    elif version.segment is not None and version.segment.of != "person":
        yield Check("stop", _("“%(name)s” holds accounts; a campaign speaks to people.") % {"name": version.segment})
    for title, condition in (
        (_("who may enter"), version.audience),
        (_("goal"), version.goal),
        (_("exit"), version.exit),
    ):
        if condition is not None and (wrong := _wrong(condition)):
            yield Check("stop", f"{title}: {wrong}", "settings")
    if campaign.holdout == 0:
        yield Check("warn", _("Nobody is held out, so no lift can be shown."), "settings")
    elif not campaign.outcome_stage:
        yield Check("warn", _("No stage is named as its outcome, so no lift can be shown."), "settings")


def _of_sending(version: CampaignVersion) -> Iterator[Check]:
    campaign = version.campaign
    if not version.steps.filter(kind=Step.Kind.SEND).exists():
        yield Check("warn", _("It sends nothing."))
        return
    if campaign.topic is None:
        yield Check("stop", _("Choose a topic: it says who has agreed to get this."), "settings")
    if campaign.sender is None:
        yield Check("stop", _("Choose in whose name it is sent."), "settings")
    setting = ChannelSetting.objects.filter(channel="email").first()
    leaves = setting is not None and setting.provider != "mailbox"
    if not installation.get("postal_address"):
        text = _("The settings name no postal address, which the law wants in every marketing mail.")
        yield Check("stop" if leaves else "warn", text, reverse("settings"))
    if not leaves:
        yield Check("warn", _("Mail goes into the built-in mailbox; nothing leaves this machine."), reverse("mailbox"))
    elif setting is not None and setting.paused_at:
        yield Check("warn", _("The email channel stands still: %(why)s") % {"why": setting.paused_because})


def _of_steps(version: CampaignVersion) -> Iterator[Check]:
    nodes = list(flows.walk(flows.tree(version)))
    if not nodes:
        yield Check("stop", _("Add a step."))
    for node in nodes:
        for level, text in _of_step(node.step):
            yield Check(level, f"“{node.step}”: {text}", node.step.key)


def _of_step(step: Step) -> Iterator[tuple[str, str]]:
    kind, set_to = step.kind, step.settings
    if kind == Step.Kind.SEND:
        yield from _of_content(step)
    if kind in flows.ASKING:
        if step.condition is None:
            yield "stop", _("say on what condition.")
        elif wrong := _wrong(step.condition):
            yield "stop", wrong
    if kind == Step.Kind.WAIT and not any(set_to.get(key) for key in ("days", "hours", "date", "time")):
        yield "stop", _("say how long to wait.")
    if kind == Step.Kind.WAIT_UNTIL and not any(set_to.get(key) for key in ("days", "hours")):
        yield "stop", _("say how long to wait at most.")
    if kind == Step.Kind.MOVE:
        there = stages.offered(step.lifecycle) if step.lifecycle else []
        found = next((each for each in there if each.slug == step.stage), None)
        if found is None:
            yield "stop", _("choose the stage to move to.")
        elif found.kind == Stage.Kind.GATE:
            yield "stop", _("a gate holds nobody; choose the stage behind it.")


def _of_content(step: Step) -> Iterator[tuple[str, str]]:
    said, campaign = step.content, step.version.campaign
    if said is None:
        yield "stop", _("choose what to send.")
    elif (newest := said.versions.order_by("-number").first()) is None:
        yield "stop", _("its content has not been written yet.")
    else:
        for doubt in content.warnings(newest):
            yield "warn", doubt
        yield from styles.check(step)
        if said.stage and campaign.stage and (said.lifecycle_id, said.stage) != (campaign.lifecycle_id, campaign.stage):
            yield "warn", _("Its content is tagged for another stage than the one that the campaign serves.")


def _wrong(condition: Any) -> str:
    """What is wrong with a condition that was right when it was kept; "" when nothing is."""
    try:
        conditions.parse(condition, of="person")
    except ConditionError as error:
        return str(error)
    return ""
