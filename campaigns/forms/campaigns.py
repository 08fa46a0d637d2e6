"""Forms of a campaign: a new one, its settings, the launch, people put in by hand."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from audience.asked.builder import ConditionField
from audience.models import Person, Segment, Topic
from audience.models.people import Folded
from campaigns.forms.parts import StageField, not_optional
from campaigns.models import Campaign, CampaignVersion, Sender
from lifecycle.ledger import stages


class NewCampaign(forms.Form):
    """What a campaign is called, of which type it is, and which stage it serves."""

    name = forms.CharField(
        label=_("Name"), max_length=200, help_text=_("As colleagues will call it, such as “Welcome to Discover”.")
    )
    kind = forms.ChoiceField(label=_("Type"), choices=Campaign.Kind.choices, initial=Campaign.Kind.NURTURE)
    stage = StageField(
        label=_("Stage it serves"),
        required=False,
        whole=True,
        empty=_("None: it serves no lifecycle"),
        help_text=_("Whoever enters the stage enters the campaign, unless you choose otherwise in its settings."),
    )
    segment: Any = forms.ModelChoiceField(
        Segment.objects.filter(of="person"), to_field_name="slug", required=False, widget=forms.HiddenInput
    )


class Settings(forms.Form):
    """Who enters and who leaves, in whose name it speaks, whom it is measured against.

    `fixed`: it was launched, so that stage and held-out share stay. `version` None: no draft is open, so that only what
    belongs to the whole campaign can be changed.
    """

    OF_VERSION = (
        "entry", "segment", "present", "audience", "reentry", "reentry_days", "has_goal", "goal", "has_exit", "exit",
        "leave_with_stage",
    )  # fmt: skip

    name = forms.CharField(label=_("Name"), max_length=200)
    kind = forms.ChoiceField(label=_("Type"), choices=Campaign.Kind.choices)
    stage = StageField(label=_("Stage it serves"), required=False, whole=True, empty=_("None: it serves no lifecycle"))
    entry = forms.ChoiceField(label=_("They enter"), choices=CampaignVersion.Entry.choices, widget=forms.RadioSelect)
    segment: Any = forms.ModelChoiceField(
        Segment.objects.filter(of="person").order_by("name"),
        label=_("Segment"),
        required=False,
        empty_label=_("Choose …"),
    )
    present = forms.BooleanField(
        label=_("Those already there enter at the launch"),
        required=False,
        help_text=_("Otherwise only who comes from then on. The launch says how many that is."),
    )
    audience = ConditionField(
        label=_("Only those of whom"),
        help_text=_("Of those whom the entry brings. Nothing here: all of them."),
    )
    reentry = forms.BooleanField(label=_("They may go through it again"), required=False)
    reentry_days = forms.IntegerField(
        label=_("At the earliest, days after their last pass began"),
        min_value=0,
        max_value=3650,
        required=False,
    )
    has_goal = forms.BooleanField(label=_("Whoever reaches the goal leaves, which counts as success"), required=False)
    goal = ConditionField(label=_("The goal is reached by those of whom"))
    has_exit = forms.BooleanField(
        label=_("Some others leave too, without success: who has an open case, for example"), required=False
    )
    exit = ConditionField(label=_("Those leave of whom"))
    leave_with_stage = forms.BooleanField(label=_("Whoever leaves the stage leaves the campaign"), required=False)
    topic: Any = forms.ModelChoiceField(
        Topic.objects.order_by("label"),
        label=_("Topic"),
        required=False,
        empty_label=_("Choose …"),
        help_text=_("Whoever has not agreed to it, or has left it, gets nothing."),
    )
    sender: Any = forms.ModelChoiceField(
        Sender.objects.filter(retired_at=None).order_by("name"),
        label=_("Sender"),
        required=False,
        empty_label=_("Choose …"),
    )
    holdout = forms.IntegerField(
        label=_("Held out"),
        min_value=0,
        max_value=50,
        widget=forms.NumberInput(attrs={"type": "range", "min": 0, "max": 50, "step": 1}),
        help_text=_("So many per cent of those who enter get nothing, so that the difference can be told."),
    )
    outcome_stage = forms.ChoiceField(
        label=_("Measured by who comes to"), required=False, help_text=_("Or to a later stage of the success path.")
    )
    outcome_days = forms.IntegerField(label=_("Within days of entering"), min_value=1, max_value=730)

    def __init__(self, data: Any = None, *, campaign: Campaign, version: CampaignVersion | None, fixed: bool) -> None:
        super().__init__(data, initial=_settings_of(campaign, version or _shown(campaign)))
        self.campaign, self.version = campaign, version
        there = stages.offered(campaign.lifecycle) if campaign.lifecycle else []
        self.fields["outcome_stage"].choices = [  # type: ignore[attr-defined]
            ("", _("Nothing: no lift is shown")),
            *((each.slug, each.name) for each in there),
        ]
        locked = [*(("stage", "holdout") if fixed else ()), *(() if version else self.OF_VERSION)]
        for name in locked:
            self.fields[name].disabled = True
        not_optional(self, "stage", "segment", "topic", "sender", "reentry_days")
        if not version:
            for name in self.OF_VERSION:
                del self.fields[name]

    def clean(self) -> dict[str, Any]:
        """What an entry needs is there; the outcome's stage is one of the lifecycle's."""
        values = super().clean() or {}
        entry, (lifecycle, stage) = values.get("entry"), values.get("stage") or (None, "")
        if entry == CampaignVersion.Entry.STAGE and not stage:
            self.add_error("stage", _("Choose the stage whose entrance brings people in."))
        if entry in (CampaignVersion.Entry.SEGMENT, CampaignVersion.Entry.BROADCAST) and not values.get("segment"):
            self.add_error("segment", _("Choose the segment whose people enter."))
        for name in ("goal", "exit"):
            if values.get(f"has_{name}") and values.get(name) == {}:
                self.add_error(name, _("Add at least one condition: an empty one means everybody."))
        if values.get("reentry") and values.get("reentry_days") is None:
            values["reentry_days"] = 0
        if lifecycle != self.campaign.lifecycle and values.get("outcome_stage"):
            there = {each.slug for each in stages.offered(lifecycle)} if lifecycle else set()
            if values["outcome_stage"] not in there:
                values["outcome_stage"] = ""
        return values

    @property
    def of_campaign(self) -> dict[str, Any]:
        """What changes about the campaign itself, whatever its version."""
        names = ("name", "kind", "topic", "sender", "holdout", "outcome_stage", "outcome_days")
        lifecycle, stage = self.cleaned_data["stage"]
        return {name: self.cleaned_data[name] for name in names} | {"lifecycle": lifecycle, "stage": stage}

    @property
    def of_version(self) -> dict[str, Any]:
        """What changes about the draft. Empty conditions are none; a segment is kept only by an entry that asks it."""
        given = self.cleaned_data
        asks = given["entry"] in (CampaignVersion.Entry.SEGMENT, CampaignVersion.Entry.BROADCAST)
        return {
            "entry": given["entry"],
            "segment": given["segment"] if asks else None,
            "present": given["present"] and given["entry"] != CampaignVersion.Entry.HAND,
            "reentry_days": given["reentry_days"] if given["reentry"] else None,
            "leave_with_stage": given["leave_with_stage"],
            "audience": given["audience"] or None,
            "goal": given["goal"] if given["has_goal"] else None,
            "exit": given["exit"] if given["has_exit"] else None,
        }


def _shown(campaign: Campaign) -> CampaignVersion:
    return campaign.versions.order_by("-number")[0]


def _settings_of(campaign: Campaign, version: CampaignVersion) -> dict[str, Any]:
    own = ("name", "kind", "topic", "sender", "holdout", "outcome_stage", "outcome_days")
    of_version = ("entry", "segment", "present", "audience", "reentry_days", "goal", "exit", "leave_with_stage")
    return {
        **{name: getattr(campaign, name) for name in own},
        **{name: getattr(version, name) for name in of_version},
        "stage": StageField.written(campaign.lifecycle, campaign.stage),
        "reentry": version.reentry_days is not None,
        "has_goal": version.goal is not None,
        "has_exit": version.exit is not None,
    }


class Launch(forms.Form):
    """The exact number of those who enter at once, as it was shown or typed."""

    confirmed = forms.IntegerField(
        min_value=0,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={
            "required": _("Type the number of those who enter at once."),
            "invalid": _("Type it as a whole number, without dots or commas."),
        },
    )

    def __init__(self, data: Any = None) -> None:
        if data is not None:  # thousands may be told apart as the page tells them
            data = data.copy()
            data["confirmed"] = re.sub(r"[\s.,'’\u202f\u00a0]", "", data.get("confirmed", ""))
        super().__init__(data)


class Enroll(forms.Form):
    """People by their addresses or numbers. `found` are those there are; one that is not there is said."""

    MOST = 500

    who = forms.CharField(
        label=_("Who"),
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        help_text=_("Email addresses or numbers (#123), one in a line. For many, choose them in the list of people."),
    )

    def clean_who(self) -> str:
        said = self.cleaned_data["who"]
        asked = list(dict.fromkeys(each.strip().lower() for each in re.split(r"[\n,;]+", said) if each.strip()))
        if len(asked) > self.MOST:
            raise forms.ValidationError(_("At most %(most)s at once here."), params={"most": self.MOST})
        numbers = {int(each.lstrip("#")): each for each in asked if re.fullmatch(r"#?\d{1,18}", each, re.ASCII)}
        there = Person.objects.filter(erased_at=None).annotate(address=Folded("email"))
        self.found = list(there.filter(Q(address__in=asked) | Q(pk__in=numbers)).order_by("pk"))
        known = {each.address for each in self.found} | {numbers[each.pk] for each in self.found if each.pk in numbers}
        if strangers := [each for each in asked if each not in known]:
            told = ", ".join(strangers[:10]) + (" …" if len(strangers) > 10 else "")
            raise forms.ValidationError(_("Nobody here is known as: %(strangers)s"), params={"strangers": told})
        return said
