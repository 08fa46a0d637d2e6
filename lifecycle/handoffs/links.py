"""The link in a mail by which one hand-off is answered without signing in.

It is made while the mail is written and kept nowhere: signed, for one user and one hand-off, good for a week, and only
as long as that hand-off waits for that user. So it works once: an answer, or passing it on, ends it. Whatever ends the
user's sessions ends it too. It shows what the mail said and no more.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.urls import reverse

from kit import installation, rights, tokens
from kit.models import User
from lifecycle.models import Handoff

KIND = "handoff.answer"
LASTS = timedelta(days=7)


def address(handoff: Handoff, user: User, now: datetime) -> str:
    """The link for a user, as a whole address."""
    token = tokens.made(KIND, [handoff.pk, user.pk, user.generation], now=now)
    return installation.address() + reverse("handoff_link", args=[token])


def opened(token: str, now: datetime) -> tuple[Handoff, User] | None:
    """The hand-off and the user of a link; None for one that is too old, tampered with, or of a user who is gone."""
    told = tokens.read(KIND, token, lasts=LASTS, now=now)
    if told is None:
        return None
    handoff_id, user_id, generation = told
    user = User.objects.filter(pk=user_id, generation=generation, is_active=True).first()
    whole = Handoff.objects.select_related(
        "stage__version__lifecycle", "user", "team", "stands_for", "membership__person__account", "membership__account"
    )
    handoff = whole.filter(pk=handoff_id).first()
    return (handoff, user) if handoff and user and rights.may(user, "move") else None


def may_answer(handoff: Handoff, user: User) -> bool:
    """Whether it still waits for this user, or for anybody of their team."""
    mine = handoff.user_id == user.pk or (handoff.user_id is None and handoff.team_id == user.team_id is not None)
    return handoff.is_open and mine
