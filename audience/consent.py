"""May this person be written to? What people agreed to is recorded here, by topic, and who must not be written to.

Consent is a ledger: giving, withdrawing and correcting are rows (`ConsentRecord`), of which the latest that speaks of
a topic, or of all topics, counts. `verdicts` is the one statement that judges: for one person, for the messages that
are about to leave, and for the exact count of a million.

Addresses that must not be used are kept by keyed hash only, so that they are known after the person is erased and
cannot be guessed from the rows. The key never stands in the database: it is made from `settings.LASTING_KEY`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from audience.models import ConsentRecord, Pause, Person, Suppression, Topic
from audience.subjects.people import BY_HAND, BadValue
from kit import addresses, audit
from kit.models import Setting, User
from kit.sql import Sql, join, rows, run, sql, value

EMAIL = "email"
DOMAIN = "email domain"  # under which whole domains are suppressed, so that one look tells that there are none
TRACKING = "tracking"  # no channel of messages: whether this person's opens and clicks may be counted
ADDRESS = {EMAIL: Sql("p.email")}  # of a person p, by channel
UNSUBSCRIBED = "unsubscribed"  # the suppression that a withdrawal leaves behind, for the time after an erasure
KEY_MARK = "lasting_key_mark"
DEFAULT_TOPIC = "news"
LONGEST_SOURCE = ConsentRecord._meta.get_field("source").max_length or 0
LONGEST_REASON = Suppression._meta.get_field("reason").max_length or 0
# A record that is no correction, and that nothing has corrected.
STANDING = Sql(
    "c.reversal_of_id IS NULL AND NOT EXISTS (SELECT FROM audience_consentrecord r WHERE r.reversal_of_id = c.id)"
)
Basis = ConsentRecord.Basis


class WrongKey(Exception):
    """The suppression list was hashed with another key: nobody on it would be recognised."""


# ---- who may be written to ----


def verdicts(people: Sql, *, channel: str = EMAIL, topic: Topic | None, at: datetime) -> Sql:
    """A row (subject_id, reason) for each subject of the statement `people` (subject_id, each once).

    `reason` is NULL when the person may be written to at `at`, else a few words why not. What was given counts from
    its date on; a withdrawal counts once it is written, whatever the clock that dated it. Without a topic only consent
    to everything counts.
    """
    topic_id = topic.pk if topic else None
    needs_consent = topic is None or topic.basis == Topic.Basis.CONSENT
    return sql(
        """
        WITH asked AS MATERIALIZED (
            SELECT people.subject_id, p.id IS NOT NULL AS is_person, p.erased_at IS NOT NULL AS is_erased,
                   p.is_excluded, {} <> '' AS has_address,
                   CASE WHEN EXISTS (SELECT FROM audience_suppression) THEN {} END AS hash,
                   CASE WHEN EXISTS (SELECT FROM audience_suppression WHERE channel = {}) THEN {} END AS domain_hash
            FROM ({}) people LEFT JOIN audience_person p ON p.id = people.subject_id),
        said AS (
            SELECT DISTINCT ON (c.subject_id) c.subject_id, c.given
            FROM asked JOIN audience_consentrecord c ON c.subject_id = asked.subject_id
            WHERE c.channel = {} AND {} AND (c.occurred_at <= {} OR NOT c.given) AND {}
            ORDER BY c.subject_id DESC, c.occurred_at DESC, c.id DESC),
        paused AS (
            SELECT DISTINCT ON (z.subject_id) z.subject_id, z.until
            FROM asked JOIN audience_pause z ON z.subject_id = asked.subject_id
            WHERE z.channel = {} ORDER BY z.subject_id DESC, z.id DESC)
        SELECT asked.subject_id, CASE
            WHEN NOT asked.is_person THEN 'not a person'
            WHEN asked.is_erased THEN 'erased'
            WHEN asked.is_excluded THEN 'left out'
            WHEN NOT asked.has_address THEN 'no address'
            WHEN for_all.reason <> {} THEN 'suppressed: ' || for_all.reason
            WHEN for_this.reason <> {} THEN 'suppressed: ' || for_this.reason
            WHEN for_domain.id IS NOT NULL THEN 'suppressed: ' || for_domain.reason
            WHEN NOT said.given THEN 'withdrew'
            WHEN said.given IS NULL AND (for_all.id IS NOT NULL OR for_this.id IS NOT NULL) THEN 'withdrew'
            WHEN said.given IS NULL AND {} THEN 'no consent'
            WHEN paused.until > {} THEN 'paused' END AS reason
        FROM asked
        LEFT JOIN said ON said.subject_id = asked.subject_id
        LEFT JOIN paused ON paused.subject_id = asked.subject_id
        LEFT JOIN audience_suppression for_all
            ON for_all.channel = {} AND for_all.topic_id IS NULL AND for_all.address_hash = asked.hash
        LEFT JOIN audience_suppression for_this
            ON for_this.channel = {} AND for_this.topic_id = {} AND for_this.address_hash = asked.hash
        LEFT JOIN audience_suppression for_domain
            ON for_domain.channel = {} AND for_domain.topic_id IS NULL AND for_domain.address_hash = asked.domain_hash
        """,
        ADDRESS[channel], hashed(ADDRESS[channel]), DOMAIN, hashed(_domain(ADDRESS[channel])), people, channel,
        _of_topic(topic_id), at, STANDING, channel, UNSUBSCRIBED,
        UNSUBSCRIBED, needs_consent, at, channel, channel, topic_id, DOMAIN,
    )  # fmt: skip


def verdict(person: Person, *, channel: str = EMAIL, topic: Topic | None, at: datetime) -> str | None:
    """Why one person may not be written to; None when nothing speaks against it."""
    return value(sql("SELECT reason FROM ({}) judged", verdicts(_just(person), channel=channel, topic=topic, at=at)))


def _just(person: Person) -> Sql:
    return sql("SELECT {}::bigint AS subject_id", person.pk)


def in_words(reason: str | None) -> str:
    """Why somebody may not be written to, in the reader's language; empty when nothing speaks against it."""
    if not reason:
        return ""
    kind, _colon, detail = reason.partition(": ")
    if kind == "suppressed":
        return _("address not to be used: %(reason)s") % {"reason": detail}
    known = {
        "not a person": _("not a person"),
        "erased": _("erased"),
        "left out": _("left out of figures"),
        "no address": _("no address"),
        "withdrew": _("wants no more of it"),
        "no consent": _("has not agreed"),
        "paused": _("asked for a pause"),
    }
    return known.get(reason, reason)


