"""Where every address of the API leads in a small company: to what a salesperson owns, and to what another one does."""

from __future__ import annotations

from typing import Any

from audience.models import AccountRole, Case, Contract, Product, Purchase
from campaigns.models import Enrollment
from kit import installation
from kit.models import User
from scoring.models import Score
from tests.factories import NOW
from tests.sight import world
from tests.sight.world import Things

Parts = dict[str, dict[str, Any]]

# Each row of these is somebody's: a salesperson sees their own alone.
OF_SUBJECTS = (
    "partner-applications", "partner-steps", "people", "accounts", "account-roles", "activities", "deals", "purchases", "contracts", "cases", "memberships",
    "movements", "overrides", "hand-offs", "scores", "enrollments", "messages", "duplicates", "merges",
)  # fmt: skip


def made() -> tuple[User, Parts, Parts]:
    """A salesperson, and the parts of addresses by their first word: of what is theirs, and of what is not."""
    installation.put("postal_address", "Marlow Creek, 1 Mill Lane")
    there = world.build()
    product = Product.objects.create(name="Sensor", source="tests", external_id="1", recorded_at=NOW)
    common: Parts = {
        "lifecycles": {
            "slug": "small",
            "lifecycle": "small",
            "number": 1,
            "since": 1,
            "stage": "lead",
            "pk": there.numbers["backtest"],
            "key": "deal_won-won",
        },
        "scoring-models": {"slug": "lead", "model": "lead", "number": 2},
        "working-calendars": {"slug": "emea"},
        "campaigns": {"slug": "nurture", "campaign": "nurture", "number": 1},
        "reports": {"slug": "nurture"},
        "segments": {"slug": "chosen", "segment": "chosen"},
        "fields": {"pk": there.numbers["field"]},
        "topics": {"slug": "news"},
        "activity-kinds": {"pk": there.numbers["kind"]},
        "channels": {"pk": there.numbers["channel"]},
        "costs": {"pk": there.numbers["cost"]},
        "exchange-rates": {"pk": there.numbers["rate"]},
        "retractions": {"pk": there.numbers["retraction"]},
        "forms": {"slug": "newsletter", "form": "newsletter"},
        "products": {"pk": product.pk},
        "readiness": {"name": "person.country"},
        "left-out": {"name": "own"},
        "pipelines": {"pk": there.numbers["pipeline"]},
        "title-rules": {},
        "imports": {"pk": there.numbers["import"], "imported": there.numbers["import"]},
        "import-mappings": {"pk": there.numbers["import_mapping"]},
        "import-schedules": {"pk": there.numbers["import_schedule"]},
        "jobs": {"pk": there.numbers["job"]},
        "webhooks": {"pk": there.numbers["webhook"]},
        "webhook-deliveries": {"pk": there.numbers["webhook_delivery"]},
    }
    return there.sal, common | _of(there.own), common | _of(there.foreign)


def _of(things: Things) -> Parts:
    ids = {
        "people": things.person.pk,
        "accounts": things.account.pk,
        "account-roles": AccountRole.objects.get(person=things.person, account=things.account).pk,
        "activities": things.activity.pk,
        "deals": things.deal.pk,
        "purchases": Purchase.objects.get(person=things.person).pk,
        "contracts": Contract.objects.get(account=things.account).pk,
        "partner-applications": things.application.pk,
        "partner-steps": things.partner_step.pk,
        "cases": Case.objects.get(person=things.person).pk,
        "memberships": things.membership.pk,
        "movements": things.movement.pk,
        "overrides": things.movement.pk,
        "hand-offs": things.handoff.pk,
        "scores": Score.objects.get(person=things.person).pk,
        "enrollments": Enrollment.objects.get(person=things.person).pk,
        "messages": things.message.pk,
        "duplicates": things.pair.pk,
        "merges": things.merge.pk,
    }
    return {name: {"pk": pk} for name, pk in ids.items()}
