"""Rows that are deals: possible sales, open, won or lost, with the person and account they are with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.commerce import pipelines
from audience.importing import planning, references, sourced
from audience.importing.kinds import lines
from audience.importing.run import Run
from audience.importing.targets import Check, Derived, Kind, Target
from audience.importing.values import CURRENCY, DATE, INSTANT, MONEY, NUMBER
from audience.subjects import people
from kit.sql import Sql, join, name, run, sql, value

TABLE = "audience_deal"
TARGETS = (
    Target("external_id", _("external id of the deal"), aliases=("id", "deal id", "opportunity id", "dealid")),
    references.OWN_SYSTEM,
    Target("name", _("name"), length=300, aliases=("deal name", "dealname", "opportunity name", "opportunity")),
    Target(
        "amount",
        _("amount"),
        MONEY,
        aliases=("value", "close value", "deal amount", "deal value", "total", "revenue", "expected revenue"),
    ),
    Target("currency", _("currency"), CURRENCY, aliases=("currency code", "currencyisocode", "deal currency code")),
    Target("pipeline", _("pipeline"), length=100, aliases=("deal pipeline", "deal pipeline id")),
    Target(
        "stage",
        _("pipeline stage"),
        length=100,
        aliases=("pipeline stage", "deal stage", "dealstage", "stage name", "stagename", "deal pipeline stage id"),
    ),
    Target("status", _("status (won, lost or open)"), length=100, aliases=("deal status", "outcome", "result")),
    Target("reason", _("won or lost because"), length=300, aliases=(
        "won or lost because", "loss reason", "lost reason", "closed lost reason",
    )),
    Target(
        "created",
        _("created"),
        INSTANT,
        aliases=("created at", "createdate", "create date", "created date", "createddate", "engage date", "opened"),
    ),
    Target(
        "closed",
        _("closed"),
        INSTANT,
        aliases=("won date", "close date", "closedate", "closed at", "closed date", "lost date", "won at"),
    ),
    Target("expected_close", _("expected close"), DATE, aliases=("expected close date", "expected closing")),
    *sourced.PERSON,
    Target("role", _("person: role in the deal"), length=100, aliases=("contact role",)),
    Target("contacts", _("contact roles (email: role; email: role)"), length=20_000, aliases=("contact roles",)),
    *references.ACCOUNT,
    *references.PARTNER,
    *sourced.PRODUCT,
    Target("product_quantity", _("product: quantity"), NUMBER),
    Target("product_amount", _("product: amount"), MONEY),
    Target("owner", _("owner (email or name of a user)"), aliases=(
        "deal owner", "sales agent", "sales rep", "owner email",
    )),
)  # fmt: skip
WON = r"\y(won|win|signed|gewonnen|success(ful)?)\y|closedwon|closed_won|成交|赢单"
LOST = r"\y(lost|loss|verloren|abandoned|cancell?ed|dead|disqualified|rejected)\y|closedlost|closed_lost|输单"
# Between the entries of a list of contacts: a role may have a semicolon of its own.
ENTRIES = r";\s*(?=[^\s;:]+[@|][^;:]*(?::|;|$))"
NO_CLOSE = gettext_noop("The deal is won or lost, and the row does not say when.")


def derive(work: Run) -> Sequence[Derived]:
    """Won, lost or open by the words of the status, else of the stage; the closing date of an open deal is a hope."""
    said = sql("lower(coalesce({}, {}))", work.value("status"), work.value("stage"))
    state = sql(
        "CASE WHEN {} ~ {} THEN 'won' WHEN {} ~ {} THEN 'lost' WHEN {} IS NOT NULL THEN 'open' END",
        said,
        WON,
        said,
        LOST,
        said,
    )
    over = sql("{} IN ('won', 'lost')", state)
    expected, closed = work.value("expected_close"), work.value("closed")
    day = sql("CASE WHEN {} THEN coalesce({}, {}::timestamptz) END", over, closed, expected)
    hope = sql("CASE WHEN {} THEN {} ELSE coalesce({}, {}::date) END", over, expected, expected, closed)
    return [
        Derived("state", "text", state),
        Derived("over_at", "timestamptz", day),
        Derived("hoped_on", "date", hope),
        *references.person_key(work),
        *references.account_key(work),
        *references.partner_key(work),
        *references.product_key(work),
    ]


def checks(work: Run) -> Sequence[Check]:
    return [Check(Sql("state IN ('won', 'lost') AND over_at IS NULL"), "closed", NO_CLOSE)]


def match(work: Run) -> None:
    """Which deals are there, and with whom. That a deal was created proves its people were there; its end does not."""
    seen = work.value("created")
    new = sql("coalesce({}, r.over_at)", seen)
    references.find_people(work, seen, new=new)
    references.find_accounts(work, seen, new=new)
    references.find_products(work)
    references.find_owners(work)
    _find_contacts(work)
    changed = join(" OR ", [sourced.differs(_news(work)), *_role_is_new(work)])
    sourced.match(work, TABLE, _given(work), changed=changed)
    if references.product_key(work):
        _find_lines(work)


def _find_lines(work: Run) -> None:
    """The products of each deal: of as many as its rows name, and of each by the last row that names it.

    Rows of a deal that name other products than the last are no repetitions: each is a part of it.
    """
    work.create(
        "lines",
        sql(
            """
            SELECT DISTINCT ON (p.key, p.product) p.key, p.product, {} AS quantity, {} AS amount, p.row
            FROM {} p JOIN {} r ON r.row = p.row
            WHERE p.action IN ('create', 'update', 'same', 'repeat') AND p.product IS NOT NULL
            ORDER BY p.key, p.product, p.row DESC
            """,
            work.value("product_quantity"), work.value("product_amount"), work.table("plan"), work.table("rows"),
        ),
        "key",
    )  # fmt: skip
    there = "SELECT FROM audience_dealline l WHERE l.deal_id = p.known AND l.removed_at IS NULL"
    new = sql(
        f"""EXISTS (SELECT FROM {{}} k WHERE k.key = p.key
                AND NOT EXISTS ({there} AND l.product_id = k.product AND {{}}))
            OR EXISTS (SELECT FROM {{}} k WHERE k.key = p.key) AND EXISTS (
                {there} AND NOT EXISTS (SELECT FROM {{}} k WHERE k.key = p.key AND k.product = l.product_id))""",
        work.table("lines"), lines.SAME, work.table("lines"), work.table("lines"),
    )  # fmt: skip
    if work.fill:
        new = sql(f"EXISTS (SELECT FROM {{}} k WHERE k.key = p.key) AND NOT EXISTS ({there})", work.table("lines"))
    planning.change(
        work, sql("UPDATE {} p SET action = 'update' WHERE p.action = 'same' AND ({})", work.table("plan"), new)
    )
    planning.change(
        work,
        sql(
            """UPDATE {} p SET action = CASE last.action WHEN 'same' THEN 'same_part' ELSE 'part' END FROM {} last
               WHERE p.action = 'repeat' AND last.key = p.key AND last.action IN ('create', 'update', 'same')
               AND p.product IS DISTINCT FROM last.product AND EXISTS (
                   SELECT FROM {} k WHERE k.key = p.key AND k.product = p.product AND k.row = p.row)""",
            work.table("plan"), work.table("plan"), work.table("lines"),
        ),
    )  # fmt: skip


def prepare(work: Run) -> Counter[str]:
    made = references.make(work)
    references.see(work)
    if work.has("contacts"):
        unknown = sql(
            """SELECT count(*) FROM {} WHERE person IS NULL
               AND row IN (SELECT row FROM {} WHERE action IN ('create', 'update'))""",
            work.table("contacts"), work.table("plan"),
        )  # fmt: skip
        made["contacts_unknown"] = value(unknown)
    return made


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the rows `(after, last]`: deals, the changes of their stages, the people on them."""
    counts = sourced.count(work, after, last)
    if counts["created"]:
        counts = sourced.count(work, after, last, sourced.insert(work, TABLE, after, last, _new(work)))
    if counts["updated"]:
        _change(work, after, last)
    if counts["created"] or counts["updated"]:
        _take_part(work, after, last)
        if references.product_key(work):
            _sell(work, after, last)
    return counts


