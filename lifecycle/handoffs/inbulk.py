"""What can be done to many hand-offs of a list at once: accept them, or reject them with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from kit import bulk, writing
from kit.models import User
from kit.sql import Sql, sql
from lifecycle.handoffs import answering
from lifecycle.models import Handoff, Lifecycle

OF = "handoff"


def register_all() -> None:
    """Add the actions to the queue; `AppConfig.ready` calls it."""
    accept = bulk.Action("accept", gettext_lazy("Accept"), "check", "move", run=_accept, told=_told_accepted)
    reject = bulk.Action(
        "reject", gettext_lazy("Reject"), "x", "move", run=_reject, told=_told_rejected, read=_read,
        says=lambda data: str(data["reason"]), template="lifecycle/_bulk_reject.html", context=_reasons,
    )  # fmt: skip
    for action in (accept, reject):
        bulk.register(OF, action)


def _asked(chosen: Sql) -> Sql:
    return sql("SELECT subject_id AS id FROM ({}) chosen", chosen)


def _say(by: User | None, now: datetime) -> answering.Saying:
    return answering.Saying(by, Handoff.Route.PAGE, now)


def _accept(chosen: Sql, data: bulk.Data, *, by: User | None, now: datetime) -> int:
    return answering.accept(_asked(chosen), _say(by, now))


def _reject(chosen: Sql, data: bulk.Data, *, by: User | None, now: datetime) -> int:
    """Those whose lifecycle knows the reason; the others go on waiting."""
    knowing = [each.pk for each in _handing() if data["reason"] in answering.reasons(each)]
    theirs = sql(
        """SELECT held.id FROM lifecycle_handoff held JOIN lifecycle_membership m ON m.id = held.membership_id
           WHERE m.lifecycle_id = ANY ({}) AND held.id IN ({})""",
        knowing,
        chosen,
    )
    return answering.reject(theirs, data["reason"], _say(by, now))


def _read(form: Mapping[str, str]) -> bulk.Data:
    reason = form.get("reject-reason", "")
    if reason not in _offered():
        raise bulk.Refused(_("Choose a reason for rejecting."))
    return {"reason": reason}


def _reasons(_request: HttpRequest) -> dict[str, Any]:
    return {"reasons": _offered()}


def _offered() -> list[str]:
    """The reasons of every lifecycle that hands over, each once."""
    return list(dict.fromkeys(reason for each in _handing() for reason in answering.reasons(each)))


def _handing() -> QuerySet[Lifecycle]:
    return Lifecycle.objects.filter(versions__stages__hand_off__isnull=False).distinct().order_by("name")


def _told_accepted(count: int, data: bulk.Data) -> str:
    return ngettext("%(n)s was accepted.", "%(n)s were accepted.", count) % {"n": writing.number(count)}


def _told_rejected(count: int, data: bulk.Data) -> str:
    return ngettext("%(n)s was rejected.", "%(n)s were rejected.", count) % {"n": writing.number(count)}