def _of_topic(topic_id: int | None) -> Sql:
    return Sql("c.topic_id IS NULL") if topic_id is None else sql("(c.topic_id IS NULL OR c.topic_id = {})", topic_id)


# ---- giving and withdrawing ----


def give(
    person: Person,
    *,
    topic: Topic | None,
    channel: str = EMAIL,
    basis: str = Basis.CONSENT,
    wording: str = "",
    source: str,
    at: datetime,
    now: datetime,
    by: User | None = None,
) -> bool:
    """Record that somebody agreed, to one topic or to all. False when just this had been told already."""
    with transaction.atomic():
        act = _one(person, topic, True, basis, wording, source, at)
        given = bool(record_many(act, channel=channel, now=now, by=by))
        if given and by:
            _write_down("consent.give", person, topic, source, by, now)
    return given


def withdraw(
    person: Person,
    *,
    topic: Topic | None,
    channel: str = EMAIL,
    basis: str = Basis.OBJECTION,
    wording: str = "",
    source: str,
    at: datetime,
    now: datetime,
    by: User | None = None,
) -> bool:
    """Record that somebody wants no more of a topic, or nothing at all. False when that is how it stands already."""
    with transaction.atomic():
        run(sql("SELECT FROM audience_person WHERE id = {} FOR NO KEY UPDATE", person.pk))  # one after the other
        if _withdrawn(person, topic, channel):
            return False
        act = _one(person, topic, False, basis, wording, source, at)
        withdrawn = bool(record_many(act, channel=channel, now=now, by=by))
        if withdrawn and by:
            _write_down("consent.withdraw", person, topic, source, by, now)
    return withdrawn


