"""Whoever misses a limit where nobody is handed over: noted once for each stay, and told to whoever looks after them.

The clock finds those who are still there, and the writer of movements whoever leaves too late before it comes to them:
the rule for a missed limit moves at that very instant. Only what is missed while the lifecycle runs is noted: a replay,
a file and a new version tell of limits that were over before.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from kit import notices, writing
from kit.models import User
from kit.sql import Sql, run, sql
from lifecycle.engine import sla
from lifecycle.models import Lifecycle, Membership, MissedLimit, Movement

Kind = Movement.Kind
NOTICE = "limit.missed"
LABEL = gettext_lazy("Somebody of yours missed a limit")
RUNNING = (
    Kind.PLACEMENT,
    Kind.RULE,
    Kind.HAND,
    Kind.API,
    Kind.CAMPAIGN,
)  # what happens now, and is not told of the past
NO_NEWS = timedelta(days=7)  # after which nobody is told any more
AT_ONCE = 20_000  # of one turn


def find(now: datetime) -> int:
    """Note whoever is past the limit of their stage and was not noted yet; how many."""
    return run(
        sql(
            """INSERT INTO lifecycle_missedlimit (membership_id, stage_id, entered_at, due_at, found_at)
               SELECT held.id, held.stage_id, held.entered_at, held.due_at, {}
               FROM lifecycle_membership held JOIN lifecycle_stage here ON here.id = held.stage_id
               JOIN lifecycle_version version ON version.id = held.version_id AND version.state = 'published'
               WHERE held.ended_at IS NULL AND {} ON CONFLICT DO NOTHING""",
            now,
            _is_news(now),
        )
    )


def leaving(kind: str, now: datetime) -> Sql:
    """A part of the writing statement, behind `won`, that notes who leaves after the limit, or because of it."""
    if kind not in RUNNING:
        return Sql("")
    return sql(
        """,
        overdue AS (
            INSERT INTO lifecycle_missedlimit (membership_id, stage_id, entered_at, due_at, found_at)
            SELECT held.id, held.stage_id, held.entered_at, held.due_at, {}
            FROM won JOIN lifecycle_membership held ON held.id = won.id
            JOIN lifecycle_stage here ON here.id = held.stage_id
            WHERE (held.due_at < won.left_at OR won.left_by IN (
                SELECT id FROM lifecycle_transition WHERE on_missed)) AND {}
            ON CONFLICT DO NOTHING
        )""",
        now,
        _is_news(now),
    )


def _is_news(now: datetime) -> Sql:
    """Whether the limit of a membership (`held`, in the stage `here`) is over since lately, and was not when the stay
    was written down, unless it began as things happen."""
    return sql(
        """held.due_at < {} AND held.due_at >= {} AND here.hand_off IS NULL AND EXISTS (
               SELECT FROM lifecycle_movement came WHERE came.membership_id = held.id AND came.seq = held.seq
               AND (came.kind = ANY ({}) OR came.recorded_at <= held.due_at))""",
        now,
        now - NO_NEWS,
        [str(kind) for kind in RUNNING],
    )


@transaction.atomic
def tell(now: datetime) -> int:
    """Notices of what was noted, to the owner of each: of a person, else of their account, else to administrators; how
    many. What happened at once is one notice for each reader and lifecycle."""
    news = list(
        MissedLimit.objects.filter(wants_telling=True)
        .select_related(
            "stage__version__lifecycle", "membership__stage", "membership__account__owner",
            "membership__person__owner", "membership__person__account__owner",
        )
        .select_for_update(of=("self",), skip_locked=True)
        .order_by("pk")[:AT_ONCE]
    )  # fmt: skip
    if not news:
        return 0
    MissedLimit.objects.filter(pk__in=[each.pk for each in news]).update(wants_telling=False)
    nobodys = notices.administrators()
    by_reader: dict[tuple[int, int], list[MissedLimit]] = defaultdict(list)
    readers: dict[int, User] = {}
    for each in news:
        owner = _owner(each.membership)
        for reader in [owner] if owner else nobodys:
            readers[reader.pk] = reader
            by_reader[reader.pk, each.stage.version.lifecycle_id].append(each)
    tellings = []
    for (pk, _lifecycle_pk), those in sorted(by_reader.items()):
        with notices.written_for(readers[pk]):
            tellings.append(_one(readers[pk], *those) if len(those) == 1 else _many(readers[pk], those))
    return notices.tell_each(NOTICE, tellings, now=now)


def _owner(membership: Membership) -> User | None:
    subject = membership.subject
    account = getattr(subject, "account", None)
    owners = (subject.owner if subject else None, account.owner if account else None)
    return next((each for each in owners if each and each.is_active), None)


def _one(reader: User, missed: MissedLimit) -> notices.Telling:
    """The notice is the subject's too, so that an erasure finds it."""
    held, subject = missed.membership, missed.membership.subject
    assert subject is not None
    told = {"stage": missed.stage, "due": sla.due_words(missed.stage, missed.due_at), "lifecycle": _lifecycle(missed)}
    lines = [_("%(lifecycle)s, %(stage)s: it was due %(due)s.") % told]
    if held.entered_at != missed.entered_at or held.ended_at:
        lines.append(_("Now in “%(stage)s”.") % {"stage": held.stage} if held.stage else _("They have left since."))
    title = _("A limit was missed: %(who)s") % {"who": subject}
    return notices.Telling(reader, title, "\n".join(lines), subject.get_absolute_url(), subject.pk)


def _many(reader: User, those: list[MissedLimit]) -> notices.Telling:
    """Nobody is named among many: how many of which stage."""
    told = {"n": writing.number(len(those)), "lifecycle": _lifecycle(those[0])}
    title = (
        ngettext("%(n)s missed a limit in %(lifecycle)s", "%(n)s missed a limit in %(lifecycle)s", len(those)) % told
    )
    stages = Counter(str(each.stage) for each in those)
    body = "\n".join(f"{stage}: {writing.number(count)}" for stage, count in stages.most_common())
    return notices.Telling(reader, title, body, reverse("lifecycle_board", args=[_lifecycle(those[0]).slug]))


def _lifecycle(missed: MissedLimit) -> Lifecycle:
    return missed.stage.version.lifecycle