def _given(work: Run) -> dict[str, Sql]:
    """What a row says of a deal, by column; NULL where it says nothing."""
    columns = ("name", "amount", "currency", "reason")
    given = {column: work.value(column) for column in columns if work.has(column)} | _named_today(work)
    if work.has("status", "stage"):
        given |= {"status": Sql("r.state"), "closed_at": Sql("r.over_at")}
    if work.has("expected_close", "closed"):
        given["expected_close_on"] = Sql("r.hoped_on")
    if work.has("created"):
        given["opened_at"] = Sql("r.created")
    if work.tells_properties:
        given["properties"] = Sql("r.properties")
    for column, there, of in (
        ("account_id", references.account_key(work), "aa.id"),
        ("partner_id", references.partner_key(work), "pa.id"),
        ("owner_id", work.has("owner"), "oo.id"),
    ):
        if there:
            given[column] = Sql(of)
    return given or {"pipeline": Sql("NULL::text")}


def _named_today(work: Run) -> dict[str, Sql]:
    """Pipeline and stage by their names of today, where the row says a former one."""
    told, known = {}, pipelines.renamed()
    if work.has("pipeline"):
        told["pipeline"] = work.value("pipeline")
        if known.pipelines:
            now = sql("{}::jsonb ->> lower(r.pipeline)", json.dumps(known.pipelines))
            told["pipeline"] = sql("coalesce({}, r.pipeline)", now)
    if work.has("stage"):
        told["stage"] = work.value("stage")
        if known.stages:
            key = sql("lower(coalesce({}, '') || chr(10) || r.stage)", work.value("pipeline"))
            told["stage"] = sql("coalesce({}::jsonb ->> {}, r.stage)", json.dumps(known.stages), key)
    return told