def _write_down(action: str, person: Person, topic: Topic | None, source: str, by: User, now: datetime) -> None:
    """What one of us wrote down is in the trail; what a recipient says themselves is in the record alone."""
    after = {"person": person.pk, "topic": topic.label if topic else "", "source": source}
    audit.record(action, f"person {person.pk}", by=by, now=now, after=after)


def record_many(acts: Sql, *, channel: str = EMAIL, now: datetime, by: User | None = None) -> int:
    """Write the acts of a statement that are not written yet; how many are new.

    It yields person_id, topic_id (NULL: all topics), given, basis, wording, source, occurred_at. An act is the same
    when person, topic, answer and instant are. Erased people get none. What was withdrawn is remembered by address
    too, until it is given again.
    """
    hash_of = hashed(ADDRESS[channel]) if channel in ADDRESS else Sql("NULL::bytea")
    new: int | None = value(
        sql(
            """
            WITH new AS MATERIALIZED (
                SELECT DISTINCT ON (p.id, a.topic_id, a.given, a.occurred_at) p.id AS person_id,
                       a.topic_id::bigint AS topic_id, a.given, a.basis, a.wording, a.source, a.occurred_at
                FROM ({}) a JOIN audience_person p ON p.id = a.person_id AND p.erased_at IS NULL
                WHERE NOT EXISTS (
                    SELECT FROM audience_consentrecord c
                    WHERE c.subject_id = p.id AND c.channel = {} AND c.occurred_at = a.occurred_at
                      AND c.topic_id IS NOT DISTINCT FROM a.topic_id::bigint AND c.given = a.given)
                ORDER BY p.id, a.topic_id, a.given, a.occurred_at),
            latest AS (
                SELECT DISTINCT ON (w.person_id, w.topic_id) w.person_id, w.topic_id, w.given, w.occurred_at, {} AS hash
                FROM new w JOIN audience_person p ON p.id = w.person_id
                WHERE {} <> '' ORDER BY w.person_id, w.topic_id, w.occurred_at DESC, w.given DESC),
            held AS (
                INSERT INTO audience_suppression (channel, topic_id, address_hash, reason, created_at)
                SELECT {}, topic_id, hash, {}, {} FROM latest WHERE NOT given AND hash IS NOT NULL
                ORDER BY hash ON CONFLICT DO NOTHING),
            lifted AS (
                DELETE FROM audience_suppression s USING latest
                WHERE latest.given AND s.channel = {} AND s.address_hash = latest.hash AND s.reason = {}
                  AND (latest.topic_id IS NULL OR s.topic_id = latest.topic_id)
                RETURNING latest.person_id, latest.topic_id, latest.occurred_at,
                          jsonb_build_array(s.topic_id, encode(s.address_hash, 'hex'), s.created_at) AS told),
            written AS (
                INSERT INTO audience_consentrecord (person_id, topic_id, channel, given, basis, wording, source,
                                                    occurred_at, recorded_at, by_id, lifted)
                SELECT n.person_id, n.topic_id, {}, n.given, n.basis, n.wording, n.source, n.occurred_at, {}, {},
                       (SELECT jsonb_agg(l.told) FROM lifted l
                        WHERE n.given AND l.person_id = n.person_id AND l.occurred_at = n.occurred_at
                          AND l.topic_id IS NOT DISTINCT FROM n.topic_id)
                FROM new n ORDER BY n.person_id, n.topic_id, n.given, n.occurred_at
                RETURNING 1)
            SELECT count(*) FROM written HAVING count(*) > 0
            """,
            acts, channel, hash_of, ADDRESS.get(channel, Sql("''")),
            channel, UNSUBSCRIBED, now, channel, UNSUBSCRIBED,
            channel, now, by.pk if by else None,
        )
    )  # fmt: skip
    return new or 0


