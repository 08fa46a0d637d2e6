"""Addresses of reports and of the ledger check."""

from django.urls import path

from reporting.views import funnel, handoffs, ledger, money, people

urlpatterns = [
    path("reports/funnel/", funnel.funnel, name="report_funnel"),
    path("reports/hand-offs/", handoffs.page, name="report_handoffs"),
    path("reports/retention/", money.retention, name="report_retention"),
    path("reports/retention/pars/", money.pars, name="report_pars"),
    path("reports/concentration/", money.concentration, name="report_concentration"),
    path("reports/customers/", money.Customers.as_view(), name="report_customers"),
    path("reports/people/", people.People.as_view(), name="report_people"),
    path("operations/ledger/", ledger.ledger, name="ledger"),
    path("operations/ledger/check/", ledger.check_ledger, name="ledger_check"),
]
