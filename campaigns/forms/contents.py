"""Forms of what is said, and in whose name."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from campaigns import content
from campaigns.forms.parts import StageField
from campaigns.models import Content, ContentVersion
from campaigns.rendering import ContentError


class Written(forms.Form):
    """A content as it is written: its name and tags, and the words of an edition."""

    name = forms.CharField(label=_("Name"), max_length=200, help_text=_("As colleagues will call it."))
    style = forms.ChoiceField(
        label=_("Style"),
        required=False,
        choices=[("", _("Choose …")), *Content.Style.choices],
        help_text=_("Education helps to understand, engagement asks for a step. Each is measured by its own."),
    )
    stage = StageField(label=_("Stage it serves"), required=False, empty=_("None yet"))
    subject = forms.CharField(label=_("Subject"), max_length=500)
    preheader = forms.CharField(
        label=_("Preview text"), max_length=500, required=False, help_text=_("What inboxes show behind the subject.")
    )
    format = forms.ChoiceField(label=_("Written in"), choices=ContentVersion.Format.choices)
    source = forms.CharField(
        label=_("Body"), strip=False,
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "false", "wrap": "off", "class": "code"}),
    )  # fmt: skip
    text_source = forms.CharField(
        label=_("Plain text"), required=False, strip=False, help_text=_("Left empty it is made from the body."),
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "true", "class": "code"}),
    )  # fmt: skip
    missing = forms.ChoiceField(
        label=_("When a value is missing"), choices=ContentVersion.Missing.choices,
        help_text=_("And no default is given: Hello {{ person.first_name | default: \"there\" }}"),
    )  # fmt: skip

    @classmethod
    def begun(cls, draft: content.Draft, of: Content | None = None, **more: Any) -> Written:
        """The form with what there is already."""
        tags = {"name": of.name, "style": of.style, "stage": StageField.written(of.lifecycle, of.stage)} if of else {}
        return cls(initial={**asdict(draft), **tags, **more})

    def draft(self) -> content.Draft:
        """What was typed, as an edition; also when the rest of the form is not right yet."""
        told = {each.name: self.data.get(each.name, "") for each in fields(content.Draft)}
        told = {name: value.replace("\r\n", "\n").replace("\x00", "") for name, value in told.items()}
        told["format"] = told["format"] if told["format"] in ContentVersion.Format.values else "html"
        told["missing"] = told["missing"] if told["missing"] in ContentVersion.Missing.values else "default"
        return content.Draft(**{**told, "subject": told["subject"].strip(), "preheader": told["preheader"].strip()})

    def tags(self) -> dict[str, Any]:
        """Name, style, lifecycle and stage."""
        lifecycle, stage = self.cleaned_data["stage"]
        return {
            "name": self.cleaned_data["name"],
            "style": self.cleaned_data["style"],
            "lifecycle": lifecycle,
            "stage": stage,
        }

    def refuse(self, error: ContentError) -> None:
        """Show what is wrong with the words at the field that it is wrong with."""
        self.add_error({"text": "text_source"}.get(error.field, error.field), str(error))


class SenderForm(forms.Form):
    """In whose name messages are sent."""

    name = forms.CharField(
        label=_("Name"), max_length=200, help_text=_("As inboxes show it, such as “Ada of Marlow Creek”.")
    )
    address = forms.EmailField(
        label=_("Address"), max_length=254, help_text=_("Its domain must let your provider send for it.")
    )
    reply_to = forms.EmailField(
        label=_("Answers go to"), max_length=254, required=False, help_text=_("Left empty: to the address itself.")
    )
    is_default = forms.BooleanField(label=_("Used unless another is chosen"), required=False)
