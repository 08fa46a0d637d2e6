"""Rows that are activities: somebody did something, or something was done to them. What is in stays as it is.

A file without a column that says whose they are has them in another file: its rows wait (activity/parties.py).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.activity import arrivals, channels, parties, visitors
from audience.importing import planning, references, sourced
from audience.importing.run import Run
from audience.importing.targets import PROPERTIES, Check, Derived, Kind, Need, Target, Text
from audience.importing.values import INSTANT, NUMBER
from kit.sql import Sql, join, name, rows, run, sql, value

TABLE, UNNAMED, WAITING = "audience_activity", "audience_unnamedactivity", "audience_waitingactivity"
STRANGER = "anonymous_id"
WHOSE = (*sourced.SUBJECT_NAMES, STRANGER)
NULL = Sql("NULL::text")
JUDGED = 5000  # ways of arriving that are judged at once
TARGETS = (
    Target("external_id", _("external id of the activity"), aliases=(
        "id", "activity id", "event id", "engagement id", "fivetran id",
    )),
    references.OWN_SYSTEM,
    *sourced.PERSON,
    *references.ACCOUNT,
    Target("anonymous_id", _("anonymous id (a cookie or device of the source)"), length=200, aliases=(
        "anonymous id", "anonymousid", "tracking id", "trackingid", "visitor id", "visitorid", "cookie id",
        "client id", "mtc id",
    )),
    Target(
        "kind",
        _("kind of activity"),
        length=200,
        aliases=(
            "activity", "activity type", "event", "event name", "event type", "engagement type", "type", "type name",
            "action",
        ),
    ),
    Target(
        "occurred",
        _("when"),
        INSTANT,
        aliases=(
            "occurred at", "timestamp", "date", "time", "datetime", "event date", "activity date",
            "created at", "created", "createdate", "date hit", "performed at", "created date", "createddate",
            "happened at", "when", "property timestamp", "start time", "started at",
        ),
    ),
    Target("channel", _("channel"), length=32, aliases=("medium", "utm medium", "marketing channel")),
    Target("platform", _("platform"), length=32, aliases=("device", "device type", "user agent device")),
    Target("direction", _("direction (inbound or outbound)"), length=20),
    Target("actor", _("actor (human, bot or proxy)"), length=20, aliases=("actor type",)),
    Target("value", _("value"), NUMBER, aliases=("score value", "amount", "revenue")),
    Target("campaign", _("campaign"), aliases=("campaign name", "utm campaign", "campaign id")),
    sourced.RECORDED,
)  # fmt: skip
# Words of a file's name that say nothing of what was done: what the file is, and where it is from.
NO_KIND = frozenset(
    """activity activities event events engagement engagements action actions usage data export exports report list log
    history file copy all new final hubspot marketo salesforce sf pardot mautic mailchimp klaviyo iterable""".split()
)
MOST_WORDS = 4  # a name of more is a sentence, and no kind of activity
DIRECTIONS = {"inbound": ["inbound", "in", "incoming"], "outbound": ["outbound", "out", "outgoing"]}
ACTORS = {
    "human": ["human", "person", "people"],
    "bot": ["bot", "robot", "scanner", "machine"],
    "proxy": ["proxy", "privacy proxy"],
    "unknown": ["unknown"],
}
NO_ID = gettext_noop(
    "The row names neither a person nor an account, and has no id by which another file could say whose it is."
)
WHICH_PERSON = gettext_noop(
    "The row names an account and somebody without a name: say which person of the account it is, or leave it out."
)
NO_SLUG = gettext_noop("is no kind of activity: it has neither a letter nor a digit")
NO_DIRECTION = gettext_noop("is neither inbound nor outbound")
NO_ACTOR = gettext_noop("is neither human nor bot nor proxy")


def told_by_name(words: Sequence[str]) -> dict[str, str]:
    """A file of one kind of activity often says which in its name alone: “activity_send_email” has sent emails."""
    left = [word for word in words if word not in NO_KIND and not word.isdigit()]
    return {"kind": " ".join(left)} if 0 < len(left) <= MOST_WORDS else {}


def derive(work: Run) -> Sequence[Derived]:
    found = []
    if work.has("direction"):
        inbound, outbound = (sql("lower(r.direction) = ANY({})", words) for words in DIRECTIONS.values())
        way = sql("CASE WHEN {} THEN 'inbound' WHEN {} THEN 'outbound' END", inbound, outbound)
        found.append(Derived("way", "text", way))
    if work.has("actor"):
        cases = join(" ", [sql("WHEN lower(r.actor) = ANY({}) THEN {}", words, who) for who, words in ACTORS.items()])
        found.append(Derived("who", "text", sql("CASE {} END", cases)))
    return [*found, *references.person_key(work), *references.account_key(work)]


def checks(work: Run) -> Sequence[Check]:
    found = [Check(Sql("kind !~ '[[:alnum:]]'"), "kind", NO_SLUG)]
    if named := [each for each in WHOSE if work.has(each)]:
        nobody = join(" AND ", (sql("{} IS NULL", name(each)) for each in named))
        found.append(Check(nobody, named[0], sourced.WHO.reason))
    if work.has(STRANGER) and references.account_key(work):
        person = Sql("person_key IS NULL") if references.person_key(work) else Sql("true")
        of_account = sql("anonymous_id IS NOT NULL AND account_key IS NOT NULL AND {}", person)
        found.append(Check(of_account, STRANGER, WHICH_PERSON))
    if work.has("direction"):
        found.append(Check(Sql("direction IS NOT NULL AND way IS NULL"), "direction", NO_DIRECTION))
    if work.has("actor"):
        found.append(Check(Sql("actor IS NOT NULL AND who IS NULL"), "actor", NO_ACTOR))
    return [*found, *sourced.recorded_checks(work)]


def names_nobody(work: Run) -> bool:
    """Whether the file leaves it to another one to say whose its activities are."""
    return not work.has(*WHOSE)


def _is_strangers(work: Run) -> Sql:
    """Whether a row (alias r) is of somebody who is known by a cookie or a device alone."""
    if not work.has(STRANGER):
        return Sql("false")
    named = [each for each in ("person_key", "account_key") if each in {key.name for key in work.kind.derive(work)}]
    return join(" AND ", [Sql("r.anonymous_id IS NOT NULL"), *(sql("r.{} IS NULL", name(each)) for each in named)])


def match(work: Run) -> None:
    """Who did it, of what kind it was, and whether it is in already."""
    seen = Sql("r.occurred")
    references.find_people(work, seen)
    references.find_accounts(work, seen)
    slug = r"trim(BOTH '_' FROM left(trim(BOTH '_' FROM regexp_replace(lower(said), '[^[:alnum:]]+', '_', 'g')), 64))"
    distinct = sql("SELECT DISTINCT kind AS said FROM {} WHERE problem IS NULL", work.table("rows"))
    work.create("kinds", sql("SELECT said, {} AS slug FROM ({}) told", Sql(slug), distinct))
    _judge(work)
    if work.has("channel"):
        work.create("channels", channels.meaning(sql("SELECT * FROM {}", work.table("rows")), "channel"))
    sourced.match(work, TABLE, {"nothing": Sql("NULL::int")}, changed=Sql("false"), may_change=False)
    if names_nobody(work):
        _know(work, UNNAMED)
    elif work.has(STRANGER):
        _know(work, WAITING)


def _know(work: Run, table: str) -> None:
    """What waits in a table is there already."""
    planning.change(
        work,
        sql(
            """UPDATE {} p SET action = 'same' FROM {} r JOIN {} w ON w.source = {}
               WHERE r.row = p.row AND p.action = 'create' AND w.external_id = p.external_id""",
            work.table("plan"), work.table("rows"), name(table), references.source(work),
        ),
    )  # fmt: skip


def unnamed_note(fields: Collection[str]) -> Text:
    """What a user should know before a file comes in of which no column says whose its activities are."""
    if not {*WHOSE}.isdisjoint(fields) or "external_id" not in fields:
        return ""
    return _(
        "No column says whose these activities are. They wait until you bring in the file that does (“People of "
        "activities”), whichever of the two comes first. If a column does say it, let it become the person or account."
    )


def foretell(work: Run) -> Counter[str]:
    """Of the rows of a dry run that would be written, how many would wait, and how many activities came of the rest."""
    if names_nobody(work):
        return _met(work, 0, planning.last_row(work))
    return Counter(strangers=_strangers(work, 0, planning.last_row(work))) if work.has(STRANGER) else Counter()


def prepare(work: Run) -> Counter[str]:
    made = references.make(work)
    made["kinds_created"] = _make_kinds(work)
    references.see(work)
    return made


def _make_kinds(work: Run) -> int:
    """Enter the kinds of rows to be written into the catalogue, as far as they are not in it."""
    unknown = sql(
        "SELECT said, slug FROM {} k WHERE NOT EXISTS (SELECT FROM audience_activitykind a WHERE a.slug = k.slug)",
        work.table("kinds"),
    )
    if not value(sql("SELECT EXISTS ({})", unknown)):
        return 0
    return run(
        sql(
            """
            INSERT INTO audience_activitykind (slug, label, channel, direction, is_response)
            SELECT slug, min(said), '', '', false FROM ({}) unknown WHERE said IN (
                SELECT r.kind FROM {} p JOIN {} r USING (row) WHERE p.action = 'create')
            GROUP BY slug ORDER BY slug ON CONFLICT (slug) DO NOTHING
            """,
            unknown,
            work.table("plan"),
            work.table("rows"),
        )
    )


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the new ones of the rows `(after, last]`. A kind's channel and direction hold where the row says none."""
    planned = planning.counted(work, after, last)
    if not planned["created"]:
        return planned
    if names_nobody(work):
        return _write_unnamed(work, planned, after, last)
    told, joins = _told(work)
    columns = {
        "person_id": Sql("p.person"),
        "account_id": Sql("p.account"),
        "kind_id": Sql("k.id"),
        "channel": join("", [Sql("coalesce("), join(", ", [*_channels(work), Sql("k.channel)")])]),
        "platform": sql("coalesce({}, '')", told["platform"]),
        "direction": sql("coalesce({}, k.direction)", told["direction"]),
        "actor": sql("coalesce({}, 'human')", told["actor"]),
        "value": told["value"],
        "properties": told["properties"],
        "occurred_at": told["occurred_at"],
        "recorded_at": sourced.recorded_at(work),
    }
    if work.has("channel"):
        joins = sql("{} LEFT JOIN {} meant ON meant.value = r.channel", joins, work.table("channels"))
    joins = sql("{} JOIN audience_activitykind k ON k.slug = said.slug", joins)
    if not work.has(STRANGER):
        return sourced.as_written(planned, sourced.insert(work, TABLE, after, last, columns, joins))
    return _write_strangers(work, planned, after, last, columns, joins)