def _news(work: Run) -> dict[str, Sql]:
    given = _given(work)
    if "status" not in given:
        return sourced.news(work, given)
    if work.fill:  # a deal always has a status, so there is no blank to fill, nor an end of its own
        return sourced.news(work, {column: given[column] for column in given if column not in ("status", "closed_at")})
    reopened = "CASE WHEN g.status IS NULL THEN s.closed_at WHEN g.status = 'open' THEN NULL ELSE g.closed_at END"
    return sourced.news(work, given, closed_at=Sql(reopened))


def _new(work: Run) -> dict[str, Sql]:
    given = sourced.planned(_given(work))
    texts = ("name", "currency", "pipeline", "stage", "reason")
    columns = {column: sourced.or_else(given.get(column, Sql("NULL::text")), "") for column in texts}
    columns["currency"] = sourced.currency_of(work, "amount")
    columns |= {column: value for column, value in given.items() if column not in columns}
    columns["status"] = sourced.or_else(given.get("status", Sql("NULL::text")), "open")
    columns["opened_at"] = sql("coalesce({}, r.over_at, {})", work.value("created"), work.now)
    columns["properties"] = given.get("properties", Sql("'{}'::jsonb"))
    return columns


def _change(work: Run, after: int, last: int) -> None:
    """Write what differs, with a DealStageChange where stage or status move; a closing happened on its own day."""
    new = _news(work)
    run(
        sql(
            """
            WITH g AS MATERIALIZED ({}),
            changed AS MATERIALIZED (
                SELECT s.id, s.stage AS was_stage, s.status AS was_status, {},
                       {} AS stage_now, {} AS status_now, {} AS over_at
                FROM g JOIN audience_deal s ON s.id = g.id WHERE {} FOR NO KEY UPDATE OF s
            ),
            noted AS (
                INSERT INTO audience_dealstagechange
                    (deal_id, from_stage, to_stage, from_status, to_status, occurred_at, recorded_at)
                SELECT id, was_stage, stage_now, was_status, status_now,
                       CASE WHEN status_now <> was_status THEN coalesce(over_at, {}) ELSE {} END, {} FROM changed
                WHERE stage_now <> was_stage OR status_now <> was_status
            )
            UPDATE audience_deal s SET {} FROM changed WHERE s.id = changed.id
            """,
            sourced.rows_given(work, after, last, sourced.planned(_given(work))),
            join(", ", (sql("{} AS {}", value, name(f"new_{column}")) for column, value in new.items())),
            new.get("stage", Sql("s.stage")),
            new.get("status", Sql("s.status")),
            new.get("closed_at", Sql("s.closed_at")),
            sourced.differs(new),
            work.now,
            work.now,
            work.now,
            join(", ", (sql("{} = changed.{}", name(column), name(f"new_{column}")) for column in new)),
        )
    )


def _find_contacts(work: Run) -> None:
    """Who else takes part, of the column that lists them: each `email: role`, or `system|external id: role`."""
    if work.has("contacts"):
        work.create(
            "contacts",
            sql(
                """
                SELECT said.row, coalesce(i.person_id, e.id) AS person, said.role FROM (
                    SELECT r.row, lower(btrim(split_part(entry, ':', 1))) AS email,
                           split_part(btrim(split_part(entry, ':', 1)), '|', 1) AS system,
                           split_part(btrim(split_part(entry, ':', 1)), '|', 2) AS external_id,
                           left(CASE WHEN entry LIKE '%%:%%' THEN btrim(substr(entry, strpos(entry, ':') + 1))
                                ELSE '' END, 100) AS role
                    FROM {} r CROSS JOIN LATERAL regexp_split_to_table(r.contacts, {}) entry
                    WHERE r.problem IS NULL AND r.contacts IS NOT NULL AND btrim(entry) <> ''
                ) said
                LEFT JOIN audience_identity i ON i.system = said.system AND i.kind = 'person'
                    AND i.external_id = said.external_id AND said.external_id <> ''
                {}
                """,
                work.table("rows"), ENTRIES, people.by_address(Sql("said.email")),
            ),
            "row",
        )  # fmt: skip


