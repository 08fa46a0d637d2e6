"""Values kept on people and accounts, as they were at an instant: current columns, undone by the history of changes."""

from __future__ import annotations

from audience.conditions.moment import Moment, Span
from audience.conditions.registry import Column
from kit.sql import Sql, join, sql

TABLES = {"person": "audience_person", "account": "audience_account"}
ID = r"^\d{1,18}$"
NUMBER = r"^\s*-?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,2})?\s*$"
LIST = r'^\[("([^"\\]|\\["\\/bfnrt])*"(, ?"([^"\\]|\\["\\/bfnrt])*")*)?\]$'  # of texts, as JSON writes it
DAY = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"

# Of two who were made one, the values of the one who went are history: they never were the other's.
OWN = Sql("c.original_subject_id IS NULL")
LINK = "account"  # the name under which a person's changes of account are kept


def typed(text: Sql, type: str) -> Sql:
    """Text as a value of a field's type; what cannot be read as one is unknown, never an error."""
    if type in ("number", "money"):
        return sql("(CASE WHEN {} ~ {} THEN ({})::numeric END)", text, NUMBER, text)
    if type == "date":
        return sql("(CASE WHEN {} ~ {} THEN {} END)", text, DAY, _calendar_day(text))
    if type == "yes_no":
        return sql(
            "(CASE WHEN lower({}) IN ('true', 't', 'yes', '1') THEN true "
            "WHEN lower({}) IN ('false', 'f', 'no', '0') THEN false END)",
            text,
            text,
        )
    if type == "set":
        each = sql('SELECT lower(v COLLATE "C") AS v FROM jsonb_array_elements_text(({})::jsonb) v', text)
        return sql("(CASE WHEN {} ~ {} THEN (SELECT array_agg(v ORDER BY v) FROM ({}) each) END)", text, LIST, each)
    return sql("NULLIF({}, '')", text)


def _calendar_day(text: Sql) -> Sql:
    """A day in the form of DAY, NULL when its month is shorter (a plain cast would fail the whole statement)."""
    return sql(
        "(SELECT CASE WHEN extract(month FROM begins + days) = extract(month FROM begins) THEN begins + days END "
        "FROM (SELECT make_date(greatest(substr({}, 1, 4)::int, 1), substr({}, 6, 2)::int, 1) AS begins, "
        "substr({}, 9, 2)::int - 1 AS days) month)",
        text,
        text,
        text,
    )


def joined(rows: Sql, few: bool) -> Sql:
    """A relation as it is joined. Beside few it is found once, whatever the planner expects of it.

    It takes conditions that it knows nothing of to hold of hardly anybody, and would find it for each of these anew.
    """
    return sql("WITH once AS MATERIALIZED ({}) SELECT * FROM once", rows) if few else rows


