"""Who enters a campaign: one statement for the dry run, the exact count and the enrolling itself.

Somebody enters who arrives (in the stage, in the segment, by hand), meets the audience, is not left out of figures, has
not reached the goal already, is not in the campaign, and may enter again if they were. The held-out part of them, by a
hash that always says the same, is written down and gets nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from audience import live
from audience.conditions import compile, tree, uses
from audience.conditions.tree import All, ConditionError, Node, Not
from campaigns import flows, waits, wording
from campaigns.models import Campaign, CampaignVersion, Enrollment
from kit import audit, installation, origin
from kit.audit import actor_of
from kit.models import User
from kit.sql import Sql, join, rows, sql, value
from lifecycle.ledger import stages
from lifecycle.models import Movement, Stage

Entry = CampaignVersion.Entry
State = Enrollment.State
NOBODY = Sql("SELECT NULL::bigint AS subject_id, NULL::timestamptz AS arrived_at, '' AS why WHERE false")
Kind = Movement.Kind
BOOKKEEPING = [Kind.REPLAY, Kind.UNDO, Kind.VOID, Kind.MIGRATION, Kind.MERGE]  # movements by which nobody arrives
LAG = timedelta(minutes=10)  # an arrival under the version before, which nobody had looked at when this one took over


class Refused(ValueError):
    """Somebody cannot be enrolled, in the user's words."""


@dataclass(frozen=True)
class Entered:
    """How many entered: on the way, and held out."""

    active: int = 0
    holdout: int = 0

    def __add__(self, other: Entered) -> Entered:
        return Entered(self.active + other.active, self.holdout + other.holdout)

    def __bool__(self) -> bool:
        return bool(self.active or self.holdout)


# ---- the entry query ----


def entrants(version: CampaignVersion, *, at: datetime, among: Sql | None = None) -> Sql:
    """A row (subject_id, why) for each who enters as of `at`, of the statement `among` (subject_id) where given.

    Raises ConditionError when a condition of the version cannot be asked any more, or its audience is empty.
    """
    return _admitted(version, arrivals(version, at=at, among=among), at)


def count(version: CampaignVersion, *, at: datetime) -> int:
    """How many would enter as of `at`, the held out among them."""
    return int(value(sql("SELECT count(*) FROM ({}) entering", entrants(version, at=at))))


def arrivals(version: CampaignVersion, *, at: datetime, among: Sql | None = None) -> Sql:
    """Whom the entry brings as of `at`, whether or not they may enter: subject_id, arrived_at, why; each once."""
    if version.entry == Entry.STAGE and version.campaign.lifecycle_id:
        pieces = _by_stage(version, at, among)
    elif version.entry in (Entry.SEGMENT, Entry.BROADCAST) and version.segment_id:
        pieces = _by_segment(version, at, among)
    else:
        return NOBODY
    either = join(" UNION ALL ", pieces)
    return sql("SELECT DISTINCT ON (subject_id) piece.* FROM ({}) piece ORDER BY subject_id, arrived_at DESC", either)


def in_stage(campaign: Campaign, subject: Sql) -> Sql:
    """Whether a subject is in the campaign's stage now: in its newest pass through the lifecycle, ended or not."""
    return sql(
        """EXISTS (SELECT FROM lifecycle_membership here JOIN lifecycle_stage stage ON stage.id = here.stage_id
                   WHERE here.lifecycle_id = {} AND here.subject_id = {} AND stage.slug = {}
                     AND NOT EXISTS (SELECT FROM lifecycle_membership newer
                                     WHERE newer.lifecycle_id = here.lifecycle_id
                                       AND newer.subject_id = here.subject_id
                                       AND newer.pass_number > here.pass_number))""",
        campaign.lifecycle_id,
        subject,
        campaign.stage,
    )


def stays_with_stage(version: CampaignVersion) -> bool:
    """Whether only those may be in this version who are in the stage. A gate holds nobody, so nobody leaves with it."""
    campaign = version.campaign
    if version.entry != Entry.STAGE or not version.leave_with_stage or campaign.lifecycle is None:
        return False
    live = stages.live_version(campaign.lifecycle)
    stage = live.stages.filter(slug=campaign.stage).first() if live else None
    return stage is None or stage.kind != Stage.Kind.GATE


