"""Moving one member by hand, and taking a move back."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from audience.subjects import sight
from kit import rights
from kit.audit import asker
from kit.undo import offer
from lifecycle import board
from lifecycle.engine import guards
from lifecycle.ledger import stages, undo, wording
from lifecycle.models import Membership, Movement, Stage, Version

EXIT = "exit"  # in place of a stage: out of the lifecycle


class Towards(forms.Form):
    """Where to, and why."""

    to = forms.CharField(max_length=20)
    reason = forms.CharField(max_length=500)

    def stage(self) -> Stage | None:
        """The stage that was chosen; None for leaving. Raises Stage.DoesNotExist."""
        to = self.cleaned_data["to"]
        if to == EXIT:
            return None
        if not (to.isascii() and to.isdigit()):
            raise Stage.DoesNotExist
        return Stage.objects.select_related("version__lifecycle").get(pk=int(to))


class Move(Towards):
    """A move of one, with the membership's `seq` as the user's page had read it."""

    seq = forms.IntegerField(min_value=0, max_value=2**31 - 1)
    override = forms.BooleanField(required=False)  # although the guard does not hold


@dataclass(frozen=True)
class Answer:
    """What came of a wish to move, in words; `level` is Django's of messages, `undo` the movement to take back.

    `guard` says what does not hold, where the move can be made all the same.
    """

    level: int
    words: str
    status: int = 200
    undo: int | None = None
    guard: str = ""


@require_http_methods(["GET", "POST"])
@rights.needs("move")
def move(request: HttpRequest, pk: int) -> HttpResponse:
    """Move one member, unless somebody else did since the page was read; then say who and when. GET: the form."""
    membership = get_object_or_404(_whole(request), pk=pk)
    if request.method == "GET":
        return _form_page(request, membership)
    form = Move(request.POST)
    answer = _move(request, membership, form)
    if answer.guard and not _wants_json(request):
        return _form_page(request, membership, form, answer)
    return _told(request, membership, answer)


@require_POST
@rights.needs("move")
def take_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Undo one movement, unless something depends on it; then say what."""
    movement = get_object_or_404(Movement.objects.select_related("from_stage", "to_stage"), pk=pk)
    membership = get_object_or_404(_whole(request), pk=movement.membership_id)
    return _told(request, membership, _take_back(request, membership, movement))


def reasons(version: Version) -> list[tuple[str, int | None]]:
    """Reasons to choose from, each with the stage that it leads to, or None for any: those of rules by hand first."""
    by_hand = version.transitions.filter(by_hand=True).exclude(reason="").values_list("reason", "to_stage")
    usual = [_("Spoke with them"), _("Asked for it"), _("Corrected a mistake")]
    return [*dict.fromkeys(by_hand), *((reason, None) for reason in usual)]


def wanted(request: HttpRequest) -> str:
    """Where the request wants to go on to, if that is a page of this site; else the empty text."""
    asked = request.POST.get("next", "") or request.GET.get("next", "")
    own = url_has_allowed_host_and_scheme(asked, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return asked if own else ""


def _whole(request: HttpRequest) -> QuerySet[Membership]:
    whole = Membership.objects.select_related("lifecycle", "version__lifecycle", "stage", "person", "account")
    return sight.subjects(whole, request.user)


def _move(request: HttpRequest, membership: Membership, form: Move) -> Answer:
    if not form.is_valid():
        words = _("Not moved: choose a stage and say why, in 500 letters at most.")
        return Answer(messages.ERROR, words, 400)
    try:
        to = form.stage()
    except Stage.DoesNotExist:
        words = _("Not moved: that stage does not exist any more. Choose another one.")
        return Answer(messages.ERROR, words, 400)
    now = timezone.now()
    if membership.seq != form.cleaned_data["seq"]:
        return Answer(messages.WARNING, wording.too_late(membership, now), 409)
    reason = form.cleaned_data["reason"]
    try:
        won = stages.move(
            membership,
            to=to,
            reason=reason,
            by=asker(request),
            at=now,
            now=now,
            override=form.cleaned_data["override"],
        )
    except stages.Guarded as refused:
        return Answer(messages.ERROR, _("Not moved: %(why)s") % {"why": refused}, 409, guard=refused.guard)
    except stages.MoveRefused as refused:
        return Answer(messages.ERROR, _("Not moved: %(why)s") % {"why": refused}, 400)
    if not won:
        return Answer(messages.WARNING, wording.too_late(membership, now), 409)
    movement = stages.last_movement(membership)
    if to is None:
        words = _("Left %(lifecycle)s.") % {"lifecycle": membership.lifecycle}
    else:
        words = _("Moved to “%(stage)s”.") % {"stage": to}
    return Answer(messages.SUCCESS, words, undo=movement.pk if movement else None)


def _take_back(request: HttpRequest, membership: Membership, movement: Movement) -> Answer:
    now = timezone.now()
    try:
        won = undo.undo(movement, by=asker(request), now=now)
    except undo.UndoRefused as refused:
        return Answer(messages.ERROR, _("Not taken back: %(why)s.") % {"why": refused}, 409)
    if not won:
        return Answer(messages.WARNING, wording.too_late(membership, now), 409)
    return Answer(messages.SUCCESS, _("Taken back: %(move)s") % {"move": wording.from_to(movement)})


def _told(request: HttpRequest, membership: Membership, answer: Answer) -> HttpResponse:
    """The answer as a message on the page to go on to; for the board's script as JSON, with the card as it is now."""
    undo_url = reverse("movement_undo", args=[answer.undo]) if answer.undo else ""
    if _wants_json(request):
        card = board.one(membership, timezone.now())
        now_at = card.membership
        context = {"card": card, "may_move": True, "back": wanted(request), "is_new": True}
        told = {
            "words": answer.words,
            "undo": undo_url,
            "guard": answer.guard,
            "tone": {messages.SUCCESS: "good", messages.WARNING: "warn"}.get(answer.level, "bad"),
            "stage": now_at.stage_id if now_at.ended_at is None else None,
            "card": render_to_string("lifecycle/_board_card.html", context, request),
        }
        return JsonResponse(told, status=200 if answer.guard else answer.status)  # it goes on to ask: no failure
    if undo_url:
        offer(request, answer.words, undo_url)
    else:
        messages.add_message(request, answer.level, answer.words)
    return _back(request, membership)


def _wants_json(request: HttpRequest) -> bool:
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _form_page(
    request: HttpRequest, membership: Membership, refused: Move | None = None, answer: Answer | None = None
) -> HttpResponse:
    """The form; of a move that a guard has refused with what was asked, the guard, and making it all the same."""
    version = membership.version
    here = [stage for stage in board.stages_of(version) if stage.pk != membership.stage_id]
    is_live = membership.ended_at is None and version.state == Version.State.PUBLISHED
    of = "person" if membership.person_id else "account"
    context = {
        "membership": membership,
        "subject": membership.subject,
        "lifecycle": membership.lifecycle,
        "destinations": here if is_live else [],
        "reasons": reasons(version),
        "guarded": [stage for stage in here if guards.to_stage(version, stage)] if is_live else [],
        "back": wanted(request) or reverse(of, args=[membership.subject_id]),
        "given": refused.cleaned_data if refused else {},
        "guard": answer.guard if answer else "",
    }
    return render(request, "lifecycle/membership_move.html", context, status=answer.status if answer else 200)


def _back(request: HttpRequest, membership: Membership) -> HttpResponse:
    of = "person" if membership.person_id else "account"
    # Its top, where the answer is told.
    return redirect(wanted(request) or reverse(of, args=[membership.subject_id]))
