"""Rows that are people: known by the external id of the file's source, else by email."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.importing import planning, references, subjects
from audience.importing.run import Run
from audience.importing.targets import Derived, Kind, Need, Target
from audience.importing.values import EMAIL_ADDRESS, INSTANT, is_email
from audience.models import Person
from audience.subjects import history, people, titles
from kit.sql import Sql, join, name, run, sql

TARGETS = (
    Target("external_id", _("external id"), length=300, aliases=(
        "id", "mql id", "lead id", "contact id", "customer id", "person id", "prospect id", "user id",
        "person external id", "record id", "vid", "lead number", "member id",
    )),
    references.OWN_SYSTEM,
    Target("email", _("email"), EMAIL_ADDRESS, aliases=(
        "e-mail", "email address", "e-mail address", "mail", "work email", "business email", "contact email",
    )),
    Target("first_name", _("first name"), aliases=(
        "firstname", "given name", "forename", "contact first name",
    )),
    Target("last_name", _("last name"), aliases=(
        "lastname", "surname", "family name", "contact last name",
    )),
    Target("phone", _("phone"), length=50, aliases=(
        "phone number", "phone no", "telephone", "mobile", "mobile phone", "contact phone",
    )),
    Target("title", _("job title"), aliases=("jobtitle", "job title", "position", "contact title", "role title")),
    Target("title_group", _("title group"), length=50),
    Target("seniority", _("seniority"), length=50, aliases=("job level", "seniority level")),
    Target("language", _("language"), length=35, aliases=("locale", "preferred language", "lang", "preferred locale")),
    Target("zone", _("time zone"), length=64, aliases=("timezone", "time zone", "tz")),
    Target("source", _("original source"), aliases=(
        "lead source", "leadsource", "origin", "original source", "signup source", "utm source",
    )),
    Target("country", _("country"), length=100, aliases=(
        "country name", "mailing country", "mailingcountry", "country region",
    )),
    Target("region", _("region"), length=100, aliases=(
        "state", "province", "state region", "mailingstate", "mailing state",
    )),
    Target("city", _("city"), length=100, aliases=("town", "mailingcity", "mailing city")),
    Target("owner", _("owner (email or name of a user)"), aliases=(
        "owner email", "contact owner", "lead owner", "sales rep", "account manager",
    )),
    Target("first_seen", _("first seen"), INSTANT, aliases=(
        "first contact date", "first contact", "created at", "createdate", "create date", "created",
        "created date", "createddate", "signup date", "date added", "registered at", "date created",
        "timestamp signup", "first seen at",
    )),
    *references.ACCOUNT,
    Target("account_role", _("account: role"), length=100, aliases=("role", "buying role", "contact role")),
)  # fmt: skip
PLAIN = (
    "email", "first_name", "last_name", "phone", "title", "title_group", "seniority", "language", "zone", "source",
    "country", "region", "city",
)  # fmt: skip
TOGETHER = (
    ("external_id", references.SYSTEM),
    (*(each.name for each in references.ACCOUNT), "account_role"),
)
TAKEN = gettext_noop("The email belongs to somebody else, whom this source knows by another external id.")


def derive(work: Run) -> Sequence[Derived]:
    return references.account_key(work)


def match(work: Run) -> None:
    """Who is who; the last row about somebody counts, and what it leaves blank is as the rows before it have it."""
    planning.match_in_turn(work, _match, TOGETHER)


def _match(work: Run) -> None:
    """Who is who: by external id, else by email; the last row about somebody counts, earlier ones are repetitions."""
    references.find_accounts(work, new=sql("{}::timestamptz", work.now))
    references.find_owners(work)
    _read_titles(work)
    by_domain = references.find_domains(work, "rows")
    _read_former_addresses(work)
    named = work.has("external_id")
    both = named and work.has("email")
    known = {
        (True, True): "coalesce(i.person_id, e.id)", (True, False): "i.person_id", (False, True): "e.id",
    }[named, work.has("email")]  # fmt: skip
    by_id = sql(
        "LEFT JOIN audience_identity i ON i.system = {} AND i.kind = 'person' AND i.external_id = r.external_id",
        references.source(work),
    )
    by_email = Sql("LEFT JOIN audience_person e ON lower(e.email COLLATE \"C\") = r.email AND e.email <> ''")
    itself = Sql(f"LEFT JOIN audience_person s ON s.id = {known}") if named else Sql("")
    subject = "s" if named else "e"
    query = sql(
        """
        SELECT r.row, {}.id AS person, {} AS account, {} AS owner,
               CASE WHEN {} THEN 'no_email' WHEN {} THEN 'taken' WHEN {}.id IS NULL THEN {}
                    WHEN {}.erased_at IS NOT NULL THEN 'skip'
                    WHEN {} THEN {} ELSE {} END AS action
        FROM {} r {} {} {} {} {} CROSS JOIN LATERAL (SELECT {}) g
        WHERE r.problem IS NULL
        """,
        Sql(subject), _account(work, subject, by_domain), references.links(work)["owner"],
        _is_no_email(work),
        Sql("i.person_id <> e.id") if both else Sql("false"), Sql(subject), "create" if work.creates else "skip",
        Sql(subject), _differs(work, subject, named), "update" if work.updates else "skip",
        "same" if work.updates else "skip",
        work.table("rows"), by_id if named else Sql(""), by_email if work.has("email") else Sql(""), itself,
        sql("{} {}", references.joins(work), by_domain), _titles(work), _given(work, references.links(work)),
    )  # fmt: skip
    planning.make(work, query)
    for action, reason in (("no_email", EMAIL_ADDRESS.wrong), ("taken", TAKEN)):
        planning.refuse(work, action, "email", reason)
    new = planning.number(work, "person", Sql("nextval('audience_subject_seq')"))
    if not new and not named:
        planning.last_counts_of(work, "person")  # whoever is there has one email, and numbers group faster
        return
    for target in ("external_id", "email"):
        if work.has(target) and not (target == "external_id" and work.has(references.SYSTEM)):
            planning.last_counts(work, target)
    if both or work.has(references.SYSTEM):
        planning.last_counts_of(work, "person")


def prepare(work: Run) -> Counter[str]:
    made = references.make(work)
    made.pop("people_created", None)
    return made


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the rows `(after, last]`, and the roles in accounts."""
    counts = subjects.write(work, Person, _rows, _columns(work), after, last)
    if counts["created"] or counts["updated"]:
        _take_roles(work, after, last)
    return counts


