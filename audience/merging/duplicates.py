"""Who may be one and the same: pairs of people, or of accounts, each with why and how sure, for somebody to decide.

Every rule is one statement over everybody. A rule of equal keys pairs each with the oldest of its key, so that the cost
follows the people and not their pairs; a key that many share (a switchboard, a name like a job title) says nothing.
What was decided stays: a pair that is said to be two is not shown again. Nothing is merged by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import phonenumbers
from django.db import transaction
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.models import Account, Duplicate, Person
from audience.subjects import sight
from audience.subjects.people import FORMERLY
from kit import audit, countries, jobs
from kit.models import Job, User
from kit.sql import Sql, rows, run, sql, value

JOB = "duplicates"
SHARED = 20  # so many may have one key; what more have in common is no sign
AT_ONCE = 10_000  # people whose numbers are worked out in one transaction
ALIKE = 0.5  # how alike two last names are at least, in trigrams, where the server can tell
TOLD_APART = 5, 8  # letters that a last name, and an account's name, has at least for a slip in it to be seen
LONGEST = 60  # letters of an account's name in which slips are looked for: each is a key of its own
# Dots and what follows a plus mean nothing to them, as they say themselves.
GOOGLE = ["gmail.com", "googlemail.com"]
# What says how a firm is incorporated, not what it is called.
LEGAL = (
    "gmbh|mbh|ag|kg|kgaa|ohg|ug|se|ev|inc|incorporated|llc|llp|lp|ltd|limited|corp|corporation|co|company|plc|pte|pty|"
    "sa|sas|sarl|sl|srl|spa|sro|bv|nv|ab|oy|oyj|as|asa|aps|kft|zrt|kk"
)
EVERY = Sql("true")
PAIR = Sql("(one bigint, other bigint, rule text, evidence text, confidence int)")


@dataclass(frozen=True)
class Rule:
    """One reason to think that two are the same, in words, and the statement (one, other, evidence, confidence)."""

    name: str
    label: str | Promise
    of: str
    pairs: Sql


def folded(column: str) -> str:
    """Text as it is compared."""
    return f'lower({column} COLLATE "C")'


# ---- finding ----


def find(now: datetime) -> int:
    """Look at everybody and all accounts anew; how many pairs wait to be looked at."""
    _read_phones()
    with transaction.atomic():
        run(sql("SET LOCAL work_mem = '64MB'"))
        for of in ("person", "account"):
            _find(of, now)
    return Duplicate.objects.filter(state=Duplicate.State.OPEN).count()


def _find(of: str, now: datetime) -> None:
    run(sql("CREATE TEMPORARY TABLE found_pair {} ON COMMIT DROP", PAIR))
    if of == "account":
        _read_accounts()
    for rule in rules(of, trigrams=_tells_trigrams()):
        pairs = "SELECT least(one, other), greatest(one, other), {}, evidence, confidence FROM ({}) pairs"
        run(sql("INSERT INTO found_pair " + pairs, rule.name, rule.pairs))
    run(
        sql(
            """
            INSERT INTO audience_duplicate ("of", one_id, other_id, why, confidence, state, found_at)
            SELECT {}, one, other, jsonb_agg(jsonb_build_object('rule', rule, 'evidence', evidence) ORDER BY confidence
                   DESC, rule), least(99, round(100 * (1 - exp(sum(ln(1 - confidence / 100.0))))))::int, {}, {}
            FROM (SELECT one, other, rule, min(evidence) AS evidence, max(confidence) AS confidence FROM found_pair
                  GROUP BY 1, 2, 3) told
            GROUP BY one, other ORDER BY one, other
            ON CONFLICT (one_id, other_id) DO UPDATE SET why = excluded.why, confidence = excluded.confidence
            WHERE audience_duplicate.state = {} AND (audience_duplicate.why, audience_duplicate.confidence)
                IS DISTINCT FROM (excluded.why, excluded.confidence)
            """,
            of, str(Duplicate.State.OPEN), now, str(Duplicate.State.OPEN),
        )
    )  # fmt: skip
    run(
        sql(
            """DELETE FROM audience_duplicate d WHERE d."of" = {} AND d.state = {}
               AND NOT EXISTS (SELECT FROM found_pair f WHERE f.one = d.one_id AND f.other = d.other_id)""",
            of,
            str(Duplicate.State.OPEN),
        )
    )
    run(Sql("DROP TABLE IF EXISTS found_pair, named_account"))


def _read_accounts() -> None:
    """What each account is called without its legal form, and where it is, for the rules of this transaction."""
    plain = """trim(regexp_replace(lower(name), '[^[:alnum:]]+', ' ', 'g'))"""
    written = [country for (country,) in rows(Sql("SELECT DISTINCT country FROM audience_account"))]
    run(
        sql(
            f"""
            CREATE TEMPORARY TABLE named_account ON COMMIT DROP AS
            SELECT a.id, trim(regexp_replace({plain}, '( ({LEGAL}))+$', '')) AS called, c.code AS country, a.domain
            FROM audience_account a JOIN unnest({{}}::text[], {{}}::text[]) c (written, code) ON c.written = a.country
            WHERE a.name <> '' AND a.erased_at IS NULL
            """,
            written,
            [countries.code(each) or each.casefold() for each in written],
        )
    )
    run(Sql("CREATE INDEX ON named_account (id)"))
    run(Sql("ANALYZE named_account"))


def want_trigrams(_now: datetime) -> None:
    """Have the server tell how alike two texts are, where it has that and lets us; nothing requires it."""
    run(
        Sql(
            """DO $$ BEGIN CREATE EXTENSION IF NOT EXISTS pg_trgm;
               EXCEPTION WHEN insufficient_privilege OR feature_not_supported OR undefined_file
                   OR unique_violation OR duplicate_object THEN NULL; END $$"""
        )
    )


def _tells_trigrams() -> bool:
    return bool(value(Sql("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm')")))


def begin(*, by: User | None, now: datetime) -> Job:
    """Have everybody looked at, as long work; that which is under way already, if any is."""
    if under_way := Job.objects.filter(kind=JOB, state__in=jobs.OPEN).first():
        return under_way
    with transaction.atomic():
        job = jobs.enqueue(JOB, {}, by=by, now=now, title=_("Looking for duplicates"))
        audit.record("duplicates.find", job.title, by=by, now=now)
    return job


def work(held: jobs.Held) -> dict[str, Any]:
    """The job: what `kit.jobs` calls."""
    return {"pairs": find(held.now)}


def _read_phones() -> None:
    """Work out what numbers that are new mean; forget those that nobody has any more."""
    run(
        Sql(
            """DELETE FROM audience_phonenumber n WHERE NOT EXISTS (
                   SELECT FROM audience_person p WHERE p.phone = n.written AND p.country = n.country)"""
        )
    )
    [(first, last)] = rows(Sql("SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM audience_person"))
    for begin in range(first, last + 1, AT_ONCE):
        _read_phones_of(begin, begin + AT_ONCE)


def _read_phones_of(first: int, beyond: int) -> None:
    """Work out the numbers that are new among people of a range of ids, so that each is looked at once."""
    unknown = rows(
        sql(
            """SELECT DISTINCT p.phone, p.country FROM audience_person p
               LEFT JOIN audience_phonenumber n ON n.written = p.phone AND n.country = p.country
               WHERE p.id >= {} AND p.id < {} AND p.phone <> '' AND n.id IS NULL""",
            first,
            beyond,
        )
    )
    if unknown:
        run(
            sql(
                """INSERT INTO audience_phonenumber (written, country, number)
                   SELECT * FROM unnest({}::text[], {}::text[], {}::text[]) ON CONFLICT DO NOTHING""",
                [written for written, _country in unknown],
                [country for _written, country in unknown],
                [number_of(written, country) for written, country in unknown],
            )
        )


def number_of(written: str, country: str) -> str:
    """The number in E.164 that is meant by what was written in a country, however that is called; "" for none."""
    region = countries.code(country) or None
    try:
        parsed = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(parsed):
        return ""
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


# ---- rules ----


def rules(of: str, *, trigrams: bool = False) -> Iterator[Rule]:
    """The rules for people, or for accounts; with `trigrams` on a server that can tell how alike two texts are."""
    return _people(trigrams) if of == "person" else _accounts()


def words() -> dict[str, Any]:
    """What each rule says, by its name."""
    return {rule.name: rule.label for of in ("person", "account") for rule in rules(of)}


def _people(trigrams: bool) -> Iterator[Rule]:
    local, domain = "split_part(lower(email COLLATE \"C\"), '@', 1)", "split_part(lower(email COLLATE \"C\"), '@', 2)"
    yield Rule(
        "email_google", gettext_lazy("the same mailbox"), "person",
        _keyed("audience_person", sql(
            f"""SELECT id, replace(split_part({local}, '+', 1), '.', '') AS key,
                       replace(split_part({local}, '+', 1), '.', '') || '@gmail.com' AS evidence
                FROM audience_person WHERE email <> '' AND erased_at IS NULL AND {domain} = ANY ({{}})""", GOOGLE),
            Sql("98")),
    )  # fmt: skip
    yield Rule(
        "email_plus", gettext_lazy("the same email but for what follows a plus"), "person",
        _keyed("audience_person", sql(
            f"""SELECT id, split_part({local}, '+', 1) || '@' || {domain} AS key,
                       split_part({local}, '+', 1) || '@' || {domain} AS evidence
                FROM audience_person WHERE email <> '' AND erased_at IS NULL AND split_part({local}, '+', 1) <> ''
                AND {domain} <> ALL ({{}})""", GOOGLE),
            Sql("85")),
    )  # fmt: skip
    yield Rule(
        "email_former", gettext_lazy("an email that the other had before"), "person",
        Sql(
            """SELECT DISTINCT p.id AS one, c.person_id AS other, p.email AS evidence, 90 AS confidence
               FROM audience_fieldchange c
               JOIN audience_person p ON lower(p.email COLLATE "C") = lower(c.old COLLATE "C") AND p.email <> ''
               JOIN audience_person o ON o.id = c.person_id AND o.erased_at IS NULL
               WHERE c.field = 'email' AND c.old <> '' AND c.person_id <> p.id AND p.erased_at IS NULL"""
        ),
    )  # fmt: skip
    yield Rule(
        "phone", gettext_lazy("the same telephone number"), "person",
        _keyed("audience_person", Sql(
            """SELECT p.id, n.number AS key, n.number AS evidence FROM audience_person p
               JOIN audience_phonenumber n ON n.written = p.phone AND n.country = p.country
               WHERE n.number <> '' AND p.erased_at IS NULL"""),
            Sql(f"""CASE WHEN '' IN (a.last_name, b.last_name) OR {folded("a.last_name")} = {folded("b.last_name")}
                    THEN 85 ELSE 40 END""")),
    )  # fmt: skip
    yield Rule("external_id", gettext_lazy("the same id in two systems"), "person", _named_alike("person"))
    yield Rule(
        "name_account", gettext_lazy("the same name in the same account"), "person",
        _keyed("audience_person", Sql(
            f"""SELECT id, account_id || ' ' || {folded("first_name")} || ' ' || {folded("last_name")} AS key,
                       first_name || ' ' || last_name AS evidence
                FROM audience_person
                WHERE account_id IS NOT NULL AND first_name <> '' AND last_name <> '' AND erased_at IS NULL"""),
            Sql("80")),
    )  # fmt: skip
    yield Rule(
        "name_short", gettext_lazy("a shorter form of the same name in the same account"), "person",
        _within("last_name", Sql(
            f"""{folded("a.first_name")} <> {folded("b.first_name")} AND
                (starts_with({folded("a.first_name")}, rtrim({folded("b.first_name")}, '.')) OR
                 starts_with({folded("b.first_name")}, rtrim({folded("a.first_name")}, '.')))"""), 60),
    )  # fmt: skip
    one, other = folded("a.last_name"), folded("b.last_name")
    alike = sql(f"similarity({one}, {other}) >= {{}} OR", ALIKE) if trigrams else Sql("")
    yield Rule(
        "name_alike", gettext_lazy("a similar name in the same account"), "person",
        _within("first_name", sql(f"{one} <> {other} AND ({{}} {_one_slip(one, other)})", alike), 55),
    )  # fmt: skip


def _one_slip(one: str, other: str) -> str:
    """Whether two texts differ by one letter that is missing, too much or another, or by two that changed places."""
    return f"""(
        least(length({one}), length({other})) >= {TOLD_APART[0]} AND abs(length({one}) - length({other})) <= 1
        AND EXISTS (
            SELECT FROM generate_series(0, least(length({one}), length({other}))) same
            WHERE left({one}, same) = left({other}, same) AND (
                substr({one}, same + 2) IN (substr({other}, same + 1), substr({other}, same + 2))
                OR substr({one}, same + 1) = substr({other}, same + 2)
                OR substr({one}, same + 3) = substr({other}, same + 3)
                    AND substr({one}, same + 1, 2) = reverse(substr({other}, same + 1, 2)))))"""


def _accounts() -> Iterator[Rule]:
    bare = """regexp_replace(lower(domain COLLATE "C"), '^www\\.', '')"""
    yield Rule(
        "domain", gettext_lazy("the same domain"), "account",
        _keyed("audience_account", Sql(
            f"""SELECT id, {bare} AS key, {bare} AS evidence FROM audience_account
                WHERE domain <> '' AND erased_at IS NULL"""),
            Sql("90")),
    )  # fmt: skip
    yield Rule("external_id", gettext_lazy("the same id in two systems"), "account", _named_alike("account"))
    elsewhere = "a.country <> b.country AND '' NOT IN (a.country, b.country)"
    another = "a.domain <> b.domain AND '' NOT IN (a.domain, b.domain)"
    yield Rule(
        "account_name", gettext_lazy("the same name but for its legal form"), "account",
        _keyed(
            "named_account", Sql("SELECT id, called AS key, called AS evidence FROM named_account WHERE called <> ''"),
            Sql(f"CASE WHEN {elsewhere} THEN 40 WHEN {another} THEN 50 ELSE 75 END")),
    )  # fmt: skip
    # Whoever takes one letter out of each of two names, and finds them equal, has two that differ by one slip. Letters
    # that stand at the beginning, and digits, rather tell two from one another than be mistaken.
    yield Rule(
        "account_alike", gettext_lazy("a similar name, but for its legal form"), "account",
        _keyed(
            "named_account",
            Sql(f"""SELECT DISTINCT id, left(called, out - 1) || substr(called, out + 1) AS key, called AS evidence
                    FROM named_account, generate_series(2, length(called) + 1) out
                    WHERE length(called) BETWEEN {TOLD_APART[1]} AND {LONGEST}
                    AND substr(called, out, 1) !~ '[0-9]'"""),
            Sql(f"CASE WHEN {another} THEN 35 ELSE 60 END"),
            Sql(f"a.called <> b.called AND NOT ({elsewhere})")),
    )  # fmt: skip


def _keyed(table: str, keys: Sql, confidence: Sql, where: Sql = EVERY) -> Sql:
    """Each with the oldest that has the same key. `keys` yields id, key, evidence; of a pair the older one is a, b the
    other."""
    return sql(
        f"""
        SELECT a.id AS one, b.id AS other, k.evidence, {{}} AS confidence FROM (
            SELECT id, evidence, min(id) OVER same AS first, count(*) OVER same AS shared FROM ({{}}) keyed
            WINDOW same AS (PARTITION BY key)) k
        JOIN {table} a ON a.id = k.first JOIN {table} b ON b.id = k.id
        WHERE k.id <> k.first AND k.shared <= {{}} AND {{}}
        """,
        confidence, keys, SHARED, where,
    )  # fmt: skip


def _named_alike(of: str) -> Sql:
    """Mere numbers are given by many systems, and mean nobody in particular."""
    return _keyed(
        f"audience_{of}",
        sql(
            f"""SELECT DISTINCT {of}_id AS id, kind || ' ' || external_id AS key, external_id AS evidence
                FROM audience_identity WHERE {of}_id IS NOT NULL AND system <> {{}} AND length(external_id) >= 6
                AND external_id !~ '^[0-9]+$'""",
            FORMERLY,
        ),
        Sql("70"),
    )


def _within(same: str, alike: Sql, confidence: int) -> Sql:
    """Pairs within one account that have one name in common, of few, and for which `alike` holds."""
    return sql(
        f"""
        WITH few AS MATERIALIZED (
            SELECT * FROM (
                SELECT id, account_id, first_name, last_name, {folded(same)} AS key,
                       count(*) OVER (PARTITION BY account_id, {folded(same)}) AS shared
                FROM audience_person
                WHERE account_id IS NOT NULL AND first_name <> '' AND last_name <> '' AND erased_at IS NULL) named
            WHERE shared BETWEEN 2 AND {{}})
        SELECT a.id AS one, b.id AS other, {confidence} AS confidence,
               a.first_name || ' ' || a.last_name || ' · ' || b.first_name || ' ' || b.last_name AS evidence
        FROM few a JOIN few b ON b.account_id = a.account_id AND b.key = a.key AND a.id < b.id WHERE {{}}
        """,
        SHARED,
        alike,
    )


# ---- deciding ----


def waiting(user: Any, of: str | None = None) -> QuerySet[Duplicate]:
    """The pairs that wait to be looked at, of whom the user sees both; the surest first."""
    pairs = Duplicate.objects.filter(state=Duplicate.State.OPEN)
    if of:
        pairs = pairs.filter(of=of)
    return sight.subjects(sight.subjects(pairs, user, "one_id"), user, "other_id").order_by("-confidence", "pk")


def say_two(pair: Duplicate, *, by: User | None, now: datetime) -> bool:
    """These two are not the same, and are not shown as such again. False when that was decided already."""
    with transaction.atomic():
        decided = {"state": Duplicate.State.TWO, "decided_at": now, "decided_by": by}
        done = Duplicate.objects.filter(pk=pair.pk, state=Duplicate.State.OPEN).update(**decided)
        if done:
            after = {pair.of: pair.one_id, "other": pair.other_id}
            both = (pair.one_id, pair.other_id)
            audit.record("duplicate.two", f"#{pair.one_id}, #{pair.other_id}", by=by, now=now, after=after, about=both)
    return bool(done)


def subjects_of(pairs: list[Duplicate]) -> dict[int, Person | Account]:
    """The people and accounts of these pairs, by number."""
    ids = {pk for pair in pairs for pk in (pair.one_id, pair.other_id)}
    found: dict[int, Person | Account] = {}
    found.update(Person.objects.filter(pk__in=ids).select_related("account", "owner").in_bulk())
    found.update(Account.objects.filter(pk__in=ids).select_related("owner").in_bulk())
    return found
