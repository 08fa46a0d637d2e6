"""The addresses of the REST API: each app's resources under /api/v1/, and the document that describes them."""

import re

from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.routers import SimpleRouter

from audience.api.accounts import Accounts
from audience.api.activities import Activities
from audience.api.cases import Cases
from audience.api.conditions import Conditions, Fields
from audience.api.consent import Topics
from audience.api.contracts import Contracts
from audience.api.costs import Costs
from audience.api.deals import Deals
from audience.api.forms import Forms, Submissions
from audience.api.imports import Imports, Rejects
from audience.api.kinds import Channels, Kinds
from audience.api.leftout import LeftOut
from audience.api.likeness import BestCustomers, LookAlikes
from audience.api.mappings import Mappings
from audience.api.merging import Duplicates, Merges
from audience.api.people import People
from audience.api.pipelines import Pipelines
from audience.api.products import Products
from audience.api.purchases import Purchases
from audience.api.rates import Rates
from audience.api.readiness import Readiness
from audience.api.retractions import Retractions
from audience.api.roles import Roles
from audience.api.schedules import Schedules
from audience.api.segments import Members, Segments
from audience.api.titles import TitleRulesResource
from campaigns.api.campaigns import Campaigns, CampaignVersions
from campaigns.api.enrollments import Enrollments
from campaigns.api.messages import Messages
from integrations.api.changes import Changes
from integrations.api.webhooks import Deliveries, Webhooks
from kit.api.calendars import WorkingCalendars
from kit.api.jobs import Jobs
from kit.api.views import Resource
from lifecycle.api.backtests import Backtests
from lifecycle.api.handoffs import Handoffs
from lifecycle.api.lifecycles import Lifecycles, Stages, Versions
from lifecycle.api.memberships import Memberships, Movements
from lifecycle.api.overrides import Overrides
from lifecycle.api.partners import Applications, PartnerSteps
from lifecycle.api.placing import StartingPoints
from reporting.api.book import BookResource
from reporting.api.funnel import CostReport, FunnelReport, HandOffReport, LeakReport, LoopReport, TimeReport
from reporting.api.ledger import LedgerReport
from reporting.api.money import ConcentrationReport, LiftReport, RetentionReport
from reporting.api.partners import PartnersReport
from reporting.api.people import Customers, FigurePeople, LiftPeople
from reporting.api.pipeline import PipelineReport
from scoring.api.models import ScoringModels, ScoringVersions
from scoring.api.scores import ScoreChanges, Scores

# A resource within another has that one's key in its address: "lifecycles/<slug:lifecycle>/versions".
RESOURCES: dict[str, type[Resource]] = {
    "people": People,
    "accounts": Accounts,
    "account-roles": Roles,
    "title-rules": TitleRulesResource,
    "duplicates": Duplicates,
    "merges": Merges,
    "activities": Activities,
    "activity-kinds": Kinds,
    "channels": Channels,
    "retractions": Retractions,
    "fields": Fields,
    "left-out": LeftOut,
    "topics": Topics,
    "forms": Forms,
    "forms/<slug:form>/submissions": Submissions,
    "deals": Deals,
    "pipelines": Pipelines,
    "products": Products,
    "purchases": Purchases,
    "contracts": Contracts,
    "cases": Cases,
    "costs": Costs,
    "exchange-rates": Rates,
    "segments": Segments,
    "segments/<slug:segment>/members": Members,
    "conditions": Conditions,
    "readiness": Readiness,
    "best-customers": BestCustomers,
    "look-alikes": LookAlikes,
    "imports": Imports,
    "imports/<int:imported>/rejects": Rejects,
    "import-mappings": Mappings,
    "import-schedules": Schedules,
    "jobs": Jobs,
    "working-calendars": WorkingCalendars,
    "lifecycles": Lifecycles,
    "lifecycles/<slug:lifecycle>/versions": Versions,
    "lifecycles/<slug:lifecycle>/stages": Stages,
    "lifecycles/<slug:lifecycle>/backtests": Backtests,
    "lifecycles/<slug:lifecycle>/starting-points": StartingPoints,
    "memberships": Memberships,
    "movements": Movements,
    "overrides": Overrides,
    "partner-applications": Applications,
    "partner-steps": PartnerSteps,
    "hand-offs": Handoffs,
    "scoring-models": ScoringModels,
    "scoring-models/<slug:model>/versions": ScoringVersions,
    "scores": Scores,
    "score-changes": ScoreChanges,
    "campaigns": Campaigns,
    "campaigns/<slug:campaign>/versions": CampaignVersions,
    "enrollments": Enrollments,
    "messages": Messages,
    "reports/funnel": FunnelReport,
    "reports/hand-offs": HandOffReport,
    "reports/leaks": LeakReport,
    "reports/loops": LoopReport,
    "reports/costs": CostReport,
    "reports/pipeline": PipelineReport,
    "reports/partners": PartnersReport,
    "reports/time": TimeReport,
    "reports/retention": RetentionReport,
    "reports/concentration": ConcentrationReport,
    "reports/lift": LiftReport,
    "reports/ledger": LedgerReport,
    "reports/people": FigurePeople,
    "reports/customers": Customers,
    "reports/book": BookResource,
    "reports/lift/<slug:slug>/people": LiftPeople,
    "changes": Changes,
    "webhooks": Webhooks,
    "webhook-deliveries": Deliveries,
}

router = SimpleRouter(use_regex_path=False)
for address, resource in RESOURCES.items():
    router.register(address, resource, basename=re.sub(r"/(<[^>]*>/)?", "-", address))

app_name = "api"
urlpatterns = [
    path("v1/openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("v1/", include(router.urls)),
]
