"""Pages of the trail: who changed what, and what it was before; for administrators."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from django.views.decorators.http import require_GET

from kit import audit, filters, pages, rights
from kit.models import AuditEntry

SHOWN = 2  # changes of an entry in the list; the rest stands on its page


@method_decorator(rights.needs("administer"), name="dispatch")
class Audit(pages.ListPage):
    """The trail, the newest first."""

    queryset = AuditEntry.objects.select_related("user")
    filterset_class = filters.Audit
    columns = (
        pages.Column("at", _("When"), sort="at", desc_first=True),
        pages.Column("actor", _("By"), template="kit/_audit_actor.html"),
        pages.Column(
            "action", _("What was done"), value=lambda row: audit.words(row.action), template="kit/_audit_action.html"
        ),
        pages.Column("target", _("To what")),
        pages.Column(
            "changes",
            _("Before and after"),
            template="kit/_audit_changes.html",
            export=lambda row: "; ".join(f"{each.name}: {each.before} → {each.after}" for each in audit.changes(row)),
            whole=True,
        ),
    )
    title = _("Audit")
    purpose = _(
        "Every change, by whom, and what it was before. Nothing is ever deleted; only erasing a person empties it."
    )
    counted = ngettext_lazy("%(shown)s entry", "%(shown)s entries", "count")
    crumbs = ((_("Operations"), ""),)
    default_sort = "-at"
    file_name = "audit"
    empty_title = _("Nothing yet")
    empty_text = _("Whatever somebody changes appears here.")
    empty_icon = "scroll-text"

    def prepare(self, rows: list[Any]) -> list[Any]:
        for row in rows:
            changes = audit.changes(row)
            row.words, row.changes, row.more = audit.words(row.action), changes[:SHOWN], len(changes) - SHOWN
        return rows


@rights.needs("administer")
@require_GET
def audit_entry(request: HttpRequest, pk: int) -> HttpResponse:
    """One entry, whole."""
    found = get_object_or_404(AuditEntry.objects.select_related("user"), pk=pk)
    title = audit.words(found.action)
    context = {
        "entry": found,
        "title": title,
        "changes": audit.changes(found),
        "crumbs": [(_now("Operations"), ""), (_now("Audit"), reverse("audit")), (title, "")],
    }
    return render(request, "kit/audit_entry.html", context)