def _write_strangers(
    work: Run, planned: Counter[str], after: int, last: int, columns: dict[str, Sql], joins: Sql
) -> Counter[str]:
    """Write those of people, keep those of strangers until it is known who they are; a row with both names says it."""
    strangers = _strangers(work, after, last)
    alone = _is_strangers(work)
    of_people = sql("{} JOIN LATERAL (SELECT 1) named ON NOT ({})", joins, alone)
    new = sourced.insert(work, TABLE, after, last, columns, of_people)
    browser = visitors.elsewhere_as_sql(references.source(work), Sql("r.anonymous_id"))
    told, ways = _told(work)
    said = join(", ", (sql("{} AS {}", each, name(column)) for column, each in told.items()))
    waits = sql(
        """SELECT {} AS source, p.external_id, {} AS browser, p.row AS place, {}
           FROM {} p JOIN {} r ON r.row = p.row {} WHERE p.action = 'create' AND {} AND {}""",
        references.source(work), browser, said,
        work.table("plan"), work.table("rows"), ways, alone, planning.between(after, last),
    )  # fmt: skip
    new += visitors.wait_many(waits, imported=work.imported.pk, now=work.now)
    if references.person_key(work):
        who = rows(
            sql(
                """SELECT DISTINCT ON (1) {}, p.person FROM {} p JOIN {} r ON r.row = p.row
                   JOIN audience_person person ON person.id = p.person AND person.erased_at IS NULL
                   WHERE p.action IN ('create', 'same') AND r.anonymous_id IS NOT NULL AND {}
                   ORDER BY 1, r.occurred DESC, p.row DESC""",
                browser, work.table("plan"), work.table("rows"), planning.between(after, last),
            )
        )  # fmt: skip
        if who:
            visitors.become_many(dict(who), now=work.now)
    return sourced.as_written(planned, new) + Counter(strangers=strangers)


