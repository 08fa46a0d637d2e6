"""What lifecycles show on pages of the ground floor: a profile’s strip, a list’s column and filter, search."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import JSONObject
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience import panels as ground
from audience.models import Account, Person, Retraction
from audience.subjects import filters, listing, sight
from kit import installation, pages, past, registry, rights
from kit.sql import sql
from lifecycle.ledger import undo, wording
from lifecycle.ledger.undo import Verdict
from lifecycle.models import Lifecycle, Membership, Movement, Stage, Version
from lifecycle.querysets import LIVE

EMPTY = "(empty)"  # in the address: in no lifecycle
FOUND = 5  # lifecycles that a search shows
MOVES = 50  # movements of one pass that a profile shows
_INSTANT = {"type": ["string", "null"], "format": "date-time"}
SCHEMA: dict[str, Any] = {
    "type": "array",
    "description": "The newest pass in each lifecycle: where the subject is, since when, and when it ended, if it did.",
    "items": {
        "type": "object",
        "required": ["lifecycle", "stage", "membership", "entered_at", "ended_at"],
        "properties": {
            "lifecycle": {"type": "string"},
            "stage": {"type": ["string", "null"]},
            "membership": {"type": "integer"},
            "entered_at": _INSTANT,
            "ended_at": _INSTANT,
        },
    },
}


@dataclass(frozen=True)
class Step:
    """One stage of the success path, and whether this pass is there now or has been there."""

    stage: Stage
    is_now: bool
    was_there: bool


@dataclass(frozen=True)
class Stay:
    """One pass of a subject: where it is, since how many local days, its way so far, and where it may be moved."""

    membership: Membership
    days: int
    steps: list[Step]
    is_detour: bool
    movements: list[Movement]
    more: int
    destinations: list[Stage]
    undo: Verdict | None  # on the newest movement, for those who may take it back


def strip(subject: Person | Account, request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """The panel of a profile: every lifecycle that the subject is or was in, the open passes first, earlier passes
    apart; of a person also where the account is, which is a customer or partner in its people's stead.

    None where there is no lifecycle of such subjects at all.
    """
    of = "person" if isinstance(subject, Person) else "account"
    found = (
        Membership.objects.filter(subject_id=subject.pk)
        .exclude(version__state=Version.State.WITHDRAWN)
        .select_related("lifecycle", "version", "stage")
        .order_by("lifecycle__name", "-pass_number")
    )
    if not found and not Lifecycle.objects.filter(of=of).exists():
        return None
    memberships = sorted(found, key=lambda each: each.ended_at is not None)
    stages = _stages({each.version_id for each in memberships})
    movements = _movements(memberships)
    may_move = rights.may(request.user, "move")
    verdicts = _verdicts(memberships) if may_move else {}
    zone = installation.zone() if memberships else None
    stays = [
        replace(
            _stay(each, stages, movements, now, zone),
            destinations=_destinations(each, stages[each.version_id]),
            undo=verdicts.get(each.pk),
        )
        for each in memberships
    ]
    newest = {each.lifecycle_id: each.pk for each in reversed(found)}
    return {
        "stays": [each for each in stays if each.membership.pk in newest.values()],
        "earlier": [each for each in stays if each.membership.pk not in newest.values()],
        "beside": _beside(subject, request, now),
        "subject": subject,
        "may_move": may_move,
    }


def _beside(subject: Person | Account, request: HttpRequest, now: datetime) -> list[dict[str, Any]]:
    """The newest pass of a person's account in each lifecycle, the open ones first, for who sees the account."""
    account = subject.account if isinstance(subject, Person) else None
    if account is None or not sight.is_seen(request.user, account):
        return []
    counting = Membership.objects.filter(subject_id=account.pk).exclude(version__state=Version.State.WITHDRAWN)
    found = counting.select_related("lifecycle", "stage").order_by("lifecycle__name", "pass_number")
    newest = sorted({each.lifecycle_id: each for each in found}.values(), key=lambda each: each.ended_at is not None)
    zone = installation.zone() if newest else None
    return [
        {"membership": each, "days": (now.astimezone(zone).date() - each.entered_at.astimezone(zone).date()).days}
        for each in newest
    ]


