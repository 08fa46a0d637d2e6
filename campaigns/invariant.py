"""Whether anything is lost: what came to each step against what is there, for every version of a campaign.

Entered is counted from arrivals alone: the enrollments that began at a step, and the step runs that led to it. What is
there is counted from other rows: messages by their state, runs of the step, and who stands before it. The two are equal
at every instant, because a step is taken in one transaction; a figure that is off is a fault of ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from campaigns.models import Campaign, CampaignVersion, Message, Step
from kit.sql import rows, sql

OUTCOMES = ("sent", "failed", "suppressed", "skipped", "expired", "cancelled", "unknown")


@dataclass
class Row:
    """The figures of one step of one version, in passes: how many came, and what became of each.

    `pending`: they stand before it, or their message has not left. `cancelled`: they left while they stood there, or
    their message was taken back. `passed`: a step that sends nothing was taken.
    """

    step: Step
    entered: int = 0
    pending: int = 0
    passed: int = 0
    sent: int = 0
    failed: int = 0
    suppressed: int = 0
    skipped: int = 0
    expired: int = 0
    cancelled: int = 0
    unknown: int = 0
    quarantined: int = 0

    @property
    def there(self) -> int:
        """All that can be told of where they are now."""
        return self.pending + self.passed + self.quarantined + sum(getattr(self, name) for name in OUTCOMES)

    @property
    def holds(self) -> bool:
        return self.entered == self.there


@dataclass
class Figures:
    """Every step of every launched version, the newest version first, each step in its place."""

    rows: list[Row] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return all(row.holds for row in self.rows)

    @property
    def off(self) -> list[Row]:
        """The steps whose figures do not add up."""
        return [row for row in self.rows if not row.holds]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)


def figures(campaign: Campaign) -> Figures:
    """The figures of a campaign, all as of one instant."""
    steps = _steps(campaign)
    found = {step.pk: Row(step) for step in steps}
    ids = list(found)
    if not ids:
        return Figures()
    for step, name, number in _counted(campaign, ids):
        setattr(found[step], name, getattr(found[step], name) + number)
    return Figures(list(found.values()))


def _steps(campaign: Campaign) -> list[Step]:
    """As they stand in the flow, from the top down."""
    steps = Step.objects.filter(version__campaign=campaign).exclude(version__state=CampaignVersion.State.DRAFT)
    brothers: dict[tuple[int, int | None], list[Step]] = defaultdict(list)
    versions: dict[int, CampaignVersion] = {}
    for step in steps.select_related("version", "content").order_by("-arm", "position"):  # the arm "yes" first
        brothers[step.version_id, step.parent_id].append(step)
        versions[step.version_id] = step.version

    def walk(version: int, parent: int | None) -> Iterator[Step]:
        for step in brothers[version, parent]:
            yield step
            yield from walk(version, step.pk)

    newest = sorted(versions.values(), key=lambda version: -version.number)
    return [step for version in newest for step in walk(version.pk, None)]


def _counted(campaign: Campaign, ids: list[int]) -> list[tuple[int, str, int]]:
    """What is counted of each step, (step, name, number), by one statement and so as of one instant."""
    pending = list(Message.OPEN)
    return rows(
        sql(
            """
            WITH mine AS NOT MATERIALIZED (
                SELECT e.id, e.version_id, e.state, e.step_id FROM campaigns_enrollment e
                WHERE e.campaign_id = {} AND e.state <> 'holdout'
            ),
            first AS (
                SELECT DISTINCT ON (version_id) version_id, id FROM campaigns_step
                WHERE id = ANY ({}) AND parent_id IS NULL ORDER BY version_id, position
            ),
            -- A step that somebody stands before has no run of theirs yet.
            before AS (
                SELECT mine.state, mine.step_id FROM mine
                WHERE mine.step_id IS NOT NULL AND NOT EXISTS (
                    SELECT FROM campaigns_steprun run WHERE run.enrollment_id = mine.id AND run.step_id = mine.step_id)
            )
            SELECT first.id AS step_id, 'entered' AS name, count(*) FROM mine JOIN first USING (version_id) GROUP BY 1
            UNION ALL
            SELECT run.next_id, 'entered', count(*) FROM campaigns_steprun run WHERE run.next_id = ANY ({}) GROUP BY 1
            UNION ALL
            SELECT before.step_id, CASE state WHEN 'active' THEN 'pending' WHEN 'quarantined' THEN state
                                              ELSE 'cancelled' END, count(*)
            FROM before WHERE before.step_id = ANY ({}) GROUP BY 1, 2
            UNION ALL
            SELECT step_id, CASE WHEN state = ANY ({}) THEN 'pending' ELSE state END, number
            FROM (SELECT step_id, state, count(*) AS number FROM campaigns_message
                  WHERE step_id = ANY ({}) GROUP BY 1, 2) message
            UNION ALL
            SELECT run.step_id, 'passed', count(*) FROM campaigns_steprun run
            JOIN campaigns_step step ON step.id = run.step_id AND step.kind <> 'send'
            WHERE run.step_id = ANY ({}) GROUP BY 1
            """,
            campaign.pk,
            ids,
            ids,
            ids,
            pending,
            ids,
            ids,
        )
    )
