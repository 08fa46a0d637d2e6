"""What can be done to many people or accounts of a list at once: tags, owner, fixed lists, figures, consent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audience import consent, segments
from audience.models import Account, ConsentRecord, Person, Segment, Tag, Topic
from audience.subjects import erasure, exclusions, names, owners, tags
from audience.subjects.people import BY_HAND, BadValue
from kit import audit, bulk, users
from kit.models import User
from kit.sql import Sql, name, rows, sql

Model = type[Person] | type[Account]
OFFERED = 300  # tags on offer
NOBODY = "nobody"


def register_all() -> None:
    """Add the actions to the lists of people and of accounts."""
    for model in (Person, Account):
        for action in _actions(model):
            bulk.register(model.__name__.lower(), action)
    bulk.register(
        "person",
        bulk.Action(
            "consent",
            gettext_lazy("Record consent"),
            "mail-check",
            "edit",
            run=_give_consent,
            told=_told_consent,
            read=_read_consent,
            undo=_undo_consent,
            says=lambda data: str(data["name"]),
            template="audience/_bulk_consent.html",
            context=_topics,
        ),
    )


def _merge(model: Model, chosen: QuerySet[Any]) -> str:
    """Two rows are compared on a page of their own; whoever was seen first is proposed to stay."""
    pair = list(chosen.order_by("first_seen_at", "pk").values_list("pk", flat=True)[:3])
    if len(pair) != 2:
        raise bulk.Refused(_("Choose exactly two: they are compared before they become one."))
    return f"{reverse(f'{model.__name__.lower()}_merge', args=[pair[0]])}?with={pair[1]}"


def _actions(model: Model) -> Sequence[bulk.Action]:
    def bound(function: Callable[..., Any]) -> Callable[..., Any]:
        return partial(function, model)

    return (
        bulk.Action(
            "tag",
            gettext_lazy("Add tags"),
            "tag",
            "note",
            run=bound(_tag),
            told=_told_tagged,
            read=_read_tags,
            undo=bound(_undo_tag),
            says=lambda data: ", ".join(data["names"]),
            template="audience/_bulk_tag.html",
            context=_tags,
        ),
        bulk.Action(
            "untag",
            gettext_lazy("Remove a tag"),
            "x",
            "note",
            run=bound(_untag),
            told=_told_untagged,
            read=_read_tag,
            undo=bound(_undo_untag),
            says=lambda data: str(data["name"]),
            template="audience/_bulk_untag.html",
            context=_tags,
        ),
        bulk.Action(
            "owner",
            gettext_lazy("Give to"),
            "user-round",
            "people",
            run=bound(_give),
            told=_told_given,
            read=_read_owner,
            undo=bound(_undo_give),
            says=lambda data: str(data["name"]),
            template="audience/_bulk_owner.html",
            context=_users,
        ),
        bulk.Action(
            "to_list",
            gettext_lazy("Add to a fixed list"),
            "list-plus",
            "edit",
            run=bound(_to_list),
            told=_told_listed,
            read=bound(_read_list),
            undo=bound(_undo_to_list),
            says=lambda data: str(data["name"]),
            template="audience/_bulk_to_list.html",
            context=bound(_lists),
        ),
        bulk.Action(
            "from_list",
            gettext_lazy("Take out of a fixed list"),
            "list-minus",
            "edit",
            run=bound(_from_list),
            told=_told_unlisted,
            read=bound(_read_from_list),
            undo=bound(_undo_from_list),
            says=lambda data: str(data["name"]),
            template="audience/_bulk_from_list.html",
            context=bound(_lists),
        ),
        bulk.Action(
            "leave_out",
            gettext_lazy("Leave out of figures"),
            "eye-off",
            "edit",
            run=bound(_leave_out),
            told=_told_left_out,
            read=_read_reason,
            undo=bound(_undo_leave_out),
            says=lambda data: str(data["reason"]),
            template="audience/_bulk_leave_out.html",
        ),
        bulk.Action(
            "erase",
            gettext_lazy("Erase for good"),
            "eraser",
            "erase",
            run=bound(_erase),
            told=_told_erased,
            typed=True,
            shows=bound(_shows_erasure),
            at_once=0,
            chunk=erasure.TOGETHER,
            own_transactions=True,
        ),
        bulk.Action("merge", gettext_lazy("Merge two"), "merge", "merge", leads=bound(_merge)),
    )


# ---- erasing ----

NAMED = 10  # of those who would be erased


def _erase(model: Model, subjects: Sql, data: bulk.Data, *, by: User | None, now: datetime) -> int:
    """Names that stand in what is said to everybody are told on the page of each alone."""
    try:
        return erasure.erase_many(model, [pk for (pk,) in rows(subjects)], by=by, now=now)[0]
    except erasure.Refused as refused:
        raise bulk.Refused(str(refused)) from refused


def _shows_erasure(model: Model, chosen: QuerySet[Any]) -> list[str]:
    """Who it would be, and what it means."""
    some = [names.of(each) for each in chosen.order_by("pk")[: NAMED + 1]]
    more = [_("and others")] if len(some) > NAMED else []
    said = _(
        "Everything by which they are known goes for good, wherever it stands: values, their history, notes, letters, "
        "waiting files. They leave every lifecycle, campaign and segment."
    )
    stays = _("Counts, dates, stages and amounts stay under a number, so that reports of the past are as they were.")
    return [", ".join([*some[:NAMED], *more]), said, stays]


def _told_erased(count: int, data: bulk.Data) -> str:
    return ngettext("%(n)s was erased.", "%(n)s were erased.", count) % {"n": f"{count:,}"}


# ---- tags ----


def _tags(request: HttpRequest) -> dict[str, Any]:
    return {"tags": list(Tag.objects.order_by("name")[:OFFERED])}


def _read_tags(form: Mapping[str, str]) -> bulk.Data:
    try:
        names = tags.read(form.get("tag-names", ""))
    except BadValue as bad:
        raise bulk.Refused(bad.message) from bad
    if not names:
        raise bulk.Refused(_("Say which tags."))
    return {"names": names}


def _read_tag(form: Mapping[str, str]) -> bulk.Data:
    tag = Tag.objects.filter(slug=form.get("untag-slug", "").replace("\x00", "")).first()
    if tag is None:
        raise bulk.Refused(_("Choose a tag."))
    return {"slug": tag.slug, "name": tag.name}


def _tag(model: Model, subjects: Sql, data: bulk.Data, *, by: User | None, now: datetime) -> int:
    return tags.add(model, subjects, data["names"], source=BY_HAND, by=by, now=now)


def _undo_tag(model: Model, data: bulk.Data, instants: list[datetime], *, by: User | None, now: datetime) -> int:
    undone = 0
    for each in data["names"]:
        slug = tags.slug_of(each)
        whom = tags.added_at(model, [slug], instants)
        undone += tags.remove(model, whom, [slug], source=BY_HAND, by=by, now=now)
    return undone


def _untag(model: Model, subjects: Sql, data: bulk.Data, *, by: User | None, now: datetime) -> int:
    return tags.remove(model, subjects, [data["slug"]], source=BY_HAND, by=by, now=now)


def _undo_untag(model: Model, data: bulk.Data, instants: list[datetime], *, by: User | None, now: datetime) -> int:
    whom = tags.removed_at(model, data["slug"], instants)
    return tags.add(model, whom, [data["name"]], source=BY_HAND, by=by, now=now)


def _told_tagged(count: int, data: bulk.Data) -> str:
    told = ngettext("%(n)s tagging with %(tags)s.", "%(n)s taggings with %(tags)s.", count)
    return told % {"n": f"{count:,}", "tags": ", ".join(f"“{each}”" for each in data["names"])}


def _told_untagged(count: int, data: bulk.Data) -> str:
    told = ngettext("The tag “%(tag)s” was taken off %(n)s.", "The tag “%(tag)s” was taken off %(n)s.", count)
    return told % {"n": f"{count:,}", "tag": data["name"]}


# ---- owner ----


def _users(request: HttpRequest) -> dict[str, Any]:
    return {"users": list(users.to_choose())}


def _read_owner(form: Mapping[str, str]) -> bulk.Data:
    said = form.get("owner-owner", "")
    if said == NOBODY:
        return {"owner": None, "name": _("nobody")}
    number = int(said) if said.isascii() and said.isdigit() and len(said) < 19 else 0
    found = users.to_choose().filter(pk=number).first()
    if found is None:
        raise bulk.Refused(_("Choose a user."))
    return {"owner": found.pk, "name": str(found)}


def _owner(data: bulk.Data) -> User | None:
    return User.objects.filter(pk=data["owner"]).first() if data["owner"] else None


def _give(model: Model, subjects: Sql, data: bulk.Data, *, by: User | None, now: datetime) -> int:
    return owners.give(model, subjects, _owner(data), by=by, now=now)


def _undo_give(model: Model, data: bulk.Data, instants: list[datetime], *, by: User | None, now: datetime) -> int:
    return owners.give_back(model, _owner(data), instants, by=by, now=now)


def _told_given(count: int, data: bulk.Data) -> str:
    told = ngettext("%(n)s was given to %(user)s.", "%(n)s were given to %(user)s.", count)
    return told % {"n": f"{count:,}", "user": data["name"]}


# ---- fixed lists ----


def _lists(model: Model, request: HttpRequest) -> dict[str, Any]:
    return {"lists": list(_fixed(model).order_by("name")[:OFFERED])}


def _fixed(model: Model) -> QuerySet[Segment]:
    return Segment.objects.filter(kind=Segment.Kind.STATIC, of=model.__name__.lower())


def _read_list(model: Model, form: Mapping[str, str], said: str = "to_list-slug") -> bulk.Data:
    found = _fixed(model).filter(slug=form.get(said, "").replace("\x00", "")).first()
    if found is None:
        raise bulk.Refused(_("Choose a list. A new one is made by “Save as segment”."))
    return {"segment": found.pk, "name": found.name}


def _read_from_list(model: Model, form: Mapping[str, str]) -> bulk.Data:
    return _read_list(model, form, "from_list-slug")


def _to_list(model: Model, subjects: Sql, data: bulk.Data, *, by: User | None, now: datetime) -> int:
    segment = _fixed(model).filter(pk=data["segment"]).first()
    return segments.add(segment, subjects, by=by, now=now) if segment else 0


def _from_list(model: Model, subjects: Sql, data: bulk.Data, *, by: User | None, now: datetime) -> int:
    segment = _fixed(model).filter(pk=data["segment"]).first()
    return segments.remove(segment, subjects, by=by, now=now) if segment else 0


def _undo_to_list(model: Model, data: bulk.Data, instants: list[datetime], *, by: User | None, now: datetime) -> int:
    return _from_list(model, _moved("entered_at", data, instants), data, by=by, now=now)


def _undo_from_list(model: Model, data: bulk.Data, instants: list[datetime], *, by: User | None, now: datetime) -> int:
    return _to_list(model, _moved("left_at", data, instants), data, by=by, now=now)


def _moved(column: str, data: bulk.Data, instants: list[datetime]) -> Sql:
    return sql(
        f"SELECT subject_id FROM audience_segmentmember "
        f"WHERE segment_id = {{}} AND {column} = ANY ({{}}::timestamptz[])",
        data["segment"],
        instants,
    )


def _told_listed(count: int, data: bulk.Data) -> str:
    told = ngettext("%(n)s was added to “%(list)s”.", "%(n)s were added to “%(list)s”.", count)
    return told % {"n": f"{count:,}", "list": data["name"]}


def _told_unlisted(count: int, data: bulk.Data) -> str:
    told = ngettext("%(n)s was taken out of “%(list)s”.", "%(n)s were taken out of “%(list)s”.", count)
    return told % {"n": f"{count:,}", "list": data["name"]}


# ---- figures ----


def _read_reason(form: Mapping[str, str]) -> bulk.Data:
    reason = " ".join(form.get("leave_out-reason", "").replace("\x00", "").split())
    if not 0 < len(reason) <= 200:
        raise bulk.Refused(_("Say why, in %(most)s letters at most.") % {"most": 200})
    if reason in exclusions.RULES:
        raise bulk.Refused(_("This reason is that of a list. Say it in other words."))
    return {"reason": reason}


def _leave_out(model: Model, subjects: Sql, data: bulk.Data, *, by: User | None, now: datetime) -> int:
    return exclusions.by_hand(model, _that_count(model, subjects), reason=data["reason"], by=by, now=now)


def _that_count(model: Model, subjects: Sql) -> Sql:
    """Those who count now: whoever is left out already keeps the reason."""
    return sql(
        "SELECT s.id AS subject_id FROM {} s WHERE NOT s.is_excluded AND s.id IN (SELECT subject_id FROM ({}) asked)",
        name(model._meta.db_table),
        subjects,
    )


def _undo_leave_out(model: Model, data: bulk.Data, instants: list[datetime], *, by: User | None, now: datetime) -> int:
    subject = name(f"{model._meta.model_name}_id")
    whom = sql(
        """SELECT c.{} AS subject_id FROM audience_fieldchange c JOIN {} s ON s.id = c.{}
           WHERE c.field = 'is_excluded' AND c.original_subject_id IS NULL AND c.source = {}
             AND c.occurred_at = ANY ({}::timestamptz[])
             AND s.is_excluded AND s.excluded_reason = {}""",
        subject, name(model._meta.db_table), subject, BY_HAND, instants, data["reason"],
    )  # fmt: skip
    return exclusions.by_hand(model, whom, reason=None, by=by, now=now)


def _told_left_out(count: int, data: bulk.Data) -> str:
    return ngettext("%(n)s is in no figure now.", "%(n)s are in no figure now.", count) % {"n": f"{count:,}"}


# ---- consent ----

LONGEST_WORDING = 4000


def _topics(request: HttpRequest) -> dict[str, Any]:
    bases = [each for each in ConsentRecord.Basis.choices if each[0] != ConsentRecord.Basis.OBJECTION]
    return {"topics": list(consent.offered()), "bases": bases}


def _read_consent(form: Mapping[str, str]) -> bulk.Data:
    topic = Topic.objects.filter(retired_at=None, slug=form.get("consent-topic", "").replace("\x00", "")).first()
    basis, source = form.get("consent-basis", ""), " ".join(form.get("consent-source", "").split())
    wording = form.get("consent-wording", "").strip()
    if topic is None:
        raise bulk.Refused(_("Choose a topic."))
    if basis not in ConsentRecord.Basis.values or basis == ConsentRecord.Basis.OBJECTION:
        raise bulk.Refused(_("Choose a lawful basis."))
    if not source or len(source) > consent.LONGEST_SOURCE or "\x00" in source + wording:
        raise bulk.Refused(_("Say where they agreed, in %(most)s letters at most.") % {"most": consent.LONGEST_SOURCE})
    if len(wording) > LONGEST_WORDING:
        raise bulk.Refused(_("The wording is longer than %(most)s letters.") % {"most": LONGEST_WORDING})
    return {"topic": topic.pk, "name": topic.label, "basis": basis, "source": source, "wording": wording}


def _give_consent(subjects: Sql, data: bulk.Data, *, by: User | None, now: datetime) -> int:
    acts = sql(
        """SELECT subject_id AS person_id, {}::bigint AS topic_id, true AS given, {}::text AS basis,
                  {}::text AS wording, {}::text AS source, {}::timestamptz AS occurred_at FROM ({}) chosen""",
        data["topic"], data["basis"], data["wording"] or None, data["source"], now, subjects,
    )  # fmt: skip
    given = consent.record_many(acts, now=now, by=by)
    if given:
        after = {"topic": data["name"], "basis": data["basis"], "source": data["source"], "people": given}
        whom = sql("SELECT subject_id FROM ({}) chosen", subjects)
        audit.record("consent.give", data["name"], by=by, now=now, after=after, about=whom)
    return given


def _undo_consent(data: bulk.Data, instants: list[datetime], *, by: User | None, now: datetime) -> int:
    written = consent.recorded_at(instants, topic_id=data["topic"], source=data["source"])
    return consent.take_back(written, by=by, now=now)


def _told_consent(count: int, data: bulk.Data) -> str:
    told = ngettext(
        "Consent to “%(topic)s” was recorded for %(n)s.", "Consent to “%(topic)s” was recorded for %(n)s.", count
    )
    return told % {"n": f"{count:,}", "topic": data["name"]}
