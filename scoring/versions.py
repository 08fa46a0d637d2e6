"""Editions of a scoring model: drafted from a document, edited by rules, published by scoring everybody, retired."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.urls import reverse
from django.utils.translation import gettext as _

from audience import live
from audience.conditions import uses
from kit import audit, installation, jobs
from kit.models import Job, User
from kit.sql import sql
from scoring import fields, rules, running
from scoring.models import Rule, Score, ScoringModel, ScoringVersion

State = ScoringVersion.State


class Refused(ValueError):
    """What cannot be done with a version, with all the reasons."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@transaction.atomic
def draft(document: dict[str, Any], *, by: User | None, now: datetime) -> ScoringVersion:
    """The next draft of the document's model (made when it is new), from a document that `documents.parse` checked.

    Raises Refused when a model of that name has other subjects.
    """
    model, _new = ScoringModel.objects.get_or_create(
        slug=document["model"],
        defaults={
            "name": document["name"],
            "of": document["of"],
            "species": document.get("species", ""),
            "goal": document.get("goal", ""),
            "created_at": now,
        },
    )
    if model.of != document["of"]:
        raise Refused([_("There is a scoring model “%(slug)s” already, of other subjects.") % {"slug": model.slug}])
    version = _next(model, by=by, now=now)
    version.limit = document.get("limit")
    version.caps, version.grades, version.levels = document["caps"], document["grades"], document["levels"]
    if document.get("effective_from"):
        version.effective_from = effective_from(date.fromisoformat(document["effective_from"]))
    version.save()
    Rule.objects.bulk_create(
        Rule(version=version, order=order, **values) for order, values in enumerate(document["rules"], 1)
    )
    audit.record("scoring.draft", str(version), by=by, now=now)
    return version


@transaction.atomic
def draft_of(model: ScoringModel, *, by: User | None, now: datetime) -> ScoringVersion:
    """A draft to work on: the newest one there is, else a copy of the newest version, else an empty one."""
    model = ScoringModel.objects.select_for_update().get(pk=model.pk)
    newest = model.versions.order_by("-number").first()
    if newest and newest.state == State.DRAFT:
        return newest
    version = _next(model, by=by, now=now)
    if newest:
        for name in ("limit", "caps", "grades", "levels"):
            setattr(version, name, getattr(newest, name))
        version.save()
        copies = list(newest.rules.order_by("order"))
        for each in copies:
            each.pk, each.version = None, version
        Rule.objects.bulk_create(copies)
    audit.record("scoring.draft", str(version), by=by, now=now)
    return version


def effective_from(day: date) -> datetime:
    """The instant from which a version that takes effect on a day is in force: its local midnight."""
    return installation.midnight(day, installation.zone())


def problems(version: ScoringVersion) -> list[str]:
    """What keeps a version from being published."""
    rules = list(version.rules.order_by("order"))
    found = [] if rules else [_("There is no rule, so everybody would have no points.")]
    kinds: dict[str, set[str]] = {}
    for rule in rules:
        if rule.group:
            kinds.setdefault(rule.group, set()).add(rule.kind)
    for group, of_group in kinds.items():
        if len(of_group) > 1:
            told = _("The group “%(group)s” has rules of behaviour and of fit; they are capped apart, so part them.")
            found.append(told % {"group": group})
    for group in version.caps:
        if group not in kinds:
            found.append(_("No rule is in the group “%(group)s”, which has a cap.") % {"group": group})
    if version.grades and not any(rule.kind == Rule.Kind.FIT for rule in rules):
        found.append(_("There are grades but no fit rule to earn them by."))
    return found


