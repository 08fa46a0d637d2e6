"""Rows that are accounts: known by the external id of the file's source, else by domain, else by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.belonging import families
from audience.importing import planning, references, subjects
from audience.importing.run import Run
from audience.importing.targets import Derived, Kind, Need, Target
from audience.importing.values import CURRENCY, INSTANT, INTEGER, MONEY, SITE
from audience.models import Account
from audience.subjects import history, people
from kit.sql import Sql, join, name, run, sql

TARGETS = (
    Target(
        "external_id",
        _("external id"),
        length=300,
        aliases=(
            "id", "account id", "company id", "accountnumber", "account number", "customer id", "record id",
            "seller id", "vendor id", "merchant id",
        ),
    ),  # fmt: skip
    references.OWN_SYSTEM,
    Target(
        "name",
        _("name"),
        length=300,
        aliases=("account", "account name", "company", "company name", "companyname", "organization", "organisation"),
    ),
    Target("domain", _("domain"), SITE, 253, aliases=("website", "web site", "company domain name", "url", "web")),
    Target("industry", _("industry"), aliases=("sector", "branch", "companyindustry")),
    Target(
        "employees",
        _("employees"),
        INTEGER,
        aliases=(
            "number of employees", "numberofemployees", "num employees", "numemployees", "headcount",
            "employee count",
        ),
    ),
    Target("annual_revenue", _("annual revenue"), MONEY, aliases=("revenue", "annualrevenue", "turnover")),
    Target("currency", _("currency"), CURRENCY, aliases=("currency code", "currencyisocode")),
    Target("ownership", _("ownership"), length=100, aliases=("ownership type",)),
    Target("country", _("country"), length=100, aliases=(
        "billing country", "billingcountry", "office location", "companycountry",
    )),
    Target("region", _("region"), length=100, aliases=(
        "state", "province", "billing state", "billingstate", "companystate", "seller state",
    )),
    Target("city", _("city"), length=100, aliases=(
        "town", "billing city", "billingcity", "companycity", "seller city",
    )),
    Target("parent", _("parent: name"), length=300, aliases=(
        "parent company", "subsidiary of", "parent account", "parent name",
    )),
    Target("parent_external_id", _("parent: external id"), length=300, aliases=(
        "parent id", "parentid", "parent account id",
    )),
    Target("owner", _("owner (email or name of a user)"), aliases=("account owner", "owner email", "account manager")),
    Target(
        "first_seen",
        _("first seen"),
        INSTANT,
        aliases=("created at", "createdate", "create date", "created date", "createddate", "created", "date added"),
    ),
)  # fmt: skip
PLAIN = (
    "name",
    "domain",
    "industry",
    "employees",
    "annual_revenue",
    "currency",
    "ownership",
    "country",
    "region",
    "city",
)
TOGETHER = (("external_id", references.SYSTEM), ("parent", "parent_external_id"))


def derive(work: Run) -> Sequence[Derived]:
    return references.account_key(work, "")


def match(work: Run) -> None:
    """Which accounts are there; the last row about one counts, and what it leaves blank is as rows before have it."""
    planning.match_in_turn(work, _match, TOGETHER)


def _match(work: Run) -> None:
    """Which accounts are there; the last row about one counts."""
    references.find_accounts(work, prefix="")
    references.find_owners(work)
    _read_former_domains(work)
    changed = [history.differs(_columns(work), fill=work.fill)]
    if work.has("first_seen"):
        changed.append(Sql("coalesce(r.first_seen < date_trunc('second', s.first_seen_at), false)"))
    if work.has("external_id"):
        same = "o.account_id = s.id AND o.system = {} AND o.external_id = r.external_id"
        there = f"SELECT FROM audience_identity o WHERE {same}"
        changed.append(sql(f"r.external_id IS NOT NULL AND NOT EXISTS ({there})", references.source(work)))
    query = sql(
        """
        SELECT r.row, aa.id AS account, {} AS owner,
               CASE WHEN s.id IS NULL THEN {} WHEN s.erased_at IS NOT NULL THEN 'skip'
                    WHEN {} THEN {} ELSE {} END AS action
        FROM {} r {} LEFT JOIN audience_account s ON s.id = aa.id CROSS JOIN LATERAL (SELECT {}) g
        WHERE r.problem IS NULL
        """,
        references.links(work)["owner"],
        "create" if work.creates else "skip",
        join(" OR ", changed),
        "update" if work.updates else "skip",
        "same" if work.updates else "skip",
        work.table("rows"),
        references.joins(work),
        _given(work, references.links(work)["owner"]),
    )
    planning.make(work, query)
    planning.last_counts_of(work, "account")


def _read_former_domains(work: Run) -> None:
    """Which is called by a domain from before two were made one keeps the present one."""
    if work.has("domain"):
        run(
            sql(
                """UPDATE {} r SET domain = lower(a.domain COLLATE "C")
                   FROM audience_identity f JOIN audience_account a ON a.id = f.account_id AND a.domain <> ''
                   WHERE f.system = {} AND f.kind = 'domain' AND f.external_id = r.domain AND NOT EXISTS (
                       SELECT FROM audience_account own
                       WHERE lower(own.domain COLLATE "C") = r.domain AND own.erased_at IS NULL)""",
                work.table("rows"),
                people.FORMERLY,
            )
        )


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the rows `(after, last]`."""
    return subjects.write(work, Account, _rows, _columns(work), after, last)


