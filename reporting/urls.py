"""Addresses of reports and of the ledger check."""

from django.urls import path

from reporting.views import (
    book,
    costs,
    funnel,
    handoffs,
    leaks,
    ledger,
    lift,
    loops,
    money,
    notes,
    pace,
    partners,
    people,
    pipeline,
    printed,
)

urlpatterns = [
    path("reports/funnel/", funnel.funnel, name="report_funnel"),
    path("reports/hand-offs/", handoffs.page, name="report_handoffs"),
    path("reports/leaks/", leaks.page, name="report_leaks"),
    path("reports/loops/", loops.page, name="report_loops"),
    path("reports/time/", pace.page, name="report_time"),
    path("reports/lift/", lift.overview, name="report_lift"),
    path("reports/lift/<slug:slug>/", lift.campaign, name="report_lift_campaign"),
    path("reports/lift/<slug:slug>/people/", lift.Assigned.as_view(), name="report_lift_people"),
    path("reports/notes/", notes.add, name="report_note"),
    path("reports/notes/<int:pk>/remove/", notes.remove, name="report_note_remove"),
    path("reports/costs/", costs.page, name="report_costs"),
    path("reports/pipeline/", pipeline.pipeline, name="report_pipeline"),
    path("reports/documents/<slug:slug>/", printed.document, name="report_document"),
    path("reports/documents/<slug:slug>/v<int:number>/", printed.document, name="report_document_version"),
    path("reports/retention/", money.retention, name="report_retention"),
    path("reports/retention/pars/", money.pars, name="report_pars"),
    path("reports/book/", book.Book.as_view(), name="report_book"),
    path("reports/partners/", partners.page, name="report_partners"),
    path("reports/concentration/", money.concentration, name="report_concentration"),
    path("reports/customers/", money.Customers.as_view(), name="report_customers"),
    path("reports/people/", people.People.as_view(), name="report_people"),
    path("reports/people/segment/", people.segment, name="report_people_segment"),
    path("operations/ledger/", ledger.ledger, name="ledger"),
    path("operations/ledger/check/", ledger.check_ledger, name="ledger_check"),
]
