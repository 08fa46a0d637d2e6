"""Where subjects should start: a stage proposed from what is known of each; `accepting` places them, group by group.

The replay has placed whom the rules could place. Left are those in the first stage, and those whom the entry condition
takes in but who are in no pass. Of each the strongest evidence proposes a stage, or says that there is not enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from audience import live
from audience.conditions import compile, tree
from audience.conditions.moment import Moment
from audience.conditions.tree import Node
from kit import audit, jobs
from kit.models import Job, User
from kit.sql import Sql, name, rows, run, sql
from lifecycle.ledger import stages
from lifecycle.models import BulkMove, Lifecycle, PlacementRound, Proposal, Stage, Version

KIND, ACCEPTING = "placing", "placing_accept"
LOOKS = 12  # months back at which rules are asked
Evidence = Proposal.Evidence
# How sure each evidence is. Facts of their own date come first, what a rule held once last.
CONFIDENCE = {
    Evidence.DEAL_WON: "high", Evidence.CONTRACT: "high", Evidence.PURCHASE: "high", Evidence.DEAL_OPEN: "medium",
    Evidence.RULE: "medium", Evidence.RULE_PAST: "low",
}  # fmt: skip
# What says of a net-new lifecycle where somebody is, whatever its rules ask.
FACTS: dict[str, dict[str, Any]] = {
    Evidence.DEAL_WON: {"field": "deal.count", "where": {"status": "won"}, "op": "at_least", "value": 1},
    Evidence.CONTRACT: {"field": "contract.count", "op": "at_least", "value": 1},
    Evidence.PURCHASE: {"field": "purchase.count", "op": "at_least", "value": 1},
    Evidence.DEAL_OPEN: {"field": "deal.count", "where": {"status": "open"}, "op": "at_least", "value": 1},
}


class PlacingRefused(ValueError):
    """Starting points that cannot be looked for or accepted, in the user's words."""


@dataclass(frozen=True)
class Group:
    """Those of a round with the same stage and the same evidence; `accepted` is the move that placed them.

    `job` is at work placing those who are not placed yet.
    """

    stage: Stage | None
    evidence: str
    count: int
    accepted: BulkMove | None
    job: Job | None = None

    @property
    def key(self) -> str:
        """What tells it from the other groups of its round."""
        parts = [self.evidence, self.stage.slug if self.stage else "", str(self.accepted.pk) if self.accepted else ""]
        return "-".join(filter(None, parts))

    @property
    def words(self) -> str:
        return str(Evidence(self.evidence).label)

    @property
    def confidence(self) -> str:
        """In words; empty where nothing is proposed."""
        told = {"high": _("high"), "medium": _("medium"), "low": _("low")}
        return told.get(CONFIDENCE.get(Evidence(self.evidence), ""), "")


def ask(version: Version, *, by: User | None, now: datetime) -> PlacementRound:
    """Start looking for starting points. Raises PlacingRefused unless the version is live and nobody looks already."""
    if version.state != Version.State.PUBLISHED:
        raise PlacingRefused(_("%(version)s is not live.") % {"version": version})
    with transaction.atomic():
        Lifecycle.objects.select_for_update(no_key=True).get(pk=version.lifecycle_id)
        if PlacementRound.objects.filter(version=version, job__state__in=jobs.OPEN).exists():
            raise PlacingRefused(_("Starting points of this lifecycle are being looked for already."))
        if any(job.state in jobs.OPEN for found in version.placement_rounds.all() for job in acceptances(found)):
            raise PlacingRefused(_("A group is being placed; wait for it, or cancel it, and look again then."))
        PlacementRound.objects.filter(version=version).delete()
        made = PlacementRound.objects.create(version=version, created_by=by, created_at=now)
        made.job = jobs.enqueue(KIND, {"round": made.pk}, title=str(made), by=by, now=now)
        made.save(update_fields=["job"])
        audit.record("lifecycle.placing", str(version), by=by, now=now)
    return made


def newest(version: Version) -> PlacementRound | None:
    """The round whose proposals stand."""
    found = version.placement_rounds.select_related("job", "version__lifecycle")
    return found.order_by("-pk").first()


def groups(found: PlacementRound) -> list[Group]:
    """The groups of a round: accepted ones apart, the surest first; those of whom too little is known last."""
    told = rows(
        sql(
            "SELECT stage_id, evidence, bulk_id, count(*) FROM lifecycle_proposal WHERE round_id = {} GROUP BY 1, 2, 3",
            found.pk,
        )
    )
    there = {stage.pk: stage for stage in found.version.stages.all()}
    moves = BulkMove.objects.select_related("job").in_bulk([row[2] for row in told if row[2]])
    open_jobs = [job for job in acceptances(found) if job.state in jobs.OPEN]
    placing = {(job.payload["stage"], job.payload["evidence"]): job for job in open_jobs}
    made = [
        Group(there.get(stage), evidence, n, moves.get(bulk), None if bulk else placing.get((stage, evidence)))
        for stage, evidence, bulk, n in told
    ]
    order = list(Evidence.values)
    return sorted(made, key=lambda each: (order.index(each.evidence), -each.count, each.accepted is not None))


def acceptances(found: PlacementRound) -> list[Job]:
    """The jobs that were asked to place groups of a round, the newest first."""
    asked = Job.objects.filter(kind=ACCEPTING, created_at__gte=found.created_at, payload__round=found.pk)
    return list(asked.order_by("-created_at", "-pk"))


def group(found: PlacementRound, key: str) -> Group | None:
    """The group of a round that has this key, if there is one."""
    return next((each for each in groups(found) if each.key == key), None)


