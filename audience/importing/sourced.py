"""Rows of tables that name each row by (source, external id): activities, deals, purchases and the like.

A row without an id of its own is known by what it says (its digest) and, when several rows say the same, by which of
them it is: the same file brought in twice brings nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from django.utils.translation import gettext_noop

from audience.importing import planning, references
from audience.importing.run import Run
from audience.importing.targets import Check, Need, Target
from audience.importing.values import EMAIL_ADDRESS, INSTANT
from audience.subjects import history
from kit.sql import Sql, join, name, run, sql

PERSON = (
    Target(
        "person_external_id",
        gettext_noop("person: external id"),
        length=300,
        aliases=(
            "person id", "contact id", "mql id", "lead id", "customer id", "prospect id", "user id", "vid",
            "who id", "whoid", "contactid", "recipient id", "member id",
        ),
    ),
    Target("person_system", gettext_noop("person: source system"), length=64, aliases=("person source system",)),
    Target(
        "person_email",
        gettext_noop("person: email"),
        EMAIL_ADDRESS,
        aliases=("email", "e-mail", "email address", "contact email", "recipient", "customer email", "buyer email"),
    ),
)  # fmt: skip
PRODUCT = (
    Target("product", gettext_noop("product: name"), length=300, aliases=("product name", "item", "sku name", "title")),
    Target(
        "product_external_id",
        gettext_noop("product: external id"),
        aliases=("product id", "productid", "sku", "item id", "variant id"),
    ),
    Target("product_system", gettext_noop("product: source system"), length=64, aliases=("product source system",)),
)
RECORDED = Target(
    "recorded",
    gettext_noop("written down by the source"),
    INSTANT,
    aliases=("recorded at", "logged at", "received at", "ingested at", "written at"),
)
RECORDED_LATER = gettext_noop("is later than now; nothing can have been written down then")
NO_JOINS = Sql("")
SUBJECT_NAMES = ("person_external_id", "person_email", "account_external_id", "account_domain", "account_name")
WHO = Need(SUBJECT_NAMES, gettext_noop("The row names neither a person nor an account."))
NOBODY = gettext_noop("Nobody is known by this external id, and the row has no email to make somebody of.")


def external_id(work: Run) -> Sql:
    """A row's id: its own, else its digest with which of several alike it is. Rows r, the alike dd."""
    if not work.kind.digest:
        return work.value("external_id")
    alike = Sql("r.digest || coalesce('-' || dd.n, '')")
    return sql("coalesce({}, {})", work.value("external_id"), alike)


def match(work: Run, table: str, given: Mapping[str, Sql], *, changed: Sql, may_change: bool = True) -> None:
    """Plan: what is there already by (source, external id), what each row refers to, and who is not known at all.

    `given` are the values by column, over rows r and references aa, pp, pr, oo; `changed` holds when they (alias g)
    would change what is there (alias s).
    """
    _tell_alike_apart(work)
    links = references.links(work)
    named = bool(references.person_key(work))
    nobody = Sql("r.person_key IS NOT NULL AND pp.id IS NULL") if named else Sql("false")
    updates = work.updates and may_change
    query = sql(
        """
        SELECT r.row, x.external_id, s.id AS known, {} AS person, {} AS account, {} AS product, {} AS owner,
               {} AS partner, {} AS key,
               CASE WHEN {} THEN 'no_email' WHEN {} THEN 'nobody' WHEN s.id IS NULL THEN {}
                    WHEN {} THEN {} ELSE {} END AS action
        FROM {} r {} {} CROSS JOIN LATERAL (SELECT {} AS external_id) x
        LEFT JOIN {} s ON s.source = {} AND s.external_id = x.external_id
        CROSS JOIN LATERAL (SELECT {}) g
        WHERE r.problem IS NULL
        """,
        links["person"],
        links["account"],
        links["product"],
        links["owner"],
        links["partner"],
        sql("{} || chr(31) || x.external_id", references.source(work)),
        Sql("pp.no_email") if named else Sql("false"),
        nobody,
        "create" if work.creates else "skip",
        changed if may_change else Sql("false"),
        "update" if updates else "skip",
        "same" if work.updates or not may_change else "skip",
        work.table("rows"),
        references.joins(work),
        sql("LEFT JOIN {} dd ON dd.row = r.row", work.table("digests")) if work.kind.digest else Sql(""),
        external_id(work),
        name(table),
        references.source(work),
        join(", ", (sql("{} AS {}", value, name(column)) for column, value in given.items())),
    )
    planning.make(work, query)
    planning.refuse(work, "nobody", "person_external_id", NOBODY)
    planning.refuse(work, "no_email", "person_email", EMAIL_ADDRESS.wrong)
    if work.has(references.SYSTEM):
        planning.last_counts_of(work, "key")
    elif work.has("external_id"):
        planning.last_counts(work, "external_id")


