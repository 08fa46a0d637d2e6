"""Tags are put on subjects and taken off here: one statement for a set, with a field change for each.

The change of a tag is kept under “tag.<slug>”: `old` is NULL when the tag was put on, "yes" when it was taken off. So
who had it at an instant is asked like any other value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from audience.models import Account, Person, Tag
from audience.subjects import history
from audience.subjects.people import BadValue
from kit import audit
from kit.models import User
from kit.sql import Sql, name, run, sql

FIELD = "tag."  # begins the names of the field changes
HAD = "yes"
LONGEST = 50
MOST = 20  # in one go


def read(text: str) -> list[str]:
    """The tags in a line, told apart by commas, each once. Raises BadValue for what can be no tag."""
    found: dict[str, str] = {}
    for part in text.replace("\n", ",").split(","):
        said = " ".join(part.split())
        if not said:
            continue
        if "\x00" in said or not said.isprintable():
            raise BadValue("tags", _("A tag is made of letters, digits and signs that can be seen."))
        if len(said) > LONGEST:
            raise BadValue("tags", _("“%(tag)s…” is too long for a tag: %(most)s letters at most.")
                           % {"tag": said[:20], "most": LONGEST})  # fmt: skip
        found.setdefault(slug_of(said), said)
    if len(found) > MOST:
        raise BadValue("tags", _("These are more than %(most)s tags at once.") % {"most": MOST})
    return list(found.values())


def slug_of(said: str) -> str:
    """What a tag is known by, whatever the case of its letters: “C++” and “C#” are two."""
    plain = " ".join(said.casefold().split())
    slug = slugify(plain, allow_unicode=True)[:50]
    if slug == plain.replace(" ", "-"):
        return slug
    return f"{slug or 'tag'}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"


def ensure(names: Iterable[str], now: datetime) -> list[Tag]:
    """The tags of these names, made when they are new."""
    wanted = {slug_of(each): each for each in names}
    rows = [Tag(slug=slug, name=each, created_at=now) for slug, each in sorted(wanted.items())]
    Tag.objects.bulk_create(rows, ignore_conflicts=True)
    return list(Tag.objects.filter(slug__in=wanted).order_by("name"))


@transaction.atomic
def add(
    model: type[Person] | type[Account],
    subjects: Sql,
    names: Sequence[str],
    *,
    source: str,
    by: User | None,
    now: datetime,
) -> int:
    """Put tags on all subjects of a statement that yields `subject_id`; how many taggings are new.

    Erased subjects are left alone. A subject that has a tag keeps it as it was put on first.
    """
    tags = ensure(names, now)
    subject = name(f"{model._meta.model_name}_id")
    added = run(
        sql(
            """
            WITH new AS (
                INSERT INTO audience_tagged ({}, tag_id, source, tagged_at)
                SELECT s.id, tag.id, {}, {} FROM {} s CROSS JOIN audience_tag tag
                WHERE s.id IN (SELECT subject_id FROM ({}) asked) AND s.erased_at IS NULL AND tag.id = ANY ({})
                ORDER BY s.id, tag.id
                ON CONFLICT (subject_id, tag_id) DO NOTHING RETURNING {}, tag_id)
            INSERT INTO audience_fieldchange ({}, field, old, source, occurred_at, recorded_at)
            SELECT new.{}, {} || tag.slug, NULL, {}, {}, {} FROM new JOIN audience_tag tag ON tag.id = new.tag_id
            """,
            subject, source, now, name(model._meta.db_table), subjects, [tag.pk for tag in tags], subject, subject,
            subject, FIELD, source, now, now,
        )
    )  # fmt: skip
    return _told("tags.add", model, added, tags, by, now)


@transaction.atomic
def remove(
    model: type[Person] | type[Account],
    subjects: Sql,
    slugs: Sequence[str],
    *,
    source: str,
    by: User | None,
    now: datetime,
) -> int:
    """Take tags off all subjects of a statement that yields `subject_id`; how many taggings are gone."""
    tags = list(Tag.objects.filter(slug__in=slugs))
    subject = name(f"{model._meta.model_name}_id")
    removed = run(
        sql(
            """
            WITH gone AS (
                DELETE FROM audience_tagged t WHERE t.tag_id = ANY ({}) AND t.{} IN (SELECT subject_id FROM ({}) asked)
                RETURNING t.{}, t.tag_id)
            INSERT INTO audience_fieldchange ({}, field, old, source, occurred_at, recorded_at)
            SELECT gone.{}, {} || tag.slug, {}, {}, {}, {} FROM gone JOIN audience_tag tag ON tag.id = gone.tag_id
            """,
            [tag.pk for tag in tags], subject, subjects, subject, subject, subject, FIELD, HAD, source, now, now,
        )
    )  # fmt: skip
    return _told("tags.remove", model, removed, tags, by, now)


def added_at(model: type[Person] | type[Account], slugs: Sequence[str], instants: Sequence[datetime]) -> Sql:
    """The subjects on whom one of the tags was put at one of these instants and who still have it: to take it back."""
    return sql(
        """SELECT t.{} AS subject_id FROM audience_tagged t JOIN audience_tag tag ON tag.id = t.tag_id
           WHERE tag.slug = ANY ({}) AND t.tagged_at = ANY ({}::timestamptz[]) AND t.{} IS NOT NULL""",
        name(f"{model._meta.model_name}_id"),
        list(slugs),
        list(instants),
        name(f"{model._meta.model_name}_id"),
    )


def removed_at(model: type[Person] | type[Account], slug: str, instants: Sequence[datetime]) -> Sql:
    """The subjects from whom the tag was taken at one of these instants: to put it on again."""
    subject = name(f"{model._meta.model_name}_id")
    return sql(
        """SELECT c.{} AS subject_id FROM audience_fieldchange c
           WHERE c.field = {} AND c.old = {} AND c.occurred_at = ANY ({}::timestamptz[]) AND c.{} IS NOT NULL
             AND c.original_subject_id IS NULL""",
        subject,
        FIELD + slug,
        HAD,
        list(instants),
        subject,
    )


def _told(action: str, model: type, count: int, tags: Sequence[Tag], by: User | None, now: datetime) -> int:
    if count:
        after = {"tags": [tag.slug for tag in tags], "changed": count}
        whom = history.written(model, [FIELD + tag.slug for tag in tags], now)
        audit.record(action, model.__name__.lower(), by=by, now=now, after=after, about=whom)
    return count
