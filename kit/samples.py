"""What the styleguide shows: every component with content as it is in life."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from kit import progress
from kit.models import Job

SWATCHES = (
    (_("Ground"), ("canvas", "surface", "sunken", "line", "line-strong")),
    (_("Ink"), ("ink", "ink-muted", "ink-faint")),
    (_("Accent"), ("accent", "accent-soft", "accent-line")),
    (_("Species"), ("net-new", "net-new-soft", "customer", "customer-soft", "partner", "partner-soft")),
    (_("States"), ("good", "good-soft", "warn", "warn-soft", "bad", "bad-soft", "info", "info-soft")),
)
ICONS = (
    "house", "route", "users", "building-2", "funnel", "upload", "list-checks", "scroll-text", "search", "list-filter",
    "download", "plus", "pencil", "trash-2", "undo-2", "git-branch", "mail", "mouse-pointer-click", "phone",
    "calendar-days", "handshake", "file-text", "circle-check", "circle-x", "triangle-alert", "circle-alert", "info",
    "clock", "loader-circle", "chevron-right", "x", "sprout",
)  # fmt: skip
STATES = ("queued", "running", "done", "failed", "cancelled", "draft", "published", "retired", "attention", "won")


class Sample(forms.Form):
    """A form with one field of each sort."""

    name = forms.CharField(label=_("Name of the lifecycle"), initial="Net-new EMEA")
    email = forms.EmailField(label=_("Sender’s email"), help_text=_("Replies go to this address."))
    species = forms.ChoiceField(
        label=_("Species"), choices=[("net_new", _("Net-new")), ("customer", _("Customer")), ("partner", _("Partner"))]
    )
    limit = forms.IntegerField(label=_("Days until overdue"), min_value=1, required=False)
    policy = forms.ChoiceField(
        label=_("When a person is already known"),
        choices=[("upsert", _("Update what the file says")), ("fill", _("Fill blanks only"))],
        widget=forms.RadioSelect,
        initial="upsert",
    )
    file = forms.FileField(label=_("File"), help_text=_("CSV, up to 200 MB."), required=False)
    sure = forms.BooleanField(label=_("Replay the history of the last two years"), required=False, initial=True)
    note = forms.CharField(label=_("Note"), widget=forms.Textarea(attrs={"rows": 3}), required=False)
    closed = forms.CharField(label=_("Address of the installation"), initial="perennial.example", disabled=True)


def context(now: datetime) -> dict[str, Any]:
    """The variables of the styleguide's template, as if it were `now`."""
    refused = Sample({"email": "marketing@", "name": "", "limit": "0", "species": "net_new", "policy": "upsert"})
    refused.is_valid()
    return {
        "swatches": SWATCHES,
        "icons": ICONS,
        "states": STATES,
        "form": Sample(auto_id="sample_%s"),
        "refused": refused,
        "jobs": [(job, progress.of(job, now)) for job in _jobs(now)],
        "people": PEOPLE,
        "funnel": FUNNEL,
        "tabs": TABS,
        "now": now,
        "yesterday": now - timedelta(hours=19),
        "earlier": now - timedelta(days=12),
    }


PEOPLE = (
    ("Amara Okafor", "Head of Demand Generation", "Northwind Logistics", "net_new", _("MQL"), 62, 12),
    ("Jonas Lindqvist", "VP Operations", "Skåne Precision AB", "net_new", _("SAL"), 71, 3),
    ("Mei-Ling Chen", "Procurement Lead", "Harbour & Hill", "customer", _("Onboarding"), 88, 26),
    ("Diego Fernández de la Vega", "Partner Manager", "Cordillera Systems", "partner", _("Enabled"), 54, 140),
)
FUNNEL = (
    (_("Known"), 8000, "100%", ""),
    (_("Engaged"), 4312, "53.9%", ""),
    (_("MQL"), 1904, "44.2%", ""),
    (_("SQL"), 1107, "58.1%", ""),
    (_("Won"), 842, "76.1%", ""),
)
TABS = (
    {"label": _("Overview"), "url": "#tabs", "current": True},
    {"label": _("Timeline"), "url": "#timeline", "current": False, "count": 48},
    {"label": _("Deals"), "url": "#table", "current": False, "count": 3},
    {"label": _("Consent"), "url": "#notes", "current": False},
)


def _jobs(now: datetime) -> list[Job]:
    """One unsaved job in each state."""
    ago = lambda seconds: now - timedelta(seconds=seconds)  # noqa: E731
    return [
        Job(kind="import", title="people-2026-q3.csv", state=Job.State.QUEUED, created_at=ago(2)),
        Job(kind="import", title="activities.csv", state=Job.State.RUNNING, rows_done=612_400, rows_total=1_000_000,
            phase=str(_("merging")), created_at=ago(76), started_at=ago(75)),
        Job(kind="replay", title=str(_("Replay of Net-new EMEA")), state=Job.State.RUNNING, created_at=ago(4),
            started_at=ago(3)),
        Job(kind="import", title="contracts.csv", state=Job.State.DONE, rows_done=48_210, rows_total=48_210,
            result={"created": 41_998, "updated": 6_200, "rejected": 12, "link": "/styleguide/"},
            created_at=ago(900), started_at=ago(890), finished_at=ago(871)),
        Job(kind="import", title="products.csv", state=Job.State.FAILED, rows_done=300, rows_total=1_200,
            error=str(_("Row 301 has 14 cells, its header 12. Mend the row or quote its commas, then import again.")),
            created_at=ago(900), started_at=ago(890), finished_at=ago(888)),
        Job(kind="replay", title=str(_("Replay of Onboarding")), state=Job.State.CANCELLED, rows_done=210,
            rows_total=730, created_at=ago(9000), started_at=ago(8990), finished_at=ago(8900)),
    ]  # fmt: skip
