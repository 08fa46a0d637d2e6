"""Programmes are set up here: the form by which partners apply, and what each new partner has to do by when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from audience.activity.activities import slug_of
from audience.models import Form
from audience.subjects.people import BadValue
from kit import audit
from kit.models import User
from lifecycle.models import Lifecycle, Programme, ProgrammeStep

MOST_STEPS = 40
MOST_DAYS = 1000


@dataclass(frozen=True)
class Step:
    """What a step of a programme is to be; `pk` names the one that it was until now."""

    name: str
    days: int
    by_partner: bool = True
    kind: str = ""
    pk: int | None = None


def of_partners() -> list[Lifecycle]:
    """The lifecycles that are about partners: of the partner species, and of accounts."""
    found = Lifecycle.objects.filter(species=Lifecycle.Species.PARTNER, of="account")
    return list(found.select_related("programme__form").order_by("name"))


def steps_of(programme: Programme) -> list[ProgrammeStep]:
    """What a new partner gets to do, in order."""
    return list(programme.steps.filter(retired_at=None))


@transaction.atomic
def set_up(
    lifecycle: Lifecycle,
    *,
    form: Form | None,
    certified_months: int | None,
    steps: Sequence[Step],
    by: User | None,
    now: datetime,
) -> Programme:
    """The programme of a lifecycle as told. Steps that are not told any more are taken away: who has them keeps them.

    A step that is added or changed concerns whoever is approved from now on. Raises BadValue.
    """
    if lifecycle.species != Lifecycle.Species.PARTNER or lifecycle.of != "account":
        raise BadValue("lifecycle", _("Only lifecycles of partners, about accounts, have a programme."))
    told = [_checked(each) for each in steps]
    if len(told) > MOST_STEPS:
        raise BadValue("steps", _("A programme has %(most)s steps at most.") % {"most": MOST_STEPS})
    Programme.objects.get_or_create(lifecycle=lifecycle)
    held = Programme.objects.select_for_update(of=("self",)).select_related("lifecycle").get(lifecycle=lifecycle)
    before = as_told(held)
    held.form, held.certified_months = form, certified_months
    try:
        with transaction.atomic():
            held.save()
    except IntegrityError as clash:
        raise BadValue("form", _("Another programme takes its partners in by this form already.")) from clash
    _write(held, told, now)
    after = as_told(held)
    if before != after:
        audit.record("partner.programme", str(held), by=by, now=now, before=before, after=after)
    return held


def as_told(programme: Programme) -> dict[str, Any]:
    """A programme in plain values, as the trail and the API tell it."""
    return {
        "lifecycle": programme.lifecycle.slug,
        "form": programme.form.slug if programme.form else None,
        "certified_months": programme.certified_months,
        "steps": [
            {"id": each.pk, "name": each.name, "days": each.days, "by_partner": each.by_partner, "kind": each.kind}
            for each in steps_of(programme)
        ],
    }


def _write(programme: Programme, told: Sequence[Step], now: datetime) -> None:
    known = {each.pk: each for each in steps_of(programme)}
    for position, each in enumerate(told):
        row = known.pop(each.pk, None) if each.pk else None
        row = row or ProgrammeStep(programme=programme)
        row.name, row.days, row.by_partner, row.kind = each.name, each.days, each.by_partner, each.kind
        row.position = position
        row.save()
    ProgrammeStep.objects.filter(pk__in=known).update(retired_at=now)


def _checked(step: Step) -> Step:
    name = " ".join(step.name.split())
    if not name or len(name) > 200 or "\x00" in name:
        raise BadValue("steps", _("Say what is to be done, in 200 letters at most."))
    if not 0 <= step.days <= MOST_DAYS:
        raise BadValue("steps", _("A step is due within 0 to %(most)s days of approval.") % {"most": MOST_DAYS})
    return Step(name, step.days, step.by_partner, slug_of(step.kind) if step.kind.strip() else "", step.pk)
