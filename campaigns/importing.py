"""Rows that are members of a campaign that ran elsewhere: who was assigned to it when, and who was held out of it.

A campaign that is not known is made: stopped, with one retired version that has no steps, so that nobody can enter it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.importing import planning, references, sourced, staging
from audience.importing.run import Run
from audience.importing.targets import Check, Derived, Kind, Need, Target
from audience.importing.values import EMAIL_ADDRESS, INSTANT, INTEGER
from campaigns.models import Campaign, CampaignVersion
from kit import audit, slugs
from kit.sql import Sql, dicts, join, run, sql

HELD_OUT = ["holdout", "hold-out", "hold out", "held out", "control", "control group", "yes", "true", "1", "x"]
TREATED = [
    "treatment", "treated", "treatment group", "test", "test group", "variant", "exposed", "no", "false", "0",
]  # fmt: skip
MOST_HELD_OUT, LONGEST_OUTCOME = 50, 3650  # per cent, days
BROUGHT_IN = Sql(
    """(c.state = 'stopped' AND NOT EXISTS (
        SELECT FROM campaigns_step s JOIN campaigns_campaignversion v ON v.id = s.version_id WHERE v.campaign_id = c.id
    ))"""
)

TARGETS = (
    *sourced.PERSON,
    *references.ACCOUNT,
    Target(
        "campaign", _("campaign"), aliases=("campaign name", "campaign id", "campaignid", "program", "program name")
    ),
    Target(
        "assigned",
        _("assigned when"),
        INSTANT,
        aliases=("assigned at", "date", "member since", "created date", "created at", "added at", "entered", "joined"),
    ),
    Target(
        "arm",
        _("group: treatment or holdout"),
        length=40,
        aliases=("group", "holdout", "held out", "control", "is control", "test group", "experiment group", "cell"),
    ),
    Target("status", _("status"), length=100, aliases=("member status", "campaign member status")),
    Target("sent", _("sent when"), INSTANT, aliases=("sent at", "sent date", "first sent", "delivered at")),
    Target(
        "responded",
        _("responded when"),
        INSTANT,
        aliases=("responded at", "first responded date", "firstrespondeddate", "member first responded date"),
    ),
    Target("kind", _("campaign: type"), length=40, aliases=("campaign type", "type")),
    Target("lifecycle", _("campaign: lifecycle"), aliases=("lifecycle name", "model")),
    Target("stage", _("campaign: stage it serves"), aliases=("lifecycle stage", "campaign stage")),
    Target("outcome_stage", _("campaign: stage it is to lead to"), aliases=("goal stage", "target stage", "outcome")),
    Target(
        "outcome_days", _("campaign: within how many days"), INTEGER, aliases=("outcome window", "days to outcome")
    ),
    Target(
        "planned_holdout", _("campaign: planned holdout, per cent"), INTEGER, aliases=("holdout percent", "holdout %")
    ),
)  # fmt: skip
REFUSALS = {
    "own": ("campaign", gettext_noop("This campaign is run from here: its members are those whom it let in itself.")),
    "no_kind": ("kind", gettext_noop("There is no type of campaign that is called so.")),
    "no_lifecycle": ("lifecycle", gettext_noop("No lifecycle is called so.")),
    "no_stage": ("stage", gettext_noop("The lifecycle has no stage that is called so, or the row names no lifecycle.")),
    "no_outcome": (
        "outcome_stage",
        gettext_noop("The lifecycle has no stage that is called so, or the row names no lifecycle."),
    ),
    "other_subject": ("lifecycle", gettext_noop("The lifecycle is of the other kind of subject than the row names.")),
    "no_arm": ("arm", gettext_noop("is neither the treatment nor the holdout; write “treatment” or “holdout”")),
    "other_arm": ("arm", gettext_noop("Was assigned to the other group before; an assignment never changes.")),
    "nobody": ("person_external_id", sourced.NOBODY),
    "no_email": ("person_email", EMAIL_ADDRESS.wrong),
}


def derive(work: Run) -> Sequence[Derived]:
    return [*references.person_key(work), *references.account_key(work)]


def checks(work: Run) -> list[Check]:
    """What can be told wrong of a row by itself."""
    found = [Check(sql("assigned > {}", work.now), "assigned", gettext_noop("is yet to come"))]
    if work.has("outcome_days"):
        wrong = sql("outcome_days NOT BETWEEN 1 AND {}", LONGEST_OUTCOME)
        found.append(Check(wrong, "outcome_days", gettext_noop("is no number of days from 1 to 3650")))
    if work.has("planned_holdout"):
        wrong = sql("planned_holdout NOT BETWEEN 0 AND {}", MOST_HELD_OUT)
        found.append(Check(wrong, "planned_holdout", gettext_noop("is no share from 0 to 50 per cent")))
    return found


def match(work: Run) -> None:
    """Which campaign and whose; who is a member already; what cannot be taken."""
    references.find_people(work, Sql("r.assigned"))
    references.find_accounts(work, Sql("r.assigned"))
    planning.make(work, _judged(work))
    for action, (target, reason) in REFUSALS.items():
        refused = sql("SELECT row FROM {} WHERE action = {} ORDER BY 1", work.table("plan"), action)
        staging.refuse_later(work, refused, staging.column_of(work, target), reason)
    planning.last_counts_of(work, "member")


def _found(work: Run) -> Sql:
    """Every row with what it refers to."""
    links = references.links(work)
    return sql(
        """
        SELECT r.row, lower(r.campaign) AS called, {} AS person, {} AS account, {} AS no_email, {} AS named,
               r.assigned, {} AS status, greatest(r.assigned, {}, {}) AS ended,
               CASE WHEN {} IS NULL OR lower({}) = ANY({}) THEN false WHEN lower({}) = ANY({}) THEN true END AS held,
               c.id AS campaign, c.is_own, coalesce(l.id, c.lifecycle_id) AS lifecycle, coalesce(l.of, c.of) AS of,
               k.kind, s.slug AS stage, o.slug AS outcome,
               {} IS NOT NULL AND k.kind IS NULL AS no_kind, {} IS NOT NULL AND l.id IS NULL AS no_lifecycle,
               {} IS NOT NULL AND s.slug IS NULL AS no_stage, {} IS NOT NULL AND o.slug IS NULL AS no_outcome
        FROM {} r {}
        LEFT JOIN ({}) c ON c.called = lower(r.campaign)
        LEFT JOIN ({}) l ON l.called = lower({})
        LEFT JOIN ({}) k ON k.called = lower({})
        LEFT JOIN ({}) s ON s.lifecycle_id = coalesce(l.id, c.lifecycle_id) AND s.called = lower({})
        LEFT JOIN ({}) o ON o.lifecycle_id = coalesce(l.id, c.lifecycle_id) AND o.called = lower({})
        WHERE r.problem IS NULL
        """,
        links["person"],
        links["account"],
        Sql("coalesce(pp.no_email, false)") if references.person_key(work) else Sql("false"),
        Sql("r.person_key IS NOT NULL") if references.person_key(work) else Sql("false"),
        work.value("status"),
        work.value("sent"),
        work.value("responded"),
        work.value("arm"),
        work.value("arm"),
        TREATED,
        work.value("arm"),
        HELD_OUT,
        *(work.value(target) for target in ("kind", "lifecycle", "stage", "outcome_stage")),
        work.table("rows"),
        references.joins(work),
        CAMPAIGNS,
        LIFECYCLES,
        work.value("lifecycle"),
        _kinds(),
        work.value("kind"),
        STAGES,
        work.value("stage"),
        STAGES,
        work.value("outcome_stage"),
    )


# By what things are called: their slug or name, the slug first.
CAMPAIGNS = sql(
    """SELECT DISTINCT ON (called) called, c.id, c.lifecycle_id, l.of, NOT {} AS is_own
       FROM campaigns_campaign c LEFT JOIN lifecycle_lifecycle l ON l.id = c.lifecycle_id
       CROSS JOIN LATERAL (VALUES (c.slug), (lower(c.name))) known(called)
       ORDER BY called, called <> c.slug, c.id""",
    BROUGHT_IN,
)
LIFECYCLES = Sql(
    """SELECT DISTINCT ON (called) called, l.id, l.of FROM lifecycle_lifecycle l
       CROSS JOIN LATERAL (VALUES (l.slug), (lower(l.name))) known(called) ORDER BY called, called <> l.slug, l.id"""
)
STAGES = Sql(
    """SELECT DISTINCT ON (v.lifecycle_id, called) v.lifecycle_id, called, g.slug
       FROM lifecycle_stage g JOIN lifecycle_version v ON v.id = g.version_id
       CROSS JOIN LATERAL (VALUES (g.slug), (lower(g.name))) known(called)
       ORDER BY v.lifecycle_id, called, v.state <> 'published', v.number DESC, called <> g.slug"""
)


def _kinds() -> Sql:
    """The types of campaigns by their name in the address and in words."""
    names = {name: value for value, label in Campaign.Kind.choices for name in (value, str(label).lower())}
    return sql("SELECT * FROM unnest({}::text[], {}::text[]) known(called, kind)", [*names], [*names.values()])


def _judged(work: Run) -> Sql:
    """What is to become of every row; `member` is whose place in which campaign it is about."""
    return sql(
        """
        SELECT whose.*, called || ' ' || subject AS member, e.id AS known,
               CASE WHEN no_email THEN 'no_email'
                    WHEN subject IS NULL AND named AND person IS NULL THEN 'nobody'
                    WHEN is_own THEN 'own'
                    WHEN no_kind THEN 'no_kind'
                    WHEN no_lifecycle THEN 'no_lifecycle'
                    WHEN no_stage THEN 'no_stage'
                    WHEN no_outcome THEN 'no_outcome'
                    WHEN subject IS NULL THEN 'other_subject'
                    WHEN held IS NULL THEN 'no_arm'
                    WHEN e.id IS NULL THEN {}
                    WHEN held <> (e.state = 'holdout') THEN 'other_arm'
                    WHEN NOT held AND (status <> e.reason OR ended > e.ended_at) THEN {}
                    ELSE 'same' END AS action
        FROM (
            SELECT found.*, CASE of WHEN 'person' THEN person WHEN 'account' THEN account
                                    ELSE coalesce(person, account) END AS subject
            FROM ({}) found
        ) whose
        LEFT JOIN campaigns_enrollment e
            ON e.campaign_id = whose.campaign AND e.subject_id = whose.subject AND e.pass_number = 1
        """,
        "create" if work.creates else "skip",
        "update" if work.updates else "skip",
        _found(work),
    )


def prepare(work: Run) -> Counter[str]:
    """Make the campaigns, people and accounts that are not there yet."""
    made = references.make(work)
    references.see(work)
    made["campaigns_created"] = _make_campaigns(work)
    return made


def _make_campaigns(work: Run) -> int:
    """The campaigns that rows to be written name and nobody knows; of each, the first row that says a thing has it."""
    told = dicts(
        sql(
            """
            SELECT p.called, (array_agg(r.campaign ORDER BY p.row))[1] AS name, {}, min(p.assigned) AS launched_at,
                   max(p.ended) AS stopped_at
            FROM {} p JOIN {} r ON r.row = p.row
            WHERE p.action = 'create' AND p.campaign IS NULL GROUP BY p.called ORDER BY p.called
            """,
            join(", ", (_first(value, column) for column, value in _said(work).items())),
            work.table("plan"),
            work.table("rows"),
        )
    )
    for each in told:
        _make_campaign(work, each)
    return len(told)


def _said(work: Run) -> dict[str, Sql]:
    """What rows (p of the plan, r of the file) say of their campaign, by its columns."""
    return {
        "kind": Sql("p.kind"),
        "lifecycle_id": Sql("p.lifecycle"),
        "stage": Sql("p.stage"),
        "outcome_stage": Sql("p.outcome"),
        "outcome_days": work.value("outcome_days"),
        "holdout": work.value("planned_holdout"),
    }


def _first(value: Sql, column: str) -> Sql:
    return sql("(array_agg({} ORDER BY p.row) FILTER (WHERE {} IS NOT NULL))[1] AS {}", value, value, Sql(column))


def _make_campaign(work: Run, told: dict[str, Any]) -> None:
    """A stopped campaign with its one version, which nobody can enter."""
    said = {column: told[column] for column in _said(work) if told[column] is not None}
    by, dates = work.imported.created_by, {"launched_at": told["launched_at"]}
    slug = slugs.free(told["called"], Campaign.objects.all(), "campaign")
    campaign = Campaign.objects.create(
        slug=slug, name=told["name"], state=Campaign.State.STOPPED, created_by=by, created_at=work.now,
        stopped_at=told["stopped_at"], **dates, **said,
    )  # fmt: skip
    CampaignVersion.objects.create(
        campaign=campaign, number=1, state=CampaignVersion.State.RETIRED, created_by=by, created_at=work.now, **dates
    )
    audit.record("campaign.bring_in", campaign.name, by=by, now=work.now, after={"source": work.source, **said})


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the members of the rows `(after, last]`: held out, or through with it on the day of what came of it."""
    counts = planning.counted(work, after, last)
    if counts["created"]:
        created = _insert(work, after, last)
        counts["unchanged"] += counts["created"] - created  # somebody else brought them in meanwhile
        counts["created"] = created
    if counts["updated"]:
        _update(work, after, last)
    return counts