def _by_stage(version: CampaignVersion, at: datetime, among: Sql | None) -> list[Sql]:
    """Movements into the stage recorded since the launch, and with `present` whoever is there.

    Not those that only put the ledger right, nor the history that a file brings: nobody arrives by them.
    """
    campaign = version.campaign
    stage = {"stage": wording.stage_name(campaign)}
    pieces = [
        sql(
            """SELECT m.subject_id, v.recorded_at AS arrived_at, {} AS why
               FROM lifecycle_movement v
               JOIN lifecycle_membership m ON m.id = v.membership_id
               JOIN lifecycle_stage g ON g.id = v.to_stage_id
               WHERE m.lifecycle_id = {} AND g.slug = {} AND v.recorded_at >= {} AND v.recorded_at < {}
                 AND v.kind <> ALL ({}) AND (v.kind <> {} OR v.occurred_at >= {}){}""",
            _("entered “%(stage)s”") % stage,
            campaign.lifecycle_id,
            campaign.stage,
            _since(version, at),
            at,
            BOOKKEEPING,
            Kind.IMPORT,
            _since(version, at),
            _only("m.subject_id", among),
        )
    ]
    if version.present:
        pieces.append(
            sql(
                """SELECT m.subject_id, m.entered_at AS arrived_at, {} AS why
                   FROM lifecycle_membership m
                   JOIN lifecycle_stage g ON g.id = m.stage_id
                   WHERE m.lifecycle_id = {} AND g.slug = {}
                     AND NOT EXISTS (SELECT FROM lifecycle_membership newer
                                     WHERE newer.lifecycle_id = m.lifecycle_id AND newer.subject_id = m.subject_id
                                       AND newer.pass_number > m.pass_number){}""",
                _("was in “%(stage)s” at the launch") % stage,
                campaign.lifecycle_id,
                campaign.stage,
                _only("m.subject_id", among),
            )
        )
    return pieces


def _by_segment(version: CampaignVersion, at: datetime, among: Sql | None) -> list[Sql]:
    """Stays in the segment that began since the launch; with `present`, or for a broadcast, those from before it."""
    launched = version.launched_at or at
    segment = {"segment": version.segment}
    there = sql(
        "m.segment_id = {} AND m.entered_at < {} AND (m.left_at IS NULL OR m.left_at >= {}){}",
        version.segment_id,
        at,
        at,
        _only("m.subject_id", among),
    )
    select = "SELECT m.subject_id, m.entered_at AS arrived_at, {} AS why FROM audience_segmentmember m WHERE {} AND "
    joined, stayed = _("joined “%(segment)s”") % segment, _("was in “%(segment)s” at the launch") % segment
    pieces = []
    if version.entry == Entry.SEGMENT:
        pieces.append(sql(select + "m.entered_at >= {}", joined, there, _since(version, at)))
    if version.present or version.entry == Entry.BROADCAST:
        pieces.append(sql(select + "m.entered_at <= {}", stayed, there, launched))
    return pieces


def _since(version: CampaignVersion, at: datetime) -> datetime:
    """Arrivals count from the launch on; just before it too where a version with the same entry was live then."""
    if version.launched_at is None:
        return at
    before = version.campaign.versions.filter(number__lt=version.number, launched_at__isnull=False).order_by("-number")
    older = before.first()
    same = older is not None and (older.entry, older.segment_id) == (version.entry, version.segment_id)
    return version.launched_at - LAG if same else version.launched_at


def _only(column: str, among: Sql | None) -> Sql:
    return sql(f" AND {column} IN ({{}})", among) if among else Sql("")


def _admitted(version: CampaignVersion, arriving: Sql, at: datetime) -> Sql:
    """Of those arriving (subject_id, arrived_at, why) whoever may enter."""
    node = admission(version)
    meets = Sql("true")
    if node is not None:
        asked = Sql("SELECT subject_id FROM arriving")
        meets = sql(
            "arriving.subject_id IN (SELECT subject_id FROM ({}) meeting)",
            compile.members(node, of="person", at=at, among=asked),
        )
    there = in_stage(version.campaign, Sql("arriving.subject_id")) if stays_with_stage(version) else Sql("true")
    return sql(
        """WITH arriving AS MATERIALIZED ({})
           SELECT arriving.subject_id, arriving.why FROM arriving
           JOIN audience_person person ON person.id = arriving.subject_id
           WHERE person.erased_at IS NULL AND NOT person.is_excluded AND {} AND {} AND {}""",
        arriving,
        may_enter(version, Sql("arriving.subject_id"), Sql("arriving.arrived_at")),
        there,
        meets,
    )


