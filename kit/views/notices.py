"""The page of notices: what happened by itself, what of it is new, and what one wants to be told."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy
from django.views.decorators.http import require_POST

from kit import notices, pages, writing
from kit.models import Notice, User


class Notices(pages.ListPage):
    """What the reader was told, the newest first."""

    queryset = Notice.objects.all()
    columns = (
        pages.Column("title", _("What happened"), template="kit/_notice.html", whole=True),
        pages.Column("created_at", _("When")),
    )
    title = _("Notices")
    purpose = _("What happened by itself and concerns you. What of it comes by mail too is chosen below.")
    counted = ngettext_lazy("%(shown)s notice", "%(shown)s notices", "count")
    default_sort = "-created_at"
    file_name = "notices"
    template_name = "kit/notices.html"
    empty_title = _("Nothing new")
    empty_text = _("Hand-offs, alerts and whatever else happens by itself is told here.")
    empty_icon = "bell"

    def rows(self) -> QuerySet[Notice]:
        return notices.shown(_self(self.request))

    def context(self) -> dict[str, Any]:
        wishes = notices.wishes_of(_self(self.request))
        wanted = [(each, *wishes.get(each.name, (True, True))) for each in notices.kinds()]
        return {"wanted": wanted, "unread": notices.unread(_self(self.request))}


@require_POST
def notice_open(request: HttpRequest, pk: int) -> HttpResponse:
    """Read one, and go to where it leads."""
    found = get_object_or_404(notices.shown(_self(request)), pk=pk)
    notices.read(_self(request), only=pk, now=timezone.now())
    leads = found.link if url_has_allowed_host_and_scheme(found.link, allowed_hosts=None) else ""
    return redirect(leads or "notices")


@require_POST
def notices_read(request: HttpRequest) -> HttpResponse:
    """Have read all of them."""
    count = notices.read(_self(request), now=timezone.now())
    told = ngettext("%(n)s notice is read.", "%(n)s notices are read.", count)
    messages.success(request, told % {"n": writing.number(count)})
    return redirect("notices")


@require_POST
def notices_wish(request: HttpRequest) -> HttpResponse:
    """What one wants to be told, and how."""
    wanted = {
        each.name: (f"app:{each.name}" in request.POST, f"mail:{each.name}" in request.POST) for each in notices.kinds()
    }
    if notices.wish(_self(request), wanted, now=timezone.now()):
        messages.success(request, _now("From now on you are told as you chose."))
    return redirect("notices")


def _self(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