def _strangers(work: Run, after: int, last: int) -> int:
    """How many of the new rows `(after, last]` are of somebody of whom neither we nor the file know who it is.

    Each way of knowing is asked for by itself: two in one question would be asked of every row anew.
    """
    unknown = sql(
        """NOT EXISTS (SELECT FROM audience_visitor v
                       WHERE v.browser = {} AND v.person_id IS NOT NULL AND v.ended_at IS NULL)""",
        visitors.elsewhere_as_sql(references.source(work), Sql("r.anonymous_id")),
    )
    if references.person_key(work):
        unknown = sql(
            """{} AND NOT EXISTS (
                   SELECT FROM {} n JOIN {} q ON q.row = n.row WHERE n.anonymous_id = r.anonymous_id
                   AND q.person IS NOT NULL AND q.action IN ('create', 'same'))""",
            unknown, work.table("rows"), work.table("plan"),
        )  # fmt: skip
    return int(
        value(
            sql(
                """SELECT count(*) FROM {} p JOIN {} r ON r.row = p.row
                   WHERE p.action = 'create' AND {} AND {} AND {}""",
                work.table("plan"), work.table("rows"), _is_strangers(work), planning.between(after, last), unknown,
            )
        )
    )  # fmt: skip


def _told(work: Run) -> tuple[dict[str, Sql], Sql]:
    """What a row says of an activity, by column, over rows r and the tables that are joined; NULL where nothing."""
    properties = Sql("r.properties") if work.tells_properties else Sql("'{}'::jsonb")
    if work.has("campaign"):
        properties = sql(
            "{} || jsonb_strip_nulls(jsonb_build_object('campaign', {}))", properties, work.value("campaign")
        )
    judged, joins = _judged(work), sql("JOIN {} said ON said.said = r.kind", work.table("kinds"))
    if _arriving(work):
        joins = sql("{} LEFT JOIN {} come ON come.said = {}", joins, work.table("arrivals"), _arrival(work))
    told = {
        "kind": Sql("said.slug"),
        "channel": sql("coalesce({}, {})", work.value("channel"), judged["channel"]),
        "platform": sql("coalesce({}, {})", channels.platforms(work.value("platform")), judged["platform"]),
        "direction": Sql("r.way") if work.has("direction") else NULL,
        "actor": sql("coalesce({}, {})", Sql("r.who") if work.has("actor") else NULL, judged["actor"]),
        "value": sql("round({}, 4)", work.value("value")),
        "properties": properties,
        "occurred_at": Sql("r.occurred"),
    }
    return told, joins