def admission(version: CampaignVersion) -> Node | None:
    """What a version asks of who arrives: its audience, and that neither goal nor exit holds already. None: nothing."""
    parts: list[Node] = []
    if version.audience is not None:
        audience = tree.parse(version.audience, of="person")
        if tree.is_everybody(audience):
            raise ConditionError("empty", "", _("The audience is empty, which means everybody: add a condition."))
        parts.append(audience)
    for condition in (version.goal, version.exit):
        if condition is not None:
            parts.append(Not(tree.parse(condition, of="person")))
    return All(tuple(parts)) if parts else None


def may_enter(version: CampaignVersion, subject: Sql, arrived_at: Sql) -> Sql:
    """Whether somebody who arrives then may enter: was never in the campaign, or so long ago that they may again."""
    return sql(
        """NOT EXISTS (SELECT FROM campaigns_enrollment earlier
                       WHERE earlier.campaign_id = {} AND earlier.subject_id = {} AND NOT ({}))""",
        version.campaign_id,
        subject,
        _over(version, arrived_at),
    )


def _over(version: CampaignVersion, arrived_at: Sql) -> Sql:
    """Whether an earlier pass is so long over that its subject, who arrives then, may enter again."""
    if version.reentry_days is None:
        return Sql("false")
    return sql(
        "(earlier.state <> {} AND coalesce(earlier.ended_at, earlier.entered_at) + {}::interval <= {})",
        State.ACTIVE,
        timedelta(days=version.reentry_days),
        arrived_at,
    )


# ---- held out ----


def held_out(campaign: Campaign, subject: Sql) -> Sql:
    """Whether a subject is held out of the campaign, as SQL; for one subject always the same, by SHA-256.

    A larger share holds out the same subjects and more.
    """
    text = sql("concat_ws(':', {}::bigint, {})", campaign.pk, subject)
    bucket = sql("('x' || encode(substr(sha256(convert_to({}, 'UTF8')), 1, 7), 'hex'))::bit(56)::bigint %% 100", text)
    return sql("({} < {})", bucket, campaign.holdout)


# ---- enrolling ----


@transaction.atomic
def enroll_many(version: CampaignVersion, subjects: Sql, *, at: datetime, now: datetime) -> Entered:
    """Enroll the subjects (subject_id, why) in one statement, at the first step or held out. Nobody twice.

    Whoever is in the campaign already, or came out of it and may not enter again as of `at`, is left alone, also when
    another worker enrolls them at the same moment. Nobody enters a campaign that does not run: it is held against a
    pause and a stop until this is committed.
    """
    if not rows(
        sql("SELECT FROM campaigns_campaign WHERE id = {} AND state = 'running' FOR SHARE", version.campaign_id)
    ):
        return Entered()
    first = flows.first(version)
    zone = installation.zone()
    wake = now if first is None or waits.at_once(first) else waits.over(first, now, zone)
    found = dict(
        rows(
            sql(
                """
                WITH given AS MATERIALIZED (SELECT DISTINCT ON (subject_id) subject_id, why FROM ({}) subjects),
                -- Looked for before the first is written: one by one, the search would meet all that were.
                passes AS MATERIALIZED (
                    SELECT earlier.subject_id, max(earlier.pass_number) AS last, bool_and({}) AS are_over
                    FROM campaigns_enrollment earlier
                    WHERE earlier.campaign_id = {} AND earlier.subject_id IN (SELECT subject_id FROM given)
                    GROUP BY earlier.subject_id
                ),
                entering AS (
                    SELECT given.*, {} AS held_out, 1 + coalesce(passes.last, 0) AS pass_number
                    FROM given LEFT JOIN passes USING (subject_id) WHERE coalesce(passes.are_over, true)
                ),
                entered AS (
                    INSERT INTO campaigns_enrollment (campaign_id, version_id, person_id, pass_number, state, step_id,
                                                      step_at, visit, wake_at, strikes, why, reason, entered_at,
                                                      request_id)
                    SELECT {}, {}, subject_id, pass_number, CASE WHEN held_out THEN {} ELSE {} END,
                           CASE WHEN NOT held_out THEN {}::bigint END, CASE WHEN NOT held_out THEN {}::timestamptz END,
                           1, CASE WHEN NOT held_out THEN {}::timestamptz END, 0, left(why, 300), '', {}, {}
                    FROM entering ORDER BY subject_id
                    ON CONFLICT DO NOTHING RETURNING state
                )
                SELECT state, count(*) FROM entered GROUP BY state
                """,
                subjects,
                _over(version, sql("{}::timestamptz", at)),
                version.campaign_id,
                held_out(version.campaign, Sql("given.subject_id")),
                version.campaign_id,
                version.pk,
                State.HOLDOUT,
                State.ACTIVE,
                first.pk if first else None,
                now,
                wake,
                now,
                origin.request_id(),
            )
        )
    )
    return Entered(found.get(State.ACTIVE, 0), found.get(State.HOLDOUT, 0))


