"""Who is left out of every figure: people and accounts on the lists of own domains, testers and competitors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from audience.models import Account, Person
from audience.subjects import history
from audience.subjects.people import BY_HAND, BadValue
from kit import addresses, audit, installation, writing
from kit.models import User
from kit.sql import Sql, sql, value

EVERYBODY = Sql("")
OTHER = "other"  # than what a list gives as reason


@dataclass(frozen=True)
class Named:
    """One list of domains and addresses that are in no figure: the setting that keeps it, and what it says of whom it
    leaves out (`reason`), and in their history (`source`)."""

    name: str
    setting: str
    reason: str
    source: str
    label: Promise


# Whoever is on several is on the first. Whoever was left out by hand has another reason, and no list touches them.
LISTS = (
    Named("own", "own_domains", "own domain", "own domains", _lazy("Own domains")),
    Named("test", "test_addresses", "test list", "test list", _lazy("Testers")),
    Named("competitor", "competitor_addresses", "competitor list", "competitor list", _lazy("Competitors")),
)
RULES = [each.reason for each in LISTS]
SOURCES = [each.source for each in LISTS]

ADDRESSES = {"person": Sql("""lower(subject.email COLLATE "C")"""), "account": Sql("''")}
HOSTS = {
    "person": Sql("""lower(split_part(subject.email, '@', -1) COLLATE "C")"""),
    "account": Sql("""lower(subject.domain COLLATE "C")"""),
}


def refresh(now: datetime, among: Sql = EVERYBODY) -> int:
    """Flag by the lists: everybody whose email is on one, or lies in a domain of one or below it, and every account
    whose domain does.

    Those flagged by a list on which they are no longer are taken back in, or flagged by the list on which they are;
    those left out for another reason stay as they are. With `among` only the subjects of a statement (one column of
    ids) are looked at. Each change is kept in the history of the field, dated `now`. Safe to repeat. Returns how many
    people and accounts changed.
    """
    listed: dict[str, int] = {}
    with installation.remembering():
        for place, each in enumerate(LISTS, start=1):
            for entry in filter(None, map(_plain, installation.get(each.setting))):
                listed.setdefault(entry, place)
    with transaction.atomic():
        return _refresh("person", listed, now, among) + _refresh("account", listed, now, among)


def entries(name: str, told: Iterable[str]) -> list[str]:
    """What the list of that name is told, as it is kept. Raises BadValue."""
    try:
        return addresses.hosts(told, or_addresses=True)
    except addresses.Refused as wrong:
        raise BadValue(name, str(wrong)) from wrong


def name_lists(lists: Mapping[str, Iterable[str]], *, by: User | None, now: datetime) -> int:
    """Name whom these lists, by their names, leave out, and flag by them at once. Returns how many people and accounts
    changed. Raises BadValue for what is neither a domain nor an address."""
    settings = {each.setting: entries(each.name, lists[each.name]) for each in LISTS if each.name in lists}
    with transaction.atomic():
        installation.change(settings, by=by, now=now, action="figures.lists")
        return refresh(now)


def counts(model: type[Person] | type[Account]) -> dict[str, int]:
    """How many are left out, by the name of the list that does it; OTHER for all who are for another reason.

    Numbers without anybody, who were erased or rolled back, are none of them."""
    rows = (
        model.objects.filter(is_excluded=True, erased_at=None)
        .values("excluded_reason")
        .annotate(n=Count("pk"))
        .order_by()
    )
    return by_list((each["excluded_reason"], each["n"]) for each in rows)


def by_list(reasons: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Numbers by reason as numbers by the name of the list that gives it; OTHER for every other reason."""
    names = {each.reason: each.name for each in LISTS}
    found = dict.fromkeys([*names.values(), OTHER], 0)
    for reason, number in reasons:
        found[names.get(reason, OTHER)] += number
    return found


