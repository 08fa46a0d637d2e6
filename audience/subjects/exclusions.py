"""Who is left out of every figure: people and accounts of the installation's own domains, flagged by rule."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from audience.models import Account, Person
from audience.subjects import history
from audience.subjects.people import BY_HAND, BadValue
from kit import addresses, audit, installation
from kit.models import User
from kit.sql import Sql, run, sql

# Why the rule left somebody out; whoever was left out by hand has another reason and is not touched by the rule.
OWN_DOMAIN = "own domain"
SOURCE = "own domains"
EVERYBODY = Sql("")

HOSTS = {
    "person": Sql("""lower(split_part(subject.email, '@', -1) COLLATE "C")"""),
    "account": Sql("""lower(subject.domain COLLATE "C")"""),
}


def refresh(now: datetime, among: Sql = EVERYBODY) -> int:
    """Flag everybody whose email, and every account whose domain, lies in an own domain or below it.

    Those flagged by this rule whose domain is no longer own are taken back in; those left out for another reason
    stay as they are. With `among` only the subjects of a statement (one column of ids) are looked at. Each change is
    kept in the history of the field, dated `now`. Safe to repeat. Returns how many people and accounts changed.
    """
    domains = sorted({plain for plain in map(_plain, installation.get("own_domains")) if plain})
    with transaction.atomic():
        return _refresh("person", domains, now, among) + _refresh("account", domains, now, among)


def name_domains(domains: list[str], *, by: User | None, now: datetime) -> int:
    """Name the installation's own domains and flag by them at once. Returns how many people and accounts changed."""
    with transaction.atomic():
        installation.change({"own_domains": domains}, by=by, now=now, action="own_domains.change")
        return refresh(now)


@transaction.atomic
def by_hand(
    model: type[Person] | type[Account], subjects: Sql, *, reason: str | None, by: User | None, now: datetime
) -> int:
    """Leave the subjects (a statement that yields `subject_id`) out of figures for `reason`, or take them in (None).

    Each change is kept in the history. Whom the rule of own domains left out stays so: the rule would do it again.
    Returns how many changed. Raises BadValue for a reason that is empty, too long, or the rule's own.
    """
    longest = model._meta.get_field("excluded_reason").max_length or 0
    if reason is not None and not 0 < len(reason) <= longest:
        raise BadValue("excluded_reason", _("Say why, in %(most)s letters at most.") % {"most": longest})
    if reason == OWN_DOMAIN:
        raise BadValue("excluded_reason", _("This reason is that of the rule of own domains. Say it in other words."))
    rows = sql(
        """SELECT s.id, {}::boolean AS is_excluded, {}::text AS excluded_reason FROM {} s
           WHERE s.id IN (SELECT subject_id FROM ({}) asked) AND s.excluded_reason <> {}""",
        reason is not None,
        reason or "",
        Sql(model._meta.db_table),
        subjects,
        OWN_DOMAIN,
    )
    columns = ("is_excluded", "excluded_reason")
    changed = history.update(model, rows, columns, source=BY_HAND, at=now, now=now, exact=True)
    if changed:
        after = {"reason": reason, "changed": changed}
        whom = history.written(model, columns, now)
        audit.record("figures.leave_out", model._meta.model_name or "", by=by, now=now, after=after, about=whom)
    return changed


def leave_out(model: type[Person] | type[Account], subjects: Sql, *, reason: str, source: str, now: datetime) -> int:
    """Leave those of the subjects (one column of ids) out that count, with their history; how many changed."""
    rows = sql(
        """SELECT s.id, true AS is_excluded, {}::text AS excluded_reason FROM {} s
           WHERE s.id IN ({}) AND NOT s.is_excluded""",
        reason, Sql(model._meta.db_table), subjects,
    )  # fmt: skip
    return history.update(model, rows, ("is_excluded", "excluded_reason"), source=source, at=now, now=now, exact=True)


def _plain(domain: str) -> str:
    """A domain as addresses are kept: lower case, punycode, without a leading @ or dot."""
    return addresses.ascii_domain(domain.strip().lower().lstrip("@."))


def _refresh(of: str, domains: list[str], now: datetime, among: Sql) -> int:
    only = sql("subject.id IN ({}) AND", among) if among else Sql("")
    table, subject = Sql(f"audience_{of}"), Sql(f"{of}_id")
    changes = run(
        sql(
            """
            WITH wanted AS MATERIALIZED (
                SELECT subject.id, subject.is_excluded AS was, subject.excluded_reason AS reason, own.is AS own
                FROM {} subject
                CROSS JOIN LATERAL (SELECT EXISTS (
                    SELECT FROM unnest({}::text[]) domain
                    WHERE {} = domain OR right({}, length(domain) + 1) = '.' || domain) AS is) own
                WHERE {} subject.erased_at IS NULL AND (
                    (own.is AND NOT subject.is_excluded)
                    OR (NOT own.is AND subject.is_excluded AND subject.excluded_reason = {}))
            ),
            changed AS (
                UPDATE {} subject
                SET is_excluded = wanted.own, excluded_reason = CASE WHEN wanted.own THEN {} ELSE '' END,
                    updated_at = {}
                FROM wanted WHERE wanted.id = subject.id AND subject.is_excluded = wanted.was
                RETURNING subject.id, wanted.was, wanted.reason
            )
            INSERT INTO audience_fieldchange ({}, field, old, source, occurred_at, recorded_at)
            SELECT id, 'is_excluded', was::text, {}, {}::timestamptz, {}::timestamptz FROM changed
            UNION ALL
            SELECT id, 'excluded_reason', reason, {}, {}, {} FROM changed
            """,
            table,
            domains,
            HOSTS[of],
            HOSTS[of],
            only,
            OWN_DOMAIN,
            table,
            OWN_DOMAIN,
            now,
            subject,
            SOURCE,
            now,
            now,
            SOURCE,
            now,
            now,
        )
    )
    return changes // 2
