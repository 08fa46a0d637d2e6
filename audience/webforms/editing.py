"""Forms are made, changed, published and closed here. What is asked changes with a new edition, never within one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from audience.conditions import uses
from audience.models import Field as CustomField
from audience.models import Form, FormEdition, Topic
from audience.webforms import asking, filling
from audience.webforms.asking import ALWAYS, EMAIL, HIDDEN, Asked
from kit import audit, slugs
from kit.models import User

State = Form.State


class Refused(ValueError):
    """What cannot be done to a form, in the user's words."""


@transaction.atomic
def create(name: str, *, by: User | None, now: datetime) -> Form:
    """A new form with a draft to begin with; nobody can reach it."""
    slug = slugs.free(name, Form.objects.all(), "form")
    draft = asking.starter(name).as_json()
    made = Form.objects.create(slug=slug, name=name, draft=draft, created_at=now, created_by=by)
    audit.record("form.create", name, by=by, now=now, after={"form": slug})
    return made


@transaction.atomic
def change(form: Form, *, name: str, asked: Asked, by: User | None, now: datetime) -> bool:
    """Another draft, or another name. What is published stays as it is. False when nothing differs."""
    held = Form.objects.select_for_update(no_key=True).get(pk=form.pk)
    after = asked.as_json()
    before = {"name": held.name, "draft": asking.read(held.draft).as_json()}
    if before == {"name": name, "draft": after}:
        return False
    Form.objects.filter(pk=held.pk).update(name=name, draft=_plain(after))
    audit.record("form.change", name, by=by, now=now, before=before, after={"name": name, "draft": after})
    form.refresh_from_db()
    return True


@transaction.atomic
def publish(form: Form, *, by: User | None, now: datetime) -> FormEdition:
    """What the draft asks is asked from now on, also of a closed form. Raises Refused with what stands against it."""
    held = Form.objects.select_for_update(no_key=True).get(pk=form.pk)
    asked = asking.read(held.draft)
    if wrong := list(problems(asked)):
        raise Refused(" ".join(wrong))
    if held.edition is None or held.edition.asked != held.draft:
        last = held.editions.aggregate(last=Max("number"))["last"] or 0
        told = {"number": last + 1, "asked": held.draft, "published_at": now, "published_by": by}
        held.edition = FormEdition.objects.create(form=held, **told)
    held.state = State.PUBLISHED
    held.save(update_fields=["edition", "state"])
    audit.record("form.publish", held.name, by=by, now=now, after={"form": held.slug, "edition": held.edition.number})
    form.refresh_from_db()
    return held.edition


@transaction.atomic
def close(form: Form, *, by: User | None, now: datetime) -> bool:
    """Take nothing more. False when it was not open."""
    closed = Form.objects.filter(pk=form.pk, state=State.PUBLISHED).update(state=State.CLOSED)
    if closed:
        audit.record("form.close", form.name, by=by, now=now, after={"form": form.slug})
    return bool(closed)


def kept() -> Iterator[uses.Use]:
    """What each form asks, in its draft and as it is published, for the register of who asks what."""
    for form in Form.objects.select_related("edition").order_by("name"):
        some = [form.draft, form.edition.asked if form.edition and form.state == State.PUBLISHED else {}]
        asked = {f"person.{each.field}" for told in some for each in asking.read(told).questions}
        yield uses.Use(_("Form"), form.name, form.get_absolute_url(), None, tuple(sorted(asked)))


def problems(asked: Asked) -> Iterator[str]:
    """What stands against publishing, each as a sentence."""
    offered = asking.offered()
    names = [each.field for each in asked.questions]
    if not any(each.field == EMAIL and each.when == ALWAYS for each in asked.questions):
        yield _("Ask everybody for the email: by it people are known.")
    if not asked.title.strip():
        yield _("Give the page a heading.")
    for twice in sorted({name for name in names if names.count(name) > 1}):
        yield _("“%(field)s” is asked twice.") % {"field": twice}
    for each in asked.questions:
        if each.field not in offered:
            yield _("There is no field “%(field)s” any more.") % {"field": each.field}
        elif each.when == HIDDEN and not filling.fits(offered[each.field], each.value):
            yield _("“%(field)s” cannot be set to “%(value)s”.") % {"field": each.field, "value": each.value[:60]}
    yield from _hanging(asked)
    topics = set(Topic.objects.filter(retired_at=None).values_list("slug", flat=True))
    for box in asked.boxes:
        if box.topic not in topics:
            yield _("The topic “%(topic)s” is not offered any more.") % {"topic": box.topic}
        if not box.wording.strip():
            yield _("Say in words what the box of “%(topic)s” agrees to.") % {"topic": box.topic}
    if asked.after_confirming and not asked.file:
        yield _("There is no file to hand out after confirming.")


def _hanging(asked: Asked) -> Iterator[str]:
    """What is wrong with questions that hang on the answer to another."""
    offered, before = asking.offered(), set()
    for each in asked.questions:
        said = {"field": each.field, "other": each.after, "answer": each.answer[:60]}
        if each.after and each.field == EMAIL:
            yield _("The email is asked of everybody; it hangs on no answer.")
        elif each.after and each.when == HIDDEN:
            yield _("“%(field)s” is never asked, so it hangs on no answer.") % said
        elif each.after and each.after not in before:
            yield _("“%(field)s” hangs on “%(other)s”, which is not asked before it.") % said
        elif each.after and each.answer and not _can_be(offered[each.after], each.answer):
            yield _("“%(field)s” waits for the answer “%(answer)s”, which “%(other)s” never has.") % said
        if each.when != HIDDEN and each.field in offered:
            before.add(each.field)


def _can_be(offered: asking.Offered, answer: str) -> bool:
    if offered.custom is None:
        return True
    if offered.custom.type == CustomField.Type.YES_NO:
        return answer.casefold() in asking.YES_NO
    if offered.custom.chosen:
        return answer.casefold() in {value.casefold() for value, _label in offered.custom.labelled()}
    return True


def _plain(told: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: tuples are lists."""
    return told | {"questions": list(told["questions"]), "boxes": list(told["boxes"])}
