"""Who gets a hand-off: by the rules of its lifecycle, in their order; the first that finds somebody wins.

Set-based: each rule is one statement over all that still wait. One router at a time, so that a team's turns are fair
whoever routes. Whoever is away is stood for by their deputy; whoever had a hand-off already does not get it again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone
from django.utils.translation import gettext as _

from audience import live
from audience.conditions import compile, describe, tree
from audience.conditions.tree import ConditionError
from kit import audit, installation, rights
from kit.models import Team, User
from kit.sql import Sql, rows, run, sql
from lifecycle.handoffs import offering
from lifecycle.models import Handoff, Lifecycle, RoutingRule

LOCK = 0x48414E44  # one router at a time
Via = Handoff.Via
# Who passed a hand-off on, or let it pass. From whoever was away it was only taken: they may have it once back.
PASSED_ON = "before.state = 'passed_on' AND (before.route <> 'time' OR before.missed_at IS NOT NULL)"
HAD_LAST = Sql(  # not the one who gets it next
    f"""(SELECT before.user_id FROM lifecycle_handoff before
        WHERE before.membership_id = held.membership_id AND before.seq = held.seq AND {PASSED_ON}
        ORDER BY before.id DESC LIMIT 1)"""
)
USUAL = (Via.DEAL_OWNER, Via.ACCOUNT_OWNER, Via.PERSON_OWNER)  # while nobody has said otherwise
MOST_RULES = 50

logger = logging.getLogger(__name__)


class Refused(ValueError):
    """It cannot be done so; the message says why, in the user's words."""


@dataclass(frozen=True)
class Told:
    """What a rule says: whom it gives to, and for whom it is meant; without a row while it is the usual one."""

    kind: str
    condition: dict[str, object]
    user: User | None = None
    team: Team | None = None


def rules_of(lifecycle: Lifecycle) -> list[RoutingRule]:
    """The rules of a lifecycle in their order; the usual ones, which are no rows, while it has none of its own."""
    own = list(lifecycle.routing.select_related("user", "team"))
    usual = (each for each in USUAL if not (lifecycle.of == "account" and each == Via.PERSON_OWNER))
    return own or [RoutingRule(lifecycle=lifecycle, position=n, kind=kind) for n, kind in enumerate(usual, 1)]


def sentence(rule: RoutingRule) -> str:
    """For whom a rule is meant, in words; "" for everybody."""
    if not rule.condition:
        return ""
    return describe.sentence(tree.parse(rule.condition, of=rule.lifecycle.of))


# ---- changing the rules ----


def add(lifecycle: Lifecycle, told: Told, *, by: User | None, now: datetime) -> RoutingRule:
    """A rule more, behind the others. Raises Refused when there are too many."""
    with transaction.atomic():
        _own(lifecycle)
        last = lifecycle.routing.aggregate(last=Max("position"))["last"] or 0
        if lifecycle.routing.count() >= MOST_RULES:
            raise Refused(_("A lifecycle has at most %(most)s rules of routing.") % {"most": MOST_RULES})
        rule = RoutingRule.objects.create(lifecycle=lifecycle, position=last + 1, **vars(told))
        _audit("routing.add", rule, by, now)
    return rule


def change(rule: RoutingRule, told: Told, *, by: User | None, now: datetime) -> None:
    """Other words for a rule."""
    with transaction.atomic():
        for key, value in vars(told).items():
            setattr(rule, key, value)
        rule.save()
        _audit("routing.change", rule, by, now)


def move(rule: RoutingRule, places: int, *, by: User | None, now: datetime) -> bool:
    """One place up (-1) or down (1). False at the end of the list."""
    with transaction.atomic():
        order = _own(rule.lifecycle)
        at = next((n for n, each in enumerate(order) if each.pk == rule.pk), None)
        if at is None or not 0 <= at + places < len(order):
            return False
        order[at], order[at + places] = order[at + places], order[at]
        for number, each in enumerate(order, 1):
            RoutingRule.objects.filter(pk=each.pk).update(position=number)
        _audit("routing.move", rule, by, now)
    return True


def remove(rule: RoutingRule, *, by: User | None, now: datetime) -> None:
    """A rule less. Behind the last one the usual rules hold again."""
    with transaction.atomic():
        _own(rule.lifecycle)
        _audit("routing.remove", rule, by, now)
        RoutingRule.objects.filter(pk=rule.pk).delete()
        RoutingRule.objects.filter(lifecycle=rule.lifecycle, position__gt=rule.position).update(
            position=F("position") - 1
        )