def _columns(work: Run) -> list[str]:
    columns = [column for column in PLAIN if work.has(column)]
    if work.has("title"):
        columns += [column for column in ("title_group", "seniority") if not work.has(column)]
    if references.account_key(work) or (work.has("email") and work.by_domain):
        columns.append("account_id")
    if work.has("owner"):
        columns.append("owner_id")
    if work.custom:
        columns.append("custom")
    return columns


def _given(work: Run, links: dict[str, Sql]) -> Sql:
    """The values of a row under the names of their columns; `links` are the ids that its references lead to."""
    values: dict[str, Sql] = {column: sql("r.{}", name(column)) for column in _columns(work)}
    for column in ("title_group", "seniority"):
        if column in values and not work.has(column):
            values[column] = sql("tt.{}", name(column))
    values |= {f"{link}_id": links[link] for link in ("account", "owner") if f"{link}_id" in values}
    return join(", ", [Sql("1 AS nothing"), *(sql("{} AS {}", value, name(c)) for c, value in values.items())])


def _account(work: Run, subject: str, by_domain: Sql) -> Sql:
    """The account that a row names; of somebody new who names none, the one of their domain, where that is set."""
    named = references.links(work)["account"]
    return sql("coalesce({}, CASE WHEN {}.id IS NULL THEN dd.account END)", named, Sql(subject)) if by_domain else named