def _insert(work: Run, after: int, last: int) -> int:
    return run(
        sql(
            """
            INSERT INTO campaigns_enrollment
                (campaign_id, version_id, person_id, account_id, state, why, reason, entered_at, ended_at)
            SELECT c.id, v.id, CASE WHEN p.subject = p.person THEN p.person END,
                   CASE WHEN p.subject IS DISTINCT FROM p.person THEN p.account END,
                   CASE WHEN p.held THEN 'holdout' ELSE 'finished' END, {}, coalesce(p.status, ''), p.assigned,
                   CASE WHEN NOT p.held THEN p.ended END
            FROM {} p JOIN ({}) c ON c.called = p.called
            JOIN LATERAL (
                SELECT v.id FROM campaigns_campaignversion v WHERE v.campaign_id = c.id ORDER BY v.number DESC LIMIT 1
            ) v ON true
            WHERE p.action = 'create' AND p.row > {} AND p.row <= {} ORDER BY p.row
            ON CONFLICT DO NOTHING
            """,
            _("Brought in from %(source)s") % {"source": work.source},
            work.table("plan"),
            CAMPAIGNS,
            after,
            last,
        )
    )


def _update(work: Run, after: int, last: int) -> None:
    """Their status and its date may be news; whose group it is and since when are not."""
    run(
        sql(
            """
            UPDATE campaigns_enrollment e
            SET reason = coalesce(p.status, e.reason), ended_at = greatest(e.ended_at, p.ended)
            FROM {} p WHERE e.id = p.known AND p.action = 'update' AND p.row > {} AND p.row <= {}
            """,
            work.table("plan"),
            after,
            last,
        )
    )


KIND = Kind(
    name="campaign_members",
    label=_("Campaign members"),
    help=_(
        "One row is one person or account that was assigned to a campaign which ran elsewhere, or held out of it. What "
        "the campaign led to is told by the lift report."
    ),
    targets=TARGETS,
    needs=(
        sourced.WHO,
        Need(("campaign",), gettext_noop("The row does not say which campaign.")),
        Need(("assigned",), gettext_noop("The row does not say when it was assigned.")),
    ),
    derive=derive,
    checks=checks,
    match=match,
    prepare=prepare,
    write=write,
    touches_people=True,
    words={"campaigns_created": _("Campaigns created")},
)
