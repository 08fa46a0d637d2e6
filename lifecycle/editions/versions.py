"""Editions of a lifecycle: drafted from a document, validated, published with their history replayed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import CharField, F, Max, Value
from django.db.models.functions import Cast, Concat
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from audience import live
from audience.conditions import uses
from kit import audit, calendars, jobs, yamlfiles
from kit.models import Job, User
from lifecycle import querysets
from lifecycle.editions import cases, checking, documents, migrating, reading
from lifecycle.engine import passes, replay, rules
from lifecycle.ledger import stages
from lifecycle.models import Backtest, Lifecycle, Stage, Transition, Version

WITHDRAW = "withdraw"  # the kind of the job that takes a publication back


class PublishRefused(ValueError):
    """A version that cannot be published, with all the reasons."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@transaction.atomic
def draft(document: dict[str, Any], *, by: User | None, now: datetime) -> Version:
    """The next draft of the document's lifecycle (made when it is new), from a document that `documents.parse` checked.

    Raises PublishRefused when a lifecycle of that name has other subjects or another species.
    """
    lifecycle, created = Lifecycle.objects.get_or_create(
        slug=document["lifecycle"],
        defaults={
            "name": document["name"],
            "species": document["species"],
            "of": document["of"],
            "goal": document.get("goal", ""),
            "created_at": now,
        },
    )
    if (lifecycle.species, lifecycle.of) != (document["species"], document["of"]):
        raise PublishRefused(
            [
                _("There is a lifecycle “%(slug)s” already, of another species or other subjects.")
                % {"slug": lifecycle.slug}
            ]
        )
    version = Version.objects.create(
        lifecycle=lifecycle,
        number=(lifecycle.versions.aggregate(last=Max("number"))["last"] or 0) + 1,
        entry=document.get("entry"),
        reentry=bool(document.get("reentry")),
        cases=document["cases"],
        created_by=by,
        created_at=now,
    )
    lay_out(version, document)
    audit.record("lifecycle.draft", str(version), by=by, now=now)
    return version


def lay_out(version: Version, document: dict[str, Any]) -> None:
    """Make the document's stages and rules the rows of a version.

    Rows that it has are used again: of each that went, the database would look through the whole ledger for whoever was
    moved by it.
    """
    there = {each.slug: each.pk for each in version.stages.all()}
    before = defaultdict(list)
    for rule in version.transitions.select_related("from_stage", "to_stage"):
        before[_said(rule)].append(rule.pk)
    wanted = [entry["slug"] for entry in document["stages"]]
    spare = [pk for slug, pk in there.items() if slug not in wanted]
    # Out of each other's way, so that stages may change places and names.
    version.stages.update(order=-F("pk"), slug=Concat(Value("~"), Cast("pk", CharField())))
    stages = {
        entry["slug"]: Stage(
            pk=there.get(entry["slug"]) or (spare.pop() if spare else None),
            version=version,
            order=order,
            **{key: entry[key] for key in ("slug", "name", "path", "kind")},
            **{key: entry[key] for key in ("phase", "limit_hours", "calendar", "card", "hand_off") if key in entry},
        )
        for order, entry in enumerate(document["stages"], 1)
    }
    _put(Stage, stages.values())
    rules = [_rule(entry, stages) for entry in document["transitions"]]
    # Last, so that whoever did in time what a rule asks for is moved by that.
    rules += [_missed(entry, stages) for entry in document["stages"] if entry.get("when_missed")]
    for priority, rule in enumerate(rules, 1):
        same = before[_said(rule)]
        rule.version, rule.priority, rule.pk = version, priority, same.pop() if same else None
    others = [pk for left in before.values() for pk in left]
    Backtest.objects.filter(swept__in=others).update(swept=None)  # they come to be other rules, or go
    for rule in rules:
        rule.pk = rule.pk or (others.pop() if others else None)
    version.transitions.filter(pk__in=others).delete()
    version.transitions.update(priority=-F("pk"))
    _put(Transition, rules)
    version.stages.filter(pk__in=spare).delete()