def in_words(numbers: Mapping[str, int]) -> str:
    """Numbers by list as a sentence tells them, those that are none left away."""
    labels = {each.name: str(each.label) for each in LISTS} | {OTHER: _("For other reasons")}
    return " · ".join(f"{labels[name]}: {writing.number(number)}" for name, number in numbers.items() if number)


@transaction.atomic
def by_hand(
    model: type[Person] | type[Account], subjects: Sql, *, reason: str | None, by: User | None, now: datetime
) -> int:
    """Leave the subjects (a statement that yields `subject_id`) out of figures for `reason`, or take them in (None).

    Each change is kept in the history. Whom a list left out stays so: it would do it again.
    Returns how many changed. Raises BadValue for a reason that is empty, too long, or the rule's own.
    """
    longest = model._meta.get_field("excluded_reason").max_length or 0
    if reason is not None and not 0 < len(reason) <= longest:
        raise BadValue("excluded_reason", _("Say why, in %(most)s letters at most.") % {"most": longest})
    if reason in RULES:
        raise BadValue("excluded_reason", _("This reason is that of a list. Say it in other words."))
    rows = sql(
        """SELECT s.id, {}::boolean AS is_excluded, {}::text AS excluded_reason FROM {} s
           WHERE s.id IN (SELECT subject_id FROM ({}) asked) AND s.excluded_reason <> ALL ({})""",
        reason is not None,
        reason or "",
        Sql(model._meta.db_table),
        subjects,
        RULES,
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


def _plain(entry: str) -> str:
    """A domain or an address as addresses are kept: lower case, punycode, without a leading @ or dot."""
    return addresses.ascii_domain(entry.strip().lower().lstrip("@."))


def _refresh(of: str, listed: Mapping[str, int], now: datetime, among: Sql) -> int:
    only = sql("subject.id IN ({}) AND", among) if among else Sql("")
    table, subject = Sql(f"audience_{of}"), Sql(f"{of}_id")
    changed: int = value(
        sql(
            """
            WITH wanted AS MATERIALIZED (
                SELECT subject.id, subject.is_excluded AS was, subject.excluded_reason AS reason,
                       coalesce(({}::text[])[rule.place], '') AS becomes,
                       ({}::text[])[coalesce(rule.place, array_position({}, subject.excluded_reason::text))] AS source
                FROM {} subject
                CROSS JOIN LATERAL (
                    SELECT min(entry.place) AS place FROM unnest({}::text[], {}::int[]) entry (text, place)
                    WHERE {} = entry.text OR right({}, length(entry.text) + 1) = '.' || entry.text
                        OR {} = entry.text) rule
                WHERE {} subject.erased_at IS NULL AND CASE
                    WHEN subject.is_excluded THEN subject.excluded_reason = ANY ({})
                        AND subject.excluded_reason IS DISTINCT FROM ({}::text[])[rule.place]
                    ELSE rule.place IS NOT NULL END
            ),
            changed AS (
                UPDATE {} subject
                SET is_excluded = wanted.becomes <> '', excluded_reason = wanted.becomes, updated_at = {}
                FROM wanted WHERE wanted.id = subject.id AND subject.is_excluded = wanted.was
                RETURNING subject.id, wanted.was, wanted.reason, wanted.becomes, wanted.source
            ),
            told AS (
                INSERT INTO audience_fieldchange ({}, field, old, source, occurred_at, recorded_at)
                SELECT id, 'is_excluded', was::text, source, {}::timestamptz, {}::timestamptz FROM changed
                WHERE was <> (becomes <> '')
                UNION ALL
                SELECT id, 'excluded_reason', reason, source, {}, {} FROM changed
            )
            SELECT count(*) FROM changed
            """,
            RULES, SOURCES, RULES, table, list(listed), list(listed.values()), HOSTS[of], HOSTS[of], ADDRESSES[of],
            only, RULES, RULES, table, now, subject, now, now, now, now,
        )
    )  # fmt: skip
    return changed
