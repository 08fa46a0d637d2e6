"""What conditions may ask about tags, as of any instant: the present ones, undone by the changes since."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from audience.conditions import columns
from audience.conditions.moment import Span
from audience.conditions.operators import fold
from audience.conditions.registry import BOTH, PERSON, Ask, Field, Relation, register_family
from audience.models import Tag
from audience.subjects.tags import FIELD, HAD
from kit.sql import Sql, join, sql


def register_all() -> None:
    """Make tags known to the condition language; the choices are the tags there are."""
    register_family("person.tag", lambda: _field("person"))
    register_family("account.tag", lambda: _field("account"))


def _field(of: str) -> Iterable[Field]:
    choices = tuple(Tag.objects.order_by("name").values_list("slug", "name"))
    yield Field(
        f"{of}.tag",
        _("tags") if of == "person" else _("account's tags"),
        "set",
        PERSON if of == "person" else BOTH,
        Relation(lambda ask: _held(of, ask), lambda ask, span: _touched(of, ask, span)),
        choices=choices,
        group=_("Person") if of == "person" else _("Account"),
    )


def _held(of: str, ask: Ask) -> Sql:
    """Each subject's tags as of the moment, as far as they are asked for, and since when it has the first of them."""
    if of == ask.of:
        return _of_owners(of, ask, ask.chosen)
    # A person's account as it then was, with its tags.
    then = _accounts_then(ask)
    owners = sql("SELECT account_id FROM ({}) were", then) if ask.chosen else Sql("")
    return sql(
        """SELECT p.subject_id, tags.value, GREATEST(tags.evidence, p.since) AS evidence
           FROM ({}) p JOIN ({}) tags ON tags.subject_id = p.account_id{}""",
        then,
        _of_owners("account", ask, owners),
        sql(" JOIN audience_account a ON a.id = p.account_id AND a.created_at < {}", ask.moment.known)
        if ask.moment.known
        else Sql(""),
    )


def _of_owners(of: str, ask: Ask, chosen: Sql) -> Sql:
    wanted = _wanted(ask)
    only = sql(" AND {} IN ({})", Sql("t.subject_id"), chosen) if chosen else Sql("")
    only_changes = sql(" AND c.subject_id IN ({})", chosen) if chosen else Sql("")
    evidence = Sql("NULL::timestamptz")
    if ask.evidence:
        evidence = sql(
            """min((SELECT max(b.occurred_at) FROM audience_fieldchange b
                    WHERE b.subject_id = held.subject_id AND b.field = {} || held.slug AND {}))""",
            FIELD,
            ask.moment.counts("b"),
        )
    # What changed since is almost nothing when the moment is now: it is read once, by its time.
    return sql(
        """
        SELECT held.subject_id, array_agg(held.slug ORDER BY held.slug) AS value, {} AS evidence FROM (
            WITH later AS MATERIALIZED (
                SELECT DISTINCT ON (c.subject_id, c.field) c.subject_id, substr(c.field, {}) AS slug, c.old
                FROM audience_fieldchange c
                WHERE c.{} IS NOT NULL AND c.original_subject_id IS NULL AND {} AND {}{}
                ORDER BY c.subject_id, c.field, c.occurred_at, c.id)
            SELECT t.subject_id, tag.slug::text AS slug
            FROM audience_tagged t JOIN audience_tag tag ON tag.id = t.tag_id
            LEFT JOIN later ON later.subject_id = t.subject_id AND later.slug = tag.slug
            WHERE t.{} IS NOT NULL{}{} AND later.subject_id IS NULL
            UNION ALL
            SELECT later.subject_id, later.slug FROM later WHERE later.old = {}
        ) held GROUP BY held.subject_id
        """,
        evidence,
        len(FIELD) + 1,
        Sql(f"{of}_id"),
        _is_of_tags(wanted),
        ask.moment.later("c"),
        only_changes,
        Sql(f"{of}_id"),
        only,
        sql(" AND tag.slug = ANY ({})", wanted) if wanted else Sql(""),
        HAD,
    )


def _accounts_then(ask: Ask) -> Sql:
    """Each person's account as of the moment, and since when."""
    since = Sql("NULL::timestamptz")
    if ask.evidence:
        since = sql(
            """(SELECT max(b.occurred_at) FROM audience_fieldchange b
                WHERE b.subject_id = s.id AND b.field = {} AND {})""",
            columns.LINK,
            ask.moment.counts("b"),
        )
    return sql(
        """
        SELECT moved.subject_id, moved.account_id, moved.since FROM (
            SELECT s.id AS subject_id, {} AS since,
                   CASE WHEN h.subject_id IS NULL THEN s.account_id
                        WHEN h.old ~ {} THEN h.old::bigint END AS account_id
            FROM audience_person s LEFT JOIN (
                SELECT DISTINCT ON (c.subject_id) c.subject_id, c.old FROM audience_fieldchange c
                WHERE c.field = {} AND c.person_id IS NOT NULL AND c.original_subject_id IS NULL AND {}{}
                ORDER BY c.subject_id, c.occurred_at, c.id) h ON h.subject_id = s.id
            WHERE true{}) moved
        WHERE moved.account_id IS NOT NULL
        """,
        since,
        columns.ID,
        columns.LINK,
        ask.moment.later("c"),
        ask.only("c.subject_id"),
        ask.only("s.id"),
    )


def _touched(of: str, ask: Ask, span: Span) -> list[Sql]:
    """Those of whom one of the tags changed; of an account's, its people now and those who left it or came to it."""
    wanted = _wanted(ask)
    if not wanted:
        changed = sql(
            "SELECT c.subject_id FROM audience_fieldchange c WHERE {} AND {}",
            _is_of_tags(wanted),
            span.within("c.occurred_at"),
        )
        return columns.followed(changed, of, ask.of, span)
    changed = join(" UNION ALL ", (columns.changed(FIELD + slug, span) for slug in wanted))
    return columns.followed(changed, of, ask.of, span)


def _is_of_tags(wanted: list[str]) -> Sql:
    if wanted:
        return sql("c.field = ANY ({})", [FIELD + slug for slug in wanted])
    return sql("starts_with(c.field, {})", FIELD)


def _wanted(ask: Ask) -> list[str]:
    """The tags that matter to the answer; none when all do."""
    if ask.operator.name not in ("is", "in"):
        return []
    return sorted({fold(each) for each in (ask.operand if isinstance(ask.operand, tuple) else (ask.operand,))})
