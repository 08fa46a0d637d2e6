"""Addresses of reports and of the ledger check."""

from django.urls import path

from reporting import views

urlpatterns = [
    path("reports/funnel/", views.funnel, name="report_funnel"),
    path("reports/people/", views.People.as_view(), name="report_people"),
    path("operations/ledger/", views.ledger, name="ledger"),
    path("operations/ledger/check/", views.check_ledger, name="ledger_check"),
]
