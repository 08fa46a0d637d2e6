"""Moving one member by hand, and taking a move back."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from kit import rights, writing
from kit.audit import asker
from lifecycle import panels, stages, undo
from lifecycle.models import Membership, Movement, Stage

EXIT = "exit"  # in place of a stage: out of the lifecycle


class Move(forms.Form):
    """Where to, why, and the membership's `seq` as the user's page had read it."""

    to = forms.CharField(max_length=20)
    seq = forms.IntegerField(min_value=0, max_value=2**31 - 1)
    reason = forms.CharField(max_length=500)

    def stage(self) -> Stage | None:
        """The stage that was chosen; None for leaving. Raises Stage.DoesNotExist."""
        to = self.cleaned_data["to"]
        if to == EXIT:
            return None
        if not (to.isascii() and to.isdigit()):
            raise Stage.DoesNotExist
        return Stage.objects.select_related("version__lifecycle").get(pk=int(to))


@require_POST
@rights.needs("move")
def move(request: HttpRequest, pk: int) -> HttpResponse:
    """Move one member, unless somebody else did since the page was read; then say who and when."""
    membership = get_object_or_404(Membership.objects.select_related("version__lifecycle", "stage"), pk=pk)
    form = Move(request.POST)
    if not form.is_valid():
        messages.error(request, _("Not moved: choose a stage and say why, in 500 letters at most."))
        return _back(request, membership)
    try:
        to = form.stage()
    except Stage.DoesNotExist:
        messages.error(request, _("Not moved: that stage does not exist any more. Choose another one."))
        return _back(request, membership)
    _move(request, membership, to, form)
    return _back(request, membership)


@require_POST
@rights.needs("move")
def take_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Undo one movement, unless something depends on it; then say what."""
    found = Movement.objects.select_related("membership__person", "membership__account", "from_stage", "to_stage")
    movement = get_object_or_404(found, pk=pk)
    now = timezone.now()
    try:
        won = undo.undo(movement, by=asker(request), now=now)
    except undo.UndoRefused as refused:
        messages.error(request, _("Not taken back: %(why)s.") % {"why": refused})
    else:
        if won:
            messages.success(request, _("Taken back: %(move)s") % {"move": panels.way(movement)})
        else:
            messages.warning(request, _lost(movement.membership, now))
    return _back(request, movement.membership)


def _move(request: HttpRequest, membership: Membership, to: Stage | None, form: Move) -> None:
    now = timezone.now()
    by = asker(request)
    read = form.cleaned_data["seq"]
    if membership.seq != read:
        messages.warning(request, _lost(membership, now))
        return
    try:
        won = stages.move(membership, to=to, reason=form.cleaned_data["reason"], by=by, at=now, now=now)
    except stages.MoveRefused as refused:
        messages.error(request, _("Not moved: %(why)s") % {"why": refused})
        return
    if not won:
        messages.warning(request, _lost(membership, now))
    elif to is None:
        messages.success(request, _("Left %(lifecycle)s.") % {"lifecycle": membership.lifecycle})
    else:
        messages.success(request, _("Moved to “%(stage)s”.") % {"stage": to})


def _lost(membership: Membership, now: datetime) -> str:
    """What a loser of a race is told: who was first, how long ago, and why."""
    last = stages.last_movement(membership)
    if last is None:
        return _("Not moved: somebody else changed this at the same moment. Look again, then decide.")
    told = {
        "to": last.to_stage or _("out of the lifecycle"),
        "how": panels.how(last),
        "ago": writing.span(max(now - last.recorded_at, timedelta(0))),
        "why": f" ({last.reason})" if last.reason else "",
    }
    return _("Not moved: it was changed to “%(to)s” %(how)s %(ago)s ago%(why)s. Look again, then decide.") % told


def _back(request: HttpRequest, membership: Membership) -> HttpResponse:
    wanted = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return redirect(wanted)
    of = "person" if membership.person_id else "account"
    return redirect(reverse(of, args=[membership.subject_id]))  # its top, where the answer is told