def _is_no_email(work: Run) -> Sql:
    """What somebody has already is an email; anything else is looked at."""
    if not work.has("email"):
        return Sql("false")
    return sql("r.email IS NOT NULL AND e.id IS NULL AND NOT {}", is_email(Sql("r.email")))


def _differs(work: Run, subject: str, named: bool) -> Sql:
    parts = [history.differs(_columns(work), fill=work.fill, subject=subject)]
    if work.has("first_seen"):
        parts.append(Sql(f"coalesce(r.first_seen < date_trunc('second', {subject}.first_seen_at), false)"))
    if named:
        parts.append(Sql("r.external_id IS NOT NULL AND i.person_id IS NULL"))
    return join(" OR ", parts)


def _read_former_addresses(work: Run) -> None:
    """Who is called by an address from before two were made one keeps the present one."""
    if work.has("email"):
        run(
            sql(
                """UPDATE {} r SET email = lower(p.email COLLATE "C")
                   FROM audience_identity f JOIN audience_person p ON p.id = f.person_id AND p.email <> ''
                   WHERE f.system = {} AND f.kind = 'email' AND f.external_id = r.email AND NOT EXISTS (
                       SELECT FROM audience_person own WHERE lower(own.email COLLATE "C") = r.email)""",
                work.table("rows"),
                people.FORMERLY,
            )
        )


def _read_titles(work: Run) -> None:
    """What each distinct title of the file says, worked out once."""
    if work.has("title"):
        rules = titles.in_force()
        work.create(
            "titles",
            sql(
                "SELECT title, {} AS title_group, {} AS seniority FROM "
                "(SELECT DISTINCT title FROM {} WHERE problem IS NULL AND title IS NOT NULL) said",
                *(titles.derived(each, Sql("title"), rules) for each in titles.BOTH),
                work.table("rows"),
            ),
        )


def _titles(work: Run) -> Sql:
    return sql("LEFT JOIN {} tt ON tt.title = r.title", work.table("titles")) if work.has("title") else Sql("")


def _rows(work: Run, after: int, last: int, action: str, *more: Sql) -> Sql:
    links = {"account": Sql("p.account"), "owner": Sql("p.owner")}
    return sql(
        "SELECT {} FROM {} p JOIN {} r ON r.row = p.row {} WHERE {} AND p.action = {}",
        join(", ", [Sql("p.person AS id"), *more, _given(work, links)]),
        work.table("plan"),
        work.table("rows"),
        _titles(work),
        planning.between(after, last),
        action,
    )


def _take_roles(work: Run, after: int, last: int) -> None:
    if work.has("account_role") and references.account_key(work):
        run(
            sql(
                """
                INSERT INTO audience_accountrole (person_id, account_id, role, source, recorded_at)
                SELECT p.person, p.account, r.account_role, {}, {} FROM {} p JOIN {} r ON r.row = p.row
                WHERE r.account_role IS NOT NULL AND p.account IS NOT NULL AND p.action IN ('create', 'update') AND {}
                ON CONFLICT DO NOTHING
                """,
                work.source,
                work.now,
                work.table("plan"),
                work.table("rows"),
                planning.between(after, last),
            )
        )


KIND = Kind(
    name="people",
    label=_("People"),
    table="audience_person",
    planned="person",
    help=_("One row is one person, known by an external id of the source or by email."),
    names=(
        "people",
        "person",
        "contacts",
        "contact",
        "leads",
        "lead",
        "prospects",
        "prospect",
        "subscribers",
        "members",
        "member",
        "customers",
        "customer",
        "profiles",
        "kontakte",
        "personen",
        "ansprechpartner",
        "personnes",
        "contactos",
        "personas",
    ),  # fmt: skip
    targets=TARGETS,
    needs=(Need(("external_id", "email"), gettext_noop("The row has neither an email nor an external id.")),),
    derive=derive,
    match=match,
    prepare=prepare,
    write=write,
    custom="person",
    touches_people=True,
)
