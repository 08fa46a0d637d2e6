"""Rows that are addresses, or whole domains, that must not be used; what is kept of them is a keyed hash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience import consent
from audience.importing import planning
from audience.importing.kinds.consents import ALL, REFUSALS
from audience.importing.run import Run
from audience.importing.targets import Check, Derived, Kind, Need, Target
from audience.importing.values import EMAIL_ADDRESS, SITE, is_email
from audience.models import Topic
from kit.sql import Sql, rows, sql

TARGETS = (
    Target("email", _("email"), EMAIL_ADDRESS, aliases=(
        "e-mail", "email address", "e-mail address", "mail", "address", "recipient", "suppressed email",
    )),
    Target("domain", _("whole domain"), SITE, 253, aliases=("suppressed domain", "email domain", "blocked domain")),
    Target("channel", _("channel"), length=32),
    Target("topic", _("topic (all where the row names none)"), aliases=("list", "unsubscribe group")),
    Target("reason", _("reason"), length=consent.LONGEST_REASON, aliases=(
        "suppression reason", "bounce type", "type", "cause", "status", "bounce reason",
    )),
)  # fmt: skip
NO_CHANNEL = gettext_noop("is no channel for which addresses are kept: there is email")


def derive(work: Run) -> Sequence[Derived]:
    return [Derived("address", "text", sql("coalesce({}, '@' || {})", work.value("email"), work.value("domain")))]


def checks(work: Run) -> Sequence[Check]:
    email = work.value("email")
    return [
        Check(sql("{} IS NOT NULL AND NOT {}", email, is_email(email)), "email", EMAIL_ADDRESS.wrong),
        Check(sql("lower({}) <> {}", work.value("channel"), consent.EMAIL), "channel", NO_CHANNEL),
    ]


def match(work: Run) -> None:
    """Which addresses are kept already; of several reasons in the file the last counts."""
    named = sql("lower({})", work.value("topic"))
    query = sql(
        """
        SELECT told.row, told.address, t.id AS topic, concat_ws('/', told.address, t.id) AS key,
               CASE WHEN told.named IS NOT NULL AND t.id IS NULL THEN 'no_topic' WHEN s.id IS NOT NULL THEN {} ELSE {}
               END AS action
        FROM (SELECT r.row, r.address, CASE WHEN r.address NOT LIKE '@%%' AND {} <> ALL({}) THEN {} END AS named
              FROM {} r WHERE r.problem IS NULL) told
        LEFT JOIN LATERAL (
            SELECT min(id) AS id FROM audience_topic WHERE told.named IN (lower(slug), lower(label))) t ON true
        LEFT JOIN audience_suppression s ON s.channel = {} AND s.topic_id IS NOT DISTINCT FROM t.id
            AND s.address_hash = {} AND s.reason <> {}
        """,
        "same" if work.updates else "skip", "create" if work.creates else "skip", named, ALL, named,
        work.table("rows"), consent.kept_under(Sql("told.address")), consent.hashed(Sql("told.address")),
        consent.UNSUBSCRIBED,
    )  # fmt: skip
    planning.make(work, query)
    planning.refuse(work, "no_topic", *REFUSALS["no_topic"])
    planning.last_counts_of(work, "key")


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the rows `(after, last]`."""
    reason = sql("coalesce({}, {})", work.value("reason"), work.source)
    told = sql(
        """SELECT p.topic, p.address, {} AS reason FROM {} p JOIN {} r ON r.row = p.row
           WHERE p.action = 'create' AND {}""",
        reason, work.table("plan"), work.table("rows"), planning.between(after, last),
    )  # fmt: skip
    for (number,) in rows(sql("SELECT DISTINCT topic FROM ({}) told", told)):
        topic = Topic.objects.get(pk=number) if number else None
        these = sql("SELECT address, reason FROM ({}) told WHERE topic IS NOT DISTINCT FROM {}::bigint", told, number)
        consent.suppress_many(these, topic=topic, now=work.now)
    return planning.counted(work, after, last)


KIND = Kind(
    name="suppressions",
    label=_("Addresses not to be used"),
    help=_(
        "One row is one address, or one whole domain, that must not be written to. Only a keyed hash of it is kept."
    ),
    names=(
        "suppressions",
        "suppression",
        "suppressed",
        "blocklist",
        "blacklist",
        "bounces",
        "donotmail",
    ),
    targets=TARGETS,
    needs=(Need(("email", "domain"), gettext_noop("The row names neither an address nor a domain.")),),
    derive=derive,
    checks=checks,
    match=match,
    write=write,
)