def _said(rule: Transition) -> str:
    """What a rule says, wherever it stands."""
    ends = [each.slug if each else None for each in (rule.from_stage, rule.to_stage)]
    told = (rule.name, str(rule.reason), rule.condition, rule.by_hand, rule.guard, rule.delay, rule.delay_unit)
    return json.dumps([ends, *told, rule.on_missed], sort_keys=True)


def _put(model: type[Stage] | type[Transition], rows: Iterable[Any]) -> None:
    """Write rows, over those that have their keys already."""
    columns = [each.name for each in model._meta.concrete_fields if not each.primary_key]
    model.objects.bulk_create(rows, update_conflicts=True, unique_fields=["pk"], update_fields=columns)


def _rule(entry: dict[str, Any], stages: dict[str, Stage]) -> Transition:
    unit, delay = next(iter((entry.get("delay") or {}).items()), ("", None))
    return Transition(
        from_stage=stages.get(entry["from"]),
        to_stage=stages[entry["to"]],
        name=entry.get("name", ""),
        reason=entry.get("reason", ""),
        condition=entry.get("when"),
        by_hand=bool(entry.get("by_hand")),
        guard=entry.get("guard"),
        delay=delay,
        delay_unit=unit,
    )


def _missed(entry: dict[str, Any], stages: dict[str, Stage]) -> Transition:
    missed = entry["when_missed"]
    return Transition(
        from_stage=stages[entry["slug"]],
        to_stage=stages[missed["to"]],
        name=missed.get("name", ""),
        reason=missed.get("reason") or _("The limit was missed"),
        on_missed=True,
    )


def problems(version: Version) -> list[str]:
    """What keeps a version from being published, in words; `checking.findings` says more."""
    return [str(finding) for finding in checking.errors(version)]


def publish(version: Version, *, by: User | None, now: datetime) -> Job:
    """Start publishing a draft; the job that makes it live.

    The first version of a lifecycle is filled from history by a replay. A later one takes over the members of the one
    that is live, as its plan says, in one step; what happened before stays as it was written. Raises PublishRefused
    with every problem, failing test cases among them, and when another version is on its way.
    """
    _refuse_unless_idle_draft(version)
    checked = set(version.stages.values_list("pk", flat=True))  # an edit lays all of them out anew
    found = problems(version)
    if not found:
        found = [str(outcome) for outcome in cases.run(version, now=now) if not outcome.passed]
    if found:
        raise PublishRefused(found)
    with transaction.atomic():
        before = _claim(version, Version.State.DRAFT)
        if checked != set(version.stages.values_list("pk", flat=True)):
            raise PublishRefused([_("Somebody changed this draft while it was checked. Look, and publish again.")])
        if before is None:
            title = _("Replay of %(version)s") % {"version": version}
            job = jobs.enqueue("replay", {"version": version.pk}, title=title, by=by, now=now)
        else:
            job = _take_over(migrating.plan(version, before), before, was=Version.State.DRAFT, by=by, now=now)
        Version.objects.filter(pk=version.pk).update(job=job, before=before)
        audit.record("lifecycle.publish", str(version), by=by, now=now)
    return job


def roll_back(
    version: Version,
    *,
    by: User | None,
    now: datetime,
    choices: Mapping[str, str | None] | None = None,
    reason: str = "",
) -> Job:
    """Start making a version live again that was live before; the job that does it.

    Whoever was moved over from it and has not moved since returns to the stage they came from; the others go by
    `choices` (a stage of the version that is live to one of this), else by slug. Raises PublishRefused.
    """
    if version.state != Version.State.RETIRED:
        raise PublishRefused([_("%(version)s was not live before, or is live now.") % {"version": version}])
    with transaction.atomic():
        before = _claim(version, Version.State.RETIRED)
        if before is None:
            raise PublishRefused([_("No version of “%(name)s” is live.") % {"name": version.lifecycle}])
        chosen = way_back(version, before, choices or {}, reason)
        job = _take_over(chosen, before, was=Version.State.RETIRED, by=by, now=now)
        Version.objects.filter(pk=version.pk).update(job=job)
        audit.record("lifecycle.roll_back", str(version), by=by, now=now, after=chosen.as_json())
    return job


