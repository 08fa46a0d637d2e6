"""Why an approved partner is not in the lifecycle that took it in: approval moves nobody, the entry condition does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from audience.conditions import describe, explain, tree
from audience.models import Account
from lifecycle.models import Application, Lifecycle, Membership, Version
from lifecycle.querysets import LIVE


@dataclass(frozen=True)
class Outside:
    """A lifecycle of partners in which an approved account was never, and why it does not enter."""

    lifecycle: Lifecycle
    why: str


def of(account: Account, *, now: datetime) -> list[Outside]:
    """Every programme that approved an account which does not enter its lifecycle; not those it is about to enter."""
    passes = Membership.objects.filter(lifecycle=OuterRef("pk"), account=account)
    approved = Application.objects.filter(
        programme__lifecycle=OuterRef("pk"), account=account, state=Application.State.APPROVED
    )
    never = ~Exists(passes.exclude(version__state=Version.State.WITHDRAWN))
    found = Lifecycle.objects.filter(Exists(approved), never).order_by("name")
    told = [Outside(each, _why(each, account, now)) for each in found]
    return [each for each in told if each.why]


def _why(lifecycle: Lifecycle, account: Account, now: datetime) -> str:
    """Why an account does not enter; nothing where it does."""
    name = {"lifecycle": lifecycle}
    version = lifecycle.versions.filter(state__in=LIVE).order_by("state").first()  # the published one first
    if version is None:
        return _("It does not enter “%(lifecycle)s”, because no version of that is live.") % name
    if version.stopped_rules.filter(transition=None).exists():
        return _("It does not enter “%(lifecycle)s”, because nobody does: its entry condition stands still.") % name
    try:
        entry = tree.parse(version.entry, of=lifecycle.of)
    except tree.ConditionError:
        return _("It does not enter “%(lifecycle)s”, because its entry condition cannot be asked any more.") % name
    upto = now + timedelta(microseconds=1)  # what was told at this very moment counts
    answer = explain.explain(entry, account.pk, of=lifecycle.of, at=upto)
    if answer is None or answer.held:
        return ""
    told = name | {"entry": describe.sentence(entry)}
    return _("It does not enter “%(lifecycle)s”, because this does not hold of it: %(entry)s.") % told