def members(found: PlacementRound, of: Group) -> QuerySet[Proposal]:
    """Who is in a group."""
    return found.proposals.filter(stage=of.stage, evidence=of.evidence, bulk=of.accepted)


def work(held: jobs.Held) -> dict[str, Any]:
    """The job: everybody of the round with the strongest evidence there is."""
    found = PlacementRound.objects.select_related("version__lifecycle").filter(pk=held.payload["round"]).first()
    if found is None:
        raise jobs.Refused(_("Somebody has begun to look anew."))
    evidence = list(_evidence(found.version, held.now))
    with transaction.atomic():
        found.proposals.all().delete()
        table = sql("work.{}", name(f"placing_{found.pk}"))
        run(sql("DROP TABLE IF EXISTS {}", table))
        run(sql("CREATE TABLE {} AS {}", table, _left(found.version, held.now)))
        for number, (kind, stage, node, at) in enumerate(evidence, 1):
            _propose(found, table, kind, stage, node, at, held.now)
            held.show(rows_done=number, rows_total=len(evidence))
        _propose_nothing(found, table)
        run(sql("DROP TABLE {}", table))
        held.progress(rows_done=len(evidence), rows_total=len(evidence))
    return {"link": reverse("lifecycle_placing", args=[found.version.lifecycle.slug])}


def _evidence(version: Version, now: datetime) -> Iterator[tuple[Evidence, Stage, Node, datetime]]:
    """All that is asked, the strongest first, of each kind the furthest stage first: as of which instant."""
    of, at = version.lifecycle.of, now + live.INSTANT
    path = list(version.stages.filter(path=Stage.Path.SUCCESS).exclude(kind=Stage.Kind.GATE).order_by("order"))
    if version.lifecycle.species == Lifecycle.Species.NET_NEW and len(path) > 1:
        for kind in (Evidence.DEAL_WON, Evidence.CONTRACT, Evidence.PURCHASE):
            yield kind, path[-1], tree.parse(FACTS[kind], of=of), at
        if len(path) > 2:
            yield Evidence.DEAL_OPEN, path[-2], tree.parse(FACTS[Evidence.DEAL_OPEN], of=of), at
    asked = [
        (stage, tree.parse(rule.condition, of=of))
        for stage in path[:0:-1]
        for rule in version.transitions.filter(by_hand=False, to_stage=stage)
        if not tree.is_everybody(tree.parse(rule.condition, of=of))
    ]
    # A rule that asks where somebody is has nothing to say of those who have not been anywhere yet.
    asked = [(stage, node) for stage, node in asked if not _asks_for_stages(node)]
    moment = Moment(at)
    for stage, node in asked:
        yield Evidence.RULE, stage, node, at
    for stage, node in asked:
        for month in range(1, LOOKS + 1):
            yield Evidence.RULE_PAST, stage, node, moment.window_start(30 * month)


def _asks_for_stages(node: Node) -> bool:
    return any(leaf.field.name.startswith("stage.") for leaf in tree.leaves(node))


# A new version, and the way back from it, moves nobody on; an undo takes a step back.
NOWHERE_ELSE = Sql(
    """(SELECT count(*) FILTER (WHERE step.kind <> 'undo') - count(*) FILTER (WHERE step.kind = 'undo')
        FROM lifecycle_movement step WHERE step.membership_id = membership.id AND step.kind <> 'migration') = 1"""
)


def _left(version: Version, now: datetime) -> Sql:
    """Those in the first stage from the start, and those whom the entry condition takes in, who are in no pass."""
    of = version.lifecycle.of
    entry = tree.parse(version.entry, of=of)
    return sql(
        """
        SELECT subject.id AS subject_id FROM {} subject
        LEFT JOIN lifecycle_membership membership
            ON membership.subject_id = subject.id AND membership.lifecycle_id = {}
        WHERE NOT subject.is_excluded AND subject.erased_at IS NULL
          AND (membership.stage_id = {} AND membership.ended_at IS NULL AND (membership.seq = 1 OR {})
               OR membership.id IS NULL AND subject.id IN ({}))
        """,
        name(f"audience_{of}"),
        version.lifecycle_id,
        stages.first_stage(version).pk,
        NOWHERE_ELSE,
        compile.members(entry, of=of, at=now + live.INSTANT),
    )


def _propose(
    found: PlacementRound, left: Sql, kind: Evidence, stage: Stage, node: Node, at: datetime, now: datetime
) -> None:
    """Propose the stage to those of whom the condition holds, and nothing stronger did."""
    open_ones = sql(
        "SELECT subject_id FROM {} EXCEPT SELECT subject_id FROM lifecycle_proposal WHERE round_id = {}", left, found.pk
    )
    answers = compile.table({"held": node}, of=found.version.lifecycle.of, at=at, among=open_ones, evidence=True)
    run(
        sql(
            """INSERT INTO lifecycle_proposal (round_id, {}, stage_id, evidence, evidence_at)
               SELECT {}, subject_id, {}, {}, LEAST(COALESCE(held__evidence, {}), {}) FROM ({}) answers WHERE held""",
            _owner(found.version),
            found.pk,
            stage.pk,
            kind,
            at,
            now,
            answers,
        )
    )


def _propose_nothing(found: PlacementRound, left: Sql) -> None:
    """Say of the rest that too little is known."""
    run(
        sql(
            """INSERT INTO lifecycle_proposal (round_id, {}, evidence)
               SELECT {}, subject_id, {} FROM {} ON CONFLICT DO NOTHING""",
            _owner(found.version),
            found.pk,
            Evidence.LITTLE,
            left,
        )
    )


def _owner(version: Version) -> Sql:
    return name(f"{version.lifecycle.of}_id")
