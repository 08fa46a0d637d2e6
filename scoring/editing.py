"""Working on a draft: its rules one by one, their order, its thresholds. The database holds that only drafts change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Max
from django.utils.translation import gettext as _

from kit import audit
from kit.models import User
from scoring import versions
from scoring.models import Rule, ScoringModel, ScoringVersion
from scoring.versions import Refused


@transaction.atomic
def start(values: dict[str, Any], *, by: User | None, now: datetime) -> ScoringVersion:
    """A new model with an empty draft."""
    model = ScoringModel.objects.create(
        **{key: values[key] for key in ("slug", "name", "of", "species", "goal")}, created_at=now
    )
    return versions.draft_of(model, by=by, now=now)


@transaction.atomic
def add(version: ScoringVersion, values: dict[str, Any], *, by: User | None, now: datetime) -> Rule:
    """A rule more, behind the others; `values` as `documents.rule` checked them. Raises Refused when it is no draft."""
    _hold(version)
    last = version.rules.aggregate(last=Max("order"))["last"] or 0
    rule = Rule.objects.create(version=version, order=last + 1, **values)
    audit.record("scoring.rule", f"{version}: {rule}", by=by, now=now, after=_told(values))
    return rule


@transaction.atomic
def change(rule: Rule, values: dict[str, Any], *, by: User | None, now: datetime) -> None:
    """Another content for a rule. Raises Refused when its version is no draft."""
    _hold(rule.version)
    before = {key: getattr(rule, key) for key in values}
    Rule.objects.filter(pk=rule.pk).update(**values)
    named = f"{rule.version}: {values['name']}"
    audit.record("scoring.rule", named, by=by, now=now, before=_told(before), after=_told(values))


@transaction.atomic
def remove(rule: Rule, *, by: User | None, now: datetime) -> None:
    """A rule less. A cap of a group that nobody is in any more goes with it. Raises Refused when it is no draft."""
    version = _hold(rule.version)
    rule.delete()
    version.rules.filter(order__gt=rule.order).update(order=-F("order"))  # aside, so that no order is there twice
    version.rules.filter(order__lt=0).update(order=-F("order") - 1)
    _forget_caps(version)
    audit.record("scoring.rule_removed", f"{version}: {rule}", by=by, now=now)


@transaction.atomic
def move(rule: Rule, places: int, *, by: User | None, now: datetime) -> bool:
    """Let a rule change places with its neighbour above (−1) or below (1); False at the end of the list."""
    version = _hold(rule.version)
    other = version.rules.filter(order=rule.order + places).first()
    if other is None:
        return False
    version.rules.filter(pk=other.pk).update(order=0)
    version.rules.filter(pk=rule.pk).update(order=other.order)
    version.rules.filter(pk=other.pk).update(order=rule.order)
    audit.record("scoring.rule_moved", f"{version}: {rule}", by=by, now=now)
    return True


@transaction.atomic
def set_thresholds(version: ScoringVersion, values: dict[str, Any], *, by: User | None, now: datetime) -> None:
    """Limit, grades, levels, caps, and from which day on. Raises Refused when it is no draft."""
    held = _hold(version)
    names = ("limit", "caps", "grades", "levels")
    before = {name: getattr(held, name) for name in names}
    for name in names:
        setattr(held, name, values[name])
    day = values.get("effective_from")
    held.effective_from = versions.effective_from(day) if day else None
    held.save()
    audit.record(
        "scoring.thresholds", str(version), by=by, now=now, before=before, after={name: values[name] for name in names}
    )


def _hold(version: ScoringVersion) -> ScoringVersion:
    """The version, locked, so that it is not published meanwhile."""
    held = ScoringVersion.objects.select_for_update().get(pk=version.pk)
    if held.state != ScoringVersion.State.DRAFT:
        raise Refused([_("%(version)s is not a draft; make a new version to change it.") % {"version": held}])
    return held


def _forget_caps(version: ScoringVersion) -> None:
    groups = set(version.rules.values_list("group", flat=True))
    left = {group: most for group, most in version.caps.items() if group in groups}
    if left != version.caps:
        ScoringVersion.objects.filter(pk=version.pk).update(caps=left)


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """Values as the audit trail keeps them: numbers as text."""
    plain = (str, int, bool, dict, list, type(None))
    return {key: value if isinstance(value, plain) else str(value) for key, value in values.items()}