def adopt(lifecycle: Lifecycle, *, by: User | None, now: datetime) -> None:
    """Make the usual rules the lifecycle's own, so that they can be changed."""
    with transaction.atomic():
        if not _own(lifecycle):
            RoutingRule.objects.bulk_create(rules_of(lifecycle))
            audit.record("routing.adopt", str(lifecycle), by=by, now=now)


def _own(lifecycle: Lifecycle) -> list[RoutingRule]:
    """The rules, in their order; nobody else changes them until this transaction ends."""
    Lifecycle.objects.select_for_update(no_key=True).get(pk=lifecycle.pk)
    return list(lifecycle.routing.all())


def _audit(action: str, rule: RoutingRule, by: User | None, now: datetime) -> None:
    after = {"rule": str(rule), "for": sentence(rule) or _("everybody"), "position": rule.position}
    audit.record(action, str(rule.lifecycle), by=by, now=now, after=after)


# ---- routing ----


def route(now: datetime) -> int:
    """Find a receiver for every hand-off that has none yet; how many were looked at. What no rule takes is nobody's."""
    with transaction.atomic():
        run(sql("SELECT pg_advisory_xact_lock({})", LOCK))
        found = rows(
            Sql(
                """SELECT DISTINCT version.lifecycle_id FROM lifecycle_handoff held
                   JOIN lifecycle_stage stage ON stage.id = held.stage_id
                   JOIN lifecycle_version version ON version.id = stage.version_id
                   WHERE held.state = 'offered' AND held.routed_at IS NULL"""
            )
        )
        lifecycles = Lifecycle.objects.filter(pk__in=[pk for (pk,) in found])
        done = sum(_route(lifecycle, now) for lifecycle in lifecycles.order_by("pk"))
        if done:
            _tell(now)
    return done


def route_again(now: datetime) -> int:
    """Look once more for somebody for what waits in a team's queue or in nobody's: somebody may have come back, been
    given the right, or have room again. How many found somebody; the others stay where they are, and nobody is told.
    """
    with transaction.atomic():
        run(sql("SELECT pg_advisory_xact_lock({})", LOCK))
        found = rows(
            Sql(
                """SELECT DISTINCT version.lifecycle_id FROM lifecycle_handoff held
                   JOIN lifecycle_stage stage ON stage.id = held.stage_id
                   JOIN lifecycle_version version ON version.id = stage.version_id
                   WHERE held.state = 'offered' AND held.routed_at IS NOT NULL AND held.user_id IS NULL"""
            )
        )
        lifecycles = Lifecycle.objects.filter(pk__in=[pk for (pk,) in found])
        done = sum(_by_rules(each, _in_a_queue(each), now, queues=False) for each in lifecycles.order_by("pk"))
        if done:
            _tell(now)
    return done


def _tell(now: datetime) -> None:
    """Note what was routed at this instant, for whoever has it now."""
    found_now = sql(
        "SELECT id, user_id AS to_id, via FROM lifecycle_handoff WHERE routed_at = {} AND via <> 'hand'", now
    )
    for kind, whose in (("returned", "= 'returned'"), ("handed", "<> 'returned'")):
        told = sql("SELECT id, to_id FROM ({}) found WHERE via {}", found_now, Sql(whose))
        run(offering.note(told, kind, now, telling=True))


def _route(lifecycle: Lifecycle, now: datetime) -> int:
    waits = _waits(lifecycle)
    done = _by_rules(lifecycle, waits, now, queues=True)
    return done + run(sql("UPDATE lifecycle_handoff held SET routed_at = {}, via = 'nobody' WHERE {}", now, waits))


def _by_rules(lifecycle: Lifecycle, waits: Sql, now: datetime, *, queues: bool) -> int:
    """What waits goes to whoever the rules find; with `queues` also into those of teams. How many."""
    today = timezone.localdate(now, installation.zone())
    done = _to_owner(waits, _who_had_them(), Via.RETURNED, "", Sql("true"), today, now)
    for rule in rules_of(lifecycle):
        try:
            with transaction.atomic():
                done += _by(rule, waits, today, now, queues=queues)
        except ConditionError as fault:
            logger.warning("a rule of routing of %s is skipped: %s", lifecycle, fault)  # its page says so too
    return done


def _by(rule: RoutingRule, waits: Sql, today: date, now: datetime, *, queues: bool) -> int:
    meant, words = _meant(rule, waits, now), sentence(rule)
    if rule.kind == Via.TEAM:
        had = rows(sql("SELECT DISTINCT {} FROM lifecycle_handoff held WHERE {}", HAD_LAST, waits))
        return sum(_in_turns(rule, waits, meant, words, last, today, now, queues=queues) for (last,) in had)
    return _to_owner(waits, _owner(rule), rule.kind, words, meant, today, now)


