"""Activities that did not happen as told are taken back by the thousand: a scanner's, tests, what was told twice.

Nothing is changed or deleted: each gets a row that reverses it (`activities.reverse`), which every reader honours, and
whoever did them is judged again in the same transaction, so that what followed bears its instant and can be listed.
All of it can be undone, by rows that reverse the reversals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Min, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from audience import live
from audience.activity import activities, channels, kinds
from audience.models import Activity, ActivityKind, Retraction, Segment, SegmentMember
from audience.subjects import querysets
from audience.subjects.filters import EMPTY
from kit import audit, installation, instants, jobs, writing
from kit.models import User
from kit.sql import Sql, rows, sql, value

JOB = "retraction"
AT_ONCE = 1000  # activities; more are long work
CHUNK = 2000
MOST_IDS = 1000
LONGEST = 300
# What a choice of activities may be narrowed by.
TEXTS = ("kind", "channel", "platform", "direction", "source", "actor", "user_agent", "ip", "segment", "left_out")
NUMBERS = ("person", "account")
INSTANTS = ("since", "until")
# Of a test, of ourselves, of a competitor: whoever is in no figure.
LEFT_OUT = Q(person__is_excluded=True) | Q(person=None, account__is_excluded=True)
KNOWN = (*TEXTS, *NUMBERS, *INSTANTS, "ids")
Asked = Mapping[str, Any]


class Refused(ValueError):
    """It cannot be done; the message says why."""

    def __init__(self, message: str, code: str = "retraction_refused") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Preview:
    """What taking back would touch: how many activities and of whom, since and until when, and of which kinds."""

    activities: int
    people: int
    accounts: int
    first: datetime | None
    last: datetime | None
    kinds: list[tuple[str, str, int]]  # kind, actor, number
    sample: list[Activity]


def clean(asked: Asked) -> dict[str, Any]:
    """The filters that are set, as they are kept: instants as text. Raises Refused when they would mean everything."""
    told: dict[str, Any] = {name: asked[name] for name in KNOWN if asked.get(name) not in (None, "", [])}
    for name in INSTANTS:
        if isinstance(told.get(name), datetime):
            told[name] = told[name].isoformat()
    if not told:
        raise Refused(
            _("Say which activities: by kind, user agent, time or anything else. All of them is never meant.")
        )
    return told


def narrowed(rows: QuerySet[Activity], asked: Asked) -> QuerySet[Activity]:
    """The activities that the filters mean, of these rows: the same for a list, a preview, and what is taken back."""
    for name in ("platform", "direction", "source", "actor"):
        if asked.get(name):
            rows = rows.filter(**{name: "" if asked[name] == EMPTY else asked[name]})
    if asked.get("left_out"):
        rows = rows.filter(LEFT_OUT if asked["left_out"] == "yes" else ~LEFT_OUT)
    if asked.get("kind"):
        rows = rows.filter(kind__in=ActivityKind.objects.filter(slug=asked["kind"]).values("pk"))
    if asked.get("channel") == EMPTY:
        rows = rows.filter(channel="")
    elif asked.get("channel"):
        rows = rows.filter(channel__in={asked["channel"], channels.normal(asked["channel"])})
    if asked.get("user_agent"):
        rows = rows.filter(properties__user_agent__icontains=asked["user_agent"])
    if asked.get("ip"):
        rows = rows.filter(properties__ip__startswith=asked["ip"])
    for name in NUMBERS:
        if asked.get(name):
            rows = rows.filter(**{f"{name}_id": asked[name]})
    for name, how in (("since", "gte"), ("until", "lt")):
        if asked.get(name):
            rows = rows.filter(**{f"occurred_at__{how}": _instant(asked[name])})
    if asked.get("segment"):
        segment = Segment.objects.filter(slug=asked["segment"]).first()
        of = segment.of if segment else "person"
        members = (
            SegmentMember.objects.filter(segment=segment, left_at=None) if segment else SegmentMember.objects.none()
        )
        rows = rows.filter(**{f"{of}_id__in": members.values("subject_id")})
    if asked.get("ids"):
        rows = rows.filter(pk__in=asked["ids"])
    return rows


def preview(asked: Asked) -> Preview:
    """What taking these back would touch. Raises Refused."""
    chosen = _chosen(clean(asked))
    figures = chosen.aggregate(
        activities=Count("pk"),
        people=Count("person", distinct=True),
        accounts=Count("account", filter=Q(person=None), distinct=True),
        first=Min("occurred_at"),
        last=Max("occurred_at"),
    )
    by_kind = chosen.values("kind", "actor").annotate(number=Count("pk")).order_by("-number", "kind", "actor")[:10]
    named = {
        kind.pk: kinds.name(kind) for kind in ActivityKind.objects.filter(pk__in={each["kind"] for each in by_kind})
    }
    actors = dict(Activity.Actor.choices)
    return Preview(
        **figures,
        kinds=[(named[each["kind"]], str(actors.get(each["actor"], "")), each["number"]) for each in by_kind],
        sample=list(chosen.select_related("kind", "person", "account").order_by("-occurred_at", "-pk")[:10]),
    )


@transaction.atomic
def begin(
    asked: Asked, *, reason: str, note: str = "", sure: int | None = None, by: User | None, now: datetime
) -> Retraction:
    """Take these activities back: a few at once, many as long work. What comes after `now` is not meant.

    `sure` is the number that was looked at. Raises Refused when there are none, or others than that.
    """
    told = clean(asked)
    number = _chosen(told, now).count()
    if not number:
        raise Refused(_("There is nothing to take back: none of them stands any more."), "nothing_to_take_back")
    if sure is not None and sure != number:
        said = _("Meanwhile it is %(now)s, not %(then)s. Look at them again, then take them back.")
        raise Refused(said % {"now": writing.number(number), "then": writing.number(sure)}, "changed_meanwhile")
    made = Retraction.objects.create(reason=reason, note=note, asked=told, by=by, created_at=now)
    after = {"retraction": made.pk, "reason": reason, "asked": told, "activities": number}
    audit.record("activities.take_back", str(made), by=by, now=now, after=after)
    if number <= AT_ONCE:
        _take(made, now)
        _end(made, now)
    else:
        title = _("Taking back %(n)s activities") % {"n": writing.number(number)}
        payload = {"retraction": made.pk, "total": number}
        made.job = jobs.enqueue(JOB, payload, by=by, now=now, title=title)
        made.save(update_fields=["job"])
    return made


@transaction.atomic
def undo(retraction: Retraction, *, by: User | None, now: datetime) -> bool:
    """What was taken back counts again, as it did. False when that was asked for already, or it is still under way."""
    asked = Retraction.objects.filter(pk=retraction.pk, undo_asked_at=None)
    if is_under_way(retraction) or not asked.update(undo_asked_at=now):
        return False
    retraction.refresh_from_db()
    audit.record("activities.restore", str(retraction), by=by, now=now, after={"retraction": retraction.pk})
    if (number := retraction.activities or _written(retraction)) <= AT_ONCE:
        _restore(retraction, now)
        _end_undo(retraction, now)
    else:
        title = _("Restoring %(n)s activities") % {"n": writing.number(number)}
        payload = {"retraction": retraction.pk, "total": number, "undo": True}
        retraction.job = jobs.enqueue(JOB, payload, by=by, now=now, title=title)
        retraction.save(update_fields=["job"])
    return True


def is_under_way(retraction: Retraction) -> bool:
    """Whether a worker is at it, or will be."""
    return retraction.job is not None and retraction.job.state in jobs.OPEN


def work(held: jobs.Held) -> dict[str, Any]:
    """The long work, a chunk in a transaction; resumed, it goes on with what still stands."""
    retraction = Retraction.objects.get(pk=held.payload["retraction"])
    step, end = (_restore, _end_undo) if held.payload.get("undo") else (_take, _end)
    done, after = held.cursor.get("done", 0), held.cursor.get("after", 0)
    while True:
        with transaction.atomic():
            written = step(retraction, held.now, after)
            done += len(written)
            after = written[-1] if written else after
            if not written:
                end(retraction, held.now)
            cursor = {"done": done, "after": after}
            held.progress(rows_done=done, rows_total=max(done, held.payload["total"]), cursor=cursor)
        if not written:
            return {"activities": done, "link": reverse("retraction", args=[retraction.pk])}


def subjects(retraction: Retraction) -> Sql:
    """Whose activities were taken back, as a statement of subject_id."""
    return sql(
        """SELECT r.person_id AS subject_id FROM audience_activity r WHERE {} AND r.person_id IS NOT NULL
           UNION SELECT r.account_id FROM audience_activity r WHERE {} AND r.account_id IS NOT NULL""",
        _of(retraction),
        _of(retraction),
    )


def _chosen(asked: Asked, until: datetime | None = None) -> QuerySet[Activity]:
    """Those that stand; with `until` those that were recorded by then."""
    chosen = narrowed(querysets.standing(Activity.objects.all()), asked)
    return chosen.filter(recorded_at__lte=until) if until else chosen


def _take(retraction: Retraction, now: datetime, after: int = 0) -> list[int]:
    """Take the next back after the activity `after`, and judge whose they are; which these were."""
    chosen = _chosen(retraction.asked, retraction.created_at).filter(pk__gt=after).order_by("pk")
    ids = list(chosen.values_list("pk", flat=True)[:CHUNK])
    if ids:
        live.hold_everybody()
        told = {"reason": retraction.reason, "retraction": retraction.pk}
        activities.reverse(sql("SELECT unnest({}::bigint[]) AS id", ids), now=now, properties=told)
        _judge(retraction, "instants", ids, now)
    return ids


def _restore(retraction: Retraction, now: datetime, after: int = 0) -> list[int]:
    """The same the other way, by reversals. What an import brought that was rolled back since is not restored."""
    found = sql(
        """SELECT r.id, x.id FROM audience_activity r JOIN audience_activity x ON x.id = r.reversal_of_id
           WHERE {} AND NOT EXISTS (SELECT FROM audience_activity u WHERE u.reversal_of_id = r.id)
             AND x.external_id NOT LIKE '%% rolled-back:' || x.id AND r.id > {} ORDER BY r.id LIMIT {}""",
        _of(retraction),
        after,
        CHUNK,
    )
    pairs = rows(found)
    ids = [reversal for reversal, _activity in pairs]
    if ids:
        live.hold_everybody()
        activities.restore(sql("SELECT unnest({}::bigint[]) AS id", ids), now=now)
        _judge(retraction, "restored", [activity for _reversal, activity in pairs], now)
    return ids


def _judge(retraction: Retraction, kept: str, ids: list[int], now: datetime) -> None:
    """Judge whose activities these are at once, and keep the instant that all which follows will bear."""
    whose = sql(
        """SELECT DISTINCT s.id AS subject_id FROM audience_activity x
           CROSS JOIN LATERAL (VALUES (x.person_id), (x.account_id)) s (id)
           WHERE x.id = ANY ({}::bigint[]) AND s.id IS NOT NULL""",
        ids,
    )
    live.judge_at_once(whose, now)
    at = getattr(retraction, kept)
    if now not in at:
        at.append(now)
        retraction.save(update_fields=[kept])


def _end(retraction: Retraction, now: datetime) -> None:
    retraction.activities = _written(retraction)
    retraction.subjects = value(sql("SELECT count(*) FROM ({}) whose", subjects(retraction)))
    retraction.finished_at = now
    retraction.save(update_fields=["activities", "subjects", "finished_at"])


def _end_undo(retraction: Retraction, now: datetime) -> None:
    retraction.undone_at = now
    retraction.save(update_fields=["undone_at"])


def _written(retraction: Retraction) -> int:
    return int(value(sql("SELECT count(*) FROM audience_activity r WHERE {}", _of(retraction))))


def _of(retraction: Retraction) -> Sql:
    """The rows (alias r) that this decision wrote."""
    return sql(
        "r.reversal_of_id IS NOT NULL AND r.properties @> jsonb_build_object('retraction', {}::bigint)", retraction.pk
    )


def _instant(told: Any) -> datetime:
    return told if isinstance(told, datetime) else instants.read(str(told), installation.zone())