def _channels(work: Run) -> list[Sql]:
    """Where a row's channel may come from, the first that says one."""
    return [*([Sql("meant.channel")] if work.has("channel") else []), _judged(work)["channel"]]


def _write_unnamed(work: Run, planned: Counter[str], after: int, last: int) -> Counter[str]:
    """Keep the new ones as they were told, and write those of whom another file has said already whose they are."""
    parties.hold()
    told, joins = _told(work)
    new = run(
        sql(
            """INSERT INTO {} (source, external_id, {}) SELECT {}, p.external_id, {}
               FROM {} p JOIN {} r ON r.row = p.row {} WHERE p.action = 'create' AND {}
               ON CONFLICT (source, external_id) DO NOTHING""",
            name(UNNAMED), join(", ", map(name, told)), references.source(work), join(", ", told.values()),
            work.table("plan"), work.table("rows"), joins, planning.between(after, last),
        )
    )  # fmt: skip
    met = _met(work, after, last)
    theirs = sql(
        """SELECT t.id FROM {} p JOIN {} r ON r.row = p.row JOIN audience_activityparty t
           ON t.source = {} AND t.external_id = p.external_id WHERE p.action = 'create' AND {}""",
        work.table("plan"), work.table("rows"), references.source(work), planning.between(after, last),
    )  # fmt: skip
    met["activities_made"] = parties.meet(theirs, now=work.now)
    return sourced.as_written(planned, new) + met


