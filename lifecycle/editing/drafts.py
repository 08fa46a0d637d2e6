"""Drafts: begun from nothing or from a version, changed in the one way there is, and who changed one last."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from kit import audit, jobs, slugs, yamlfiles
from kit.models import AuditEntry, User
from lifecycle import querysets
from lifecycle.editing import parts
from lifecycle.editions import documents, versions
from lifecycle.models import Lifecycle, Version

State = Version.State
OF_WHOLE = ("name", "goal", "entry", "reentry")


@transaction.atomic
def begin(name: str, *, species: str, of: str, goal: str, by: User | None, now: datetime) -> Version:
    """A lifecycle of one's own, with the two stages that every one has: where it begins, and where it is won."""
    letters = name if slugify(name)[:1].isalpha() else f"lifecycle {name}"
    slug = slugs.free(letters, Lifecycle.objects.all(), "lifecycle", kept=yamlfiles.RESERVED)
    document = {
        "lifecycle": slug, "name": name, "species": species, "of": of, "goal": goal,
        "stages": [
            {"slug": "entered", "name": _("Entered")},
            {"slug": "won", "name": _("Won"), "kind": "terminal"},
        ],
    }  # fmt: skip
    return versions.draft(documents.checked(document), by=by, now=now)


@transaction.atomic
def draft_of(lifecycle: Lifecycle, *, by: User | None, now: datetime) -> Version:
    """The newest draft of a lifecycle; where there is none, a new one like the version that is live, or the newest."""
    held = Lifecycle.objects.select_for_update(no_key=True).get(pk=lifecycle.pk)
    if draft := held.versions.filter(state=State.DRAFT).order_by("-number").first():
        return draft
    like = held.versions.filter(state__in=querysets.LIVE).first() or held.versions.order_by("-number").first()
    if like is None:
        raise parts.Refused(_("There is no version to begin with."))
    return versions.again(like, by=by, now=now)


@transaction.atomic
def change(version: Version, edit: parts.Edit, *, by: User | None, now: datetime) -> bool:
    """Do `edit` to the draft's document; whether that changed anything.

    Two who change one draft do so one after the other, each on what the other left. Raises parts.Refused for what is
    no draft any more, cards.Stale when the part was changed since it was read, DocumentError for what the document
    would be wrong in; then nothing is changed.
    """
    held = _hold(version)
    before = documents.of_version(held)
    after = deepcopy(before)
    edit(after)
    documents.checked(after)
    if after == before:
        return False
    _write(held, after)
    was, became = _differences(before, after)
    draft = {"draft": _named(held)}
    audit.record("lifecycle.edit", str(held), by=by, now=now, before=draft | was, after=draft | became)
    return True


def last_change(version: Version) -> AuditEntry | None:
    """Who changed a draft last, and when."""
    changes = AuditEntry.objects.filter(action="lifecycle.edit", after__draft=_named(version))
    return changes.order_by("-at", "-pk").first()


def _named(version: Version) -> str:
    """How the trail knows a draft, whatever its lifecycle is called by now."""
    return f"{version.lifecycle.slug} v{version.number}"


def _hold(version: Version) -> Version:
    """The draft, locked behind its lifecycle, as by everybody who publishes it."""
    Lifecycle.objects.select_for_update(no_key=True).get(pk=version.lifecycle_id)
    held = Version.objects.select_related("lifecycle", "job").select_for_update(of=("self",)).get(pk=version.pk)
    if held.state != State.DRAFT:
        raise parts.Refused(_("%(version)s is no draft any more, so it stays as it is.") % {"version": held})
    if held.job is not None and held.job.state in jobs.OPEN:
        raise parts.Refused(_("A preview of this draft is being made. Cancel it on the draft’s page, or wait for it."))
    return held


def _write(version: Version, document: dict[str, Any]) -> None:
    lifecycle = version.lifecycle
    lifecycle.name, lifecycle.goal = document["name"], document.get("goal", "")
    lifecycle.save(update_fields=["name", "goal"])
    version.entry, version.reentry = document.get("entry"), bool(document.get("reentry"))
    version.cases = document["cases"]
    version.job = None  # a preview of what it was before says nothing of what it is now
    version.save(update_fields=["entry", "reentry", "cases", "job"])
    versions.lay_out(version, document)


def _differences(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of a draft was, and what became of it: stages by short name, rules and cases by their place."""
    was, became = _parts(before), _parts(after)
    names = [name for name in {**was, **became} if was.get(name) != became.get(name)]
    return {name: was.get(name) for name in names}, {name: became.get(name) for name in names}


def _parts(document: dict[str, Any]) -> dict[str, Any]:
    told = {name: document.get(name) for name in OF_WHOLE}
    told["order of stages"] = [each["slug"] for each in document["stages"]]
    told |= {f"stage {each['slug']}": each for each in document["stages"]}
    for part, word in (("transitions", "rule"), ("cases", "case")):
        told |= {f"{word} {number}": each for number, each in enumerate(document[part], 1)}
    return told
