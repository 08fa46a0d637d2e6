"""Topics are made, changed and retired here: what people can choose to be written to about."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from audience.models import Topic
from kit import audit
from kit.models import User

LONGEST_SLUG = Topic._meta.get_field("slug").max_length or 0


class Refused(ValueError):
    """What cannot be done to a topic, in the user's words."""


@transaction.atomic
def create(label: str, *, description: str, basis: str, is_default: bool, by: User | None, now: datetime) -> Topic:
    """A new topic; the one that is used unless another is chosen, when it says so."""
    if is_default:
        Topic.objects.filter(is_default=True).update(is_default=False)
    made = Topic.objects.create(
        slug=_free_slug(label), label=label, description=description, basis=basis, is_default=is_default
    )
    audit.record("topic.create", label, by=by, now=now, after=_told(made))
    return made


@transaction.atomic
def change(
    topic: Topic, *, label: str, description: str, basis: str, is_default: bool, by: User | None, now: datetime
) -> None:
    """Other words, another rule. What people have said of it stays. Raises Refused for a default that is none."""
    if topic.is_default and not is_default:
        raise Refused(_("One topic is used unless another is chosen. Make that one so instead."))
    if is_default and topic.retired_at:
        raise Refused(_("A retired topic cannot be the one that is used unless another is chosen."))
    before = _told(topic)
    if is_default:
        Topic.objects.filter(is_default=True).exclude(pk=topic.pk).update(is_default=False)
    topic.label, topic.description, topic.basis, topic.is_default = label, description, basis, is_default
    topic.save(update_fields=["label", "description", "basis", "is_default"])
    audit.record("topic.change", label, by=by, now=now, before=before, after=_told(topic))


@transaction.atomic
def retire(topic: Topic, *, by: User | None, now: datetime) -> None:
    """Offer it no more. Raises Refused for the one that is used unless another is chosen."""
    if topic.is_default:
        raise Refused(_("This topic is used unless another is chosen. Make another so first."))
    if Topic.objects.filter(pk=topic.pk, retired_at=None).update(retired_at=now):
        audit.record("topic.retire", topic.label, by=by, now=now)


@transaction.atomic
def bring_back(topic: Topic, *, by: User | None, now: datetime) -> None:
    """Offer it again."""
    if Topic.objects.filter(pk=topic.pk).exclude(retired_at=None).update(retired_at=None):
        audit.record("topic.bring_back", topic.label, by=by, now=now)


def _told(topic: Topic) -> dict[str, object]:
    return {"description": topic.description, "basis": topic.basis, "is_default": topic.is_default}


def _free_slug(label: str) -> str:
    slug = slugify(label)[: LONGEST_SLUG - 4] or "topic"
    taken = set(Topic.objects.filter(slug__startswith=slug).values_list("slug", flat=True))
    return next(each for each in (slug, *(f"{slug}-{n}" for n in range(2, 1000))) if each not in taken)