def way_back(
    version: Version, live_one: Version, choices: Mapping[str, str | None], reason: str = ""
) -> migrating.Plan:
    """The plan by which the members return to a version. Raises PublishRefused for stages that are not there."""
    try:
        migrating.check(version, choices, live_one)
    except migrating.PlanRefused as refused:
        raise PublishRefused([str(refused)]) from refused
    proposed = migrating.back_plan(version, live_one)
    return replace(proposed, stages=dict(proposed.stages) | dict(choices), reason=reason)


def _claim(version: Version, state: Version.State) -> Version | None:
    """Mark the version as being published; the one that is live, if any. Of two who publish at once one is refused."""
    siblings = Lifecycle.objects.select_for_update().get(pk=version.lifecycle_id).versions
    if coming := siblings.filter(state=Version.State.PUBLISHING).first():
        told = _("%(version)s is being published already; wait for it, or cancel it.")
        raise PublishRefused([told % {"version": coming}])
    if not siblings.filter(pk=version.pk, state=state).update(state=Version.State.PUBLISHING):
        raise PublishRefused([_("Somebody else has published this version, or thrown it away.")])
    return siblings.filter(state=Version.State.PUBLISHED).first()


def _take_over(chosen: migrating.Plan, before: Version, *, was: str, by: User | None, now: datetime) -> Job:
    if found := migrating.refusals(chosen):
        raise PublishRefused(found)
    payload = {"version": chosen.version.pk, "before": before.pk, "was": was, "back": chosen.back, **chosen.as_json()}
    title = _("Members of %(before)s move over to version %(number)s")
    words = {"before": before, "number": chosen.version.number}
    return jobs.enqueue("migrate", payload, title=title % words, by=by, now=now)


def withdraw(version: Version, *, by: User | None, now: datetime) -> Job | None:
    """Take back a publication that was cancelled or has failed: whoever its replay has placed leaves again.

    None when nobody was placed: then it is a draft again at once. Raises PublishRefused for a version that is not
    being published, or whose job is on its way.
    """
    with transaction.atomic():
        locked = Version.objects.select_for_update(of=("self",)).select_related("job").get(pk=version.pk)
        if locked.state != Version.State.PUBLISHING:
            raise PublishRefused([_("%(version)s is not being published.") % {"version": version}])
        if locked.job is not None and locked.job.state in jobs.OPEN:
            raise PublishRefused([_("It is still on its way; cancel it first.")])
        audit.record("lifecycle.withdraw", str(version), by=by, now=now)
        return _withdraw(locked, by=by, now=now)


def _withdraw(version: Version, *, by: User | None, now: datetime) -> Job | None:
    if not version.membership_set.exists():
        Version.objects.filter(pk=version.pk).update(state=Version.State.DRAFT, before=None)
        return None
    title = _("Publication of %(version)s taken back") % {"version": version}
    job = jobs.enqueue(WITHDRAW, {"version": version.pk}, title=title, by=by, now=now)
    Version.objects.filter(pk=version.pk).update(job=job)
    return job


def preview(version: Version, *, by: User | None, now: datetime) -> Job:
    """Start a job that finds out what publishing would do; its result has the counts per stage.

    Raises PublishRefused when it is no draft, or a preview of it is being made.
    """
    _refuse_unless_idle_draft(version)
    title = _("Preview of %(version)s") % {"version": version}
    job = jobs.enqueue("preview", {"version": version.pk}, title=title, by=by, now=now)
    Version.objects.filter(pk=version.pk).update(job=job)
    audit.record("lifecycle.preview", str(version), by=by, now=now)
    return job