def _waits(lifecycle: Lifecycle) -> Sql:
    """Whether a hand-off (alias `held`) of this lifecycle waits to be routed."""
    return sql("held.state = 'offered' AND held.routed_at IS NULL AND {}", _within(lifecycle))


def _in_a_queue(lifecycle: Lifecycle) -> Sql:
    """Whether a hand-off (alias `held`) of this lifecycle was routed, and to nobody by name."""
    return sql(
        "held.state = 'offered' AND held.routed_at IS NOT NULL AND held.user_id IS NULL AND {}", _within(lifecycle)
    )


def _within(lifecycle: Lifecycle) -> Sql:
    return sql(
        """held.stage_id IN (
               SELECT stage.id FROM lifecycle_stage stage
               JOIN lifecycle_version version ON version.id = stage.version_id WHERE version.lifecycle_id = {})""",
        lifecycle.pk,
    )


def _meant(rule: RoutingRule, waits: Sql, now: datetime) -> Sql:
    """Whether a subject (alias `membership`) is one that the rule is meant for."""
    if not rule.condition:
        return Sql("true")
    waiting = sql(
        """SELECT membership.subject_id FROM lifecycle_handoff held
           JOIN lifecycle_membership membership ON membership.id = held.membership_id WHERE {}""",
        waits,
    )
    of = rule.lifecycle.of
    answers = compile.table({"meant": tree.parse(rule.condition, of=of)}, of=of, at=now + live.INSTANT, among=waiting)
    return sql("membership.subject_id IN (SELECT subject_id FROM ({}) answers WHERE meant)", answers)


def able(today: date) -> Sql:
    """The users who can be given a hand-off on this day: here, not away, and with the right to answer it."""
    return sql(
        """SELECT id, team_id, capacity, deputy_id FROM kit_user
           WHERE is_active AND role = ANY ({}) AND NOT ({} BETWEEN COALESCE(out_from, out_until) AND out_until)
               IS TRUE""",
        sorted(str(role) for role in rights.RIGHTS["move"]),
        today,
    )


def is_able(user: User, now: datetime) -> bool:
    """Whether this user can be given a hand-off now."""
    today = timezone.localdate(now, installation.zone())
    return bool(rows(sql("SELECT FROM ({}) able WHERE id = {}", able(today), user.pk)))


def _had() -> Sql:
    """Whether a user (`able.id`) had this hand-off (alias `held`) before and passed it on, or let it pass."""
    return Sql(
        f"""EXISTS (SELECT FROM lifecycle_handoff before
                    WHERE before.membership_id = held.membership_id AND before.seq = held.seq
                      AND before.user_id = able.id AND {PASSED_ON})"""
    )


def _owner(rule: RoutingRule) -> Sql:
    """The user of a rule for the subject of `membership`, as a value."""
    if rule.kind == Via.USER:
        return sql("{}::bigint", rule.user_id)
    if rule.lifecycle.of == "account":
        own = "SELECT owner_id FROM audience_account WHERE id = membership.subject_id"
        deal = "deal.account_id = membership.subject_id OR deal.partner_id = membership.subject_id"
    else:
        own = """SELECT account.owner_id FROM audience_person person
                 JOIN audience_account account ON account.id = person.account_id
                 WHERE person.id = membership.subject_id"""
        deal = "deal.id IN (SELECT deal_id FROM audience_dealrole WHERE person_id = membership.subject_id)"
    if rule.kind == Via.DEAL_OWNER:
        return Sql(
            f"""(SELECT deal.owner_id FROM audience_deal deal
                 WHERE deal.status = 'open' AND deal.owner_id IS NOT NULL AND ({deal})
                 ORDER BY deal.opened_at DESC, deal.id DESC LIMIT 1)"""
        )
    if rule.kind == Via.PERSON_OWNER:
        return Sql("(SELECT owner_id FROM audience_person WHERE id = membership.subject_id)")
    return Sql(f"({own})")


def _who_had_them() -> Sql:
    """Whoever had the member last, for those who come back: their "not now" is over, or the answer was taken back."""
    return Sql(
        """(SELECT COALESCE(last.user_id, last.answered_by_id) FROM (
                SELECT before.* FROM lifecycle_handoff before
                WHERE before.membership_id = held.membership_id AND before.seq < held.seq
                ORDER BY before.seq DESC, before.id DESC LIMIT 1) last
            WHERE last.returned_at IS NOT NULL
               OR EXISTS (SELECT FROM lifecycle_movement arrival WHERE arrival.membership_id = held.membership_id
                          AND arrival.seq = held.seq AND arrival.kind = 'undo'))"""
    )