def _role_is_new(work: Run) -> list[Sql]:
    found = []
    lacks = "NOT EXISTS (SELECT FROM audience_dealrole o WHERE o.deal_id = s.id AND o.person_id = {} AND o.role = {})"
    if references.person_key(work):
        role = sourced.or_else(work.value("role"), "")
        found.append(sql("(pp.id IS NOT NULL AND {})", sql(lacks, Sql("pp.id"), role)))
    if work.has("contacts"):
        new = sql(lacks, Sql("c.person"), Sql("c.role"))
        found.append(
            sql(
                "EXISTS (SELECT FROM {} c WHERE c.row = r.row AND c.person IS NOT NULL AND {})",
                work.table("contacts"),
                new,
            )
        )
    return found


def _take_part(work: Run, after: int, last: int) -> None:
    said = []
    if references.person_key(work):
        role = sourced.or_else(work.value("role"), "")
        said.append(sql("SELECT p.person, {} AS role WHERE p.person IS NOT NULL", role))
    if work.has("contacts"):
        listed = sql("SELECT c.person, c.role FROM {} c", work.table("contacts"))
        said.append(sql("{} WHERE c.row = r.row AND c.person IS NOT NULL", listed))
    if not said:
        return
    run(
        sql(
            """
            INSERT INTO audience_dealrole (deal_id, person_id, role)
            SELECT d.id, part.person, part.role FROM {} p JOIN {} r ON r.row = p.row
            JOIN audience_deal d ON d.source = {} AND d.external_id = p.external_id
            CROSS JOIN LATERAL ({}) part
            WHERE p.action IN ('create', 'update') AND {} ON CONFLICT DO NOTHING
            """,
            work.table("plan"), work.table("rows"), references.source(work), join(" UNION ALL ", said),
            planning.between(after, last),
        )
    )  # fmt: skip


def _sell(work: Run, after: int, last: int) -> None:
    """The products of the deals of a range: what the file names, and no others; with `fill` where there are none."""
    chosen = sql(
        """SELECT p.key, d.id AS deal FROM {} p JOIN {} r ON r.row = p.row
           JOIN audience_deal d ON d.source = {} AND d.external_id = p.external_id
           WHERE p.action IN ('create', 'update') AND {}""",
        work.table("plan"), work.table("rows"), references.source(work), planning.between(after, last),
    )  # fmt: skip
    if not work.fill:
        run(
            sql(
                """UPDATE audience_dealline l SET removed_at = {} FROM ({}) c
                   WHERE l.deal_id = c.deal AND l.removed_at IS NULL
                   AND EXISTS (SELECT FROM {} k WHERE k.key = c.key)
                   AND NOT EXISTS (SELECT FROM {} k WHERE k.key = c.key AND k.product = l.product_id)""",
                work.now, chosen, work.table("lines"), work.table("lines"),
            )
        )  # fmt: skip
    only = "WHERE NOT EXISTS (SELECT FROM audience_dealline l WHERE l.deal_id = c.deal AND l.removed_at IS NULL)"
    told = sql(
        "SELECT c.deal, k.product, k.quantity, k.amount, k.row FROM ({}) c JOIN {} k ON k.key = c.key {}",
        chosen, work.table("lines"), Sql(only if work.fill else ""),
    )  # fmt: skip
    lines.put(work, told)


KIND = Kind(
    name="deals",
    label=_("Deals"),
    table=TABLE,
    help=_("One row is one possible sale: its amount, its stage in the sales pipeline, whether it was won or lost."),
    names=(
        "deals",
        "deal",
        "opportunities",
        "opportunity",
        "pipeline",
    ),
    targets=TARGETS,
    derive=derive,
    checks=checks,
    match=match,
    prepare=prepare,
    write=write,
    properties=True,
    digest=True,
    touches_people=True,
    words={"contacts_unknown": _("contact roles of people who are not known")},
)
