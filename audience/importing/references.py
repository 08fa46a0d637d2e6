"""What rows refer to: accounts, people, products, owners, by the names the file has for them; found, or to be made.

Each reference is one row of a table of its own: `key` (how the file's rows say it), `id` (found, or drawn from the
sequence for what is to be made; NULL when it can neither be found nor made) and `fresh`. Two keys may be one subject: a
name that stands beside a domain elsewhere in the file is that account, an external id beside an email that person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_noop

from audience.belonging import domains
from audience.importing.run import Run
from audience.importing.targets import Derived, Target
from audience.importing.values import SITE, is_email
from audience.subjects import people
from kit.sql import Sql, join, name, run, sql

SYSTEM = "source_system"
OWN_SYSTEM = Target(SYSTEM, gettext_noop("source system (whose external id it is)"), length=64)
ACCOUNT = (
    Target("account_external_id", gettext_noop("account: external id"), aliases=(
        "company id", "account id", "accountid", "organization id", "associatedcompanyid",
    )),
    Target("account_system", gettext_noop("account: source system"), length=64, aliases=("account source system",)),
    Target("account_domain", gettext_noop("account: domain"), SITE, 253, aliases=(
        "company domain", "website", "web site", "company website", "domain",
    )),
    Target("account_name", gettext_noop("account: name"), length=300, aliases=(
        "company", "company name", "account", "account name", "organization", "organisation",
        "account account name", "employer",
    )),
)  # fmt: skip

PARTNER = (
    Target("partner_external_id", gettext_noop("partner: external id"), aliases=("partner id", "partner account id")),
    Target("partner_system", gettext_noop("partner: source system"), length=64, aliases=("partner source system",)),
    Target("partner_domain", gettext_noop("partner: domain"), SITE, 253),
    Target("partner_name", gettext_noop("partner: name"), length=300, aliases=(
        "partner", "partner account", "reseller", "partner account name",
    )),
)  # fmt: skip
NEVER = Sql("NULL::timestamptz")


def source(work: Run, target: str = SYSTEM, alias: str = "r") -> Sql:
    """The system whose external id it is: the one that the row (alias r) names, else the import's."""
    return (
        sql("coalesce({}, {})", work.value(target, alias), work.source) if work.has(target) else sql("{}", work.source)
    )


def account_key(work: Run, prefix: str = "account_") -> list[Derived]:
    """The column `account_key` for rows that name an account by external id, domain or name."""
    ways = [("x", f"{prefix}external_id"), ("d", f"{prefix}domain"), ("n", f"{prefix}name")]
    return _key(work, "partner_key" if prefix == "partner_" else "account_key", ways, _system(prefix))


def _one_of(work: Run, column: Sql, *targets: str) -> Sql:
    """The system of several rows that are about one: as they name it in a column, else the import's."""
    said = sql("max({}), ", column) if work.has(*targets) else Sql("")
    return sql("coalesce({}{}::text)", said, work.source)


def partner_key(work: Run) -> list[Derived]:
    """The column `partner_key` for rows that name a partner as they name an account."""
    return account_key(work, "partner_")


def _system(prefix: str) -> str:
    return f"{prefix}system" if prefix else SYSTEM


def person_key(work: Run) -> list[Derived]:
    """The column `person_key` for rows that name a person by external id or email."""
    return _key(work, "person_key", [("x", "person_external_id"), ("e", "person_email")], "person_system")


def product_key(work: Run, external: str = "product_external_id", called: str = "product") -> list[Derived]:
    """The column `product_key` for rows that name a product by external id or name."""
    return _key(work, "product_key", [("x", external), ("n", called)], _system_of_product(external))


def _system_of_product(external: str) -> str:
    return "product_system" if external == "product_external_id" else SYSTEM


