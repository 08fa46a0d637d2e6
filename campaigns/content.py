"""Content: writing it, each edition numbered and tried on real people before it is kept; tags, copies, doubts.

An edition never changes, so what was sent can be shown as it was written. Whatever is kept has been compiled, and
filled in for three people within the limits that hold when it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml
from django.db import transaction
from django.utils.translation import gettext as _

from audience.conditions import uses
from audience.models import Person
from audience.subjects import sight
from campaigns import personal, rendering
from campaigns.models import Content, ContentVersion
from campaigns.rendering import ContentError, Rendered, ToRender, Unrendered
from campaigns.sandbox.markup import LIQUID
from kit import audit, installation, slugs
from kit.models import User
from lifecycle.models import Lifecycle

Missing = ContentVersion.Missing
SAMPLES = 3  # people on whom an edition is tried
CLIPPED = 100_000  # bytes of HTML, beyond which Gmail shows only a part
LONG_SUBJECT = 70  # letters; phones show some 40, programs on desks some 70
KEPT = ("new", "preview", "people")  # slugs that the addresses of pages need
STARTERS = Path(__file__).parent / "templates_of_content"
GROUPS = {"person", "account", "person.custom", "account.custom"}
NAMES = re.compile(r"(?<![\w.'\"])(?:person|account)(?:\.\w+)+|\b(?:company|postal_address)\b")
STRINGS = re.compile(r"'[^']*'|\"[^\"]*\"")
EXAMPLE = re.compile(r"https?://(?:[\w-]+\.)*example\.(?:com|org|net)\b", re.IGNORECASE)
FETCHED = re.compile(r"<link\b[^>]*>", re.IGNORECASE)  # most programs for mail fetch no styles, and previews do not
PREFERS = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)", re.IGNORECASE)
SCHEMES = re.compile(r'(?<=name="color-scheme" )content="[^"]*"', re.IGNORECASE)
PICTURE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)


@dataclass(frozen=True)
class Draft:
    """What somebody wrote, before it is an edition."""

    subject: str
    source: str
    preheader: str = ""
    format: str = ContentVersion.Format.HTML
    text_source: str = ""
    missing: str = Missing.DEFAULT


@dataclass(frozen=True)
class Preview:
    """An edition as one reader gets it; `html` may be shown in a sandboxed frame only."""

    subject: str = ""
    preheader: str = ""
    html: str = ""
    text: str = ""
    missing: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Starter:
    """A content to begin with, from a file."""

    slug: str
    name: str
    purpose: str
    style: str
    draft: Draft


# ---- writing ----


def create(
    name: str, draft: Draft, *, style: str = "", lifecycle: Lifecycle | None = None, stage: str = "",
    by: User | None, now: datetime,
) -> Content:  # fmt: skip
    """A content with its first edition. Raises ContentError for what cannot be sent."""
    version = tried(compiled(draft), now=now)
    with transaction.atomic():
        made = Content.objects.create(
            name=name,
            slug=slugs.free(name, Content.objects.all(), "content", KEPT),
            style=style,
            **_serving(lifecycle, stage),
            created_by=by,
            created_at=now,
            updated_at=now,
        )
        _keep(version, made, 1, by, now)
        audit.record("content.create", made.name, by=by, now=now, after={"subject": draft.subject})
    return made


def write(content: Content, draft: Draft, *, by: User | None, now: datetime) -> ContentVersion:
    """A new edition; the newest one when nothing in it would differ. Raises ContentError for what cannot be sent."""
    newest = latest(content)
    if newest is not None and draft_of(newest) == draft:
        return newest
    version = tried(compiled(draft), now=now)
    with transaction.atomic():
        Content.objects.select_for_update().get(pk=content.pk)  # two who write at once get two numbers
        last = latest(content)
        kept = _keep(version, content, last.number + 1 if last else 1, by, now)
        Content.objects.filter(pk=content.pk).update(updated_at=now)
        audit.record("content.write", content.name, by=by, now=now, after={"version": kept.number})
    return kept


def change(
    content: Content, *, name: str, style: str, lifecycle: Lifecycle | None, stage: str, by: User | None, now: datetime
) -> None:
    """Another name or other tags; editions stay as they are."""
    told = {
        "name": name,
        "style": style,
        "lifecycle": lifecycle if stage else None,
        "stage": stage if lifecycle else "",
    }
    before = {key: getattr(content, key) for key in told}
    if told == before:
        return
    for key, value in told.items():
        setattr(content, key, value)
    content.updated_at = now
    with transaction.atomic():
        content.save(update_fields=[*told, "updated_at"])
        audit.record(
            "content.change", name, by=by, now=now,
            before={key: str(value or "") for key, value in before.items()},
            after={key: str(value or "") for key, value in told.items()},
        )  # fmt: skip


@transaction.atomic
def clone(content: Content, *, by: User | None, now: datetime) -> Content:
    """A copy with the newest edition as its first, and the same tags."""
    name = _("%(content)s (copy)") % {"content": content.name[:180]}
    made = Content.objects.create(
        name=name, slug=slugs.free(name, Content.objects.all(), "content", KEPT), style=content.style,
        lifecycle=content.lifecycle, stage=content.stage, created_by=by, created_at=now, updated_at=now,
    )  # fmt: skip
    if newest := latest(content):
        newest.pk = None
        _keep(newest, made, 1, by, now)
    audit.record("content.create", made.name, by=by, now=now, after={"copy of": content.name})
    return made


def _serving(lifecycle: Lifecycle | None, stage: str) -> dict[str, Any]:
    """A stage of a lifecycle, or neither."""
    return {"lifecycle": lifecycle, "stage": stage} if lifecycle and stage else {"lifecycle": None, "stage": ""}


def latest(content: Content) -> ContentVersion | None:
    """The newest edition."""
    return content.versions.order_by("-number").first()


def draft_of(version: ContentVersion) -> Draft:
    """What was typed for an edition."""
    return Draft(
        subject=version.subject,
        source=version.source,
        preheader=version.preheader,
        format=version.format,
        text_source=version.text_source,
        missing=version.missing,
    )


def _keep(version: ContentVersion, content: Content, number: int, by: User | None, now: datetime) -> ContentVersion:
    version.content, version.number, version.created_by, version.created_at = content, number, by, now
    version.save(force_insert=True)
    return version


# ---- trying ----


def compiled(draft: Draft) -> ContentVersion:
    """An edition that is not kept yet. Raises ContentError with line and column."""
    if not draft.subject.strip():
        raise ContentError(_("Write a subject."), field="subject")
    if not draft.source.strip():
        raise ContentError(_("Write something."))
    done = rendering.compile(
        draft.source, draft.format, text=draft.text_source, subject=draft.subject, preheader=draft.preheader
    )
    return ContentVersion(**asdict(draft), html=done.html, text=done.text, links=done.links)


def tried(version: ContentVersion, *, now: datetime) -> ContentVersion:
    """The same edition, filled in for some real people. Raises ContentError when one of them cannot be written to."""
    asked = [ToRender(uuid4(), version, context) for context in samples(now)]
    for answer in rendering.render(asked).values():
        if isinstance(answer, Unrendered):
            raise ContentError(_("Filled in for a person it fails. %(why)s") % {"why": answer.reason})
    return version


def samples(now: datetime) -> Sequence[Mapping[str, Any]]:
    """The values of some people who differ: of whom much is known, of whom little is, and the newest."""
    people = Person.objects.filter(erased_at=None).exclude(email="")
    picks = (
        people.exclude(first_name="").exclude(account=None).order_by("pk"),
        people.filter(first_name="", account=None).order_by("pk"),
        people.order_by("-pk"),
    )
    ids = [pk for each in picks if (pk := each.values_list("pk", flat=True).first())]
    found = list(personal.contexts(ids, now=now).values())
    return (found + [personal.invented(now=now), personal.nobody(now=now)])[:SAMPLES]


def somebody(user: Any) -> Person | None:
    """Whom a preview shows a user until another is chosen: the first with name and account, else the first, seen."""
    people = sight.people(Person.objects.filter(erased_at=None, is_excluded=False), user)
    people = people.exclude(email="").order_by("pk")
    return people.exclude(first_name="").exclude(account=None).first() or people.first()


def preview(version: ContentVersion, person: Person | None, *, now: datetime, dark: bool = False) -> Preview:
    """An edition, kept or not, as this person gets it, by day or in the dark; as somebody invented without one."""
    context = personal.contexts([person.pk], now=now).get(person.pk) if person else None
    asked = ToRender(uuid4(), version, context or personal.invented(now=now))
    done = rendering.render([asked])[asked.id]
    if not isinstance(done, Rendered):
        return Preview(problem=done.reason)
    return Preview(
        done.subject,
        done.preheader,
        _lit(FETCHED.sub("", rendering.filled(done.html, done.links, in_html=True)), dark),
        rendering.filled(done.text, done.links, in_html=False),
        done.missing,
    )


def _lit(html: str, dark: bool) -> str:
    """As a program for mail shows it that is set to light or to dark, whatever the browser is set to."""

    def holds(found: re.Match[str]) -> str:
        return "(min-width: 0)" if (found[1].lower() == "dark") == dark else "(max-width: 0)"

    html = SCHEMES.sub(lambda found: f'content="{"dark" if dark else "light"}"', html)
    return PREFERS.sub(holds, html)


def readable(subject: str) -> str:
    """A subject for lists: each value as its name in brackets, of each choice the first."""
    subject = re.sub(r"\{%-?\s*else\b.*?%\}.*?(?=\{%-?\s*end)", "", subject)
    subject = re.sub(r"\{%.*?%\}", "", subject)
    return re.sub(r"\{\{-?\s*(?:[\w]+\.)*(\w+).*?\}\}", lambda found: f"[{found[1].replace('_', ' ')}]", subject)


# ---- what is doubtful ----


def warnings(version: ContentVersion) -> list[str]:
    """What one should know before this edition is sent, in words; nothing of it forbids sending."""
    return [*untagged(version.content), *doubts(version)]


def untagged(content: Content) -> list[str]:
    """Which tags a content lacks, and what for."""
    told = []
    if not content.style:
        told.append(_("It is not tagged as education or engagement, so no result can tell which of them works."))
    if not content.stage:
        told.append(_("It is not tagged with the stage that it serves."))
    return told


def doubts(version: ContentVersion) -> list[str]:
    """What is doubtful about an edition's words; it may not be kept yet."""
    told = []
    known = personal.known() | GROUPS
    if unknown := [name for name in used(version) if name not in known]:
        told.append(_("Nobody has a value called %(names)s.") % {"names": ", ".join(unknown[:5])})
    if "{{ postal_address" in version.html and not installation.get("postal_address"):
        told.append(_("The settings name no postal address, which the law wants in every marketing mail."))
    if len(version.html.encode()) > CLIPPED:
        told.append(_("It is so large that Gmail shows only a part of it."))
    if len(version.subject) > LONG_SUBJECT and not LIQUID.search(version.subject):
        told.append(_("The subject is so long that most readers see only a part of it."))
    if any(EXAMPLE.match(each) for each in version.links):
        told.append(_("A link still leads to example.com."))
    if any("alt=" not in each.lower() for each in PICTURE.findall(version.html)):
        told.append(_("A picture has no text (alt) for readers who see no pictures."))
    return told