def insert(work: Run, table: str, after: int, last: int, columns: Mapping[str, Sql], joins: Sql = NO_JOINS) -> int:
    """Write the new rows of `(after, last]`, `columns` over rows r, plan p, `joins`; what came in meanwhile stays.

    They are recorded at the import's time, unless `columns` say otherwise.
    """
    columns = {"recorded_at": sql("{}", work.now), **columns}
    return run(
        sql(
            """
            INSERT INTO {} (source, external_id, {}) SELECT {}, p.external_id, {}
            FROM {} p JOIN {} r ON r.row = p.row {} WHERE p.action = 'create' AND {}
            ON CONFLICT (source, external_id) DO NOTHING
            """,
            name(table),
            join(", ", (name(column) for column in columns)),
            references.source(work),
            join(", ", columns.values()),
            work.table("plan"),
            work.table("rows"),
            joins,
            planning.between(after, last),
        )
    )


def update(work: Run, table: str, after: int, last: int, given: Mapping[str, Sql], new: Mapping[str, Sql]) -> int:
    """Write what differs of the known rows of `(after, last]`: `given` over r and p, `new` over given g, stored s."""
    return run(
        sql(
            "WITH g AS MATERIALIZED ({}) UPDATE {} s SET {} FROM g WHERE s.id = g.id AND {}",
            rows_given(work, after, last, given),
            name(table),
            join(", ", (sql("{} = {}", name(column), value) for column, value in new.items())),
            differs(new),
        )
    )


def rows_given(work: Run, after: int, last: int, given: Mapping[str, Sql]) -> Sql:
    """The relation of the known rows of `(after, last]` that change: `id` and the values given."""
    return sql(
        "SELECT p.known AS id, {} FROM {} p JOIN {} r ON r.row = p.row WHERE p.action = 'update' AND {}",
        join(", ", (sql("{} AS {}", value, name(column)) for column, value in given.items())),
        work.table("plan"),
        work.table("rows"),
        planning.between(after, last),
    )


def recorded_at(work: Run) -> Sql:
    """When a row (alias r) was written down: as its source says, else now, by this import."""
    return sql("coalesce({}, {})", work.value("recorded"), work.now)


def recorded_checks(work: Run) -> list[Check]:
    """Nothing was written down later than now."""
    later = sql("recorded > {}", work.now)
    return [Check(later, "recorded", RECORDED_LATER)] if work.has("recorded") else []


def news(work: Run, columns: Mapping[str, Sql], **own: Sql) -> dict[str, Sql]:
    """What each column becomes, by the import's policy; `own` are columns with a rule of their own."""
    return {column: own.get(column) or history.new_value(column, fill=work.fill) for column in columns}


def differs(new: Mapping[str, Sql]) -> Sql:
    """True where one of the new values is not the stored one (alias s)."""
    stored = join(", ", (sql("s.{}", name(column)) for column in new))
    return sql("ROW({}) IS DISTINCT FROM ROW({})", join(", ", new.values()), stored)


def planned(value: Mapping[str, Sql]) -> dict[str, Sql]:
    """The same values with references taken out of the plan: for writing, when the references need no looking up."""
    known = {"aa.id": Sql("p.account"), "pp.id": Sql("p.person"), "pr.id": Sql("p.product"), "oo.id": Sql("p.owner")}
    known["pa.id"] = Sql("p.partner")
    return {column: known.get(each.text, each) for column, each in value.items()}


def or_else(value: Sql, otherwise: str) -> Sql:
    """The value, or a text where the row says nothing."""
    return sql("coalesce({}, {})", value, otherwise)


def currency_of(work: Run, amount: str) -> Sql:
    """A new row's currency: what it says, else the installation's when it has an amount."""
    said, there = work.value("currency"), work.value(amount)
    return sql("coalesce({}, CASE WHEN {} IS NULL THEN '' ELSE {} END)", said, there, work.currency)


def count(work: Run, after: int, last: int, created: int | None = None) -> Counter[str]:
    """The counts of a range; what others wrote meanwhile (fewer created than planned) is there already: unchanged."""
    counts = planning.counted(work, after, last)
    return counts if created is None else as_written(counts, created)


def as_written(planned: Counter[str], created: int) -> Counter[str]:
    """The planned counts, less what others wrote meanwhile: so many were created, the rest is there already."""
    others = planned["created"] - created
    return planned + Counter(unchanged=others) - Counter(created=others)


def _tell_alike_apart(work: Run) -> None:
    """Rows without an id that say the very same, numbered from the second on."""
    if work.kind.digest:
        unnamed = sql("problem IS NULL AND {} IS NULL", work.value("external_id", "r"))
        work.create(
            "digests",
            sql(
                """
                SELECT row, n FROM (
                    SELECT r.row, row_number() OVER (PARTITION BY r.digest ORDER BY r.row) AS n FROM {} r
                    WHERE {} AND r.digest IN (
                        SELECT r.digest FROM {} r WHERE {} GROUP BY 1 HAVING count(*) > 1)
                ) alike WHERE n > 1
                """,
                work.table("rows"),
                unnamed,
                work.table("rows"),
                unnamed,
            ),
        )
