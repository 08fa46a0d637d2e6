"""The ledger check: three things that are stored apart must say the same, and what does not is named.

They are the memberships' present stage, the chain of movements, and the roll-ups that pages read. Its statements are
written apart from those that move and fill, so that one mistake does not hide in both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.subjects import sight
from kit import audit, installation, jobs
from kit.models import Job, User
from kit.sql import Sql, dicts, sql, value
from kit.sql import run as run_sql
from lifecycle.models import Lifecycle, Membership
from reporting import cohorts, filling, plans
from reporting.models import Fill, LedgerCheck

JOB = "check_ledger"
WITHDRAWN = Sql("SELECT id FROM lifecycle_version WHERE state = 'withdrawn'")  # its passes count nowhere
AT_MOST = 100  # findings named of each kind; the rest is counted


class Kind(models.TextChoices):
    """Which of the stored things disagree."""

    MEMBERSHIP = "membership", gettext_lazy("A membership is not where its last move led")
    CHAIN = "chain", gettext_lazy("A move does not follow from the one before it")
    FLOWS = "flows", gettext_lazy("A day's flow is not the number of its moves")
    ENTRIES = "entries", gettext_lazy("The rows behind a day's flow are not its moves")
    COHORTS = "cohorts", gettext_lazy("A day's cohort is not what its rows tell")
    BALANCE = "balance", gettext_lazy("A day's balance is not that of the day before, plus in, less out")
    TODAY = "today", gettext_lazy("The present balance is not the number of memberships in the stage")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: what kind, of which membership or on which day and stage, and how it is, in words."""

    kind: Kind
    where: str
    words: str
    membership_id: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What makes two findings the same although their numbers have moved on."""
        return (self.kind.value, self.where)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "what": str(self.kind.label),
            "where": self.where,
            "words": self.words,
            "membership": self.membership_id,
        }


def check(lifecycle: Lifecycle, *, now: datetime) -> list[Finding]:
    """Everything that is wrong in one lifecycle's ledger, at most `AT_MOST` of each kind.

    The tables are filled first, so that only true differences are left; what still differs is looked at a second time,
    so that a move that was written in between is not taken for a mistake.
    """
    filling.fill(lifecycle, now=now)
    found = _compare(lifecycle)
    if found:
        filling.fill(lifecycle, now=now)
        first = {finding.key for finding in found}
        found = [finding for finding in _compare(lifecycle) if finding.key in first]
    return found


def run(lifecycle: Lifecycle, *, now: datetime) -> LedgerCheck:
    """Check one lifecycle and keep the result for the page."""
    findings = check(lifecycle, now=now)
    of_lifecycle = sql("SELECT id FROM lifecycle_version WHERE lifecycle_id = {}", lifecycle.pk)
    return LedgerCheck.objects.create(
        lifecycle=lifecycle,
        checked_at=now,
        memberships=lifecycle.membership_set.count(),
        movements=value(sql("SELECT count(*) FROM lifecycle_movement WHERE version_id IN ({})", of_lifecycle)),
        found=len(findings),
        findings=[finding.as_json() for finding in findings],
    )


def run_all(now: datetime) -> list[LedgerCheck]:
    """Check every lifecycle that was ever live."""
    return [run(lifecycle, now=now) for lifecycle in plans.readable()]


def run_job(held: jobs.Held) -> dict[str, Any]:
    """The check as a job: a lifecycle at a time, from where it stopped."""
    todo = plans.readable()
    done, found = held.cursor.get("done", 0), held.cursor.get("found", 0)
    for number, lifecycle in enumerate(todo[done:], done + 1):
        found += run(lifecycle, now=held.now).found
        held.progress(rows_done=number, rows_total=len(todo), cursor={"done": number, "found": found})
    return {"lifecycles": len(todo), "findings": found}


def ask(*, by: User | None, now: datetime) -> tuple[Job, bool]:
    """Have all ledgers checked in the background; the check that is under way already if there is one, and False."""
    under_way = Job.objects.filter(kind=JOB, state__in=jobs.OPEN).first()
    if under_way is not None:
        return under_way, False
    audit.record("ledger.check", "ledger", by=by, now=now)
    return jobs.enqueue(JOB, {}, by=by, now=now, title=_("Ledger check")), True


def newest() -> dict[int, LedgerCheck]:
    """The last check of each lifecycle, by its id."""
    found = LedgerCheck.objects.order_by("lifecycle", "-checked_at").distinct("lifecycle")
    return {check.lifecycle_id: check for check in found}


def last_job() -> Job | None:
    """The check that was asked for last."""
    return Job.objects.filter(kind=JOB).order_by("-created_at").first()


def seen(findings: list[dict[str, Any]], user: Any) -> list[dict[str, Any]]:
    """The findings about days and stages, and those about members whom the user sees."""
    if sight.everything(user):
        return findings
    named = [each["membership"] for each in findings if each["membership"]]
    known = set(sight.subjects(Membership.objects.filter(pk__in=named), user).values_list("pk", flat=True))
    return [each for each in findings if not each["membership"] or each["membership"] in known]


def _compare(lifecycle: Lifecycle) -> list[Finding]:
    """One snapshot per comparison: each is a single statement."""
    zone = str(installation.zone())
    found: list[Finding] = []
    with transaction.atomic():
        run_sql(Sql("SET LOCAL work_mem = '64MB'; SET LOCAL jit = off"))
        for statement, finding in _comparisons(lifecycle, zone):
            found += [finding(row) for row in dicts(sql("{} LIMIT {}", statement, AT_MOST))]
    return found


Comparison = tuple[Sql, Callable[[dict[str, Any]], Finding]]


def _comparisons(lifecycle: Lifecycle, zone: str) -> Sequence[Comparison]:
    moves = _moves(lifecycle, zone)
    return (
        (_memberships(lifecycle), _membership_finding),
        (_chain(lifecycle), _chain_finding),
        (_flows(lifecycle, moves), _flow_finding),
        (_entry_rows(lifecycle, moves), _entries_finding),
        (_cohorts(lifecycle), _cohort_finding),
        (_balances(lifecycle, moves), _balance_finding),
        (_present(lifecycle), _present_finding),
    )


# ---- membership and chain ----


def _memberships(lifecycle: Lifecycle) -> Sql:
    return sql(
        """
        SELECT membership.id, membership.seq, last.seq AS last_seq, here.slug AS stage, here.kind,
               target.slug AS last_stage, membership.stage_id, last.to_stage_id, membership.ended_at,
               last.membership_id IS NULL AS no_movement
        FROM lifecycle_membership membership
        LEFT JOIN LATERAL (
            SELECT * FROM lifecycle_movement movement WHERE movement.membership_id = membership.id
            ORDER BY seq DESC LIMIT 1
        ) last ON true
        LEFT JOIN lifecycle_stage here ON here.id = membership.stage_id
        LEFT JOIN lifecycle_stage target ON target.id = last.to_stage_id
        WHERE membership.lifecycle_id = {} AND (
            last.membership_id IS NULL
            OR membership.stage_id IS DISTINCT FROM last.to_stage_id
            OR membership.seq <> last.seq
            OR (membership.ended_at IS NOT NULL) <> (last.to_stage_id IS NULL OR target.kind = 'terminal')
            OR here.kind = 'gate'
        )
        ORDER BY membership.id
        """,
        lifecycle.pk,
    )


def _membership_finding(row: dict[str, Any]) -> Finding:
    outside = _("outside the model")
    if row["no_movement"]:
        words = _("It has no move at all.")
    elif row["stage_id"] != row["to_stage_id"]:
        words = _("It stands in “%(stage)s”, but its last move (%(seq)s) led to “%(last)s”.") % {
            "stage": row["stage"] or outside,
            "seq": row["last_seq"],
            "last": row["last_stage"] or outside,
        }
    elif row["seq"] != row["last_seq"]:
        words = _("It says that it moved %(seq)s times, but its last move is number %(last)s.") % {
            "seq": row["seq"],
            "last": row["last_seq"],
        }
    elif row["kind"] == "gate":
        words = _("It stands in “%(stage)s”, a gate, which holds nobody.") % {"stage": row["stage"]}
    elif row["ended_at"]:
        words = _("Its pass has ended, but its last move led neither to an end nor out of the model.")
    else:
        words = _("Its last move led to an end or out of the model, but its pass has not ended.")
    return _of_membership(Kind.MEMBERSHIP, row["id"], _("membership %(id)s") % {"id": row["id"]}, words)


def _chain(lifecycle: Lifecycle) -> Sql:
    return sql(
        """
        SELECT * FROM (
            SELECT movement.membership_id, movement.seq, movement.occurred_at, movement.from_stage_id,
                   source.slug AS from_stage,
                   lag(movement.to_stage_id) OVER along AS before_id,
                   lag(target.slug) OVER along AS before_stage,
                   lag(movement.occurred_at) OVER along AS before_at,
                   row_number() OVER along AS place
            FROM lifecycle_movement movement
            JOIN lifecycle_membership membership ON membership.id = movement.membership_id
            LEFT JOIN lifecycle_stage source ON source.id = movement.from_stage_id
            LEFT JOIN lifecycle_stage target ON target.id = movement.to_stage_id
            WHERE membership.lifecycle_id = {}
            WINDOW along AS (PARTITION BY movement.membership_id ORDER BY movement.seq)
        ) chain
        WHERE from_stage_id IS DISTINCT FROM before_id OR seq <> place OR occurred_at < before_at
        ORDER BY membership_id, seq
        """,
        lifecycle.pk,
    )


def _chain_finding(row: dict[str, Any]) -> Finding:
    outside = _("outside the model")
    if row["seq"] != row["place"]:
        words = _("It is number %(seq)s, but stands at place %(place)s.") % {"seq": row["seq"], "place": row["place"]}
    elif row["from_stage_id"] != row["before_id"]:
        words = _("It leaves “%(source)s”, but the move before it led to “%(before)s”.") % {
            "source": row["from_stage"] or outside,
            "before": row["before_stage"] or outside,
        }
    else:
        words = _("It happened at %(at)s, before the move before it, at %(before)s.") % {
            "at": row["occurred_at"].isoformat(),
            "before": row["before_at"].isoformat(),
        }
    where = _("membership %(id)s, move %(seq)s") % {"id": row["membership_id"], "seq": row["seq"]}
    return _of_membership(Kind.CHAIN, row["membership_id"], where, words)


# ---- the roll-ups ----


def _moves(lifecycle: Lifecycle, zone: str) -> Sql:
    """The moves that count, out of the ledger: between two different stages, of those who are not left out."""
    return sql(
        """
        SELECT movement.membership_id, movement.seq, movement.version_id, movement.kind = 'migration' AS by_version,
               COALESCE(source.slug, '') AS from_stage, COALESCE(target.slug, '') AS to_stage,
               (movement.occurred_at AT TIME ZONE {})::date AS day,
               lead((movement.occurred_at AT TIME ZONE {})::date) OVER along AS until_day,
               CASE WHEN movement.from_stage_id IS NOT NULL THEN
                   (movement.evidence_at AT TIME ZONE {})::date
                   - lag((movement.evidence_at AT TIME ZONE {})::date) OVER along END AS stay_days
        FROM lifecycle_movement movement
        JOIN lifecycle_version version ON version.id = movement.version_id
        JOIN lifecycle_membership membership ON membership.id = movement.membership_id
        LEFT JOIN lifecycle_stage source ON source.id = movement.from_stage_id
        LEFT JOIN lifecycle_stage target ON target.id = movement.to_stage_id
        WHERE version.lifecycle_id = {} AND COALESCE(source.slug, '') <> COALESCE(target.slug, '')
          AND membership.id NOT IN ({}) AND membership.version_id NOT IN ({})
        WINDOW along AS (PARTITION BY movement.membership_id ORDER BY movement.seq)
        """,
        zone,
        zone,
        zone,
        zone,
        lifecycle.pk,
        _left_out(lifecycle),
        WITHDRAWN,
    )


def _left_out(lifecycle: Lifecycle) -> Sql:
    return sql(
        """SELECT membership.id FROM lifecycle_membership membership JOIN audience_person person
             ON person.id = membership.person_id AND person.is_excluded WHERE membership.lifecycle_id = {}
           UNION ALL
           SELECT membership.id FROM lifecycle_membership membership JOIN audience_account account
             ON account.id = membership.account_id AND account.is_excluded WHERE membership.lifecycle_id = {}""",
        lifecycle.pk,
        lifecycle.pk,
    )


def _flows(lifecycle: Lifecycle, moves: Sql) -> Sql:
    return sql(
        """
        WITH counted AS (
            SELECT day, version_id, from_stage, to_stage, by_version, count(*) AS count,
                   COALESCE(sum(stay_days), 0) AS days
            FROM ({}) moves GROUP BY 1, 2, 3, 4, 5
        ), told AS (
            SELECT day, version_id, from_stage, to_stage, by_version, count,
                   (SELECT COALESCE(sum(length * times), 0)
                    FROM unnest(stay_days, stay_counts) stay(length, times)) AS days
            FROM reporting_dailyflow WHERE lifecycle_id = {}
        )
        SELECT day, version.number AS version, from_stage, to_stage, COALESCE(told.count, 0) AS told,
               COALESCE(counted.count, 0) AS counted, COALESCE(told.days, 0) AS told_days,
               COALESCE(counted.days, 0) AS counted_days
        FROM told FULL JOIN counted USING (day, version_id, from_stage, to_stage, by_version)
        JOIN lifecycle_version version ON version.id = version_id
        WHERE (told.count, told.days) IS DISTINCT FROM (counted.count, counted.days)
        ORDER BY day, version.number, from_stage, to_stage
        """,
        moves,
        lifecycle.pk,
    )


def _flow_finding(row: dict[str, Any]) -> Finding:
    outside = _("outside the model")
    where = _("%(day)s, version %(version)s, “%(source)s” to “%(target)s”") % {
        "day": row["day"].isoformat(),
        "version": row["version"],
        "source": row["from_stage"] or outside,
        "target": row["to_stage"] or outside,
    }
    if row["told"] != row["counted"]:
        words = _("The roll-up has %(told)s moves, the ledger %(counted)s.") % row
    else:
        words = _("The roll-up has stays of %(told_days)s days in all, the ledger of %(counted_days)s.") % row
    return Finding(Kind.FLOWS, where, words)


def _entry_rows(lifecycle: Lifecycle, moves: Sql) -> Sql:
    return sql(
        """
        SELECT membership_id, seq, entry.membership_id IS NULL AS missing, moves.membership_id IS NULL AS too_many
        FROM (
            SELECT membership_id, seq, version_id, from_stage, to_stage, by_version, day,
                   CASE WHEN to_stage <> '' THEN until_day END AS until_day, stay_days
            FROM ({}) every
        ) moves
        FULL JOIN (SELECT * FROM reporting_stageentry WHERE lifecycle_id = {}) entry USING (membership_id, seq)
        WHERE (entry.version_id, entry.from_stage, entry.to_stage, entry.by_version, entry.day, entry.until_day,
               entry.stay_days)
              IS DISTINCT FROM
              (moves.version_id, moves.from_stage, moves.to_stage, moves.by_version, moves.day, moves.until_day,
               moves.stay_days)
        ORDER BY membership_id, seq
        """,
        moves,
        lifecycle.pk,
    )


def _entries_finding(row: dict[str, Any]) -> Finding:
    if row["missing"]:
        words = _("The ledger has this move, the lists behind the figures have not.")
    elif row["too_many"]:
        words = _("The lists behind the figures have this move, the ledger has not.")
    else:
        words = _("The lists behind the figures tell this move otherwise than the ledger.")
    where = _("membership %(id)s, move %(seq)s") % {"id": row["membership_id"], "seq": row["seq"]}
    return _of_membership(Kind.ENTRIES, row["membership_id"], where, words)


def _cohorts(lifecycle: Lifecycle) -> Sql:
    path = Fill.objects.filter(lifecycle=lifecycle).values_list("path", flat=True).first() or []
    rows = sql("SELECT * FROM reporting_stageentry WHERE lifecycle_id = {}", lifecycle.pk)
    return sql(
        """
        SELECT kind, day, origin, target, COALESCE(sum(n) FILTER (WHERE here), 0) AS told,
               COALESCE(sum(n) FILTER (WHERE NOT here), 0) AS counted
        FROM (
            SELECT kind, day, origin, target, days.days, days.n, true AS here
            FROM reporting_dailycohort cohort, unnest(cohort.days, cohort.counts) days(days, n) WHERE lifecycle_id = {}
            UNION ALL SELECT kind, day, origin, target, days, n, false FROM ({}) counted
        ) both_of_them
        GROUP BY kind, day, origin, target, days
        HAVING COALESCE(sum(n) FILTER (WHERE here), 0) <> COALESCE(sum(n) FILTER (WHERE NOT here), 0)
        ORDER BY day, kind, origin, target
        """,
        lifecycle.pk,
        cohorts.told(rows, path),
    )


def _cohort_finding(row: dict[str, Any]) -> Finding:
    where = _("%(day)s, %(kind)s, “%(source)s” to “%(target)s”") % {
        "day": row["day"].isoformat(),
        "kind": row["kind"],
        "source": row["origin"] or _("outside the model"),
        "target": row["target"],
    }
    return Finding(Kind.COHORTS, where, _("The roll-up has %(told)s, the rows tell %(counted)s.") % row)


def _balances(lifecycle: Lifecycle, moves: Sql) -> Sql:
    """Day by day and stage by stage: who is there by their last move, against what the flows add up to."""
    return sql(
        """
        WITH moves AS MATERIALIZED ({}),
        steps AS (
            SELECT to_stage AS stage, day, 1 AS there, 0 AS told FROM moves
            UNION ALL SELECT to_stage, until_day, -1, 0 FROM moves WHERE until_day IS NOT NULL
            UNION ALL SELECT to_stage, day, 0, count FROM reporting_dailyflow WHERE lifecycle_id = {}
            UNION ALL SELECT from_stage, day, 0, -count FROM reporting_dailyflow WHERE lifecycle_id = {}
        ),
        by_day AS (
            SELECT stage, day, sum(sum(there)) OVER along AS there, sum(sum(told)) OVER along AS told
            FROM steps WHERE stage <> '' GROUP BY stage, day
            WINDOW along AS (PARTITION BY stage ORDER BY day)
        )
        SELECT DISTINCT ON (stage) stage, day, there, told, count(*) OVER (PARTITION BY stage) AS days
        FROM by_day WHERE there <> told ORDER BY stage, day
        """,
        moves,
        lifecycle.pk,
        lifecycle.pk,
    )


def _balance_finding(row: dict[str, Any]) -> Finding:
    where = _("“%(stage)s” from %(day)s on") % {"stage": row["stage"], "day": row["day"].isoformat()}
    words = _("At the end of the day the flows add up to %(told)s, the last moves to %(there)s; %(days)s days differ.")
    return Finding(Kind.BALANCE, where, words % row)


def _present(lifecycle: Lifecycle) -> Sql:
    return sql(
        """
        WITH told AS (
            SELECT stage, sum(n) AS told FROM (
                SELECT to_stage AS stage, count AS n FROM reporting_dailyflow WHERE lifecycle_id = {}
                UNION ALL SELECT from_stage, -count FROM reporting_dailyflow WHERE lifecycle_id = {}
            ) moves WHERE stage <> '' GROUP BY stage
        ), there AS (
            SELECT stage.slug AS stage, count(*) AS there
            FROM lifecycle_membership membership JOIN lifecycle_stage stage ON stage.id = membership.stage_id
            WHERE membership.lifecycle_id = {} AND membership.id NOT IN ({}) AND membership.version_id NOT IN ({})
            GROUP BY stage.slug
        )
        SELECT stage, COALESCE(told, 0) AS told, COALESCE(there, 0) AS there
        FROM told FULL JOIN there USING (stage) WHERE COALESCE(told, 0) <> COALESCE(there, 0) ORDER BY stage
        """,
        lifecycle.pk,
        lifecycle.pk,
        lifecycle.pk,
        _left_out(lifecycle),
        WITHDRAWN,
    )


def _present_finding(row: dict[str, Any]) -> Finding:
    words = _("The roll-up has %(told)s in the stage, of the memberships %(there)s stand there.") % row
    return Finding(Kind.TODAY, _("“%(stage)s” today") % row, words)


def _of_membership(kind: Kind, membership_id: int, where: str, words: str) -> Finding:
    return Finding(kind, where, words, membership_id)