def _to_owner(waits: Sql, owner: Sql, via: str, words: str, meant: Sql, today: date, now: datetime) -> int:
    """Give what waits to its owner, or to the deputy of one who is away; the rest goes on waiting."""
    return run(
        sql(
            """
            WITH able AS MATERIALIZED ({})
            UPDATE lifecycle_handoff held
            SET user_id = found.user_id, team_id = found.team_id, stands_for_id = found.stands_for, routed_at = {},
                via = {}, rule_words = {}
            FROM (
                SELECT held.id, able.id AS user_id, able.team_id,
                       CASE WHEN able.id <> owner.id THEN owner.id END AS stands_for
                FROM lifecycle_handoff held
                JOIN lifecycle_membership membership ON membership.id = held.membership_id
                JOIN kit_user owner ON owner.id = {}
                JOIN able ON able.id = CASE WHEN owner.id IN (SELECT id FROM able) THEN owner.id
                                            WHEN owner.is_active THEN owner.deputy_id END
                WHERE {} AND {} AND NOT {}
            ) found
            WHERE found.id = held.id AND held.state = 'offered' AND held.user_id IS NULL
            """,
            able(today),
            now,
            via,
            words[:500],
            owner,
            waits,
            meant,
            _had(),
        )
    )


def _in_turns(
    rule: RoutingRule, waits: Sql, meant: Sql, words: str, but: int | None, today: date, now: datetime, *, queues: bool
) -> int:
    """Deal what waits, and was last with `but`, out among those of the team who are there and have room: whoever got
    theirs longest ago first.

    Each member has as many places as there is room; the first places of all come before the second ones. What finds
    no place goes into the team's queue (with `queues`), where each of them can take it.
    """
    return run(
        sql(
            """
            WITH able AS MATERIALIZED (
                SELECT * FROM ({}) able WHERE team_id = {} AND id IS DISTINCT FROM {}::bigint
            ),
            waiting AS MATERIALIZED (
                SELECT held.id, held.membership_id, held.seq, row_number() OVER (ORDER BY held.offered_at, held.id) AS n
                FROM lifecycle_handoff held JOIN lifecycle_membership membership ON membership.id = held.membership_id
                WHERE {} AND {} AND {} IS NOT DISTINCT FROM {}::bigint
            ),
            member AS (
                SELECT able.id, last.routed_at, last.id AS last_id,
                       LEAST((SELECT count(*) FROM waiting), able.capacity - (
                           SELECT count(*) FROM lifecycle_handoff held
                           WHERE held.user_id = able.id AND held.state = 'offered')) AS room
                FROM able LEFT JOIN LATERAL (
                    SELECT held.routed_at, held.id FROM lifecycle_handoff held
                    WHERE held.user_id = able.id AND held.via = 'team'
                    ORDER BY held.routed_at DESC, held.id DESC LIMIT 1) last ON true
            ),
            place AS (
                SELECT member.id AS user_id, row_number() OVER (
                    ORDER BY place, member.routed_at NULLS FIRST, member.last_id, member.id) AS n
                FROM member CROSS JOIN LATERAL generate_series(1, member.room) place
            ),
            dealt AS (SELECT waiting.*, place.user_id FROM waiting {} JOIN place USING (n))
            UPDATE lifecycle_handoff held
            SET user_id = dealt.user_id, team_id = {}, routed_at = {}, via = 'team', rule_words = {}
            FROM dealt WHERE dealt.id = held.id AND held.state = 'offered' AND held.user_id IS NULL
            """,
            able(today),
            rule.team_id,
            but,
            waits,
            meant,
            HAD_LAST,
            but,
            Sql("LEFT" if queues else ""),
            rule.team_id,
            now,
            words[:500],
        )
    )


def out_of_reach(rules: Sequence[RoutingRule], today: date) -> dict[int, str]:
    """Which of these rules cannot find anybody now, by their position, and why, for their page."""
    able_ones = rows(able(today))
    users, teams = {row[0] for row in able_ones}, {row[1] for row in able_ones}
    found = {}
    for rule in rules:
        if rule.kind == Via.USER and rule.user_id not in users:
            found[rule.position] = _("%(user)s cannot be given anything now: away, closed, or without the right.") % {
                "user": rule.user
            }
        elif rule.kind == Via.TEAM and rule.team_id not in teams:
            found[rule.position] = _("Nobody of this team is there now, so they wait in its queue.")
        elif rule.condition and (fault := _fault(rule)):
            found[rule.position] = fault
    return found


def _fault(rule: RoutingRule) -> str:
    try:
        tree.parse(rule.condition, of=rule.lifecycle.of)
    except ConditionError as fault:
        return _("This rule is skipped: %(why)s") % {"why": fault}
    return ""