def strip_then(subject: Person | Account, request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """The same on the profile of a past day: each pass that had begun, by its last move before that day, as known
    then or now. Nobody is moved from there."""
    then = past.of(request, now)
    if then is None:
        return None
    found = Membership.objects.filter(subject_id=subject.pk).select_related("lifecycle")
    counts = Q(occurred_at__lt=then.at) & (Q(recorded_at__lt=then.known) if then.known else Q())
    movements = _movements(list(found.order_by("lifecycle__name", "-pass_number")), counts)
    passes = [_as_it_was(each, movements[each.pk][0]) for each in found if movements[each.pk]]
    passes.sort(key=lambda each: (each.ended_at is not None, each.lifecycle.name, -each.pass_number))
    stages = _stages({each.version_id for each in passes})
    return {"stays": [_stay(each, stages, movements, then.at, then.zone) for each in passes], "subject": subject}


def _as_it_was(membership: Membership, last: Movement) -> Membership:
    """A pass as its last move had left it; no row."""
    ended = last.to_stage is None or last.to_stage.kind == Stage.Kind.TERMINAL
    return Membership(
        pk=membership.pk, lifecycle=membership.lifecycle, version_id=last.version_id, stage=last.to_stage,
        pass_number=membership.pass_number, entered_at=last.occurred_at, ended_at=last.occurred_at if ended else None,
    )  # fmt: skip


def _stay(
    each: Membership,
    stages: dict[int, list[Stage]],
    movements: dict[int, list[Movement]],
    now: datetime,
    zone: ZoneInfo | None,
) -> Stay:
    """A pass with its way so far; nothing is offered."""
    moved = movements[each.pk]
    been = {movement.to_stage_id for movement in moved}
    path = [s for s in stages[each.version_id] if s.path == Stage.Path.SUCCESS and s.kind != Stage.Kind.GATE]
    return Stay(
        membership=each,
        days=((each.ended_at or now).astimezone(zone).date() - each.entered_at.astimezone(zone).date()).days,
        steps=[Step(stage, stage.pk == each.stage_id, stage.pk in been) for stage in path],
        is_detour=bool(each.stage and each.stage.path == Stage.Path.DETOUR),
        movements=moved[:MOVES],
        more=max(len(moved) - MOVES, 0),
        destinations=[],
        undo=None,
    )


def found(subject: None, request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """The panel of the search: lifecycles whose name has the words."""
    lifecycles = Lifecycle.objects.order_by("name")
    for word in request.GET.get("q", "").replace("\x00", "").split():
        lifecycles = lifecycles.filter(name__icontains=word)
    shown = list(lifecycles[:FOUND])
    return {"lifecycles": shown} if shown else None


# ---- lists ----


def stages_now(row: Any) -> str:
    """Where somebody is, for the file of a list: “Net-new: MQL; Onboarding: Kick-off”."""
    return "; ".join(f"{each['lifecycle']}: {each['stage'] or _('left')}" for each in row.stages_now)


def _told(row: Any) -> list[dict[str, Any]]:
    return [
        {
            "lifecycle": each["lifecycle_slug"], "stage": each["stage_slug"], "membership": each["membership"],
            "entered_at": _instant(each["entered"]), "ended_at": _instant(each["ended"]),
        }
        for each in row.stages_now
    ]  # fmt: skip


def _instant(text: str | None) -> str | None:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z") if text else None


def latest(**having: Any) -> QuerySet[Membership]:
    """The newest pass of the outer row's subject in each lifecycle, as far as it has what is asked."""
    newer = Membership.objects.filter(
        lifecycle=OuterRef("lifecycle"), subject_id=OuterRef("subject_id"), pass_number__gt=OuterRef("pass_number")
    )
    counting = Membership.objects.exclude(version__state=Version.State.WITHDRAWN)
    return counting.filter(~Exists(newer), subject_id=OuterRef("pk"), **having)


class StageFilter(filters.OneOf):
    """In this stage of this lifecycle now (the newest pass counts, ended or not), or in none."""

    def __init__(self, of: str) -> None:
        super().__init__(lambda: _choices(of), label=gettext_lazy("Stage now"))

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        if value == EMPTY:
            return qs.filter(~Exists(Membership.objects.filter(subject_id=OuterRef("pk"))))
        lifecycle, _colon, stage = value.partition(":")
        return qs.filter(Exists(latest(lifecycle__slug=lifecycle, stage__slug=stage)))


def to_look_at(subject: Person | Account, request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """The strip where nothing is moved by hand."""
    shown = strip(subject, request, now)
    if shown is None:
        return None
    still = {name: [replace(each, destinations=[], undo=None) for each in shown[name]] for name in ("stays", "earlier")}
    return shown | still


def register() -> None:
    """What lifecycles add to the pages of people and accounts."""
    for of in ("person", "account"):
        registry.panel(of, gettext_lazy("Lifecycles"), "lifecycle/_memberships_panel.html", strip, order=10)
        registry.panel(
            f"{of}_past", gettext_lazy("Lifecycles"), "lifecycle/_memberships_panel.html", strip_then, order=10
        )
        listing.register(
            listing.Extra(
                of=of,
                column=pages.Column(
                    "stages_now", gettext_lazy("Stage now"), template="lifecycle/_stages_cell.html", export=stages_now
                ),
                annotations=_annotations,
                filters={"stage": _filter_of(of)},
                told=listing.Told("stages", _told, SCHEMA),
            )
        )
    registry.panel("handoff", gettext_lazy("Lifecycles"), "lifecycle/_memberships_panel.html", to_look_at, order=10)
    registry.panel("retraction", gettext_lazy("Stages"), "audience/_retraction_changes.html", retracted, order=20)
    registry.panel("search", gettext_lazy("Lifecycles"), "lifecycle/_search_panel.html", found)


def _annotations() -> dict[str, Any]:
    shown = JSONObject(
        lifecycle="lifecycle__name", species="lifecycle__species", stage="stage__name", ended="ended_at",
        membership="pk", lifecycle_slug="lifecycle__slug", stage_slug="stage__slug", entered="entered_at",
    )  # fmt: skip
    return {"stages_now": ArraySubquery(latest().order_by("lifecycle__name").values(shown=shown))}


def _filter_of(of: str) -> Any:
    return lambda: StageFilter(of)


def _choices(of: str) -> list[tuple[str, Any]]:
    """The stages of live versions that hold people, by lifecycle."""
    stages = (
        Stage.objects.filter(version__lifecycle__of=of, version__state__in=LIVE)
        .exclude(kind=Stage.Kind.GATE)
        .select_related("version__lifecycle")
        .order_by("version__lifecycle__name", "order")
    )
    named = [(f"{s.version.lifecycle.slug}:{s.slug}", f"{s.version.lifecycle}: {s}") for s in stages]
    return [(EMPTY, gettext_lazy("(empty)")), *named]


# ---- the strip ----


def _stages(versions: Iterable[int]) -> dict[int, list[Stage]]:
    found: dict[int, list[Stage]] = defaultdict(list)
    if versions:
        for stage in Stage.objects.filter(version__in=versions).order_by("order"):
            found[stage.version_id].append(stage)
    return found


def _movements(memberships: list[Membership], counts: Q | None = None) -> dict[int, list[Movement]]:
    """The movements of each pass, the newest first; with `counts` those alone of which it holds."""
    found: dict[int, list[Movement]] = defaultdict(list)
    if memberships:
        moved = Movement.objects.filter(counts or Q(), membership__in=memberships)
        moved = wording.with_skipped(moved.select_related("from_stage", "to_stage"))
        for movement in moved.order_by("-seq"):
            newer = found[movement.membership_id][-1:]
            movement.how = wording.how(movement)  # type: ignore[attr-defined]
            movement.passed = wording.passed(movement)  # type: ignore[attr-defined]
            movement.taken_back = bool(newer and _takes_back(newer[0], movement))  # type: ignore[attr-defined]
            found[movement.membership_id].append(movement)
    return found


def _takes_back(newer: Movement, older: Movement) -> bool:
    """Whether a movement was taken back by the one behind it: by an undo, or with it, through a gate."""
    if newer.kind == Movement.Kind.UNDO:
        return True
    through_gate = older.to_stage is not None and older.to_stage.kind == Stage.Kind.GATE
    return through_gate and bool(getattr(newer, "taken_back", False))


def _verdicts(memberships: list[Membership]) -> dict[int, Verdict]:
    """Whether the newest movement of each pass can be taken back, in one statement."""
    if not memberships:
        return {}
    newest = sql(
        "SELECT id AS membership_id, seq FROM lifecycle_membership WHERE id = ANY ({})", [m.pk for m in memberships]
    )
    return {verdict.membership_id: verdict for verdict in undo.verdicts(newest)}


def _destinations(membership: Membership, stages: list[Stage]) -> list[Stage]:
    """Where an open pass may be moved: any stage of its version that holds people, but the one it is in."""
    if membership.ended_at is not None or membership.version.state != Version.State.PUBLISHED:
        return []
    return [stage for stage in stages if stage.pk != membership.stage_id and stage.kind != Stage.Kind.GATE]


def retracted(retraction: Retraction, request: HttpRequest, _now: datetime) -> dict[str, Any]:
    """Which stages changed because activities were taken back, or count again."""
    at = [*retraction.instants, *retraction.restored]
    moved = Movement.objects.filter(recorded_at__in=at).select_related(
        "membership__lifecycle", "from_stage", "to_stage"
    )
    moves = [
        (
            each.membership.subject_id,
            each.recorded_at,
            _("%(lifecycle)s: %(old)s → %(new)s")
            % {
                "lifecycle": each.membership.lifecycle,
                "old": each.from_stage or _("(nowhere)"),
                "new": each.to_stage or _("(out)"),
            },
        )
        for each in moved.order_by("-pk")[: ground.MOST_CHANGES]
    ]
    return ground.changes(moves, moved.count(), request)