def again(version: Version, *, by: User | None, now: datetime) -> Version:
    """A new draft that says what this version says."""
    return draft(yamlfiles.read(documents.dump(version)), by=by, now=now)


def to_show(lifecycle: Lifecycle) -> Version | None:
    """The live version of a lifecycle, or else its newest."""
    live_one = lifecycle.versions.filter(state__in=querysets.LIVE).order_by("state").first()  # published first
    return live_one or lifecycle.versions.order_by("-number").first()


def first_step(_subject: None, _request: HttpRequest, _now: datetime) -> dict[str, Any] | None:
    """What the home page shows while no lifecycle has been published: nothing more than its words."""
    return None if Version.objects.exclude(state=Version.State.DRAFT).exists() else {}


def sentence(condition: Any, of: str) -> str:
    """A condition as it reads in English; what is wrong with one that cannot be asked any more."""
    return reading.sentence(condition, of)


def _refuse_unless_idle_draft(version: Version) -> None:
    if version.state != Version.State.DRAFT:
        raise PublishRefused([_("%(version)s is not a draft.") % {"version": version}])
    if version.job is not None and version.job.state in jobs.OPEN:
        raise PublishRefused([_("A preview of this draft is being made; cancel it first.")])


def replay_job(held: jobs.Held) -> dict[str, Any]:
    """The work of publishing: replay from where the cursor stands, then make the version live."""
    version = _published_by(held)
    done = held.cursor.get("day")
    moved = held.cursor.get("moved", 0)

    def note(step: replay.Day) -> None:
        held.progress(
            phase=step.day.isoformat(),
            rows_done=step.number,
            rows_total=step.of,
            cursor={"day": step.day.isoformat(), "moved": moved + step.moved},
        )

    moved += replay.run(version, now=held.now, after=date.fromisoformat(done) if done else None, progress=note)
    with transaction.atomic():
        Version.objects.filter(pk=version.pk).update(
            state=Version.State.PUBLISHED, published_at=held.now, looked_until=held.now + live.INSTANT
        )
        # What was written while the replay ran has passed it by; and others ask about these stages.
        live.mark_everybody(version.lifecycle.of)
        held.progress(phase="")
    return {"movements": moved, "link": _page(version)}


def replay_ended(job: Job) -> None:
    """A replay that was cancelled is taken back by itself; one that failed may be tried again."""
    job.refresh_from_db()
    version = Version.objects.filter(job=job, state=Version.State.PUBLISHING).select_related("lifecycle").first()
    if version is not None and job.state == Job.State.CANCELLED:
        with transaction.atomic():
            _withdraw(version, by=job.created_by, now=job.finished_at or job.created_at)


def migrate_job(held: jobs.Held) -> dict[str, Any]:
    """The work of publishing a version over another: all members move, or nothing has happened."""
    version, payload = _published_by(held), held.payload
    before = Version.objects.select_related("lifecycle").get(pk=payload["before"])
    chosen = migrating.Plan(version, payload["stages"], payload["reason"], payload["back"])
    return {"movements": migrating.take_over(chosen, before, held), "link": _page(version)}


def migrate_ended(job: Job) -> None:
    """A version that did not come to be live is again what it was."""
    Version.objects.filter(job=job, state=Version.State.PUBLISHING).update(state=job.payload["was"])


def withdraw_job(held: jobs.Held) -> dict[str, Any]:
    """The work of taking a replay back: all whom it has placed leave, and what the version says is a draft again."""
    version = _published_by(held)
    done = held.cursor.get("done", 0)
    while True:
        with transaction.atomic():
            moved = migrating.leave(version, reason=_("Publication taken back"), by=held.job.created_by, now=held.now)
            done += moved
            if moved:
                held.progress(rows_done=done, cursor={"done": done})
                continue
            Version.objects.filter(pk=version.pk).update(state=Version.State.WITHDRAWN)
            fresh = again(version, by=held.job.created_by, now=held.now)
            held.progress(phase="")
        return {"movements": done, "link": _page(fresh)}