@transaction.atomic
def enroll(
    campaign: Campaign, subject_ids: Collection[int] | Sql, *, why: str = "", by: User | None, now: datetime
) -> Entered:
    """Enroll people by hand in the live version: those of them who may enter. Raises Refused when it is not running."""
    version = live_version(campaign)
    why = why or _("by hand (%(who)s)") % {"who": actor_of(by)}
    at = now + live.INSTANT
    chosen = subject_ids
    if not isinstance(chosen, Sql):
        chosen = sql("SELECT unnest({}::bigint[]) AS subject_id", list(chosen))
    entered = enroll_many(version, by_hand(version, chosen, why=why, at=at), at=at, now=now)
    if entered:
        look_again(version, chosen)
        after = {"active": entered.active, "holdout": entered.holdout}
        whom = sql(
            "SELECT subject_id FROM campaigns_enrollment WHERE campaign_id = {} AND entered_at = {}", campaign.pk, now
        )
        audit.record("campaign.enroll", campaign.name, by=by, now=now, after=after, about=whom)
    return entered


def could(campaign: Campaign, subject_id: int, *, now: datetime) -> bool:
    """Whether somebody would enter if they were put in by hand now."""
    at, chosen = now + live.INSTANT, sql("SELECT {}::bigint AS subject_id", subject_id)
    try:
        entering = by_hand(live_version(campaign), chosen, why="", at=at)
    except (Refused, ConditionError):
        return False
    return bool(value(sql("SELECT EXISTS ({})", entering)))


def by_hand(version: CampaignVersion, chosen: Sql, *, why: str, at: datetime) -> Sql:
    """Of chosen people (subject_id) those who may enter by hand, with why: the entry aside, what is asked of others."""
    arriving = sql(
        "SELECT DISTINCT subject_id, {}::timestamptz AS arrived_at, {} AS why FROM ({}) chosen", at, why, chosen
    )
    return _admitted(version, arriving, at)


def look_again(version: CampaignVersion, subjects: Sql) -> None:
    """Have those just enrolled outside the live engine judged: what happened meanwhile it judged without them."""
    if version.goal is not None or version.exit is not None or stays_with_stage(version):
        live.mark(
            sql(
                """SELECT e.subject_id FROM campaigns_enrollment e
                   WHERE e.version_id = {} AND e.state = 'active' AND e.subject_id IN ({})""",
                version.pk,
                subjects,
            )
        )


def live_version(campaign: Campaign) -> CampaignVersion:
    """The version that people enter. Raises Refused when the campaign does not run."""
    if not Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.RUNNING).exists():
        raise Refused(_("“%(campaign)s” is not running, so nobody enters it.") % {"campaign": campaign})
    return CampaignVersion.objects.select_related("campaign__lifecycle", "segment").get(
        campaign=campaign, state=CampaignVersion.State.LIVE
    )


def kept() -> Iterator[uses.Use]:
    """The segments whose people enter a campaign, or entered it, for the register of who asks what."""
    versions = CampaignVersion.objects.exclude(segment=None)  # of a stopped one too: it tells who they were
    for each in versions.select_related("campaign", "segment").order_by("pk"):
        if each.segment is not None:
            asked = {"field": f"segment.{each.segment.slug}", "op": "is", "value": True}
            yield uses.Use(_("Campaign"), str(each), each.campaign.get_absolute_url(), asked)
