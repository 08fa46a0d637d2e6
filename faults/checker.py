"""Compares what was received with what the database says: nothing twice, nothing lost, nothing open, all accounted for.

What was received is the sink's journal and the letters of the built-in mailbox. Nobody who sent is asked. The queries
here are written from the protocol (docs/delivery.md) and not from the product's code, which they are to judge.

The mailbox keeps one letter of an id, however often it comes; `watch_mailbox` notes each arrival.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

from psycopg2.extras import execute_values

from faults.sink import Taken

TOLD = 5  # examples of each finding that are put into words

# The ids of messages that break a promise, by the promise, and what it is that they do.
DUPLICATES = {
    "was received more than once": "SELECT id FROM received GROUP BY id HAVING count(*) > 1",
    "was noted as sent at two attempts": """
        SELECT message_id::text FROM campaigns_messageattempt WHERE state = 'sent'
        GROUP BY message_id HAVING count(DISTINCT attempt) > 1""",
    "went out again after an attempt of which nobody knows": """
        SELECT DISTINCT later.message_id::text
        FROM campaigns_messageattempt unclear JOIN campaigns_messageattempt later USING (message_id)
        JOIN campaigns_message m ON m.id = unclear.message_id
        WHERE unclear.state = 'unknown' AND later.attempt > unclear.attempt AND m.policy = 'at_most_once'""",
}
LOST = {
    "is sent, and nobody received it": """
        SELECT m.id::text FROM campaigns_message m
        WHERE m.state = 'sent' AND NOT EXISTS (SELECT FROM received r WHERE r.id = m.id::text)""",
    "was received, and is neither sent nor perhaps sent": """
        SELECT m.id::text FROM campaigns_message m
        WHERE m.state NOT IN ('sent', 'unknown') AND EXISTS (SELECT FROM received r WHERE r.id = m.id::text)""",
    "was received, and no row tells of it": """
        SELECT DISTINCT r.id FROM received r WHERE NOT EXISTS (SELECT FROM campaigns_message m WHERE m.id::text = r.id)""",
    "should have been written when its step was done": """
        SELECT 'enrollment ' || run.enrollment_id || ' at step ' || run.step_id
        FROM campaigns_steprun run JOIN campaigns_step step ON step.id = run.step_id AND step.kind = 'send'
        WHERE NOT EXISTS (SELECT FROM campaigns_message m WHERE (m.enrollment_id, m.step_id, m.visit)
                                                             = (run.enrollment_id, run.step_id, run.visit))""",
    "was never enrolled": """
        SELECT 'subject ' || member.subject_id || ' of ' || version.id
        FROM campaigns_campaignversion version
        JOIN audience_segmentmember member ON member.segment_id = version.segment_id AND member.left_at IS NULL
        WHERE version.state = 'live' AND version.entry IN ('segment', 'broadcast') AND version.audience IS NULL
          AND NOT EXISTS (SELECT FROM campaigns_enrollment e
                          WHERE e.campaign_id = version.campaign_id AND e.subject_id = member.subject_id)""",
    "was set aside, and nothing was wrong with it": """
        SELECT 'enrollment ' || id FROM campaigns_enrollment WHERE state = 'quarantined'""",
}
OPEN = {
    "is still on its way": """
        SELECT id::text FROM campaigns_message WHERE state IN ('queued', 'claimed', 'sending')""",
    "has not come to its end": "SELECT 'enrollment ' || id FROM campaigns_enrollment WHERE state = 'active'",
}
DISORDER = {
    "did a step that does not follow from the one before": """
        SELECT 'enrollment ' || enrollment_id FROM (
            SELECT enrollment_id, step_id, at, lag(next_id) OVER path AS led_to, lag(at) OVER path AS before,
                   row_number() OVER path AS place
            FROM campaigns_steprun WINDOW path AS (PARTITION BY enrollment_id ORDER BY id)) walked
        WHERE place > 1 AND (led_to IS DISTINCT FROM step_id OR at < before)""",
    "has a message of a step that it did not do": """
        SELECT m.id::text FROM campaigns_message m
        WHERE m.purpose = 'campaign' AND NOT EXISTS (
            SELECT FROM campaigns_steprun run WHERE (run.enrollment_id, run.step_id, run.visit)
                                                  = (m.enrollment_id, m.step_id, m.visit))""",
    "was attempted without a word on what came of the attempt": """
        SELECT m.id::text FROM campaigns_message m CROSS JOIN LATERAL generate_series(1, m.attempt) AS attempt
        WHERE m.state NOT IN ('queued', 'claimed', 'sending') AND NOT EXISTS (
            SELECT FROM campaigns_messageattempt a WHERE a.message_id = m.id AND a.attempt = attempt.attempt)""",
    "does not add up": """
        SELECT 'step ' || step.id || ': ' || came.number || ' came, ' || accounted.number || ' are accounted for'
        FROM campaigns_step step
        CROSS JOIN LATERAL (
            SELECT (SELECT count(*) FROM campaigns_steprun run WHERE run.next_id = step.id)
                 + CASE WHEN step.parent_id IS NULL AND step.position = 1 THEN
                       (SELECT count(*) FROM campaigns_enrollment e
                        WHERE e.version_id = step.version_id AND e.state <> 'holdout') ELSE 0 END AS number) came
        CROSS JOIN LATERAL (
            SELECT (SELECT count(*) FROM campaigns_message m WHERE m.step_id = step.id)
                 + (SELECT count(*) FROM campaigns_enrollment e
                    WHERE e.step_id = step.id AND NOT EXISTS (
                        SELECT FROM campaigns_steprun run WHERE run.enrollment_id = e.id AND run.step_id = step.id
                                                            AND run.visit = e.visit)) AS number) accounted
        WHERE step.kind = 'send' AND came.number <> accounted.number""",
}


ARRIVALS = """
CREATE TABLE faults_arrival (message_id uuid NOT NULL);
CREATE FUNCTION faults_arrived() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO faults_arrival VALUES (NEW.message_id); RETURN NEW; END $$;
CREATE TRIGGER faults_arrived BEFORE INSERT ON campaigns_letter FOR EACH ROW EXECUTE FUNCTION faults_arrived();
"""


@dataclass
class Report:
    """What the comparison found: figures, and each breach in words."""

    messages: int = 0
    received: int = 0
    unknown: int = 0
    states: dict[str, int] = field(default_factory=dict)
    duplicates: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    disorder: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        return not (self.duplicates or self.lost or self.open or self.disorder)

    def figures(self) -> dict[str, int]:
        """What is counted: of messages, and of breaches."""
        return {name: len(found) if isinstance(found, list) else found
                for name, found in asdict(self).items() if name != "states"}  # fmt: skip


def watch_mailbox(cursor: Any) -> None:
    """From now on each letter is noted as often as it comes: a trigger fires before an insert finds it there already."""
    cursor.execute(ARRIVALS)


def check(connection: Any, journal: Iterable[Taken]) -> Report:
    """Hold the journal and the letters against the rows. Leaves no trace in the database; the report is all."""
    with closing(connection.cursor()) as cursor:
        _gather(cursor, journal)
        states = dict(_rows(cursor, "SELECT state, count(*) FROM campaigns_message GROUP BY 1 ORDER BY 1"))
        [(received,)] = _rows(cursor, "SELECT count(*) FROM received")
        report = Report(
            messages=sum(states.values()), received=received, unknown=states.get("unknown", 0), states=states
        )
        for found, promises in (
            (report.duplicates, DUPLICATES),
            (report.lost, LOST),
            (report.open, OPEN),
            (report.disorder, DISORDER),
        ):
            for breach, query in promises.items():
                found.extend(f"{row[0]} {breach}" for row in _rows(cursor, query))
        cursor.execute("DROP TABLE received")
    return report


def _gather(cursor: Any, journal: Iterable[Taken]) -> None:
    """Everything that was received, wherever, into a table of the session."""
    cursor.execute("CREATE TEMPORARY TABLE received (id text NOT NULL)")
    execute_values(cursor, "INSERT INTO received VALUES %s", [(taken.id,) for taken in journal], page_size=5000)
    cursor.execute("SELECT to_regclass('faults_arrival') IS NOT NULL")
    arrivals = "faults_arrival" if cursor.fetchone()[0] else "campaigns_letter"
    cursor.execute(f"INSERT INTO received SELECT message_id::text FROM {arrivals}")
    cursor.execute("CREATE INDEX ON received (id); ANALYZE received")


def _rows(cursor: Any, query: str) -> list[tuple[Any, ...]]:
    cursor.execute(query)
    return list(cursor.fetchall())