@transaction.atomic
def take_back(records: Sql, *, by: User | None, now: datetime) -> int:
    """These records (a statement that yields their `id`) were a mistake: rows of their own say so. How many stood.

    A suppression that one of them lifted returns, with the instant since which it stood, unless another consent that
    stands lifts it as well.
    """
    stood = len(mistaken := rows(
        sql(
            """
            INSERT INTO audience_consentrecord (person_id, account_id, topic_id, channel, given, basis, wording, source,
                                                occurred_at, recorded_at, by_id, reversal_of_id)
            SELECT c.person_id, c.account_id, c.topic_id, c.channel, c.given, c.basis, NULL, {}, {}, {}, {}, c.id
            FROM audience_consentrecord c WHERE c.id IN (SELECT id FROM ({}) asked) AND {} RETURNING reversal_of_id
            """,
            BY_HAND, now, now, by.pk if by else None, records, STANDING,
        )
    ))  # fmt: skip
    if stood:
        run(
            sql(
                """
                INSERT INTO audience_suppression (channel, topic_id, address_hash, reason, created_at)
                SELECT DISTINCT ON (m.channel, told ->> 0, told ->> 1) m.channel, (told ->> 0)::bigint,
                       decode(told ->> 1, 'hex'), {}, (told ->> 2)::timestamptz
                FROM audience_consentrecord m CROSS JOIN LATERAL jsonb_array_elements(m.lifted) told
                WHERE m.id = ANY ({}) AND m.lifted IS NOT NULL AND NOT EXISTS (
                    SELECT FROM audience_consentrecord c WHERE c.subject_id = m.subject_id AND c.channel = m.channel
                      AND c.given AND c.id > m.id AND {}
                      AND (c.topic_id IS NULL OR c.topic_id::text = told ->> 0))
                ORDER BY m.channel, told ->> 0, told ->> 1, told ->> 2 ON CONFLICT DO NOTHING
                """,
                UNSUBSCRIBED, [pk for (pk,) in mistaken], STANDING,
            )
        )  # fmt: skip
        audit.record("consent.take_back", "consent", by=by, now=now, after={"records": stood})
    return stood


# ---- when two are one ----


def refusals(people: Collection[int]) -> list[tuple[str, int | None]]:
    """What any of these people wants no more of, as it stands: (channel, topic; None: everything)."""
    return rows(
        sql(
            """
            SELECT DISTINCT channel, topic_id FROM ({}) stands WHERE NOT given ORDER BY 1, 2
            """,
            _stand(sql("c.subject_id = ANY ({})", list(people))),
        )
    )


def _stand(whose: Sql) -> Sql:
    """(subject_id, channel, topic_id, given): what was said last of each topic, or of all of them at once."""
    return sql(
        """
        SELECT DISTINCT ON (c.subject_id, c.channel, asked.id) c.subject_id, c.channel, asked.id AS topic_id, c.given
        FROM audience_consentrecord c
        JOIN (SELECT id FROM audience_topic UNION ALL SELECT NULL) asked
            ON c.topic_id IS NULL OR c.topic_id = asked.id
        WHERE {} AND {} ORDER BY c.subject_id, c.channel, asked.id, c.occurred_at DESC, c.id DESC
        """,
        whose, STANDING,
    )  # fmt: skip


def keep_refused(person_id: int, refused: Collection[tuple[str, int | None]], *, source: str, now: datetime) -> None:
    """What either of two wanted no more of, nobody gets who is both: the stricter word wins, and is written down."""
    if refused:
        told = join(", ", (sql("({}::text, {}::bigint)", channel, topic) for channel, topic in refused))
        run(
            sql(
                """
                INSERT INTO audience_consentrecord (person_id, topic_id, channel, given, basis, source, occurred_at,
                                                    recorded_at)
                SELECT {}, told.topic_id, told.channel, false, {}, {}, {}, {}
                FROM (VALUES {}) told (channel, topic_id) JOIN ({}) stands
                    ON stands.channel = told.channel AND stands.topic_id IS NOT DISTINCT FROM told.topic_id
                WHERE stands.given
                """,
                person_id, str(Basis.OBJECTION), source, now, now, told,
                _stand(sql("c.subject_id = {}", person_id)),
            )
        )  # fmt: skip


def keep_pause(person_id: int, until: Mapping[str, datetime], *, source: str, now: datetime) -> None:
    """Whoever of two asked to be left in peace for longer is, who is both: `until` when, by channel."""
    for channel, at in until.items():
        if paused_until(Person(pk=person_id), channel=channel, at=now) != at:
            Pause.objects.create(person_id=person_id, channel=channel, until=at, source=source, created_at=now)