def find_accounts(work: Run, seen: Sql = NEVER, prefix: str = "account_", *, new: Sql | None = None) -> None:
    """Fill `accounts`, if the file names any. `seen` is when a row (alias r) proves to have seen its account, and `new`
    (else `seen`) when an account that is to be made was first seen.
    """
    named = [each for each in (prefix, "partner_") if account_key(work, each)]
    if not named:
        return
    said = [
        sql(
            """SELECT r.{} AS key, {} AS external_id, {} AS system, {} AS domain, {} AS name, {} AS seen, {} AS new
               FROM {} r WHERE r.problem IS NULL AND r.{} IS NOT NULL""",
            name(account_key(work, each)[0].name), work.value(f"{each}external_id"), work.value(_system(each)),
            work.value(f"{each}domain"), work.value(f"{each}name"), seen, new or seen, work.table("rows"),
            name(account_key(work, each)[0].name),
        )
        for each in named
    ]  # fmt: skip
    work.create(
        "accounts",
        sql(
            """
            SELECT k.*, coalesce(i.account_id, d.id, n.id) AS id, false AS fresh FROM (
                SELECT key, max(external_id) AS external_id, {} AS system, max(domain) AS domain,
                       max(name) AS name, min(seen) AS seen, min(new) AS first_seen
                FROM ({}) said GROUP BY 1
            ) k
            LEFT JOIN audience_identity i ON i.system = k.system AND i.kind = 'account'
                AND i.external_id = k.external_id
            LEFT JOIN LATERAL (
                SELECT coalesce(min(a.id), (
                    SELECT f.account_id FROM audience_identity f
                    WHERE f.system = {} AND f.kind = 'domain' AND f.external_id = k.domain)) AS id
                FROM audience_account a
                WHERE lower(a.domain COLLATE "C") = k.domain AND a.domain <> '' AND a.erased_at IS NULL AND {}
            ) d ON i.account_id IS NULL AND k.domain IS NOT NULL
            LEFT JOIN LATERAL (
                SELECT min(a.id) AS id FROM audience_account a
                WHERE lower(a.name COLLATE "C") = lower(k.name COLLATE "C")
                AND (k.domain IS NULL OR a.domain = '') AND a.erased_at IS NULL AND {}
            ) n ON i.account_id IS NULL AND d.id IS NULL AND k.name IS NOT NULL
            """,
            _one_of(work, Sql("system"), *(_system(each) for each in named)), join(" UNION ALL ", said),
            people.FORMERLY, UNNAMED, UNNAMED,
        ),
        "key",
    )  # fmt: skip
    folded = 'lower(name COLLATE "C")'
    _number(work, "accounts", [("x", ""), ("d", "domain"), ("n", folded)], "nextval('audience_subject_seq')")


# An account that this source knows by another id is another account, whatever its name.
UNNAMED = Sql(
    """(k.external_id IS NULL OR NOT EXISTS (
        SELECT FROM audience_identity o WHERE o.account_id = a.id AND o.system = k.system AND o.kind = 'account'))"""
)


def find_people(work: Run, seen: Sql = NEVER, *, new: Sql | None = None) -> None:
    """Fill `people`, if the file names any; `seen` and `new` as for accounts.

    Who is not known and has an email can be made, unless the option `create_people` says no.
    """
    if not person_key(work):
        return
    external, email = work.value("person_external_id"), work.value("person_email")
    work.create(
        "people",
        sql(
            """
            SELECT k.*, coalesce(i.person_id, e.id) AS id, false AS fresh,
                   coalesce(k.email IS NOT NULL AND e.id IS NULL AND NOT {}, false) AS no_email
            FROM (
                SELECT r.person_key AS key, max({}) AS external_id, {} AS system, max({}) AS email,
                       min({}) AS seen, min({}) AS first_seen
                FROM {} r WHERE r.problem IS NULL AND r.person_key IS NOT NULL GROUP BY 1
            ) k
            LEFT JOIN audience_identity i ON i.system = k.system AND i.kind = 'person' AND i.external_id = k.external_id
            {}
            """,
            is_email(Sql("k.email")), external, _one_of(work, work.value("person_system"), "person_system"), email,
            seen, new or seen,
            work.table("rows"), people.by_address(Sql("k.email")),
        ),
        "key",
    )  # fmt: skip
    if not work.options.get("create_people", True):
        return
    run(
        sql(
            """
            UPDATE {} people SET id = made.id, fresh = true FROM (
                SELECT email, nextval('audience_subject_seq') AS id FROM (
                    SELECT email FROM {} WHERE id IS NULL AND email IS NOT NULL AND NOT no_email
                    GROUP BY email ORDER BY email
                ) unknown
            ) made WHERE people.id IS NULL AND people.email = made.email
            """,
            work.table("people"),
            work.table("people"),
        )
    )


def find_products(work: Run, external: str = "product_external_id", called: str = "product") -> None:
    """Fill `products`, if the file names any."""
    if not product_key(work, external, called):
        return
    system = _system_of_product(external)
    work.create(
        "products",
        sql(
            """
            SELECT k.*, coalesce(x.id, n.id) AS id, false AS fresh FROM (
                SELECT r.product_key AS key, max({}) AS external_id, {} AS system, max({}) AS name
                FROM {} r WHERE r.problem IS NULL AND r.product_key IS NOT NULL GROUP BY 1
            ) k
            LEFT JOIN audience_product x ON x.source = k.system AND x.external_id = k.external_id
            LEFT JOIN LATERAL (
                SELECT min(p.id) AS id FROM audience_product p
                WHERE lower(p.name COLLATE "C") = lower(k.name COLLATE "C")
                AND (k.external_id IS NULL OR p.source <> k.system)
            ) n ON x.id IS NULL AND k.name IS NOT NULL
            """,
            work.value(external), _one_of(work, work.value(system), system), work.value(called),
            work.table("rows"),
        ),
        "key",
    )  # fmt: skip
    folded = 'lower(name COLLATE "C")'
    _number(work, "products", [("x", ""), ("n", folded)], "nextval(pg_get_serial_sequence('audience_product', 'id'))")


