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
from audience.subjects import custom, filters, searchable
from kit import audit, pages, rights


class Wanted(forms.Form):
    """What is said of a custom field whenever it is written."""

    label = forms.CharField(label=gettext_lazy("Name"), max_length=200)
    choices = forms.CharField(
        label=gettext_lazy("Choices"),
        required=False,
        max_length=custom.MOST_CHOICES * 200,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=gettext_lazy("One a line, in the order in which they are offered."),
    )
    group = forms.CharField(
        label=gettext_lazy("Group"),
        required=False,
        max_length=100,
        help_text=gettext_lazy("The heading under which it stands on profiles and when somebody is edited."),
        widget=forms.TextInput(attrs={"list": "field-groups", "autocomplete": "off"}),
    )
    position = forms.IntegerField(
        label=gettext_lazy("Place in its group"),
        required=False,
        min_value=0,
        max_value=9999,
        help_text=gettext_lazy("Small numbers come first; equal ones by name."),
    )
    searchable = forms.BooleanField(
        label=gettext_lazy("Searchable"),
        required=False,
        help_text=gettext_lazy("Lists can be filtered by it, the search box looks into it, and conditions that ask it "
                               "are quick among many people. Costs a little with every change."),
    )  # fmt: skip
    hidden = forms.BooleanField(
        label=gettext_lazy("Hidden"),
        required=False,
        help_text=gettext_lazy("Neither on profiles nor in builders and forms. Its values and their history are kept, "
                               "and whatever asks it already goes on."),
    )  # fmt: skip

    def clean_choices(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["choices"].splitlines() if line.strip()]

    def clean_position(self) -> int:
        return self.cleaned_data["position"] or 0


class Changed(Wanted):
    """Another name, place or type; each choice may be called otherwise, be taken away, or be joined by others."""

    def __init__(self, field: Field, data: Any = None) -> None:
        self.field = field
        told = {name: getattr(field, name) for name in ("label", "type", "group", "position", "searchable", "hidden")}
        super().__init__(data, initial=told)
        self.fields["type"] = forms.ChoiceField(
            label=_("Type"),
            choices=Field.Type.choices,
            help_text=_("Can be another only while nobody has a value of it and nothing asks for it."),
        )
        self.fields["choices"].label = _("Further choices")
        for number, (value, label) in enumerate(field.labelled()):
            self.fields[f"called-{number}"] = forms.CharField(
                label=value, max_length=200, required=False, initial=label
            )
            self.fields[f"gone-{number}"] = forms.BooleanField(label=_("Offer it no more"), required=False)
            for name in (f"called-{number}", f"gone-{number}"):
                self.fields[name].depends = True  # type: ignore[attr-defined]
        self.order_fields(["label", "type", "group", "position", "searchable", "hidden"])

    @property
    def existing(self) -> list[tuple[str, Any, Any, Any]]:
        """Each choice there is: its value, how it is called, whether it goes, and what it was called before."""
        before = self.field.formerly()
        return [
            (value, self[f"called-{number}"], self[f"gone-{number}"], before.get(value, []))
            for number, (value, _label) in enumerate(self.field.labelled())
        ]

    def said(self) -> dict[str, Any]:
        """What the verb is told."""
        told = self.cleaned_data
        plain = {name: told[name] for name in ("label", "type", "group", "position", "searchable", "hidden")}
        stays = [(number, value) for number, (value, _label) in enumerate(self.field.labelled())
                 if not told[f"gone-{number}"]]  # fmt: skip
        choices = [value for _number, value in stays] + told["choices"]
        labels = {value: told[f"called-{number}"] for number, value in stays}
        return plain | {"choices": choices if told["type"] in custom.CHOSEN else [], "labels": labels}


class New(Wanted):
    """A new custom field: whose it is, for ever."""

    of = forms.ChoiceField(
        label=gettext_lazy("Kept of"), choices=Field.Of.choices, widget=forms.RadioSelect, initial=Field.Of.PERSON
    )
    type = forms.ChoiceField(
        label=gettext_lazy("Type"),
        choices=Field.Type.choices,
        help_text=gettext_lazy("It stays once there are values: they are kept by it."),
    )
    field_order = ("label", "of", "type", "choices", "group", "position", "searchable", "hidden")


class Fields(pages.ListPage):
    """Every custom field, with how many have a value of it."""

    queryset = Field.objects.all()
    filterset_class = filters.Fields
    columns = (
        pages.Column(
            "label", gettext_lazy("Field"), sort="label", template="audience/_custom_field_name.html", whole=True
        ),
        pages.Column("of", gettext_lazy("Kept of"), value="get_of_display", sort="of"),
        pages.Column("type", gettext_lazy("Type"), value="get_type_display", sort="type"),
        pages.Column("group", gettext_lazy("Group"), sort="group"),
        pages.Column(
            "marks", gettext_lazy("Marks"), template="audience/_custom_field_marks.html", export=lambda row: row.marks
        ),
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
            marks = ((row.searchable, _("searchable")), (row.hidden, _("hidden")))
            row.marks = ", ".join(word for marked, word in marks if marked)  # type: ignore[attr-defined]
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
    form = Changed(found, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            custom.change(found, **form.said(), by=audit.asker(request), now=timezone.now())
        except custom.Refused as refused:
            form.add_error(refused.field, str(refused))
        else:
            messages.success(request, _("“%(field)s” was changed.") % {"field": found})
            return redirect("custom_fields")
    shown = {
        "field": found, "condition_name": custom.condition_name(found), "users": custom.users(found),
        "index_ready": found.pk in searchable.ready([found]),
    }  # fmt: skip
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
    shown["groups"] = Field.objects.exclude(group="").order_by("group").values_list("group", flat=True).distinct()
    return render(request, "audience/custom_field.html", {"form": form} | shown, status=400 if form.errors else 200)
