"""A whole import taken back: what it made goes, what it changed returns, and whatever somebody built upon stays.

begin: the import is claimed, its job queued · judge: for every row the import wrote it is decided what becomes of it ·
act: table by table, in chunks that each look again, as others go on writing · finish: counts, trail.
What an import wrote is known by its traces, which triggers write (migrations 0012 and 0015). Other floors register ways
back of their own. A preview is the judgement alone, so it cannot say anything else than what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from audience import consent
from audience.activity import activities
from audience.importing.refusals import Refused
from audience.importing.run import TURN
from audience.models import Account, Import, Person
from audience.subjects import exclusions, history
from kit import audit, jobs
from kit.models import Job, User
from kit.registry import registry
from kit.sql import Sql, join, name, rows, run, sql, value

JOB, PREVIEW = "rollback", "rollback_preview"
AT_HAND = 20_000  # rows of an import whose preview is worked out while somebody waits
AT_ONCE = 2_000  # rows of one transaction
GOES, WITH_IT = "goes", "with_it"
SUBJECTS: dict[str, type[Person] | type[Account]] = {"audience_person": Person, "audience_account": Account}
# Tables whose rows change without a history, and the columns that say whether one did; as migrations 0012, 0015
# and 0024 hash them.
MARKED = {
    "audience_deal": "name, account_id, partner_id, owner_id, amount, currency, pipeline, stage, status, reason,"
    " opened_at, expected_close_on, closed_at, properties",
    "audience_dealline": "deal_id, product_id, quantity, amount, removed_at",
    "audience_product": "name, family, price, currency, properties",
    "audience_purchase": "person_id, account_id, product_id, quantity, amount, cost, currency, occurred_at, properties",
    "audience_contract": "person_id, account_id, name, product_id, starts_on, renews_on, notice_on, ends_on,"
    " auto_renew, annual_value, currency, properties",
    "audience_contractamendment": "contract_id, valid_from, annual_value",
    "audience_case": "person_id, account_id, title, severity, opened_at, closed_at, properties",
    "audience_cost": "channel, campaign, starts_on, ends_on, amount, currency",
    "audience_suppression": "channel, topic_id, address_hash, reason",
}
# What hangs on a row of these: others' keeps it.
PARTS = {
    "audience_deal": tuple((f"audience_{each}", "deal_id") for each in ("dealline", "dealrole", "dealstagechange")),
    "audience_contract": (("audience_contractamendment", "contract_id"),),
    "audience_product": tuple((f"audience_{each}", "product_id") for each in ("dealline", "purchase", "contract")),
}
BESIDE_DEALS = ("audience_dealrole", "audience_dealstagechange")  # that are told of deals after these are judged
TOGETHER = ("stage", "status", "closed_at")  # of a deal: one without the other would say what never was
# The activities that came of a row (its id made.id) with what another file told.
CAME_OF = {
    "audience_activityparty": "SELECT t.activity_id FROM audience_activityparty t WHERE t.id = made.id",
    "audience_unnamedactivity": """SELECT t.activity_id FROM audience_unnamedactivity u JOIN audience_activityparty t
        ON t.source = u.source AND t.external_id = u.external_id WHERE u.id = made.id""",
}
LINKS = {
    "account_id": "audience_account", "partner_id": "audience_account", "parent_id": "audience_account",
    "product_id": "audience_product", "owner_id": "kit_user",
}  # fmt: skip
NEVER = "brought by an import that was rolled back"  # why somebody is left out of figures
BY_RULE = ("is_excluded", "excluded_reason")  # worked out anew in the end
WORDS: dict[str, Any] = {
    "changed": gettext_lazy("changed since"),
    "gone": gettext_lazy("not there any more"),
    "no_link": gettext_lazy("what it led to is not there any more"),
    "taken": gettext_lazy("the email belongs to somebody else now"),
    "parts": gettext_lazy("others have built upon it"),
    "people": gettext_lazy("people belong to it"),
    "children": gettext_lazy("other accounts belong to it"),
}
TITLES = {"judge": gettext_noop("Comparing"), "act": gettext_noop("Rolling back"), "finish": gettext_noop("Finishing")}


@dataclass
class Back:
    """One import on its way back, with its working tables: `made` (tab, id, mark, state) and `was` (values)."""

    imported: Import
    by: User | None
    now: datetime
    temporary: bool = False

    @property
    def source(self) -> str:
        """Under which the history knows what returned."""
        return f"import {self.imported.pk} rolled back"

    @property
    def made(self) -> Sql:
        return self._table("made")

    @property
    def was(self) -> Sql:
        return self._table("was")

    def _table(self, which: str) -> Sql:
        called = name(f"rollback_{self.imported.pk}_{which}")
        return called if self.temporary else sql("work.{}", called)

    def wrote(self, table: str, row: Sql, *, going: bool = False) -> Sql:
        """Whether the import made the row (an id) of the table; or, `going`, made it and will take it away."""
        only = sql("AND made.state = {}", GOES) if going else Sql("")
        return sql("EXISTS (SELECT FROM {} made WHERE made.tab = {} AND made.id = {} {})", self.made, table, row, only)

    def returns(self, table: str, column: str, row: Sql) -> Sql:
        """Whether a value of the row returns to what it was."""
        told = "EXISTS (SELECT FROM {} was WHERE was.tab = {} AND was.id = {} AND was.key = {} AND was.state = {})"
        return sql(told, self.was, table, row, column, GOES)


@dataclass(frozen=True)
class Way:
    """How what an import made in one table goes back.

    `judged(back, among)` gives (id, state) for the rows `made` of the table for which `among` holds: GOES, or why it
    stays, a key of `words`; `take(back, ids)` does it.
    """

    table: str
    label: Any
    judged: Callable[[Back, Sql], Sql]
    take: Callable[[Back, Sequence[int]], None]
    words: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """What becomes of one sort of rows, or of `values` in them: how many go or return, how many stay, and why."""

    table: str
    label: str
    values: bool
    goes: int
    stays: list[tuple[str, int]]


_above: list[Way] = []
_leaving: list[Callable[[Back, Sql], None]] = []


def register(way: Way, leaving: Callable[[Back, Sql], None] | None = None) -> None:
    """Add the way back of a table above, in `AppConfig.ready`; `leaving` is told which subjects (their ids) go."""
    _above.append(way)
    if leaving:
        _leaving.append(leaving)


def refusal(imported: Import) -> Refused | None:
    """Why this import cannot be rolled back now; None when it can."""
    if imported.rolled_back_at:
        return Refused("rolled_back", _("This import was rolled back already."))
    if imported.dry_run or imported.job is None:
        return Refused("nothing_written", _("Nothing was written by this, so there is nothing to roll back."))
    if imported.job.state in jobs.OPEN:
        return Refused("busy", _("This import is under way. Cancel it, or wait until it has ended."))
    if not imported.traced:
        return Refused("not_traced", _("This import ran before imports were traced; it cannot be told what it wrote."))
    if imported.rollback is not None and imported.rollback.state in jobs.OPEN:
        return Refused("busy", _("This import is being rolled back."))
    return None


@transaction.atomic
def preview(imported: Import, *, now: datetime) -> list[Line]:
    """What rolling back would do at this moment, line by line. Raises Refused. Writes nothing that stays."""
    if refused := refusal(imported):
        raise refused
    back = Back(imported, None, now, temporary=True)
    _judge(back)
    return _lines(back)


def is_quick(imported: Import) -> bool:
    """Whether a preview may be waited for; else a job works it out (`foresee`)."""
    return int(imported.counts.get("rows", 0)) <= AT_HAND


@transaction.atomic
def foresee(imported: Import, *, by: User | None, now: datetime) -> Job:
    """Have a job work the preview out; the one that is at it already, if there is one. Raises Refused."""
    if refused := refusal(imported):
        raise refused
    Import.objects.select_for_update(of=("self",)).get(pk=imported.pk)
    job = foreseen(imported)
    if job is None or job.state not in jobs.OPEN:
        title = _("What rolling %(file)s back would do") % {"file": imported.file_name}
        job = jobs.enqueue(PREVIEW, {"import": imported.pk}, by=by, now=now, title=title)
        audit.record("import.foresee", imported.file_name, by=by, now=now, after={"import": imported.pk})
    return job


def foreseen(imported: Import) -> Job | None:
    """The last job that worked a preview out, or is at it."""
    return Job.objects.filter(kind=PREVIEW, payload__import=imported.pk).order_by("-pk").first()


def lines_foreseen(job: Job) -> list[Line]:
    """What a preview said."""
    return [Line(**{**each, "stays": [tuple(pair) for pair in each["stays"]]}) for each in job.result.get("lines", [])]


def preview_work(held: jobs.Held) -> dict[str, Any]:
    """The job of a preview: what `kit.jobs` calls."""
    lines = preview(Import.objects.get(pk=held.payload["import"]), now=held.now)
    link = reverse("import_roll_back", args=[held.payload["import"]])
    return {"lines": [asdict(line) for line in lines], "link": link}


@transaction.atomic
def begin(imported: Import, *, by: User | None, now: datetime) -> Job:
    """Claim the import and queue the work; one that failed or was cancelled goes on. Raises Refused."""
    locked = Import.objects.select_for_update(of=("self",)).select_related("job", "rollback").get(pk=imported.pk)
    if refused := refusal(locked):
        raise refused
    if locked.rollback is not None and jobs.retry(locked.rollback.pk):
        job = locked.rollback
    else:
        title = _("Rolling back of %(file)s") % {"file": locked.file_name}
        job = jobs.enqueue(JOB, {"import": locked.pk}, by=by, now=now, title=title)
        Import.objects.filter(pk=locked.pk).update(rollback=job)
    audit.record("import.roll_back", locked.file_name, by=by, now=now, after={"import": locked.pk})
    imported.refresh_from_db()
    return job


def work(held: jobs.Held) -> dict[str, Any]:
    """The job: what `kit.jobs` calls. Ends in the same state however often it was killed."""
    imported = Import.objects.get(pk=held.payload["import"])
    back = Back(imported, held.job.created_by, held.job.created_at)
    if not held.cursor:
        with transaction.atomic():
            _judge(back)
            held.progress(phase=TITLES["judge"], cursor={"step": 0, "after": 0}, rows_total=_total(back), rows_done=0)
    steps = _steps(back)
    while (place := held.cursor["step"]) < len(steps):
        with transaction.atomic():
            # Imports that write at this moment are waited for; they see that they have to look again.
            run(sql("SELECT pg_advisory_xact_lock(hashtext({})), nextval({})", TURN, TURN))
            ids = _next(back, steps[place], held.cursor["after"])
            if ids:
                _take(back, steps[place], ids)
            cursor = {"step": place, "after": ids[-1]} if ids else {"step": place + 1, "after": 0}
            held.progress(phase=TITLES["act"], cursor=cursor, rows_done=held.job.rows_done + len(ids))
    with transaction.atomic():
        answer = _finish(back)
        held.progress(phase=TITLES["finish"], cursor=held.cursor, result=answer)
    return answer


def lines_of(imported: Import) -> list[Line]:
    """What rolling back did, once it has."""
    labels = {way.table: str(way.label) for way in _ways()}
    told = imported.returned.get("lines", [])
    return [_line(labels, each["table"], each["values"], each["goes"], each["stays"]) for each in told]


# ---- judging ----


def _judge(back: Back) -> None:
    """Make the working tables out of the traces, and decide for every row."""
    _drop(back)
    kind = Sql("TEMPORARY" if back.temporary else "")
    end = Sql("ON COMMIT DROP" if back.temporary else "")
    run(
        sql(
            """
            CREATE {} TABLE {} {} AS
            SELECT trace."table" AS tab, each.id, each.mark, ''::text AS state FROM audience_importtrace trace
            CROSS JOIN LATERAL unnest(trace.ids, trace.marks) each (id, mark)
            WHERE trace.imported_id = {} AND trace.made
            """,
            kind, back.made, end, back.imported.pk,
        )
    )  # fmt: skip
    # What came of two files goes with either, whichever was the later, and wrote it.
    for table, whose in CAME_OF.items():
        run(
            sql(
                """INSERT INTO {} (tab, id, mark, state)
                   SELECT DISTINCT 'audience_activity', came.id, NULL::bigint, '' FROM {} made
                   CROSS JOIN LATERAL ({}) came (id)
                   WHERE made.tab = {} AND came.id IS NOT NULL AND NOT EXISTS (
                       SELECT FROM {} other WHERE other.tab = 'audience_activity' AND other.id = came.id)""",
                back.made, back.made, Sql(whose), table, back.made,
            )
        )  # fmt: skip
    run(sql("CREATE INDEX ON {} (tab, id)", back.made))
    run(sql("ANALYZE {}", back.made))
    run(
        sql(
            """
            CREATE {} TABLE {} {} AS
            SELECT tab, id, key, (array_agg(before ORDER BY trace))[1] AS before,
                   (array_agg(after ORDER BY trace DESC))[1] AS after, ''::text AS state
            FROM (
                SELECT trace.id AS trace, trace."table" AS tab, each.id, part.key, part.before, part.after
                FROM audience_importtrace trace
                CROSS JOIN LATERAL unnest(trace.ids, trace.was) each (id, was)
                CROSS JOIN LATERAL jsonb_each(each.was) pair (col, said)
                CROSS JOIN LATERAL (
                    SELECT col, said -> 0, said -> 1 WHERE col NOT IN ('custom', 'properties')
                    UNION ALL
                    SELECT col || '.' || word, said -> 0 -> word, said -> 1 -> word FROM (
                        SELECT jsonb_object_keys(said -> 0) UNION SELECT jsonb_object_keys(said -> 1)
                    ) named (word) WHERE col IN ('custom', 'properties')
                ) part (key, before, after)
                WHERE trace.imported_id = {} AND NOT trace.made AND pair.col <> ALL ({})
            ) told
            WHERE NOT {} GROUP BY tab, id, key
            HAVING (array_agg(before ORDER BY trace))[1] IS DISTINCT FROM (array_agg(after ORDER BY trace DESC))[1]
            """,
            kind, back.was, end, back.imported.pk, list(BY_RULE),
            sql("EXISTS (SELECT FROM {} made WHERE made.tab = told.tab AND made.id = told.id)", back.made),
        )
    )  # fmt: skip
    run(sql("CREATE INDEX ON {} (tab, id)", back.was))
    run(sql("ANALYZE {}", back.was))
    for step in _steps(back):
        _decide(back, step, Sql("true"))
        if step.table == "audience_account":
            while _keep_parents(back):
                pass


def _decide(back: Back, step: Step, among: Sql) -> None:
    """Note what becomes of the rows, or values, of a step for which `among` holds."""
    if isinstance(step, Way):
        told = """UPDATE {} made SET state = judged.state FROM ({}) judged WHERE made.tab = {} AND made.id = judged.id
                  AND NOT (made.state = {} AND judged.state = 'gone')"""  # it went with what it hung on
        run(sql(told, back.made, step.judged(back, among), step.table, GOES))
    else:
        told = """UPDATE {} was SET state = judged.state FROM ({}) judged
                  WHERE was.tab = {} AND was.id = judged.id AND was.key = judged.key"""
        run(sql(told, back.was, _values(back, step.table, among), step.table))


def _keep_parents(back: Back) -> int:
    """An account to which another belongs that stays, stays too; how many such were found."""
    return run(
        sql(
            """
            UPDATE {} made SET state = 'children' WHERE made.tab = 'audience_account' AND made.state = {} AND EXISTS (
                SELECT FROM audience_account child WHERE child.parent_id = made.id AND child.id <> made.id AND NOT {}
                AND NOT {})
            """,
            back.made, GOES,
            _going(back, "audience_account", "child.id"),
            back.returns("audience_account", "parent_id", Sql("child.id")),
        )
    )  # fmt: skip


def _going(back: Back, table: str, row: str) -> Sql:
    return back.wrote(table, Sql(row), going=True)


def _values(back: Back, table: str, among: Sql) -> Sql:
    """What becomes of each value that the import changed: (id, key, before, state)."""
    erased = Sql("s.erased_at IS NOT NULL") if table in SUBJECTS else Sql("false")
    taken = Sql("false")
    if table == "audience_person":
        taken = sql(
            """was.key = 'email' AND EXISTS (SELECT FROM audience_person o WHERE o.email <> '' AND o.id <> was.id
               AND NOT {} AND lower(o.email COLLATE "C") = lower((was.before #>> '{{}}') COLLATE "C"))""",
            _going(back, "audience_person", "o.id"),
        )
    missing = join(" OR ", (
        sql("(was.key = {} AND jsonb_typeof(was.before) = 'number' AND NOT EXISTS (SELECT FROM {} t "
            "WHERE t.id = (was.before #>> '{{}}')::bigint{}))",
            column, name(to), Sql(" AND t.erased_at IS NULL" if to in SUBJECTS else ""))
        for column, to in LINKS.items()
    ))  # fmt: skip
    objects = Sql("to_jsonb(s) -> split_part(was.key, '.', 1) -> substr(was.key, strpos(was.key, '.') + 1)")
    return sql(
        """
        SELECT id, key, before,
               CASE WHEN state = {} AND key = ANY ({}) AND bool_or(state = 'changed' AND key = ANY ({}))
                   OVER (PARTITION BY id) THEN 'changed' ELSE state END AS state
        FROM (
            SELECT was.id, was.key, was.before,
                   CASE WHEN s.id IS NULL OR {} THEN 'gone'
                        WHEN now.value IS DISTINCT FROM was.after AND now.value IS DISTINCT FROM was.before
                            THEN 'changed'
                        WHEN {} THEN 'no_link' WHEN {} THEN 'taken' ELSE {} END AS state
            FROM {} was LEFT JOIN {} s ON s.id = was.id
            CROSS JOIN LATERAL (
                SELECT CASE WHEN strpos(was.key, '.') > 0 THEN {} ELSE to_jsonb(s) -> was.key END AS value) now
            WHERE was.tab = {} AND {}
        ) found
        """,
        GOES, list(TOGETHER), list(TOGETHER), erased, missing, taken, GOES, back.was, name(table), objects, table,
        among,
    )  # fmt: skip


def _subjects(back: Back, among: Sql, table: str) -> Sql:
    """A subject goes unless something speaks of it that neither this import wrote nor came about by itself."""
    reasons = []
    for code, holder in sorted(registry.holders.items()):
        held = holder.model._meta.db_table
        follows = sql(holder.follows, back.made) if "{}" in holder.follows else Sql(holder.follows)
        if held in GO_FIRST:
            follows = sql("({} OR {})", follows, _going(back, held, "h.id"))
        if held == "audience_deal":  # another's deal is with whom it was before, if that returns
            back_to = [back.returns(held, column, Sql("h.id")) for column in ("account_id", "partner_id")]
            follows = join(" OR ", [follows, *back_to])
        if held == "audience_visitor":  # an anonymous id is whose it was before; such values return after people go
            told = """EXISTS (SELECT FROM {} was WHERE was.tab = {} AND was.id = h.id AND was.key = 'person_id'
                      AND was.after = to_jsonb(h.person_id))"""
            follows = join(" OR ", [follows, sql(told, back.was, held)])
        for column in _columns_of(holder.model, SUBJECTS[table]):
            there = sql("SELECT FROM {} h WHERE h.{} = made.id AND NOT ({})", name(held), name(column), follows)
            reasons.append(sql("WHEN EXISTS ({}) THEN {}", there, code))
    if table == "audience_account":
        there = sql(
            """SELECT FROM audience_person p WHERE p.account_id = made.id AND p.erased_at IS NULL
               AND NOT {} AND NOT {}""",
            _going(back, "audience_person", "p.id"),
            back.returns("audience_person", "account_id", Sql("p.id")),
        )
        reasons.append(sql("WHEN EXISTS ({}) THEN 'people'", there))
    gone = Sql("s.id IS NULL OR s.erased_at IS NOT NULL")
    return _told(back, table, among, gone, join(" ", reasons))


def _columns_of(model: Any, subject: type[Person] | type[Account]) -> list[str]:
    """The columns by which rows of a model speak of a person, or of an account; `subject_id` names either."""
    fields = model._meta.concrete_fields
    if any(each.attname == "subject_id" for each in fields):
        return ["subject_id"]
    return [each.column for each in fields if each.related_model is subject]


def _sourced(back: Back, among: Sql, table: str) -> Sql:
    """A row without a history goes as long as it is as it was made, and no row of others hangs on it."""
    hangs = [
        sql("EXISTS (SELECT FROM {} part WHERE part.{} = made.id AND NOT {} AND NOT {})", name(part), name(column),
            back.wrote(part, Sql("part.id"), going=part in GO_FIRST and part not in BESIDE_DEALS),
            back.returns(part, column, Sql("part.id")))
        for part, column in PARTS.get(table, ())
    ]  # fmt: skip
    changed = sql("WHEN {} <> made.mark THEN 'changed'", _mark(table, "s"))
    return _told(back, table, among, Sql("s.id IS NULL"), join(" ", [
        changed, *(sql("WHEN {} THEN 'parts'", each) for each in hangs)]))  # fmt: skip


def _mark(table: str, row: str) -> Sql:
    """By what a row, under its alias, is known to be as it was made."""
    columns = ", ".join(f"{row}.{each.strip()}" for each in MARKED[table].split(","))
    return Sql(f"hash_record_extended(ROW({columns}), 0)")


def _sold(back: Back, among: Sql, table: str) -> Sql:
    """A product of a deal goes as long as it is as it was made, and stays with a deal that was changed since."""
    stays = sql(
        """WHEN {} <> made.mark THEN 'changed'
           WHEN EXISTS (SELECT FROM audience_deal d JOIN {} whole ON whole.tab = 'audience_deal' AND whole.id = d.id
                        WHERE d.id = s.deal_id AND {} <> whole.mark) THEN {}""",
        _mark(table, "s"), back.made, _mark("audience_deal", "d"), WITH_IT,
    )  # fmt: skip
    return _told(back, table, among, Sql("s.id IS NULL"), stays)


def _beside(back: Back, among: Sql, table: str, *owners: tuple[str, str]) -> Sql:
    """What the import hung on rows that were there before goes; what hangs on a row that it made, if that does."""
    stay = [
        sql("WHEN {} AND NOT {} THEN {}", back.wrote(owner, Sql(f"s.{column}")),
            _going(back, owner, f"s.{column}"), WITH_IT)
        for column, owner in owners
    ]  # fmt: skip
    return _told(back, table, among, Sql("s.id IS NULL"), join(" ", stay))


def _names(back: Back, among: Sql, table: str) -> Sql:
    """What names or places a subject that was there before goes; what the import made takes its own with it."""
    made = join(" OR ", (back.wrote(owner, Sql(f"s.{column}")) for column, owner in OWNERS))
    return _told(back, table, among, Sql("s.id IS NULL"), sql("WHEN {} THEN {}", made, WITH_IT))


def _told(back: Back, table: str, among: Sql, gone: Sql, stays: Sql) -> Sql:
    return sql(
        """SELECT made.id, CASE WHEN {} THEN 'gone' {} ELSE {} END AS state
           FROM {} made LEFT JOIN {} s ON s.id = made.id WHERE made.tab = {} AND {}""",
        gone, stays, GOES, back.made, name(table), table, among,
    )  # fmt: skip


# ---- telling ----


def _ways() -> list[Way]:
    return [*FACTS, *_above, PEOPLE, PRODUCTS, ACCOUNTS, *NAMES]


def _counts(back: Back) -> list[dict[str, Any]]:
    """How many rows, and how many values, are in which state, table by table, as JSON keeps it."""
    found = rows(
        sql(
            """
            SELECT tab, false, state, count(*) FROM {} WHERE state NOT IN ('', {}) GROUP BY 1, 3
            UNION ALL SELECT tab, true, state, count(*) FROM {} GROUP BY 1, 3 ORDER BY 1, 2, 4 DESC
            """,
            back.made, WITH_IT, back.was,
        )
    )  # fmt: skip
    told: dict[tuple[str, bool], dict[str, Any]] = {}
    for table, values, state, number in found:
        empty = {"table": table, "values": values, "goes": 0, "stays": []}
        line = told.setdefault((table, values), empty)
        if state == GOES:
            line["goes"] = number
        else:
            line["stays"].append([state, number])
    order = [way.table for way in _ways()]
    return sorted(told.values(), key=lambda each: (each["values"], order.index(each["table"])))


def _lines(back: Back) -> list[Line]:
    labels = {way.table: str(way.label) for way in _ways()}
    return [_line(labels, **each) for each in _counts(back)]


def _line(labels: Mapping[str, str], table: str, values: bool, goes: int, stays: Iterable[Sequence[Any]]) -> Line:
    words = {**WORDS, **{code: _(holder.label) for code, holder in registry.holders.items()}}
    words |= next((way.words for way in _above if way.table == table), {})
    label = _("Changed values: %(of)s") % {"of": labels[table]} if values else labels[table]
    return Line(table, label, values, goes, [(str(words.get(state, state)), number) for state, number in stays])


def _total(back: Back) -> int:
    return int(
        value(
            sql(
                "SELECT (SELECT count(*) FROM {} WHERE state = {}) + (SELECT count(DISTINCT (tab, id)) FROM {} "
                "WHERE state = {})",
                back.made, GOES, back.was, GOES,
            )
        )
    )  # fmt: skip


def _finish(back: Back) -> dict[str, Any]:
    exclusions.refresh(back.now)
    counts = _counts(back)
    back.imported.traces.all().delete()
    _drop(back)
    Import.objects.filter(pk=back.imported.pk).update(rolled_back_at=back.now, returned={"lines": counts})
    gone = sum(each["goes"] for each in counts if not each["values"])
    returned = sum(each["goes"] for each in counts if each["values"])
    stayed = sum(number for each in counts for _state, number in each["stays"])
    answer = {"rows_gone": gone, "values_returned": returned, "stayed": stayed}
    after = {"import": back.imported.pk, **answer}
    audit.record("import.rolled_back", back.imported.file_name, by=back.by, now=back.now, after=after)
    return {**answer, "link": reverse("import", args=[back.imported.pk])}


def _drop(back: Back) -> None:
    run(sql("DROP TABLE IF EXISTS {}, {}", back.made, back.was))


# ---- doing ----


@dataclass(frozen=True)
class Values:
    """The step that gives back what the import changed in one table."""

    table: str


Step = Way | Values


def _steps(back: Back) -> list[Step]:
    """In this order: facts and what hangs on them, people, values (an email may be free by then), what is led to."""
    changed = rows(sql("SELECT DISTINCT tab FROM {} ORDER BY 1", back.was))
    return [*FACTS, *_above, PEOPLE, *(Values(table) for (table,) in changed), PRODUCTS, ACCOUNTS, *NAMES]


def _next(back: Back, step: Step, after: int) -> list[int]:
    """The ids of the next chunk of what goes, in ascending order."""
    table = back.made if isinstance(step, Way) else back.was
    found = "SELECT DISTINCT id FROM {} WHERE tab = {} AND state = {} AND id > {} ORDER BY id LIMIT {}"
    return [pk for (pk,) in rows(sql(found, table, step.table, GOES, after, AT_ONCE))]


def _take(back: Back, step: Step, ids: list[int]) -> None:
    """Look again at a chunk, whose rows are held now, and take back what may still go."""
    run(sql("SELECT id FROM {} WHERE id = ANY ({}) ORDER BY id FOR UPDATE", name(step.table), ids))
    alias = Sql("made.id") if isinstance(step, Way) else Sql("was.id")
    _decide(back, step, sql("{} = ANY ({})", alias, ids))
    if isinstance(step, Values):
        _return(back, step.table, ids)
        return
    still = rows(
        sql("SELECT id FROM {} WHERE tab = {} AND id = ANY ({}) AND state = {}", back.made, step.table, ids, GOES)
    )
    step.take(back, [pk for (pk,) in still])


def _return(back: Back, table: str, ids: Sequence[int]) -> None:
    """Give the values of a chunk back that may return."""
    column_of = "CASE WHEN strpos(key, '.') > 0 THEN split_part(key, '.', 1) ELSE key END"
    chosen = sql("tab = {} AND id = ANY ({}) AND state = {}", table, ids, GOES)
    columns = [column for (column,) in rows(
        sql("SELECT DISTINCT {} FROM {} WHERE {} ORDER BY 1", Sql(column_of), back.was, chosen))]  # fmt: skip
    if not columns:
        return
    values = sql(
        """
        SELECT id, coalesce(jsonb_object_agg(key, before) FILTER (WHERE strpos(key, '.') = 0), '{{}}') AS plain,
               coalesce(jsonb_object_agg(substr(key, strpos(key, '.') + 1), coalesce(before, 'null'))
                   FILTER (WHERE strpos(key, '.') > 0), '{{}}') AS object
        FROM {} WHERE {} GROUP BY id
        """,
        back.was, chosen,
    )  # fmt: skip
    found = sql(
        "FROM ({}) v JOIN {} s USING (id) CROSS JOIN LATERAL jsonb_populate_record(s, v.plain) g", values, name(table)
    )
    if table in SUBJECTS:
        _return_with_history(back, table, [each for each in columns if each != "first_seen_at"], found)
        if "first_seen_at" in columns:
            first = sql("SELECT s.id, g.first_seen_at {}", found)
            run(sql("UPDATE {} s SET first_seen_at = was.first_seen_at, updated_at = {} FROM ({}) was "
                    "WHERE was.id = s.id", name(table), back.now, first))  # fmt: skip
        return
    # An object loses the keys that it did not have, and no other that is empty.
    new = {column: sql("g.{}", name(column)) for column in columns} | (
        {"properties": Sql("(SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(s.properties || "
                           "v.object) WHERE NOT (v.object -> key = 'null'))")} if "properties" in columns else {}
    )  # fmt: skip
    told = join(", ", (sql("{} AS {}", each, name(column)) for column, each in new.items()))
    run(
        sql(
            "UPDATE {} s SET {} FROM (SELECT s.id, {} {}) new WHERE new.id = s.id",
            name(table), join(", ", (sql("{} = new.{}", name(column), name(column)) for column in new)), told, found,
        )
    )  # fmt: skip
    if table == "audience_deal":
        run(
            sql(
                """
                DELETE FROM audience_dealstagechange c USING audience_deal d WHERE d.id = ANY ({}) AND c.deal_id = d.id
                AND c.from_stage = d.stage AND c.from_status = d.status AND {}
                """,
                ids, back.wrote("audience_dealstagechange", Sql("c.id")),
            )
        )  # fmt: skip


def _return_with_history(back: Back, table: str, columns: Sequence[str], found: Sql) -> None:
    given = [sql("g.{}", name(column)) if column != history.CUSTOM else Sql("v.object AS custom") for column in columns]
    relation = sql("SELECT s.id, {} {}", join(", ", given or [Sql("1 AS nothing")]), found)
    history.update(SUBJECTS[table], relation, columns, source=back.source, at=back.now, now=back.now, exact=True)
    if history.ACCOUNT in columns:
        history.roles_return(sql("SELECT id FROM ({}) returned", relation), [back.imported.created_at])


def _happened(back: Back, among: Sql, table: str) -> Sql:
    """An activity goes, unless the other file that it came of was rolled back before."""
    return _told(back, table, among, Sql("s.id IS NULL OR s.external_id LIKE '%% rolled-back:' || s.id"), Sql(""))


def _beside_gone(back: Back, among: Sql, table: str) -> Sql:
    """What waits goes. What waits no more has become an activity, or was forgotten: nothing is to be said of it."""
    there = sql("made.id IN (SELECT w.id FROM {} w)", name(table))
    return _told(back, table, sql("{} AND {}", among, there), Sql("s.id IS NULL"), Sql(""))


def _browsers(back: Back, among: Sql, table: str) -> Sql:
    """An anonymous id that the import brought goes, unless others have told since whose it is, or what was done."""
    waits = [
        sql("WHEN EXISTS (SELECT FROM {} w WHERE w.visitor_id = made.id AND NOT {}) THEN 'parts'",
            name(held), back.wrote(held, Sql("w.id"), going=True))
        for held in ("audience_waitingactivity", "audience_pageview")
    ]  # fmt: skip
    since = sql("WHEN s.person_id IS NOT NULL AND s.known_at IS DISTINCT FROM {} THEN 'changed'",
                back.imported.created_at)  # fmt: skip
    return _told(back, table, among, Sql("s.id IS NULL"), join(" ", [since, *waits]))


def _told_as_history(back: Back, among: Sql, table: str) -> Sql:
    """What a file told of a deal's past goes; a step that it took itself goes with the values that return."""
    kept = sql("made.id IN (SELECT h.id FROM audience_dealstagechange h WHERE h.as_history)")
    return _told(back, table, sql("{} AND {}", among, kept), Sql("s.id IS NULL"), Sql(""))


def _reverse(back: Back, ids: Sequence[int]) -> None:
    """What did not happen is reversed by rows of their own, and gives its name up, so that it can be told again."""
    run(sql("UPDATE audience_activityparty SET activity_id = NULL WHERE activity_id = ANY ({})", list(ids)))
    activities.reverse(sql("SELECT unnest({}::bigint[]) AS id", list(ids)), now=back.now)
    renamed = "left(external_id, 160) || ' rolled-back:' || id"
    run(sql("UPDATE audience_activity SET external_id = {} WHERE id = ANY ({})", Sql(renamed), list(ids)))


def _unsay(back: Back, ids: Sequence[int]) -> None:
    """What nobody said is corrected by rows of their own, as every word that was written down by mistake."""
    consent.take_back(sql("SELECT unnest({}::bigint[]) AS id", list(ids)), by=back.by, now=back.now)


def _delete(table: str) -> Callable[[Back, Sequence[int]], None]:
    def take(back: Back, ids: Sequence[int]) -> None:
        for part, column in PARTS.get(table, ()):
            if table != "audience_product":
                run(sql("DELETE FROM {} WHERE {} = ANY ({})", name(part), name(column), list(ids)))
        run(sql("DELETE FROM {} WHERE id = ANY ({})", name(table), list(ids)))

    return take


def _empty(table: str) -> Callable[[Back, Sequence[int]], None]:
    """Subjects are emptied, not deleted: ledgers may speak of them, and a number that was given is given once.

    They never should have been there, so they are left out of every figure, also of those of the time before.
    """

    def take(back: Back, ids: Sequence[int]) -> None:
        subjects = sql("SELECT unnest({}::bigint[])", list(ids))
        for leave in _leaving:
            leave(back, subjects)
        exclusions.leave_out(SUBJECTS[table], subjects, reason=NEVER, source=back.source, now=back.now)
        for part, column in (("audience_identity", "subject_id"), ("audience_accountrole", f"{table[9:]}_id")):
            run(sql("DELETE FROM {} WHERE {} = ANY ({})", name(part), name(column), list(ids)))
        run(
            sql(
                "UPDATE {} SET {}, updated_at = {}, erased_at = {} WHERE id = ANY ({})",
                name(table), history.emptied(SUBJECTS[table]), back.now, back.now, list(ids),
            )
        )  # fmt: skip

    return take


def _way(table: str, label: Any, judged: Callable[..., Sql], *more: Any, take: Any = None) -> Way:
    return Way(table, label, lambda back, among: judged(back, among, table, *more), take or _delete(table))


OWNERS = (("person_id", "audience_person"), ("account_id", "audience_account"))
FACTS = (
    _way("audience_activity", gettext_lazy("Activities"), _happened, take=_reverse),
    _way("audience_activityparty", gettext_lazy("People of activities"), _beside),
    _way("audience_unnamedactivity", gettext_lazy("Activities that wait for whose they are"), _beside),
    _way("audience_waitingactivity", gettext_lazy("Activities of strangers"), _beside_gone),
    _way("audience_visitor", gettext_lazy("Anonymous ids"), _browsers),
    _way("audience_contractamendment", gettext_lazy("Contract amendments"), _sourced),
    _way("audience_contract", gettext_lazy("Contracts"), _sourced),
    _way("audience_purchase", gettext_lazy("Purchases"), _sourced),
    _way("audience_dealline", gettext_lazy("Products of deals"), _sold),
    _way("audience_deal", gettext_lazy("Deals"), _sourced),
    _way("audience_dealstagechange", gettext_lazy("Stages of deals"), _told_as_history),
    _way("audience_dealrole", gettext_lazy("Roles in deals"), _beside, ("deal_id", "audience_deal")),
    _way("audience_case", gettext_lazy("Cases"), _sourced),
    _way("audience_cost", gettext_lazy("Costs"), _sourced),
    _way("audience_exchangerate", gettext_lazy("Exchange rates"), _beside),
    _way("audience_consentrecord", gettext_lazy("Consents"), _beside, take=_unsay),
    _way("audience_suppression", gettext_lazy("Addresses not to be used"), _sourced),
)
PEOPLE = _way("audience_person", gettext_lazy("People"), _subjects, take=_empty("audience_person"))
PRODUCTS = _way("audience_product", gettext_lazy("Products"), _sourced)
ACCOUNTS = _way("audience_account", gettext_lazy("Accounts"), _subjects, take=_empty("audience_account"))
GO_FIRST = {way.table for way in FACTS}  # a row of theirs that stays keeps whom it speaks of
NAMES = (
    _way("audience_identity", gettext_lazy("External ids"), _names),
    _way("audience_accountrole", gettext_lazy("Roles in accounts"), _names),
)
