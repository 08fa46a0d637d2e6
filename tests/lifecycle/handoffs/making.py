"""A lifecycle that hands its leads to sales, two salespeople of a team, and somebody who is handed over."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kit.models import Team, User
from lifecycle.handoffs import routing, turning
from lifecycle.ledger import stages
from lifecycle.models import Handoff, Version
from tests.factories import NOW, person, published

HANDING = """
lifecycle: handing
name: Handing
species: net_new
entry: {field: person.country, op: is, value: DE}
stages:
  - {slug: known, name: Known}
  - {slug: mql, name: MQL, kind: sla, limit_hours: 16, hand_off: {accept: sal, reject: recycled, missed: MISSED}}
  - {slug: sal, name: SAL}
  - {slug: won, name: Won, kind: terminal}
  - {slug: recycled, name: Recycled, path: detour}
transitions:
  - {from: known, to: mql, when: {field: activity.count, days: 30, op: at_least, value: 1}, reason: Asked for a demo}
  - {from: any, to: won, when: {field: deal.count, where: {status: won}, op: at_least, value: 1}, reason: Won}
  - {from: mql, to: recycled, when: {field: activity.count, where: {kind: gone}, op: at_least, value: 1}, reason: Gone}
  - {from: mql, to: sal, by_hand: true, reason: Sales says yes}
  - {from: sal, to: recycled, by_hand: true, reason: Not now}
"""


def version(missed: str = "stay") -> Version:
    """A live lifecycle whose MQLs are handed to sales."""
    return published(HANDING.replace("MISSED", missed))


def seller(name: str, team: Team | None = None, **given: Any) -> User:
    """A salesperson."""
    told = {"role": User.Role.SALES} | given
    return User.objects.create_user(f"{name.lower()}@example.com", "x", name=name, team=team, **told)


def team(*names: str) -> tuple[Team, list[User]]:
    """A team and its salespeople, by their names."""
    made = Team.objects.create(name="North")
    return made, [seller(each, made) for each in names]


def in_turns(of: Version, to: Team) -> None:
    """Everybody of the lifecycle goes to a team, in turns."""
    routing.add(of.lifecycle, routing.Told("team", {}, team=to), by=None, now=NOW)


def handed(of: Version, *, at: datetime = NOW, turn: bool = True, **values: Any) -> Handoff:
    """Somebody who has just come into the stage that is handed to sales."""
    someone = person(**{"first_name": "Ada", "last_name": "Okafor"} | values)
    assert stages.place(someone.pk, of, to=of.stages.get(slug="mql"), reason="Asked for a demo", by=None, at=at, now=at)
    if turn:
        turning.turn(at)
    return Handoff.objects.get(membership__person=someone)
