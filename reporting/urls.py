"""Addresses of reports and of the ledger check."""

from django.urls import path

from reporting.views import funnel, handoffs, ledger, people

urlpatterns = [
    path("reports/funnel/", funnel.funnel, name="report_funnel"),
    path("reports/hand-offs/", handoffs.page, name="report_handoffs"),
    path("reports/people/", people.People.as_view(), name="report_people"),
    path("operations/ledger/", ledger.ledger, name="ledger"),
    path("operations/ledger/check/", ledger.check_ledger, name="ledger_check"),
]
