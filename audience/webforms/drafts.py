"""A draft as its page edits it: the words, a row for each question, a box for each topic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.models import Topic
from audience.webforms import asking
from audience.webforms.asking import ALWAYS, HIDDEN, MOST_QUESTIONS, WHEN, Asked, Box, Question

LONGEST_TEXT = 2000


def _text(label: Any, rows: int = 2, **given: Any) -> forms.CharField:
    return forms.CharField(
        label=label, max_length=LONGEST_TEXT, required=False, widget=forms.Textarea(attrs={"rows": rows}), **given
    )


class Words(forms.Form):
    """What is said around the questions, and what happens afterwards."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=200, help_text=gettext_lazy("What you call it; visitors do not see it.")
    )
    title = forms.CharField(label=gettext_lazy("Heading"), max_length=200)
    intro = _text(gettext_lazy("Introduction"))
    button = forms.CharField(label=gettext_lazy("Button"), max_length=60)
    thanks = _text(gettext_lazy("Said afterwards"))
    upload = forms.FileField(
        label=gettext_lazy("File to hand out"),
        required=False,
        help_text=gettext_lazy("PDF, picture, ZIP, EPUB or Office, 50 MB at most. Its link is good for seven days."),
    )
    no_file = forms.BooleanField(label=gettext_lazy("Hand out no file"), required=False)
    after_confirming = forms.BooleanField(
        label=gettext_lazy("Hand it out only after the email is confirmed"), required=False
    )
    double_opt_in = forms.BooleanField(
        label=gettext_lazy("Consent counts only after it is confirmed by mail (double opt-in)"), required=False
    )
    remembers = forms.BooleanField(
        label=gettext_lazy("Know visitors again, and do not ask the same twice"),
        required=False,
        help_text=gettext_lazy("By a cookie of this page, set once it is sent; never against GPC or Do Not Track."),
    )
    at_once = forms.IntegerField(
        label=gettext_lazy("Questions of “those who come back” at once"), min_value=1, max_value=10
    )

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.topics = list(Topic.objects.filter(retired_at=None).order_by("-is_default", "label"))
        for topic in self.topics:
            self.fields[f"topic_{topic.pk}"] = forms.BooleanField(label=topic.label, required=False)
            self.fields[f"wording_{topic.pk}"] = _text(_("In these words"))
            self.fields[f"wording_{topic.pk}"].depends = True  # type: ignore[attr-defined]

    @property
    def boxes(self) -> list[tuple[Any, Any]]:
        """Each topic's box and its wording."""
        return [(self[f"topic_{topic.pk}"], self[f"wording_{topic.pk}"]) for topic in self.topics]

    def clean(self) -> dict[str, Any]:
        """What is to be agreed to has to be said."""
        cleaned = super().clean() or {}
        for topic in self.topics:
            if cleaned.get(f"topic_{topic.pk}") and not cleaned.get(f"wording_{topic.pk}", "").strip():
                self.add_error(f"wording_{topic.pk}", _("Say in words what is agreed to: they are kept as the proof."))
        return cleaned


class Row(forms.Form):
    """One question."""

    field = forms.ChoiceField(label=gettext_lazy("Field"), required=False)
    label = forms.CharField(label=gettext_lazy("Asked as"), max_length=200, required=False)
    help = forms.CharField(label=gettext_lazy("Help"), max_length=300, required=False)
    required = forms.BooleanField(label=gettext_lazy("Must be answered"), required=False)
    when = forms.ChoiceField(label=gettext_lazy("When"), choices=list(WHEN.items()), initial=ALWAYS)
    value = forms.CharField(label=gettext_lazy("Value"), max_length=500, required=False)

    after = forms.ChoiceField(label=gettext_lazy("Only after an answer to"), required=False)
    answer = forms.CharField(
        label=gettext_lazy("That is"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("As it is kept, such as a choice, yes or no. Empty: any answer."),
    )

    def __init__(self, *args: Any, choices: Sequence[Any] = (), **given: Any) -> None:
        super().__init__(*args, **given)
        self.fields["field"].choices = choices  # type: ignore[attr-defined]
        self.fields["after"].choices = [("", _("(asked anyway)")), *choices[1:]]  # type: ignore[attr-defined]
        self.fields["label"].widget.attrs["placeholder"] = _("As the field is called")
        for each in self.fields.values():
            each.depends = True  # type: ignore[attr-defined]

    @property
    def is_particular(self) -> bool:
        """Whether more is said of it than a field and a label: then all of it stands open."""
        more = ("help", "value", "after", "answer")
        return any(self[name].value() or self[name].errors for name in more) or self["when"].value() not in (
            None,
            ALWAYS,
        )

    def clean(self) -> dict[str, Any]:
        """What is never asked needs its value, and cannot be left open."""
        cleaned = super().clean() or {}
        if cleaned.get("when") == HIDDEN and not cleaned.get("value"):
            self.add_error("value", _("Say to what it is set."))
        return cleaned


Rows = forms.formset_factory(Row, extra=0, max_num=MOST_QUESTIONS, validate_max=True, absolute_max=MOST_QUESTIONS)


def rows(asked: Asked, data: Any = None, *, more: bool = False) -> Any:
    """A row for each question of a draft, and with `more` an empty one."""
    offered = asking.offered()
    kept = [(each.field, each.field) for each in asked.questions if each.field not in offered]
    choices = [("", _("(no field)")), *((name, each.label) for name, each in offered.items()), *kept]
    initial = [asdict(each) for each in asked.questions]
    if more and len(initial) < MOST_QUESTIONS:
        initial.append({"when": ALWAYS})
    # What was sent stands for itself: rows that are as they were must not be taken for empty ones.
    return Rows(data, initial=None if data else initial, prefix="q", form_kwargs={"choices": choices})


def words(name: str, asked: Asked, data: Any = None, uploaded: Any = None) -> Words:
    """The rest of a draft."""
    wordings = {box.topic: box.wording for box in asked.boxes}
    initial: dict[str, Any] = asked.as_json() | {"name": name}
    for pk, slug in Topic.objects.values_list("pk", "slug"):
        initial |= {f"topic_{pk}": slug in wordings, f"wording_{pk}": wordings.get(slug, "")}
    return Words(data, uploaded, initial=initial)


def said(was: Asked, form: Words, formset: Any, *, do: str = "") -> Asked:
    """The draft that both say; `do` moves (`up:2`, `down:2`) or drops (`drop:2`) the question of a row."""
    told = form.cleaned_data
    listed = [Question(**each.cleaned_data) for each in formset if each.cleaned_data]
    listed = [each for each in _moved(listed, do) if each.field]
    boxes = [Box(topic.slug, told[f"wording_{topic.pk}"].strip()) for topic in form.topics if told[f"topic_{topic.pk}"]]
    plain = {name: told[name] for name in ("title", "intro", "button", "thanks", "double_opt_in", "remembers",
                                           "at_once", "after_confirming")}  # fmt: skip
    file = None if told["no_file"] else was.file
    return replace(was, **plain, file=file, questions=tuple(listed), boxes=tuple(boxes))


def _moved(listed: list[Question], do: str) -> list[Question]:
    what, _colon, place = do.partition(":")
    if not (place.isascii() and place.isdigit() and len(place) < 4 and int(place) < len(listed)):
        return listed
    at = int(place)
    moved = listed.pop(at)
    if what != "drop":
        listed.insert(max(0, at - 1) if what == "up" else at + 1, moved)
    return listed