def pauses(people: Collection[int], at: datetime) -> dict[str, datetime]:
    """Until when the last of these people wants to be left in peace, by channel."""
    found: dict[str, datetime] = {}
    for person in people:
        for channel in Pause.objects.filter(subject_id=person).values_list("channel", flat=True).distinct():
            if until := paused_until(Person(pk=person), channel=channel, at=at):
                found[channel] = max(until, found.get(channel, until))
    return found


def part(person_id: int, other_id: int, *, since: datetime, source: str, by: User | None, now: datetime) -> None:
    """Two are parted: what was written down because they were one (`source`) counts no more.

    What they said they want no more of while they were one counts for both: nobody knows which of them it was.
    """
    written = sql("SELECT id FROM audience_consentrecord WHERE subject_id = {} AND source = {}", person_id, source)
    run(
        sql(
            """
            INSERT INTO audience_consentrecord (person_id, topic_id, channel, given, basis, wording, source,
                                                occurred_at, recorded_at, by_id)
            SELECT {}, c.topic_id, c.channel, false, c.basis, c.wording, c.source, c.occurred_at, {}, c.by_id
            FROM audience_consentrecord c
            WHERE c.subject_id = {} AND NOT c.given AND c.recorded_at > {} AND c.source <> {} AND {}
            """,
            other_id, now, person_id, since, source, STANDING,
        )
    )  # fmt: skip
    take_back(written, by=by, now=now)
    for kept in Pause.objects.filter(subject_id=person_id, source=source):
        own = Pause.objects.filter(subject_id=person_id, channel=kept.channel).exclude(source=source).order_by("-pk")
        if own.filter(pk__gt=kept.pk).exists():
            continue  # said since
        until = next((each.until for each in own[:1]), now)
        Pause.objects.create(person_id=person_id, channel=kept.channel, until=until, source=source, created_at=now)


def recorded_at(instants: Collection[datetime], *, topic_id: int | None, source: str) -> Sql:
    """The records of a topic (None: of all) from one source that were written at one of these instants."""
    return sql(
        """SELECT id FROM audience_consentrecord
           WHERE recorded_at = ANY ({}::timestamptz[]) AND topic_id IS NOT DISTINCT FROM {}::bigint AND source = {}""",
        list(instants),
        topic_id,
        source,
    )


def pause(person: Person, *, until: datetime, channel: str = EMAIL, source: str, now: datetime) -> None:
    """Leave somebody in peace until then; `until` in the past ends a pause."""
    Pause.objects.create(person=person, channel=channel, until=until, source=source, created_at=now)


# ---- what was said ----


@dataclass(frozen=True)
class Standing:
    """How it stands with one person and one topic (None: all the rest): what was said last, and what follows."""

    topic: Topic | None
    said: ConsentRecord | None

    @property
    def wanted(self) -> bool:
        """Whether messages of the topic may come, as far as this person's word goes."""
        if self.said is not None:
            return self.said.given
        return self.topic is not None and self.topic.basis == Topic.Basis.INTEREST


def history(person: Person) -> QuerySet[Any]:
    """Every act that speaks of somebody, the newest first; `is_corrected` marks those that were a mistake."""
    corrections = ConsentRecord.objects.filter(reversal_of=OuterRef("pk"))
    told = ConsentRecord.objects.filter(subject_id=person.pk).annotate(is_corrected=Exists(corrections))
    return told.select_related("topic", "by").order_by("-occurred_at", "-pk")


def standing(person: Person, topics: Iterable[Topic], *, channel: str = EMAIL) -> list[Standing]:
    """For each of the topics, what the person said last of it."""
    return _stands(list(_standing_records(person, channel)), topics)


@dataclass(frozen=True)
class Overview:
    """All about one person: each topic with why it may not come ("" when it may), every act, pause, tracking."""

    topics: list[tuple[Standing, str]]
    acts: list[Any]
    paused_until: datetime | None
    may_track: bool


