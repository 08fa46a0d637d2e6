"""Notices about hand-offs: whoever is concerned is told once of all that happened at once, however many they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from kit import installation, notices, rights, writing
from kit.models import Notice, User
from kit.sql import rows, run, sql
from lifecycle.engine import sla
from lifecycle.handoffs import links, wording
from lifecycle.models import Handoff, HandoffEvent

PREFIX = "handoff."
AT_ONCE = 20_000  # events of one turn
LISTED = 20  # lines in one mail
KINDS = {
    "handed": gettext_lazy("A hand-off for you"),
    "due_soon": gettext_lazy("A hand-off is due soon"),
    "missed": gettext_lazy("A hand-off was not answered in time"),
    "passed_on": gettext_lazy("A colleague passes a hand-off on to you"),
    "returned": gettext_lazy("Somebody comes back after “not now”"),
}
CLOSED_TOO = ("missed",)  # told even when somebody else has it by now


def register_all() -> None:
    """Name the kinds of notices; `AppConfig.ready` calls it."""
    for name, label in KINDS.items():
        notices.register(PREFIX + name, label, mail)


def tell(now: datetime) -> int:
    """Write the notices of what happened; how many. Each event is told once."""
    with transaction.atomic():
        news = _take()
        if not news:
            return 0
        run(
            sql(
                "UPDATE lifecycle_handoffevent SET wants_telling = false, told_at = {} WHERE id = ANY ({})",
                now,
                [each[0] for each in news],
            )
        )
        by_reader: dict[tuple[int, str], list[int]] = defaultdict(list)
        circles = _Circles()
        for _event, kind, handoff, user, team, _open in news:
            if _open or kind in CLOSED_TOO:
                for reader in circles.readers(user, team):
                    by_reader[reader, kind].append(handoff)
        return _write(by_reader, now)


def _take() -> list[tuple[int, str, int, int | None, int | None, bool]]:
    """News that nobody tells yet: (event, kind, hand-off, to, team, whether it is still open)."""
    return rows(
        sql(
            """SELECT event.id,
                      CASE WHEN event.kind = 'handed' AND held.via = 'hand' THEN 'passed_on' ELSE event.kind END,
                      held.id, event.to_id, held.team_id, held.state = 'offered'
               FROM lifecycle_handoffevent event JOIN lifecycle_handoff held ON held.id = event.handoff_id
               WHERE event.wants_telling ORDER BY event.id LIMIT {} FOR UPDATE OF event SKIP LOCKED""",
            AT_ONCE,
        )
    )


class _Circles:
    """Who is told when something is offered to a user, to a team, or to nobody; each asked for once."""

    def __init__(self) -> None:
        self._members: dict[int, list[int]] = {}
        self._nobody: list[int] | None = None

    def readers(self, user: int | None, team: int | None) -> list[int]:
        if user is not None:
            return [user]
        if team is None:
            if self._nobody is None:
                self._nobody = [each.pk for each in notices.administrators()]
            return self._nobody
        if team not in self._members:
            able = User.objects.filter(team=team, is_active=True, role__in=rights.RIGHTS["move"])
            self._members[team] = list(able.values_list("pk", flat=True))
        return self._members[team]


def _write(by_reader: dict[tuple[int, str], list[int]], now: datetime) -> int:
    users = User.objects.filter(is_active=True).in_bulk({reader for reader, _kind in by_reader})
    alone = {ids[0] for ids in by_reader.values() if len(ids) == 1}
    known = {each.pk: each for each in _whole().filter(pk__in=alone)}
    tellings: dict[str, list[notices.Telling]] = defaultdict(list)
    for (reader, kind), ids in sorted(by_reader.items()):
        if user := users.get(reader):
            with notices.written_for(user):
                tellings[kind].append(_one(user, kind, known[ids[0]]) if len(ids) == 1 else _many(user, kind, ids))
    return sum(notices.tell_each(PREFIX + kind, told, now=now) for kind, told in tellings.items())


def _one(user: User, kind: str, handoff: Handoff) -> notices.Telling:
    """The one of a notice is named in it; the notice is the subject's too, so that an erasure finds it."""
    title = f"{KINDS[kind]}: {wording.person_of(handoff)}"
    body = "\n".join([_facts(handoff), wording.why(handoff)])
    return notices.Telling(user, title, body, handoff.get_absolute_url(), handoff.membership.subject_id)


def _facts(handoff: Handoff) -> str:
    told = {"stage": handoff.stage, "due": sla.due_words(handoff.stage, handoff.due_at) if handoff.due_at else ""}
    return (_("%(stage)s, due %(due)s") if handoff.due_at else _("%(stage)s, without a limit")) % told


def _many(user: User, kind: str, ids: Sequence[int]) -> notices.Telling:
    """Nobody is named among many: no erasure would find them there. The mail lists their accounts."""
    titles = {
        "handed": ngettext("%(n)s hand-off for you", "%(n)s hand-offs for you", len(ids)),
        "due_soon": ngettext("%(n)s hand-off is due soon", "%(n)s hand-offs are due soon", len(ids)),
        "missed": ngettext(
            "%(n)s hand-off was not answered in time", "%(n)s hand-offs were not answered in time", len(ids)
        ),
        "passed_on": ngettext("%(n)s hand-off passed on to you", "%(n)s hand-offs passed on to you", len(ids)),
        "returned": ngettext("%(n)s comes back after “not now”", "%(n)s come back after “not now”", len(ids)),
    }
    return notices.Telling(user, titles[kind] % {"n": writing.number(len(ids))}, "", reverse("handoffs"))


# ---- the mail ----


def mail(notice: Notice, now: datetime) -> notices.Mail:
    """Of one hand-off the link that answers it; of many where each of them works, who is named on the page alone."""
    assert notice.user is not None
    told = list(_told_by(notice)[: LISTED + 1])
    if notice.subject_id and told:
        return notices.Mail((), links.address(told[0], notice.user, now))
    lines = [f"– {wording.account_of(each)}: {_facts(each)}" for each in told[:LISTED]]
    if len(told) > LISTED:
        lines.append(_("… and more; all of them are on the page."))
    return notices.Mail(lines, installation.address() + notice.link)


def _told_by(notice: Notice) -> QuerySet[Handoff]:
    """The hand-offs that a notice speaks of."""
    assert notice.user is not None
    kind = notice.kind.removeprefix(PREFIX)
    events = HandoffEvent.objects.filter(told_at=notice.created_at)
    by_hand = Q(kind="handed", handoff__via=Handoff.Via.HAND)
    events = events.filter(by_hand) if kind == "passed_on" else events.filter(kind=kind).exclude(by_hand)
    mine = events.filter(to=notice.user) | events.filter(to=None, handoff__team=notice.user.team_id)
    found = _whole().filter(pk__in=mine.values("handoff"), membership__ended_at=None)
    if notice.subject_id:
        found = found.filter(membership__subject_id=notice.subject_id)
    return found.order_by("due_at", "pk")


def _whole() -> QuerySet[Handoff]:
    return Handoff.objects.select_related(
        "stage", "team", "stands_for", "membership__person__account", "membership__account"
    )
