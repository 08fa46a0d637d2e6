"""Editions of a lifecycle: drafted from a document, validated, published with their history replayed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from audience import live
from audience.conditions import describe, tree, uses
from kit import audit, jobs
from kit.models import Job, User
from lifecycle import cases, querysets, replay
from lifecycle.models import Lifecycle, Stage, Transition, Version


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
    stages = {
        entry["slug"]: Stage(
            version=version,
            order=order,
            **{key: entry[key] for key in ("slug", "name", "path", "kind")},
            **{key: entry[key] for key in ("phase", "limit_hours", "card", "hand_off") if key in entry},
        )
        for order, entry in enumerate(document["stages"], 1)
    }
    Stage.objects.bulk_create(stages.values())
    Transition.objects.bulk_create(
        Transition(
            version=version,
            priority=priority,
            from_stage=stages.get(entry["from"]),
            to_stage=stages[entry["to"]],
            name=entry.get("name", ""),
            reason=entry.get("reason", ""),
            condition=entry.get("when"),
            by_hand=bool(entry.get("by_hand")),
        )
        for priority, entry in enumerate(document["transitions"], 1)
    )
    audit.record("lifecycle.draft", str(version), by=by, now=now)
    return version


def problems(version: Version) -> list[str]:
    """What keeps a version from being published: dead ends, gates without a default exit, stages nobody can reach."""
    stages = list(version.stages.all())
    rules = list(version.transitions.select_related("from_stage", "to_stage"))
    found = [] if stages else [_("There is no stage.")]
    if not any(stage.kind == Stage.Kind.TERMINAL and stage.path == Stage.Path.SUCCESS for stage in stages):
        found.append(_("No stage of the success path is terminal, so no pass can be won."))
    if stages and (stages[0].kind in (Stage.Kind.GATE, Stage.Kind.TERMINAL) or stages[0].path != Stage.Path.SUCCESS):
        found.append(_("The first stage must hold its subjects and lie on the success path."))
    reached = _reachable(stages, rules)
    for stage in stages:
        exits = [rule for rule in rules if rule.from_stage_id in (stage.pk, None) and rule.to_stage_id != stage.pk]
        if stage.pk not in reached:
            found.append(_("Nothing leads to “%(stage)s”.") % {"stage": stage})
        if stage.kind != Stage.Kind.TERMINAL and not exits:
            found.append(_("Nothing leads out of “%(stage)s”, and it is not terminal.") % {"stage": stage})
        if stage.kind == Stage.Kind.TERMINAL and any(rule.from_stage_id == stage.pk for rule in rules):
            found.append(_("“%(stage)s” is terminal, but a rule leads out of it.") % {"stage": stage})
        if stage.kind == Stage.Kind.GATE and not any(
            rule.from_stage_id == stage.pk and not rule.by_hand and tree.is_everybody(tree.parse(rule.condition))
            for rule in exits
        ):
            found.append(_("The gate “%(stage)s” has no default exit (a rule without a condition).") % {"stage": stage})
        if stage.kind == Stage.Kind.SLA and not stage.limit_hours:
            found.append(_("The SLA stage “%(stage)s” has no limit.") % {"stage": stage})
    return found


def publish(version: Version, *, by: User | None, now: datetime) -> Job:
    """Start publishing a draft: its history is replayed by a job, after which it is live.

    Raises PublishRefused with every problem, failing test cases among them, or when another version is live or on
    its way.
    """
    if version.state != Version.State.DRAFT:
        raise PublishRefused([_("%(version)s is not a draft.") % {"version": version}])
    found = problems(version)
    if not found:
        found = [str(outcome) for outcome in cases.run(version, now=now) if not outcome.passed]
    if found:
        raise PublishRefused(found)
    with transaction.atomic():
        siblings = Lifecycle.objects.select_for_update().get(pk=version.lifecycle_id).versions
        if siblings.filter(state__in=[Version.State.PUBLISHING, Version.State.PUBLISHED]).exists():
            refusal = _("Another version of “%(name)s” is live; moving its members over is not possible yet.")
            raise PublishRefused([refusal % {"name": version.lifecycle}])
        if not Version.objects.filter(pk=version.pk, state=Version.State.DRAFT).update(state=Version.State.PUBLISHING):
            raise PublishRefused([_("Somebody else is publishing this version.")])
        job = jobs.enqueue(
            "replay",
            {"version": version.pk},
            title=_("Replay of %(version)s") % {"version": version},
            by=by,
            now=now,
        )
        Version.objects.filter(pk=version.pk).update(job=job)
        audit.record("lifecycle.publish", str(version), by=by, now=now)
    return job


def preview(version: Version, *, by: User | None, now: datetime) -> Job:
    """Start a job that finds out what publishing would do to the history; its result has the counts per stage.

    Raises PublishRefused when it is no draft, or a preview of it is being made.
    """
    _refuse_unless_idle_draft(version)
    title = _("Preview of %(version)s") % {"version": version}
    job = jobs.enqueue("preview", {"version": version.pk}, title=title, by=by, now=now)
    Version.objects.filter(pk=version.pk).update(job=job)
    audit.record("lifecycle.preview", str(version), by=by, now=now)
    return job


def to_show(lifecycle: Lifecycle) -> Version | None:
    """The live version of a lifecycle, or else its newest."""
    live_one = lifecycle.versions.filter(state__in=querysets.LIVE).first()
    return live_one or lifecycle.versions.order_by("-number").first()


def first_step(_subject: None, _request: HttpRequest, _now: datetime) -> dict[str, Any] | None:
    """What the home page shows while no lifecycle has been published: nothing more than its words."""
    return None if Version.objects.exclude(state=Version.State.DRAFT).exists() else {}


def sentence(condition: Any, of: str) -> str:
    """A condition as it reads in English."""
    return describe.sentence(tree.parse(condition, of=of))


def _refuse_unless_idle_draft(version: Version) -> None:
    if version.state != Version.State.DRAFT:
        raise PublishRefused([_("%(version)s is not a draft.") % {"version": version}])
    if version.job is not None and version.job.state in jobs.OPEN:
        raise PublishRefused([_("A preview of this draft is being made; cancel it first.")])


def _reachable(stages: list[Stage], rules: list[Transition]) -> set[int]:
    reached = {stages[0].pk} if stages else set()
    while True:
        more = {
            rule.to_stage_id
            for rule in rules
            if (rule.from_stage_id is None or rule.from_stage_id in reached) and rule.to_stage_id not in reached
        }
        if not more:
            return reached
        reached |= more


def replay_job(held: jobs.Held) -> dict[str, Any]:
    """The work of publishing: replay from where the cursor stands, then make the version live."""
    version = Version.objects.select_related("lifecycle").get(pk=held.payload["version"])
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


def preview_job(held: jobs.Held) -> dict[str, Any]:
    """The work of a preview: replay and take it back; the result is what would be."""
    version = Version.objects.select_related("lifecycle").get(pk=held.payload["version"])

    def note(step: replay.Day) -> None:
        held.show(rows_done=step.number, rows_total=step.of)

    return replay.preview(version, now=held.now, progress=note) | {"link": _page(version)}


def kept() -> Iterator[uses.Use]:
    """The conditions of every version that is not retired, for the register of who asks what."""
    for each in Version.objects.exclude(state=Version.State.RETIRED).select_related("lifecycle").order_by("pk"):
        rules = each.transitions.exclude(condition=None).values_list("condition", flat=True)
        yield uses.Use(_("Lifecycle"), str(each), _page(each), {"all": [each.entry, *rules]})


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