def publish(version: ScoringVersion, *, by: User | None, now: datetime) -> Job:
    """Start publishing a draft: everybody is scored by a job, after which it is published.

    From now on it is in force for whatever instant it takes effect at. Raises Refused with every problem.
    """
    if version.state != State.DRAFT:
        raise Refused([_("%(version)s is not a draft.") % {"version": version}])
    found = problems(version)
    if found:
        raise Refused(found)
    with transaction.atomic():
        model = ScoringModel.objects.select_for_update().get(pk=version.model_id)
        if model.versions.filter(state=State.PUBLISHING).exists():
            raise Refused([_("Another version of “%(model)s” is being published; wait for it.") % {"model": model}])
        if not ScoringVersion.objects.filter(pk=version.pk, state=State.DRAFT).update(state=State.PUBLISHING):
            raise Refused([_("Somebody else is publishing this version.")])
        job = running.ask(model, publishing=version, by=by, now=now)
        ScoringVersion.objects.filter(pk=version.pk).update(job=job)
        audit.record("scoring.publish", str(version), by=by, now=now)
    return job


@transaction.atomic
def retire(version: ScoringVersion, *, by: User | None, now: datetime) -> Job | None:
    """Take a published version out of force, for the past as well; the run that scores everybody by what is left.

    Raises Refused when nothing would be left in force and conditions ask for the score, naming them.
    """
    model = ScoringModel.objects.select_for_update().get(pk=version.model_id)
    left = model.versions.filter(state__in=[State.PUBLISHED, State.PUBLISHING]).exclude(pk=version.pk)
    if not left.exists():
        _refuse_if_used(model)
    if not ScoringVersion.objects.filter(pk=version.pk, state=State.PUBLISHED).update(state=State.RETIRED):
        raise Refused([_("%(version)s is not published.") % {"version": version}])
    audit.record("scoring.retire", str(version), by=by, now=now)
    if left.exists():
        return running.ask(model, by=by, now=now)
    live.mark(sql("SELECT subject_id FROM scoring_score WHERE model_id = {} AND shown <> 0", model.pk))
    Score.objects.filter(model=model).delete()
    ScoringModel.objects.filter(pk=model.pk).update(looked_until=None, scored_by=None)
    return None


@transaction.atomic
def discard(version: ScoringVersion, *, by: User | None, now: datetime) -> None:
    """Throw a draft away, and its model with it when that never had another version.

    Raises Refused for any other state, while it is previewed, and when the model would go while conditions ask for it,
    naming them.
    """
    model = ScoringModel.objects.select_for_update().get(pk=version.model_id)
    refuse_unless_idle_draft(version)
    goes = not model.versions.exclude(pk=version.pk).exists()
    if goes:
        _refuse_if_used(model)
    audit.record("scoring.discard", str(version), by=by, now=now)
    version.rules.all().delete()
    version.delete()
    if goes:
        model.delete()


def refuse_unless_idle_draft(version: ScoringVersion) -> None:
    """Raises Refused when it is no draft, or a preview of it is being made."""
    if version.state != State.DRAFT:
        raise Refused([_("%(version)s is not a draft.") % {"version": version}])
    if version.job is not None and version.job.state in jobs.OPEN:
        raise Refused([_("A preview of this draft is being made; wait for it or cancel it first.")])


def kept() -> Iterator[uses.Use]:
    """What every version that is not retired asks, for the register of who asks what."""
    for each in ScoringVersion.objects.exclude(state=State.RETIRED).select_related("model").order_by("pk"):
        asked = [
            rule.condition if rule.kind == Rule.Kind.FIT else rules.counting(rule.where) for rule in each.rules.all()
        ]
        page = reverse("scoring_version", args=[each.model.slug, each.number])
        yield uses.Use(_("Scoring model"), str(each), page, {"all": asked})


def _next(model: ScoringModel, *, by: User | None, now: datetime) -> ScoringVersion:
    number = (model.versions.aggregate(last=Max("number"))["last"] or 0) + 1
    return ScoringVersion.objects.create(model=model, number=number, created_by=by, created_at=now)


def _refuse_if_used(model: ScoringModel) -> None:
    asking = [use for each in fields.of_model(model) for use in uses.of_field(each.name)]
    if asking:
        told = _("“%(model)s” is asked for by %(users)s; change that first.")
        raise Refused([told % {"model": model, "users": ", ".join(dict.fromkeys(map(str, asking)))}])
