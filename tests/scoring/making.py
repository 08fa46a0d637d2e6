"""Scoring models for tests, made by walking the real verbs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import yaml

from kit import jobs
from scoring import documents, versions
from scoring.models import Score, ScoringVersion
from tests.factories import NOW
from tests.scoring.world import Reason

LEAD = """
model: lead
name: Lead score
species: net_new
limit: 60
grades: {A: 30, B: 20, C: 10}
levels: {1: 40, 2: 20, 3: 5}
caps: {content: 12}
rules:
  - {name: Asked for a demo, points: 40, did: {kind: demo_requested}, half_life: 30, once: true}
  - {name: Read something, points: 5, did: {kind: content_downloaded}, expires: 90, cap: 10, group: content}
  - {name: Watched a webinar, points: 8, did: {kind: webinar_attended, channel: web}, group: content}
  - {name: Unsubscribed, points: -15, did: {kind: unsubscribed}, half_life: 60, once: true}
  - {name: Director, points: 20, fit: {field: person.title, op: contains, value: director}}
  - {name: Germany, points: 10.5, fit: {field: person.country, op: is, value: DE}}
"""


def draft(text: str = LEAD, now: datetime = NOW) -> ScoringVersion:
    """A draft of a document."""
    return versions.draft(documents.parse(text), by=None, now=now)


def published(text: str = LEAD, now: datetime = NOW) -> ScoringVersion:
    """A version that has scored everybody."""
    version = draft(text, now)
    job = versions.publish(version, by=None, now=now)
    jobs.run(job.pk, now)
    job.refresh_from_db()
    assert job.state == "done", job.error
    version.refresh_from_db()
    return version


def text_of(reasons: Iterable[Reason], caps: dict[str, str] | None = None, **more: Any) -> str:
    """The document of a model with these rules."""
    rules = [reason.document(number) for number, reason in enumerate(reasons, 1)]
    for each in rules:
        each |= {key: float(value) for key, value in each.items() if key in ("points", "cap")}
    document = {"model": "lead", "name": "Lead score", "rules": rules, **more}
    if caps:
        document["caps"] = {group: float(points) for group, points in caps.items()}
    return yaml.safe_dump(document)


def stored(slug: str = "lead") -> dict[int, tuple[int, int, int, int, str]]:
    """All stored scores by subject, bit by bit."""
    found = Score.objects.filter(model__slug=slug)
    return {row[0]: row[1:] for row in found.values_list("subject_id", "total", "behaviour", "fit", "shown", "grade")}