def find_owners(work: Run) -> None:
    """Fill `owners`: the users that the file names by email or by name; who is no user here owns nothing."""
    if work.has("owner"):
        work.create(
            "owners",
            sql(
                """
                SELECT k.key, (SELECT min(u.id) FROM kit_user u WHERE u.email = lower(k.key) OR u.name = k.key) AS id
                FROM (SELECT DISTINCT r.owner AS key FROM {} r WHERE r.problem IS NULL AND r.owner IS NOT NULL) k
                """,
                work.table("rows"),
            ),
        )


def joins(work: Run) -> Sql:
    """The references of a row (alias r), as far as the file has any: aa, pp, pr, oo."""
    parts = []
    columns = {derived.name for derived in work.kind.derive(work)}
    for column, table, alias in (
        ("account_key", "accounts", "aa"),
        ("partner_key", "accounts", "pa"),
        ("person_key", "people", "pp"),
        ("product_key", "products", "pr"),
    ):
        if column in columns:
            parts.append(
                sql("LEFT JOIN {} {} ON {}.key = r.{}", work.table(table), Sql(alias), Sql(alias), name(column))
            )
    if work.has("owner"):
        parts.append(sql("LEFT JOIN {} oo ON oo.key = r.owner", work.table("owners")))
    return join(" ", parts)


def links(work: Run) -> dict[str, Sql]:
    """The ids behind the references of a row, by the name of their column in `plan`."""
    columns = {derived.name for derived in work.kind.derive(work)}
    found = {
        "person": Sql("pp.id") if "person_key" in columns else Sql("NULL::bigint"),
        "account": Sql("aa.id") if "account_key" in columns else Sql("NULL::bigint"),
        "product": Sql("pr.id") if "product_key" in columns else Sql("NULL::bigint"),
        "owner": Sql("oo.id") if work.has("owner") else Sql("NULL::bigint"),
        "partner": Sql("pa.id") if "partner_key" in columns else Sql("NULL::bigint"),
    }
    return found


def make(work: Run) -> Counter[str]:
    """Write the accounts, people and products that rows to be written refer to and that are not there yet."""
    columns = {derived.name for derived in work.kind.derive(work)}
    made: Counter[str] = Counter()
    if {"account_key", "partner_key"} & columns:
        made["accounts_created"] = _make_accounts(work)
    if "person_key" in columns:
        made["people_created"] = _make_people(work)
    if "product_key" in columns:
        made["products_created"] = _make_products(work)
    return made


def _make_accounts(work: Run) -> int:
    made = run(
        sql(
            """
            INSERT INTO audience_account (id, name, domain, first_seen_at, created_at, created_source, updated_at)
            SELECT id, coalesce(max(name), ''), coalesce(max(domain), ''), coalesce(min(first_seen), {}), {}, {}, {}
            FROM {} WHERE {} GROUP BY id ORDER BY id
            """,
            work.now, work.now, work.source, work.now, work.table("accounts"), _needed_accounts(work),
        )
    )  # fmt: skip
    _name(work, "accounts", "account")
    return made


def find_domains(work: Run, which: str) -> Sql:
    """A join of a table (alias r) with the accounts of its emails’ domains (dd), where that is set; else nothing."""
    if not work.by_domain or (which == "rows" and not work.has("email")):
        return Sql("")
    said = sql("SELECT split_part(email, '@', -1) AS domain FROM {}", work.table(which))
    work.create(f"{which}_domains", domains.accounts_of(said))
    return sql("LEFT JOIN {} dd ON dd.domain = split_part(r.email, '@', -1)", work.table(f"{which}_domains"))


def _make_people(work: Run) -> int:
    by_domain = find_domains(work, "people")
    made = run(
        sql(
            """
            INSERT INTO audience_person (id, email, account_id, first_seen_at, created_at, created_source, updated_at)
            SELECT id, max(email), {}, coalesce(min(first_seen), {}), {}, {}, {} FROM {} r {}
            WHERE {} GROUP BY id ORDER BY id
            """,
            Sql("max(dd.account)") if by_domain else Sql("NULL"), work.now, work.now, work.source, work.now,
            work.table("people"), by_domain, _needed(work, "person"),
        )
    )  # fmt: skip
    _name(work, "people", "person")
    return made