def conclude(work: Run) -> Counter[str]:
    """Parents, once all accounts are there. One that is unknown, or would close a circle, is counted and left out."""
    if not work.has("parent", "parent_external_id"):
        return Counter()
    wanted = sql(
        """
        SELECT p.account AS id, coalesce(i.account_id, n.id) AS parent_id FROM {} p JOIN {} r ON r.row = p.row
        LEFT JOIN audience_identity i ON i.system = {} AND i.kind = 'account' AND i.external_id = {}
        LEFT JOIN LATERAL (
            SELECT min(a.id) AS id FROM audience_account a WHERE lower(a.name COLLATE "C") = lower({} COLLATE "C")
        ) n ON true
        WHERE p.action IN ('create', 'update', 'same') AND coalesce({}, {}) IS NOT NULL
        """,
        work.table("plan"),
        work.table("rows"),
        work.source,
        work.value("parent_external_id"),
        work.value("parent"),
        work.value("parent"),
        work.value("parent_external_id"),
    )
    work.create("parents", wanted)
    families.hold()
    circular = families.drop_circles(work.table("parents"), fill=work.fill)
    new = sql("SELECT id, parent_id FROM {} WHERE parent_id IS NOT NULL", work.table("parents"))
    if work.updates:
        history.update(Account, new, ["parent_id"], source=work.source, at=work.now, now=work.now, fill=work.fill)
    unknown = run(sql("DELETE FROM {} WHERE parent_id IS NULL", work.table("parents")))
    return Counter({"parents_unknown": unknown} | ({"parents_circular": circular} if circular else {}))


def _columns(work: Run) -> list[str]:
    columns = [column for column in PLAIN if work.has(column)]
    if work.has("owner"):
        columns.append("owner_id")
    if work.custom:
        columns.append("custom")
    return columns


def _given(work: Run, owner: Sql) -> Sql:
    values = [sql("{} AS {}", owner if c == "owner_id" else sql("r.{}", name(c)), name(c)) for c in _columns(work)]
    return join(", ", values or [Sql("1 AS nothing")])


def _rows(work: Run, after: int, last: int, action: str, *more: Sql) -> Sql:
    return sql(
        "SELECT {} FROM {} p JOIN {} r ON r.row = p.row WHERE {} AND p.action = {}",
        join(", ", [Sql("p.account AS id"), *more, _given(work, Sql("p.owner"))]),
        work.table("plan"),
        work.table("rows"),
        planning.between(after, last),
        action,
    )


KIND = Kind(
    name="accounts",
    label=_("Accounts"),
    table="audience_account",
    planned="account",
    help=_("One row is one organisation, known by an external id of the source, by its domain or by its name."),
    names=(
        "accounts",
        "account",
        "companies",
        "company",
        "organizations",
        "organisations",
        "firms",
        "sellers",
        "firmen",
        "unternehmen",
        "entreprises",
        "empresas",
    ),  # fmt: skip
    targets=TARGETS,
    needs=(
        Need(
            ("external_id", "domain", "name"),
            gettext_noop("The row has neither an external id nor a domain nor a name."),
        ),
    ),
    derive=derive,
    match=match,
    write=write,
    conclude=conclude,
    custom="account",
    touches_people=True,
)