def preview_job(held: jobs.Held) -> dict[str, Any]:
    """The work of a preview: publish and take it back; the result is what would be."""
    version = Version.objects.select_related("lifecycle").get(pk=held.payload["version"])
    before = stages.live_version(version.lifecycle)

    def note(step: replay.Day) -> None:
        held.show(rows_done=step.number, rows_total=step.of)

    if before is None:
        return replay.preview(version, now=held.now, progress=note) | {"link": _page(version)}
    return _preview_of_moving(version, before, held.now) | {"link": _page(version)}


def _preview_of_moving(version: Version, before: Version, now: datetime) -> dict[str, Any]:
    chosen = migrating.plan(version, before)
    ways = [asdict(row) for row in migrating.preview(chosen)]
    left_out = sum(way["left_out"] for way in ways)
    with transaction.atomic():
        with live.without_marks():
            moved = migrating.carry(chosen, by=None, now=now)
            onward = passes.apply(rules.read(version), among=None, at=now + live.INSTANT, now=now)
        summary = {"movements": moved, "onward": onward, "ways": ways, "left_out": left_out}
        summary["stages"] = replay.stages_of(version)
        transaction.set_rollback(True)
    return summary


def _published_by(held: jobs.Held) -> Version:
    """The version that a job makes live. Raises jobs.Refused when it is not being published, or not by this job."""
    version = Version.objects.select_related("lifecycle").get(pk=held.payload["version"])
    if version.state != Version.State.PUBLISHING or version.job_id != held.job.pk:
        raise jobs.Refused(_("%(version)s is not being published any more.") % {"version": version})
    return version


def kept() -> Iterator[uses.Use]:
    """The conditions of every version that is not retired, for the register of who asks what."""
    out_of_use = [Version.State.RETIRED, Version.State.WITHDRAWN]
    for each in Version.objects.exclude(state__in=out_of_use).select_related("lifecycle").order_by("pk"):
        asked = [condition for pair in each.transitions.values_list("condition", "guard") for condition in pair]
        yield uses.Use(_("Lifecycle"), str(each), _page(each), {"all": [each.entry, *filter(None, asked)]})


def by_calendar(slugs: Collection[str]) -> Iterator[tuple[str, calendars.Use]]:
    """The stages that name these working calendars, for the register of who counts by one: the newest version first.

    Those of retired versions too, by whose calendars reports tell of the past; what was taken back counts nowhere.
    """
    stages = Stage.objects.filter(calendar__in=slugs).exclude(version__state=Version.State.WITHDRAWN)
    for each in stages.select_related("version__lifecycle").order_by("-version__pk", "order"):
        told = {"stage": each, "version": each.version, "state": each.version.get_state_display()}
        yield each.calendar, calendars.Use(_("“%(stage)s” of %(version)s (%(state)s)") % told, _page(each.version))


def _page(version: Version) -> str:
    return reverse("lifecycle_version", args=[version.lifecycle.slug, version.number])


@transaction.atomic
def discard(version: Version, *, by: User | None, now: datetime) -> None:
    """Throw a draft away, and its lifecycle with it when nothing else is left of that.

    What it was tried on goes too. Raises PublishRefused when it is no draft, or a preview or backtest of it is being
    made.
    """
    _refuse_unless_idle_draft(version)
    tried = version.backtests.all()
    if tried.filter(job__state__in=jobs.OPEN).exists():
        raise PublishRefused([_("A backtest of this draft is being made; cancel it first.")])
    audit.record("lifecycle.discard", str(version), by=by, now=now)
    tried.delete()
    version.transitions.all().delete()
    version.stages.all().delete()
    lifecycle = version.lifecycle
    version.delete()
    if not lifecycle.versions.exists():
        lifecycle.delete()