def _make_products(work: Run) -> int:
    return run(
        sql(
            """
            INSERT INTO audience_product (id, name, family, currency, source, external_id, recorded_at)
            SELECT id, coalesce(max(name), max(external_id)), '', '', max(system),
                   coalesce(max(external_id), left('name:' || max(lower(name COLLATE "C")), 200)), {}
            FROM {} WHERE {} GROUP BY id ORDER BY id
            """,
            work.now, work.table("products"), _needed(work, "product"),
        )
    )  # fmt: skip


def _needed_accounts(work: Run) -> Sql:
    named = [sql("({})", _needed(work, "account"))]
    return join(" OR ", [*named, *([sql("({})", _needed(work, "partner"))] if partner_key(work) else [])])


def _needed(work: Run, column: str) -> Sql:
    return sql(
        "fresh AND id IN (SELECT {} FROM {} WHERE action = ANY ({}))",
        name(column), work.table("plan"), ["create", "update", *(["part"] if column == "product" else [])],
    )  # fmt: skip


def _name(work: Run, table: str, kind: str) -> None:
    """Note the external ids of what was just made."""
    run(
        sql(
            """
            INSERT INTO audience_identity ({}, system, kind, external_id, created_at)
            SELECT id, system, {}, external_id, {} FROM {} WHERE external_id IS NOT NULL AND ({})
            ON CONFLICT DO NOTHING
            """,
            name(f"{kind}_id"), kind, work.now, work.table(table),
            _needed_accounts(work) if kind == "account" else _needed(work, kind),
        )
    )  # fmt: skip


def see(work: Run) -> None:
    """A person or account that the file saw before we first did was seen then; by parts of a second nobody was, for
    files have seconds.
    """
    columns = {derived.name for derived in work.kind.derive(work)}
    for column, table, model, plan in (
        ("person_key", "people", "audience_person", "person"),
        ("account_key", "accounts", "audience_account", "account"),
    ):
        if column in columns:
            run(
                sql(
                    """
                    UPDATE {} s SET first_seen_at = k.first_seen, updated_at = {} FROM (
                        SELECT id, min(seen) AS first_seen FROM {} WHERE NOT fresh
                        AND id IN (SELECT {} FROM {} WHERE action IN ('create', 'update')) GROUP BY id
                    ) k WHERE s.id = k.id AND s.erased_at IS NULL
                    AND k.first_seen < date_trunc('second', s.first_seen_at)
                    """,
                    name(model), work.now, work.table(table), name(plan), work.table("plan"),
                )
            )  # fmt: skip


def _key(work: Run, column: str, ways: Sequence[tuple[str, str]], system: str) -> list[Derived]:
    cases = []
    for mark, target in ways:
        if work.has(target):
            said = sql("r.{}", name(target))
            text = sql('lower({} COLLATE "C")', said) if mark == "n" else said
            if mark == "x" and work.has(system):
                text = sql("coalesce(nullif({}, {}) || chr(31), '') || {}", work.value(system), work.source, said)
            cases.append(sql("WHEN {} IS NOT NULL THEN {} || {}", said, mark, text))
    return [Derived(column, "text", sql("CASE {} END", join(" ", cases)))] if cases else []


def _number(work: Run, which: str, ways: Sequence[tuple[str, str]], next_id: str) -> None:
    """Give ids to what was not found: what is named a weaker way (later in `ways`) joins what a stronger way knows."""
    table = work.table(which)
    before: list[str] = []
    for mark, same in ways:
        if same and before:
            run(
                sql(
                    """
                    UPDATE {} weak SET id = strong.id FROM (
                        SELECT {} AS said, min(id) AS id FROM {} WHERE left(key, 1) = ANY({}) GROUP BY 1
                    ) strong WHERE weak.id IS NULL AND left(weak.key, 1) = {} AND {} = strong.said
                    """,
                    table, Sql(same), table, before, mark,
                    Sql(same.replace("(name", "(weak.name").replace("domain", "weak.domain")),
                )
            )  # fmt: skip
        run(
            sql(
                """
                UPDATE {} SET id = made.id, fresh = true FROM (
                    SELECT key, {} AS id FROM (SELECT key FROM {} WHERE id IS NULL AND left(key, 1) = {} ORDER BY key) k
                ) made WHERE {}.key = made.key
                """,
                table, Sql(next_id), table, mark, table,
            )
        )  # fmt: skip
        before.append(mark)