class Subjects:
    """The subjects of one statement with the columns it asks for: expressions are taken first, `source` comes last.

    Aliases: s the subject, a a person's account as it then was, sh and ah the changes of each.
    """

    def __init__(self, of: str, moment: Moment, chosen: Sql, evidence: bool = False, few: bool = False) -> None:
        self.few = few
        self.of = of
        self.moment = moment
        self.chosen = chosen
        self.evidence = evidence
        self.changed: dict[str, dict[str, int]] = {"s": {}, "a": {}}
        self.with_account = False
        self.narrowed: list[Sql] = []

    def narrow(self, column: Column, found: Sql) -> None:
        """Keep to those whom an index finds by their current values (`found`, over s), and those whose value was
        another at the moment: who answers is always among them.
        """
        changed = sql(
            "ARRAY(SELECT c.subject_id FROM audience_fieldchange c WHERE c.field = {} AND {} AND {})",
            column.history,
            OWN,
            self.moment.later("c"),
        )
        self.narrowed.append(sql(" AND ({} OR s.id = ANY ({}))", found, changed))

    def value(self, column: Column, type: str) -> Sql:
        """The value as of the moment; NULL when unknown."""
        alias = self._alias(column)
        if column.how == "link":
            return sql("({} IS NOT NULL)", self.account())
        if column.how == "user":
            assert column.history
            return sql(
                "(SELECT u.email FROM kit_user u WHERE u.id = {})", self._link(alias, column.history, column.name)
            )
        if column.how == "custom":
            current = sql(f"({alias}.custom ->> {{}})", column.name)
            return self._then(alias, column.history, typed(current, type), type)
        return self._then(alias, column.history, self._stored(alias, column.name, type), type)

    def last_change(self, column: Column) -> Sql:
        """When it took the value it had: the last change before the moment, else since the subject was first seen."""
        if not column.history:
            return Sql("s.first_seen_at")
        alias = self._alias(column)
        instants = [self._last(alias, column.history), Sql("s.first_seen_at")]
        if alias == "a":
            instants.append(self._last("s", LINK))
            return sql("GREATEST({})", join(", ", instants))
        return sql("COALESCE({})", join(", ", instants))

    def source(self) -> Sql:
        """FROM and WHERE: the subjects that were there, with what the expressions taken so far need."""
        parts = [Sql(f"FROM {TABLES[self.of]} s")]
        if self.changed["s"]:
            parts.append(sql("LEFT JOIN {} sh ON sh.subject_id = s.id", self._changes("s", self.chosen)))
        if self.with_account:
            parts.append(sql("LEFT JOIN audience_account a ON a.id = {}{}", self.account(), self._account_known()))
        if self.changed["a"]:
            parts.append(sql("LEFT JOIN {} ah ON ah.subject_id = a.id", self._changes("a", self._accounts())))
        return join("\n", parts)

    def there(self) -> Sql:
        """WHERE: first seen before the moment, not erased, among those asked for."""
        known = sql(" AND s.created_at < {}", self.moment.known) if self.moment.known else Sql("")
        only = sql(" AND s.id IN ({})", self.chosen) if self.chosen else Sql("")
        narrowed = join("", self.narrowed)
        return sql("s.erased_at IS NULL AND s.first_seen_at < {}{}{}{}", self.moment.at, known, only, narrowed)

    def _alias(self, column: Column) -> str:
        if column.owner == self.of:
            return "s"
        self.with_account = True
        self._number("s", LINK)
        return "a"

    def _stored(self, alias: str, name: str, type: str) -> Sql:
        current = f"{alias}.{name}"
        return Sql(f"NULLIF({current}, '')") if type in ("text", "choice") else Sql(current)

    def _then(self, alias: str, history: str | None, current: Sql, type: str) -> Sql:
        if history is None:
            return current
        number = self._number(alias, history)
        old = typed(Sql(f"{alias}h.old{number}"), type)
        return sql(f"(CASE WHEN {alias}h.later{number} THEN {{}} ELSE {{}} END)", old, current)

    def account(self) -> Sql:
        """The id of a person's account as of the moment."""
        return self._link("s", LINK, "account_id")

    def _link(self, alias: str, history: str, name: str) -> Sql:
        """The id of what a subject was linked to."""
        number = self._number(alias, history)
        old = f"{alias}h.old{number}"
        return sql(
            f"(CASE WHEN {alias}h.later{number} THEN CASE WHEN {old} ~ {{}} THEN {old}::bigint END "
            f"ELSE {alias}.{name} END)",
            ID,
        )

    def _account_known(self) -> Sql:
        return sql(" AND a.created_at < {}", self.moment.known) if self.moment.known else Sql("")

    def _accounts(self) -> Sql:
        return accounts_of(self.chosen) if self.chosen else Sql("")

    def _number(self, alias: str, history: str) -> int:
        return self.changed[alias].setdefault(history, len(self.changed[alias]))

    def _last(self, alias: str, history: str) -> Sql:
        return Sql(f"{alias}h.last{self._number(alias, history)}")

    def _changes(self, alias: str, chosen: Sql) -> Sql:
        """Per subject and field: whether it changed later, from which value, and (for evidence) when it last had."""
        later = self.moment.later("c")
        columns = [Sql("c.subject_id")]
        for history, number in self.changed[alias].items():
            to_come = sql("c.field = {} AND {}", history, later)
            columns.append(sql(f"bool_or({{}}) AS later{number}", to_come))
            columns.append(
                sql(f"(array_agg(c.old ORDER BY c.occurred_at, c.id) FILTER (WHERE {{}}))[1] AS old{number}", to_come)
            )
            if self.evidence:
                counted = sql("c.field = {} AND {}", history, self.moment.counts("c"))
                columns.append(sql(f"max(c.occurred_at) FILTER (WHERE {{}}) AS last{number}", counted))
        when = Sql("") if self.evidence else sql(" AND {}", later)
        only = sql(" AND c.subject_id IN ({})", chosen) if chosen else Sql("")
        changes = sql(
            "SELECT {} FROM audience_fieldchange c WHERE c.field = ANY ({}) AND {}{}{} GROUP BY c.subject_id",
            join(", ", columns),
            list(self.changed[alias]),
            OWN,
            when,
            only,
        )
        return sql("({})", joined(changes, self.few))


def accounts_of(people: Sql) -> Sql:
    """The accounts that people are or were in."""
    return sql(
        "SELECT account_id FROM audience_person WHERE id IN ({}) UNION "
        "SELECT CASE WHEN old ~ {} THEN old::bigint END FROM audience_fieldchange "
        "WHERE field = {} AND subject_id IN ({})",
        people,
        ID,
        LINK,
        people,
    )


def people_of(accounts: Sql) -> list[Sql]:
    """Those who are or were in accounts."""
    return [
        sql("SELECT p.id FROM audience_person p WHERE p.account_id IN ({})", accounts),
        sql(
            "SELECT c.subject_id FROM audience_fieldchange c WHERE c.field = {} "
            "AND c.old IN (SELECT subject_id::text FROM ({}) accounts (subject_id))",
            LINK,
            accounts,
        ),
    ]


def touched(column: Column, of: str, span: Span) -> list[Sql]:
    """The subjects of whom the value changed between two instants, by what happened."""
    if column.history is None:  # it never changes; but whoever changes the account has another's
        return [] if column.owner == of else [changed(LINK, span)]
    return followed(changed(column.history, span), column.owner, of, span)


def changed(history: str, span: Span) -> Sql:
    """The subjects of whom a value kept under this name changed between two instants."""
    return sql(
        "SELECT c.subject_id FROM audience_fieldchange c WHERE c.field = {} AND {}",
        history,
        span.within("c.occurred_at"),
    )


def followed(owners: Sql, owner: str, of: str, span: Span) -> list[Sql]:
    """Whom it touches that something changed of these owners: themselves; of accounts, those who are or were in them,
    and whoever changed the account.
    """
    if owner == of:
        return [owners]
    return [*people_of(owners), changed(LINK, span)]


def touched_by_time(column: Column, type: str, of: str, ages: tuple[int, ...], span: Span) -> list[Sql]:
    """The subjects whose date reaches one of these ages in days between two instants, by time alone."""
    subjects = Subjects(of, span.until, Sql(""))
    value = subjects.value(column, type)
    day = span.until.local_day(value) if type == "instant" else value
    crosses = span.day_crosses(day, ages)
    if crosses is None:
        return []
    return [sql("SELECT s.id {} WHERE {} AND {}", subjects.source(), subjects.there(), crosses)]
