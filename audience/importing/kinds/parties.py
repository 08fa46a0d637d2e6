"""Rows that are people of activities: of an activity that another file tells, who took part in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.activity import parties
from audience.importing import planning, references, sourced
from audience.importing.run import Run
from audience.importing.targets import Derived, Kind, Need, Target
from audience.importing.values import EMAIL_ADDRESS
from kit.sql import Sql, rows, run, sql

TARGETS = (
    Target("activity", _("external id of the activity"), aliases=(
        "engagement id", "activity id", "event id", "task id", "engagementid", "activityid", "eventid", "taskid",
    )),
    references.OWN_SYSTEM,
    *sourced.PERSON,
    *references.ACCOUNT,
)  # fmt: skip
REFUSALS = {
    "no_email": ("person_email", EMAIL_ADDRESS.wrong),
    "nobody": ("person_external_id", sourced.NOBODY),
    "named": ("activity", gettext_noop("This activity came with the person or account whose it is; it has no others.")),
}


def derive(work: Run) -> Sequence[Derived]:
    return [*references.person_key(work), *references.account_key(work)]


def match(work: Run) -> None:
    """Who took part, and whether that is known. A row that names a person is of that person, whatever else it names."""
    references.find_people(work)
    references.find_accounts(work)
    links, source = references.links(work), references.source(work)
    person = references.person_key(work)
    query = sql(
        """
        SELECT r.row, {} AS person, CASE WHEN {} THEN NULL ELSE {} END AS account, r.activity,
               concat_ws(chr(31), {}, r.activity, whose.id) AS key,
               CASE WHEN {} THEN 'no_email' WHEN whose.id IS NULL THEN 'nobody' WHEN t.id IS NOT NULL THEN {}
                    WHEN a.id IS NULL THEN {} WHEN whose.id IN (a.person_id, a.account_id) THEN 'same'
                    ELSE 'named' END AS action
        FROM {} r {} CROSS JOIN LATERAL (SELECT CASE WHEN {} THEN {} ELSE {} END AS id) whose
        LEFT JOIN audience_activityparty t ON t.source = {} AND t.external_id = r.activity AND t.subject_id = whose.id
        LEFT JOIN audience_activity a ON a.source = {} AND a.external_id = r.activity
        WHERE r.problem IS NULL
        """,
        links["person"], _is_named(person), links["account"], source,
        Sql("pp.no_email") if person else Sql("false"),
        "same" if work.updates else "skip", "create" if work.creates else "skip",
        work.table("rows"), references.joins(work), _is_named(person), links["person"], links["account"],
        source, source,
    )  # fmt: skip
    planning.make(work, query)
    for action, (target, reason) in REFUSALS.items():
        planning.refuse(work, action, target, reason)
    planning.last_counts_of(work, "key")


def _is_named(person: Sequence[Derived]) -> Sql:
    return Sql("r.person_key IS NOT NULL") if person else Sql("false")


def foretell(work: Run) -> Counter[str]:
    """Of the rows of a dry run that would be written, how many are of activities that are not there yet."""
    return _met(work, 0, planning.last_row(work))


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the rows `(after, last]`, and the activities of those that are there already."""
    planned = planning.counted(work, after, last)
    if not planned["created"]:
        return planned
    parties.hold()
    new = run(
        sql(
            """INSERT INTO audience_activityparty (source, external_id, person_id, account_id, recorded_at)
               SELECT {}, p.activity, p.person, p.account, {} FROM {} p JOIN {} r ON r.row = p.row
               WHERE p.action = 'create' AND {} ORDER BY p.row ON CONFLICT DO NOTHING""",
            references.source(work), work.now, work.table("plan"), work.table("rows"), planning.between(after, last),
        )
    )  # fmt: skip
    met = _met(work, after, last)
    theirs = sql(
        """SELECT t.id FROM {} p JOIN {} r ON r.row = p.row JOIN audience_activityparty t
           ON t.source = {} AND t.external_id = p.activity AND t.subject_id = coalesce(p.person, p.account)
           WHERE p.action = 'create' AND {}""",
        work.table("plan"), work.table("rows"), references.source(work), planning.between(after, last),
    )  # fmt: skip
    met["activities_made"] = parties.meet(theirs, now=work.now)
    return sourced.as_written(planned, new) + met


def _met(work: Run, after: int, last: int) -> Counter[str]:
    """Of the new rows `(after, last]`, how many wait for their activity, and of how many it is there."""
    [(waiting, made)] = rows(
        sql(
            """SELECT count(*) FILTER (WHERE u.id IS NULL), count(u.id) FROM {} p JOIN {} r ON r.row = p.row
               LEFT JOIN audience_unnamedactivity u ON u.source = {} AND u.external_id = p.activity
               WHERE p.action = 'create' AND {}""",
            work.table("plan"), work.table("rows"), references.source(work), planning.between(after, last),
        )
    )  # fmt: skip
    return Counter(waiting=waiting, activities_made=made)


KIND = Kind(
    name="activity_people",
    label=_("People of activities"),
    help=_("One row is one person or account who took part in an activity that stands in a file of its own."),
    names=(
        "engagement contact",
        "engagement contacts",
        "engagement company",
        "engagement companies",
        "activity people",
        "activity contact",
        "activity contacts",
        "event relation",
        "task relation",
    ),  # fmt: skip
    targets=TARGETS,
    needs=(
        Need(("activity",), gettext_noop("The row does not say which activity.")),
        sourced.WHO,
    ),
    derive=derive,
    match=match,
    prepare=references.make,
    write=write,
    foretell=foretell,
    touches_people=True,
    waits=_(
        "Some of these rows speak of activities that are not there yet. Bring in the file that tells them, from the "
        "same source system; then they stand in the history of everybody who took part."
    ),
    words={
        "waiting": _("of activities that are not there yet"),
        "activities_made": _("activities that came of it"),
    },
)
