"""What a step does, in the marketer's words: “Wait 3 days, until 09:00”, “If country is Germany”, “Send “Welcome””."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audience.conditions import describe, registry, tree
from audience.conditions.tree import ConditionError
from campaigns.models import Campaign, CampaignVersion, Step
from kit import writing
from lifecycle.models import Stage, Version

Kind = Step.Kind


@dataclass(frozen=True)
class Look:
    """How a kind of step is drawn and called: the icon, its tone, and what it is for in one line."""

    icon: str
    tone: str
    purpose: Any


LOOKS: dict[str, Look] = {
    Kind.SEND: Look("mail", "accent", gettext_lazy("An email to everybody who comes by.")),
    Kind.WAIT: Look("clock", "", gettext_lazy("Some days or hours, or until a day.")),
    Kind.WAIT_UNTIL: Look("hourglass", "", gettext_lazy("Until something holds, or too long has passed.")),
    Kind.BRANCH: Look("split", "info", gettext_lazy("Two ways, by a condition.")),
    Kind.MOVE: Look("route", "warn", gettext_lazy("Into a stage of a lifecycle.")),
    Kind.GOAL: Look("target", "good", gettext_lazy("Whoever has reached it is done.")),
    Kind.EXIT: Look("log-out", "bad", gettext_lazy("The way ends here.")),
}


def names_of_stages(lifecycles: Iterable[int]) -> dict[tuple[int, str], str]:
    """What the stages of lifecycles are called, by lifecycle and slug; of several versions the newest one's word."""
    found = Stage.objects.filter(version__lifecycle__in=set(lifecycles)).exclude(version__state=Version.State.DRAFT)
    told = found.order_by("version__number").values_list("version__lifecycle_id", "slug", "name")
    drafts = Stage.objects.filter(version__lifecycle__in=set(lifecycles), version__state=Version.State.DRAFT)
    first = drafts.values_list("version__lifecycle_id", "slug", "name")
    return {(pk, slug): name for pk, slug, name in [*first, *told]}


def stage_name(campaign: Campaign) -> str:
    """What the stage that a campaign serves is called; its slug when it is gone, "" without one."""
    names = names_of_stages([campaign.lifecycle_id]) if campaign.lifecycle_id and campaign.stage else {}
    return names.get((campaign.lifecycle_id or 0, campaign.stage), campaign.stage)


class Words:
    """The words for many steps at once: the fields of conditions and the names of stages are read once for all."""

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self.catalogue = registry.catalogue("person")
        self.stages = names_of_stages({each.lifecycle_id for each in steps if each.lifecycle_id})

    def title(self, step: Step) -> str:
        """What a step is called: the name that somebody gave it, else what it does."""
        return step.name or self.sentence(step)

    def sentence(self, step: Step) -> str:
        """What a step does, by its settings alone."""
        return SENTENCES[Kind(step.kind)](self, step)

    def condition(self, condition: Any) -> str:
        """A condition in words; what is wrong with it when it cannot be asked; "" for none."""
        if condition is None:
            return ""
        try:
            return describe.sentence(tree.parse(condition, of="person", catalogue=self.catalogue))
        except ConditionError as error:
            return error.message

    def stage(self, lifecycle_id: int | None, slug: str) -> str:
        """What a stage is called; its slug when it is gone."""
        return self.stages.get((lifecycle_id or 0, slug), slug)

    def _send(self, step: Step) -> str:
        return _("Send “%(content)s”") % {"content": step.content} if step.content else _("Send an email")

    def _wait(self, step: Step) -> str:
        return wait(step.settings)

    def _wait_until(self, step: Step) -> str:
        if not step.condition:
            return _("Wait until something holds")
        told = {"condition": self.condition(step.condition), "time": length(step.settings)}
        if told["time"]:
            return _("Wait until %(condition)s, at most %(time)s") % told
        return _("Wait until %(condition)s") % told

    def _branch(self, step: Step) -> str:
        return _("If %(condition)s") % {"condition": self.condition(step.condition)} if step.condition else _("Branch")

    def _move(self, step: Step) -> str:
        if not step.stage:
            return _("Move to a stage")
        told = {"stage": self.stage(step.lifecycle_id, step.stage), "lifecycle": step.lifecycle}
        return _("Move to “%(stage)s” of %(lifecycle)s") % told

    def _goal(self, step: Step) -> str:
        if not step.condition:
            return _("Goal")
        return _("Goal: %(condition)s") % {"condition": self.condition(step.condition)}

    def _exit(self, step: Step) -> str:
        reason = step.settings.get("reason")
        return _("Leave the campaign: %(reason)s") % {"reason": reason} if reason else _("Leave the campaign")


SENTENCES = {
    Kind.SEND: Words._send,
    Kind.WAIT: Words._wait,
    Kind.WAIT_UNTIL: Words._wait_until,
    Kind.BRANCH: Words._branch,
    Kind.MOVE: Words._move,
    Kind.GOAL: Words._goal,
    Kind.EXIT: Words._exit,
}


def length(settings: dict[str, Any]) -> str:
    """A span of days and hours in words; "" for none."""
    days, hours = settings.get("days") or 0, settings.get("hours") or 0
    told = []
    if days:
        told.append(ngettext("%(days)s day", "%(days)s days", days) % {"days": days})
    if hours:
        told.append(ngettext("%(hours)s hour", "%(hours)s hours", hours) % {"hours": hours})
    return " ".join(told)


def wait(settings: dict[str, Any]) -> str:
    """How long a step waits, in words."""
    time = settings.get("time") or ""
    if settings.get("date"):
        day = writing.day(date.fromisoformat(settings["date"]))
        return _("Wait until %(day)s, %(time)s") % {"day": day, "time": time or "00:00"}
    span = length(settings)
    if span and time:
        return _("Wait %(span)s, until %(time)s") % {"span": span, "time": time}
    if span:
        return _("Wait %(span)s") % {"span": span}
    return _("Wait until %(time)s") % {"time": time} if time else _("Wait")


def entry(version: CampaignVersion) -> str:
    """How people come into a version, in words."""
    campaign = version.campaign
    if version.entry == CampaignVersion.Entry.STAGE:
        if not campaign.stage:
            return _("Whoever enters a stage that is not chosen yet")
        stage = stage_name(campaign)
        return _("Whoever enters “%(stage)s” of %(lifecycle)s") % {"stage": stage, "lifecycle": campaign.lifecycle}
    if version.entry == CampaignVersion.Entry.HAND:
        return _("Whoever is put in by hand")
    if version.segment is None:
        return _("Whoever is in a segment that is not chosen yet")
    if version.entry == CampaignVersion.Entry.BROADCAST:
        return _("Once, everybody in “%(segment)s”") % {"segment": version.segment}
    return _("Whoever joins “%(segment)s”") % {"segment": version.segment}