def overview(person: Person, *, at: datetime) -> Overview:
    """What a person's page shows, in as many queries whatever there is."""
    topics = list(offered())
    me, judged = _just(person), []
    for topic in topics:
        told = verdicts(me, topic=topic, at=at)
        judged.append(sql("SELECT {}::bigint AS topic_id, reason FROM ({}) judged", topic.pk, told))
    why = dict(rows(join(" UNION ALL ", judged))) if judged else {}
    acts = list(history(person).filter(reversal_of=None))
    said = [act for act in acts if act.channel == EMAIL and not act.is_corrected]
    watched = next((act for act in acts if act.channel == TRACKING and not act.is_corrected), None)
    return Overview(
        [(stand, in_words(why[stand.topic.pk])) for stand in _stands(said, topics) if stand.topic],
        acts,
        paused_until(person, at=at),
        watched is None or watched.given,
    )


def _stands(said: list[Any], topics: Iterable[Topic]) -> list[Standing]:
    return [
        Standing(topic, next((each for each in said if each.topic_id in (None, topic.pk)), None)) for topic in topics
    ]


def paused_until(person: Person, *, channel: str = EMAIL, at: datetime) -> datetime | None:
    """Until when somebody asked to be left in peace; None when that is over or was never said."""
    last = Pause.objects.filter(subject_id=person.pk, channel=channel).order_by("-pk").first()
    return last.until if last and last.until > at else None


def may_track(person_id: int | None) -> bool:
    """Whether opens and clicks of this person may be counted: unless the person objected."""
    return person_id is None or not _withdrawn(Person(pk=person_id), None, TRACKING)


def objecting(people: Collection[int]) -> list[int]:
    """Those of some people who may not be tracked; one query."""
    said = sql(
        """SELECT DISTINCT ON (c.person_id) c.person_id, c.given FROM audience_consentrecord c
           WHERE c.subject_id = ANY ({}::bigint[]) AND c.channel = {} AND {}
           ORDER BY c.person_id, c.occurred_at DESC, c.id DESC""",
        list(people),
        TRACKING,
        STANDING,
    )
    return [pk for pk, given in rows(said) if not given]


def offered() -> QuerySet[Topic]:
    """The topics that people can choose among, by name."""
    return Topic.objects.filter(retired_at=None).order_by("-is_default", "label", "pk")


def _standing_records(person: Person, channel: str) -> QuerySet[Any]:
    return history(person).filter(channel=channel, reversal_of=None, is_corrected=False)


def _withdrawn(person: Person, topic: Topic | None, channel: str) -> bool:
    """Whether it stands already that the person wants no more of the topic; of all, that none was given since."""
    said = _standing_records(person, channel)
    if topic is not None:
        last = next((each for each in said if each.topic_id in (None, topic.pk)), None)
        return last is not None and not last.given
    for each in said:
        if each.given or each.topic_id is None:
            return not each.given
    return False


def _one(person: Person, topic: Topic | None, given: bool, basis: str, wording: str, source: str, at: datetime) -> Sql:
    if basis not in Basis.values:
        raise BadValue("basis", _("“%(basis)s” is no lawful basis known here.") % {"basis": basis[:40]})
    if not source.strip() or len(source) > LONGEST_SOURCE or "\x00" in source + wording:
        raise BadValue("source", _("Say where this was said, in %(most)s letters at most.") % {"most": LONGEST_SOURCE})
    return sql(
        """SELECT {}::bigint AS person_id, {}::bigint AS topic_id, {}::boolean AS given, {}::text AS basis,
                  {}::text AS wording, {}::text AS source, {}::timestamptz AS occurred_at""",
        person.pk, topic.pk if topic else None, given, str(basis), wording or None, source, at,
    )  # fmt: skip


# ---- addresses that must not be used ----


def suppress(
    address: str,
    *,
    channel: str = EMAIL,
    topic: Topic | None = None,
    reason: str,
    now: datetime,
    by: User | None = None,
) -> bool:
    """Use this address no more, for one topic or at all. False when that is so already. Raises BadValue."""
    if not 0 < len(reason) <= LONGEST_REASON or "\x00" in reason:
        raise BadValue("reason", _("Say why, in %(most)s letters at most.") % {"most": LONGEST_REASON})
    one = sql("SELECT {}::text AS address, {}::text AS reason", _plain(address), reason)
    with transaction.atomic():
        new = bool(suppress_many(one, channel=channel, topic=topic, now=now))
        if new:
            # Never the address: the trail outlives an erasure too.
            audit.record("suppression.add", reason, by=by, now=now, after={"channel": channel, "reason": reason})
    return new