def used(version: ContentVersion) -> list[str]:
    """The values that an edition uses, by name, in the order in which they come."""
    found: dict[str, None] = {}
    for text in (version.subject, version.preheader, version.source, version.text_source):
        for piece in LIQUID.finditer(text):
            found |= dict.fromkeys(NAMES.findall(STRINGS.sub("", piece[0])))
    return list(found)


def kept() -> Iterator[uses.Use]:
    """The values that the newest edition of each content uses, for the register of who asks what."""
    newest = ContentVersion.objects.order_by("content", "-number").distinct("content").select_related("content")
    for version in newest:
        yield uses.Use(
            _("Content"), version.content.name, version.content.get_absolute_url(), None, tuple(used(version))
        )


# ---- to begin with ----


@cache
def starters() -> tuple[Starter, ...]:
    """The contents that a new one may begin with."""
    return tuple(_starter(path) for path in sorted(STARTERS.glob("*.yaml")))


def starter(slug: str) -> Starter | None:
    """The one of this slug."""
    return next((each for each in starters() if each.slug == slug), None)


def shown(each: Starter, *, now: datetime) -> str:
    """A starter as somebody invented gets it, for a sandboxed frame."""
    return preview(_compiled(each.slug), None, now=now).html


@cache
def _compiled(slug: str) -> ContentVersion:
    found = starter(slug)
    assert found
    return compiled(found.draft)


def _starter(path: Path) -> Starter:
    told = yaml.safe_load(path.read_text())
    draft = Draft(
        subject=told["subject"],
        preheader=told["preheader"],
        format=told["format"],
        source=told["source"].rstrip() + "\n",
    )
    return Starter(path.stem.split("_", 1)[1], told["name"], told["purpose"], told["style"], draft)
