"""Pages of the taxonomy of channels: which there are, their other spellings, and those that are unknown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from audience.activity import channels
from audience.models import Activity, Channel
from kit import audit, pages, rights


class ChannelForm(forms.Form):
    """What a channel is called, of what sort it is, and how else it is spelled."""

    label = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    direction = forms.ChoiceField(
        label=gettext_lazy("Direction"),
        required=False,
        choices=[("", gettext_lazy("either")), *Activity.Direction.choices],
        help_text=gettext_lazy("Inbound: they come to us. Outbound: we go to them."),
    )
    is_paid = forms.BooleanField(label=gettext_lazy("Paid for"), required=False)
    is_human = forms.BooleanField(label=gettext_lazy("From human to human"), required=False)
    is_offline = forms.BooleanField(label=gettext_lazy("Offline"), required=False)
    aliases = forms.CharField(
        label=gettext_lazy("Other spellings"),
        required=False,
        max_length=channels.MOST_ALIASES * 40,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy(
            "One a line. What comes in so spelled is kept as this channel, and conditions find both."
        ),
    )

    def clean_aliases(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["aliases"].splitlines() if line.strip()]


class Channels(pages.ListPage):
    """Every channel, and below them those that nobody has added."""

    queryset = Channel.objects.all()
    template_name = "audience/channels.html"
    columns = (
        pages.Column("label", gettext_lazy("Channel"), sort="label", template="audience/_channel_name.html",
                     whole=True),
        pages.Column("direction", gettext_lazy("Direction"), sort="direction",
                     value=lambda row: row.get_direction_display() or _("either")),
        pages.Column("is_paid", gettext_lazy("Paid"), sort="is_paid"),
        pages.Column("is_human", gettext_lazy("Human"), sort="is_human"),
        pages.Column("is_offline", gettext_lazy("Offline"), sort="is_offline"),
        pages.Column("aliases", gettext_lazy("Other spellings"), value=lambda row: ", ".join(row.aliases)),
    )  # fmt: skip
    title = gettext_lazy("Channels")
    crumbs = ((gettext_lazy("Data"), ""),)
    purpose = gettext_lazy(
        "By which ways people come to you, and you to them. Whatever comes in is put in order by this."
    )
    counted = ngettext_lazy("%(shown)s channel", "%(shown)s channels", "count")
    action = pages.Action(gettext_lazy("New channel"), "channel_new", right="edit")
    also = (
        pages.Action(gettext_lazy("Kinds of activities"), "kinds", "shapes"),
        pages.Action(gettext_lazy("Costs"), "costs", "coins"),
    )
    default_sort = "label"
    file_name = "channels"

    def context(self) -> dict[str, Any]:
        return {"unknown": channels.unknown(), "platforms": list(channels.PLATFORMS.values())}


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A channel of one's own; with `slug`, one that activities have already."""
    slug = request.GET.get("slug", "").replace("\x00", "")[: channels.LONGEST]
    said = slug.replace("_", " ").strip()
    form = ChannelForm(request.POST or None, initial={"label": said[:1].upper() + said[1:]})
    if request.method == "POST" and form.is_valid():
        try:
            made = channels.add(form.cleaned_data, slug=slug, by=audit.asker(request), now=timezone.now())
        except channels.Refused as refused:
            form.add_error(refused.field, str(refused))
        else:
            messages.success(request, _("“%(channel)s” is a channel now.") % {"channel": made})
            return redirect("channels")
    return _page(request, form, title=_("New channel"))


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Another name, other spellings, another sort."""
    found = get_object_or_404(Channel, pk=pk)
    shown = {name: getattr(found, name) for name in channels.FIELDS} | {"aliases": "\n".join(found.aliases)}
    form = ChannelForm(request.POST or None, initial=shown)
    if request.method == "POST" and form.is_valid():
        try:
            changed = channels.change(found, form.cleaned_data, by=audit.asker(request), now=timezone.now())
        except channels.Refused as refused:
            form.add_error(refused.field, str(refused))
        else:
            messages.success(request, _("Saved.") if changed else _("Nothing was different."))
            return redirect("channels")
    return _page(request, form, title=str(found), channel=found)


@require_POST
@rights.needs("edit")
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a channel away that nothing bears."""
    found = get_object_or_404(Channel, pk=pk)
    try:
        channels.remove(found, by=audit.asker(request), now=timezone.now())
    except channels.Refused as refused:
        messages.error(request, _("It stays. %(why)s") % {"why": refused})
        return redirect("channel_edit", pk)
    messages.success(request, _("“%(channel)s” is removed.") % {"channel": found})
    return redirect("channels")


def _page(request: HttpRequest, form: forms.Form, **shown: Any) -> HttpResponse:
    return render(request, "audience/channel.html", {"form": form} | shown, status=400 if form.errors else 200)
