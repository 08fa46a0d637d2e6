"""Rows that are consents: somebody agreed, or wants no more of it, on a day, to a topic or to all, with its proof."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience import consent
from audience.importing import planning, references, sourced
from audience.importing.run import Run
from audience.importing.targets import Check, Derived, Kind, Need, Target
from audience.importing.values import EMAIL_ADDRESS, INSTANT, NO, YES, YES_NO
from audience.models import ConsentRecord
from kit.sql import Sql, sql

TARGETS = (
    *sourced.PERSON,
    Target("given", _("agreed (yes or no)"), length=40, aliases=(
        "consent", "consent given", "opt in", "opted in", "optin", "subscribed", "status", "subscription status",
        "email consent", "marketing consent", "answer", "newsletter",
    )),
    Target("withdrawn", _("wants no more of it (yes or no)"), YES_NO, aliases=(
        "unsubscribed", "opted out", "opt out", "optout", "is opted out", "has opted out of email", "email opt out",
        "hasoptedoutofemail", "unsubscribe", "do not email", "is unsubscribed",
    )),
    Target("topic", _("topic (all where the row names none)"), aliases=("list", "subscription", "subscription type")),
    Target("channel", _("channel"), length=32, aliases=("consent channel",)),
    Target("basis", _("lawful basis"), length=40, aliases=("legal basis", "lawful basis", "basis of consent")),
    Target("wording", _("what was shown or said"), length=10_000, aliases=(
        "consent text", "text", "statement", "unsubscribe reason",
    )),
    Target("where", _("where it was said"), length=100, aliases=("source", "consent source", "form", "origin")),
    Target("occurred", _("when"), INSTANT, aliases=(
        "date", "timestamp", "time", "consent date", "occurred at", "opt in date", "unsubscribed at", "optin time",
        "unsubscribe date", "created at", "created", "created date", "createddate", "createdate", "when", "datetime",
        "event date", "opt out date",
    )),
)  # fmt: skip
AGREED = [*YES, "subscribed", "opted in", "opt-in", "optin", "opted-in", "agreed", "given", "granted", "active"]
REFUSED = [
    *NO,
    "unsubscribed",
    "opted out",
    "opt-out",
    "optout",
    "opted-out",
    "withdrawn",
    "refused",
    "objected",
    "cleaned",
]
LEFT = frozenset(("unsubscribes", "unsubscribe", "unsubscribed", "optouts"))
ALL = ["all", "*", "everything", "alle", "全部"]
CHANNELS = (consent.EMAIL, consent.TRACKING)
UNCLEAR = gettext_noop("is neither yes nor no, nor subscribed or unsubscribed")
NO_CHANNEL = gettext_noop("is no channel: there are email and tracking")
NO_BASIS = gettext_noop("is no lawful basis: there are consent, confirmed, customer, interest and objection")
LATER = gettext_noop("is later than now; nobody can have said it then")
REFUSALS = {
    "no_email": ("person_email", EMAIL_ADDRESS.wrong),
    "nobody": ("person_external_id", sourced.NOBODY),
    "no_topic": ("topic", gettext_noop("There is no such topic. Make it first, or map it to one that there is.")),
}


def told_by_name(words: Sequence[str]) -> dict[str, str]:
    """A file of those who want no more of it says so in its name alone."""
    return {"withdrawn": "yes"} if LEFT.intersection(words) else {}


def derive(work: Run) -> Sequence[Derived]:
    """What was said; and of which topic, on which channel, by which basis."""
    said = sql("lower({})", work.value("given"))
    agreed = sql("CASE WHEN {} = ANY({}) THEN true WHEN {} = ANY({}) THEN false END", said, AGREED, said, REFUSED)
    stands = sql("CASE WHEN {} THEN false ELSE {} END", work.value("withdrawn"), agreed)
    basis = sql("lower({})", work.value("basis"))
    usual = sql("CASE WHEN {} THEN {} ELSE {} END", stands, consent.Basis.CONSENT.value, consent.Basis.OBJECTION.value)
    return [
        Derived("stands", "boolean", stands),
        Derived("way", "text", sql("lower(coalesce({}, {}))", work.value("channel"), consent.EMAIL)),
        Derived("lawful", "text", sql("coalesce({}, {})", basis, usual)),
        *references.person_key(work),
    ]


def checks(work: Run) -> Sequence[Check]:
    return [
        Check(sql("{} IS NOT NULL AND stands IS NULL", work.value("given")), "given", UNCLEAR),
        Check(sql("way <> ALL({})", list(CHANNELS)), "channel", NO_CHANNEL),
        Check(sql("lawful <> ALL({})", list(ConsentRecord.Basis.values)), "basis", NO_BASIS),
        Check(sql("occurred > {}", work.now), "occurred", LATER),
    ]


def match(work: Run) -> None:
    """Whose words they are, of which topic, and whether they are written down already."""
    references.find_people(work, Sql("r.occurred"))
    named = sql("lower({})", work.value("topic"))
    topic = sql("CASE WHEN {} <> ALL({}) THEN {} END", named, ALL, named)
    query = sql(
        """
        SELECT r.row, pp.id AS person, t.id AS topic,
               concat_ws('/', pp.id, t.id, r.way, r.stands, r.occurred) AS key,
               CASE WHEN pp.no_email THEN 'no_email' WHEN pp.id IS NULL THEN 'nobody'
                    WHEN asked.topic IS NOT NULL AND t.id IS NULL THEN 'no_topic'
                    WHEN r.stands IS NULL THEN 'skip'
                    WHEN EXISTS (
                        SELECT FROM audience_consentrecord c
                        WHERE c.subject_id = pp.id AND c.channel = r.way AND c.occurred_at = r.occurred
                          AND c.topic_id IS NOT DISTINCT FROM t.id AND c.given = r.stands) THEN {}
                    ELSE {} END AS action
        FROM {} r LEFT JOIN {} pp ON pp.key = r.person_key
        CROSS JOIN LATERAL (SELECT {} AS topic) asked
        LEFT JOIN LATERAL (
            SELECT min(id) AS id FROM audience_topic WHERE asked.topic IN (lower(slug), lower(label))) t ON true
        WHERE r.problem IS NULL
        """,
        "same" if work.updates else "skip",
        "create" if work.creates else "skip",
        work.table("rows"),
        work.table("people"),
        topic,
    )  # fmt: skip
    planning.make(work, query)
    for action, (target, reason) in REFUSALS.items():
        planning.refuse(work, action, target, reason)
    planning.last_counts_of(work, "key")


def prepare(work: Run) -> Counter[str]:
    made = references.make(work)
    references.see(work)
    return made


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the rows `(after, last]` into the ledger; who withdrew is known by address too."""
    for channel in CHANNELS:
        acts = sql(
            """
            SELECT p.person AS person_id, p.topic AS topic_id, r.stands AS given, r.lawful AS basis,
                   {} AS wording, {} AS source, r.occurred AS occurred_at
            FROM {} p JOIN {} r ON r.row = p.row WHERE p.action = 'create' AND r.way = {} AND {}
            """,
            work.value("wording"),
            sourced.or_else(work.value("where"), work.source),
            work.table("plan"),
            work.table("rows"),
            channel,
            planning.between(after, last),
        )
        consent.record_many(acts, channel=channel, now=work.now, by=work.imported.created_by)
    return planning.counted(work, after, last)


KIND = Kind(
    name="consents",
    label=_("Consents"),
    help=_("One row is somebody who agreed, or who wants no more of it: when, to which topic, and how that is known."),
    names=("consents", "consent", *sorted(LEFT)),
    targets=TARGETS,
    told_by_name=told_by_name,
    needs=(
        Need(("person_external_id", "person_email"), gettext_noop("The row names nobody.")),
        Need(("given", "withdrawn"), gettext_noop("The row does not say whether somebody agreed.")),
        Need(("occurred",), gettext_noop("The row does not say when: without a date there is no proof.")),
    ),
    derive=derive,
    checks=checks,
    match=match,
    prepare=prepare,
    write=write,
    touches_people=True,
)