def _met(work: Run, after: int, last: int) -> Counter[str]:
    """How many of the new rows `(after, last]` wait, and how many activities the others come to."""
    [(waiting, made)] = rows(
        sql(
            """SELECT count(*) FILTER (WHERE of.them = 0), coalesce(sum(of.them), 0)::bigint
               FROM {} p JOIN {} r ON r.row = p.row CROSS JOIN LATERAL (
                   SELECT count(*) AS them FROM audience_activityparty t
                   WHERE t.source = {} AND t.external_id = p.external_id) of
               WHERE p.action = 'create' AND {}""",
            work.table("plan"), work.table("rows"), references.source(work), planning.between(after, last),
        )
    )  # fmt: skip
    return Counter(waiting=waiting, activities_made=made)


# ---- how it came about ----


def _arriving(work: Run) -> list[str]:
    """The mapped properties that tell the channel, the platform or the actor."""
    there = {each.target.removeprefix(PROPERTIES) for each in work.properties}
    return [each for each in arrivals.READ if each in there]


def _judged(work: Run) -> dict[str, Sql]:
    """What its way of arriving tells of a row, where anything does."""
    arrives = bool(_arriving(work))
    return {each: Sql(f"come.{each}") if arrives else NULL for each in arrivals.FILLED}


def _arrival(work: Run) -> Sql:
    pairs = (sql("{}, r.properties -> {}", each, each) for each in _arriving(work))
    return sql("jsonb_strip_nulls(jsonb_build_object({}))", join(", ", pairs))


def _judge(work: Run) -> None:
    """What each distinct combination of referrer, address, tags and user agent tells, judged once."""
    if not _arriving(work):
        return
    said = sql("SELECT DISTINCT {} AS said FROM {} r WHERE problem IS NULL", _arrival(work), work.table("rows"))
    table = work.table("arrivals")
    blank = join(", ", (sql("NULL::text AS {}", name(each)) for each in arrivals.FILLED))
    work.create("arrivals", sql("SELECT row_number() OVER () AS n, said, {} FROM ({}) told", blank, said))
    last = value(sql("SELECT count(*) FROM {}", table))
    for after in range(0, last, JUDGED):
        some = rows(sql("SELECT n, said FROM {} WHERE n > {} AND n <= {}", table, after, after + JUDGED))
        told = [{"n": n} | arrivals.told(json.loads(each) if isinstance(each, str) else each) for n, each in some]
        run(
            sql(
                """UPDATE {} come SET channel = t.channel, platform = t.platform, actor = t.actor
                   FROM json_to_recordset({}::json) AS t (n bigint, channel text, platform text, actor text)
                   WHERE come.n = t.n""",
                table,
                json.dumps(told),
            )
        )


KIND = Kind(
    name="activities",
    label=_("Activities"),
    table=TABLE,
    help=_("One row is one thing that a person or account did, or that was done to them, with its date."),
    names=(
        "activities",
        "activity",
        "events",
        "event",
        "engagements",
        "engagement",
        "hits",
        "hit",
        "visits",
        "visit",
        "clicks",
        "opens",
        "submissions",
        "submission",
        "actions",
        "usage",
        "task",
        "tasks",
        "calls",
        "meetings",
        "notes",
    ),  # fmt: skip
    targets=TARGETS,
    needs=(
        Need((*WHOSE, "external_id"), NO_ID, telling=WHOSE),
        Need(("kind",), gettext_noop("The row does not say what was done.")),
        Need(("occurred",), gettext_noop("The row has no date.")),
    ),
    derive=derive,
    checks=checks,
    match=match,
    prepare=prepare,
    write=write,
    properties=True,
    reads=(*arrivals.READ, "ip"),
    told_by_name=told_by_name,
    digest=True,
    touches_people=True,
    foretell=foretell,
    note=unnamed_note,
    waits=_(
        "Some of these activities stand in nobody’s history yet. Bring in the file that says who took part in them "
        "(“People of activities”), from the same source system; then they do."
    ),
    words={
        "waiting": _("that wait for a file that says whose they are"),
        "strangers": _("that wait until somebody is known by their anonymous id"),
        "activities_made": _("activities of those of whom another file has said it"),
    },
)
