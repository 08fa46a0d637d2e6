"""Pages of custom fields: what is kept of people and accounts beyond what everybody keeps."""

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

from audience.models import Field
from audience.subjects import custom
from kit import audit, pages, rights


class Changed(forms.Form):
    """What can be changed of a custom field."""

    label = forms.CharField(label=gettext_lazy("Name"), max_length=200)
    choices = forms.CharField(
        label=gettext_lazy("Choices"),
        required=False,
        max_length=custom.MOST_CHOICES * 200,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=gettext_lazy("One a line. Whoever has a value that is taken away keeps it."),
    )

    def clean_choices(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["choices"].splitlines() if line.strip()]


class New(Changed):
    """A new custom field: whose it is, and of which type, for ever."""

    of = forms.ChoiceField(
        label=gettext_lazy("Kept of"), choices=Field.Of.choices, widget=forms.RadioSelect, initial=Field.Of.PERSON
    )
    type = forms.ChoiceField(
        label=gettext_lazy("Type"),
        choices=Field.Type.choices,
        help_text=gettext_lazy("It stays: values are stored by it. Choices are for the type “Choice” alone."),
    )
    field_order = ("label", "of", "type", "choices")


class Fields(pages.ListPage):
    """Every custom field, with how many have a value of it."""

    queryset = Field.objects.all()
    columns = (
        pages.Column(
            "label", gettext_lazy("Field"), sort="label", template="audience/_custom_field_name.html", whole=True
        ),
        pages.Column("of", gettext_lazy("Kept of"), value="get_of_display", sort="of"),
        pages.Column("type", gettext_lazy("Type"), value="get_type_display", sort="type"),
        pages.Column("filled", gettext_lazy("Filled"), align="end"),
        pages.Column("share", gettext_lazy("Share"), align="end", template="audience/_custom_field_share.html"),
    )  # fmt: skip
    title = gettext_lazy("Custom fields")
    crumbs = ((gettext_lazy("Data"), ""),)
    purpose = gettext_lazy("What is kept of people and accounts beyond the usual. Conditions, forms and files know it.")
    counted = ngettext_lazy("%(shown)s custom field", "%(shown)s custom fields", "count")
    action = pages.Action(gettext_lazy("New custom field"), "custom_field_new", right="edit")
    default_sort = "label"
    file_name = "custom-fields"
    empty_title = gettext_lazy("No custom fields yet")
    empty_text = gettext_lazy("An import makes one of every column that has no other place; or define one here.")
    empty_icon = "table-properties"

    def prepare(self, rows: list[Field]) -> list[Field]:
        counted = custom.filled_of(rows)
        for row in rows:
            row.filled, there = counted[row.pk]  # type: ignore[attr-defined]
            row.share = row.filled / there if there else None  # type: ignore[attr-defined]
        return rows


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A new custom field."""
    form = New(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = custom.define(**form.cleaned_data, by=audit.asker(request), now=timezone.now())
        except custom.Refused as refused:
            form.add_error(refused.field, str(refused))
        else:
            messages.success(request, _("“%(field)s” can be filled from now on.") % {"field": made})
            return redirect("custom_fields")
    return _form(request, form, title=_("New custom field"))


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Another name or other choices for a custom field."""
    found = get_object_or_404(Field, pk=pk)
    choices = "\n".join(value for value, _label in found.labelled())
    form = Changed(request.POST or None, initial={"label": found.label, "choices": choices})
    if request.method == "POST" and form.is_valid():
        try:
            custom.change(found, **form.cleaned_data, by=audit.asker(request), now=timezone.now())
        except custom.Refused as refused:
            form.add_error(refused.field, str(refused))
        else:
            messages.success(request, _("“%(field)s” was changed.") % {"field": found})
            return redirect("custom_fields")
    shown = {"field": found, "condition_name": custom.condition_name(found), "users": custom.users(found)}
    return _form(request, form, title=str(found), **shown)


@require_POST
@rights.needs("edit")
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a custom field away, if nothing is lost by that."""
    found = get_object_or_404(Field, pk=pk)
    try:
        custom.remove(found, by=audit.asker(request), now=timezone.now())
    except custom.Refused as refused:
        messages.error(request, _("It stays. %(why)s") % {"why": refused})
        return redirect("custom_field_edit", pk)
    messages.success(request, _("“%(field)s” is removed.") % {"field": found})
    return redirect("custom_fields")


def _form(request: HttpRequest, form: forms.Form, **shown: Any) -> HttpResponse:
    return render(request, "audience/custom_field.html", {"form": form} | shown, status=400 if form.errors else 200)