def suppress_many(addresses: Sql, *, channel: str = EMAIL, topic: Topic | None = None, now: datetime) -> int:
    """Use none of these addresses any more (a statement that yields address, reason); how many were in use.

    "@" and a domain stand for whoever has an address there, whatever the topic.
    An address that is known as unsubscribed keeps that no longer: the graver reason stands.
    """
    return run(
        sql(
            """
            INSERT INTO audience_suppression AS s (channel, topic_id, address_hash, reason, created_at)
            SELECT kept_under, {}::bigint, hash, min(reason), {} FROM (
                SELECT {} AS kept_under, {} AS hash, a.reason FROM ({}) a WHERE a.address <> '') hashed
            GROUP BY hash, kept_under ORDER BY hash
            ON CONFLICT (channel, topic_id, address_hash)
            DO UPDATE SET reason = excluded.reason, created_at = excluded.created_at WHERE s.reason = {}
            """,
            topic.pk if topic else None, now, kept_under(Sql("a.address")) if channel == EMAIL else sql("{}", channel),
            hashed(Sql("a.address")), addresses, UNSUBSCRIBED,
        )
    )  # fmt: skip


def kept_under(address: Sql) -> Sql:
    """The channel under which an address of the email channel is kept: whole domains have one of their own."""
    return sql("CASE WHEN {} LIKE '@%%' THEN {} ELSE {} END", address, DOMAIN, EMAIL)


def find(address: str, *, channel: str = EMAIL) -> list[Suppression]:
    """Why an address must not be used: nothing when it may. Raises BadValue for what is no address."""
    told = sql("{}::text", _plain(address))
    [(own, whole)] = rows(sql("SELECT {}, {}", hashed(told), hashed(_domain(told))))
    found = Q(channel=channel, address_hash=own) | Q(channel=DOMAIN, address_hash=whole)
    return list(Suppression.objects.filter(found).select_related("topic"))


@transaction.atomic
def lift(suppression: Suppression, *, because: str, by: User | None, now: datetime) -> bool:
    """Let an address be used again. Consent is not given by that. Raises BadValue without a reason."""
    because = " ".join(because.split())
    if not because or "\x00" in because:
        raise BadValue("because", _("Say why this address may be written to again."))
    deleted, _rows = Suppression.objects.filter(pk=suppression.pk).delete()
    if deleted:
        before = {"reason": suppression.reason, "since": suppression.created_at.isoformat()}
        audit.record("suppression.lift", because, by=by, now=now, before=before)
    return bool(deleted)


def _plain(address: str) -> str:
    told = addresses.email(address)
    if told is None:
        raise BadValue("address", _("“%(email)s” is no email address.") % {"email": address[:100]})
    return told


def _domain(address: Sql) -> Sql:
    return sql("substr({}, strpos({}, '@'))", address, address)


def hashed(address: Sql) -> Sql:
    """The keyed hash of an address, or of "@" and a domain, in SQL; equal for addresses that compare as equal."""
    return sql("""sha256({}::bytea || convert_to(lower({} COLLATE "C"), 'UTF8'))""", _key(), address)


def _key() -> bytes:
    return hmac.digest(settings.LASTING_KEY.encode(), b"suppression", "sha256")


# ---- defaults ----


def ensure_defaults(now: datetime) -> None:
    """A topic to begin with, and the mark of the key. Safe to repeat. Raises WrongKey when the key is another one."""
    mark = hashlib.sha256(_key()).hexdigest()[:32]
    known, _new = Setting.objects.get_or_create(key=KEY_MARK, defaults={"value": mark})
    if known.value != mark and Suppression.objects.exists():
        raise WrongKey(
            _(
                "The suppression list was kept with another key, and nobody on it would be recognised. "
                "Set LASTING_KEY to the former one (unless it was set: the oldest SECRET_KEY)."
            )
        )
    if known.value != mark:
        Setting.objects.filter(key=KEY_MARK).update(value=mark)
    if not Topic.objects.exists():
        Topic.objects.get_or_create(
            slug=DEFAULT_TOPIC,
            defaults={
                "label": _("News and offers"),
                "description": _("What is new, guides and invitations."),
                "is_default": True,
            },
        )
