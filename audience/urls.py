"""Addresses of people, accounts and search."""

from django.urls import path

from audience.views import accounts, conditions, editing, exclusions, imports, people, search, segments

urlpatterns = [
    path("people/", people.People.as_view(), name="people"),
    path("people/new/", editing.person_new, name="person_new"),
    path("people/<int:pk>/", people.person, name="person"),
    path("people/<int:pk>/edit/", editing.person_edit, name="person_edit"),
    path("people/<int:pk>/timeline/", people.person_timeline, name="person_timeline"),
    path("accounts/", accounts.Accounts.as_view(), name="accounts"),
    path("accounts/new/", editing.account_new, name="account_new"),
    path("accounts/choose/", editing.account_choose, name="account_choose"),
    path("accounts/<int:pk>/", accounts.account, name="account"),
    path("accounts/<int:pk>/edit/", editing.account_edit, name="account_edit"),
    path("accounts/<int:pk>/people/", accounts.PeopleOf.as_view(), name="account_people"),
    path("accounts/<int:pk>/timeline/", accounts.account_timeline, name="account_timeline"),
    path("conditions/fields/", conditions.fields, name="conditions_fields"),
    path("conditions/values/", conditions.values, name="conditions_values"),
    path("conditions/check/", conditions.check, name="conditions_check"),
    path("segments/", segments.Segments.as_view(), name="segments"),
    path("segments/new/", segments.new, name="segment_new"),
    path("segments/of-list/<str:of>/", segments.of_list, name="segment_of_list"),
    path("segments/<slug:slug>/", segments.segment, name="segment"),
    path("segments/<slug:slug>/edit/", segments.edit, name="segment_edit"),
    path("segments/<slug:slug>/delete/", segments.delete, name="segment_delete"),
    path("segments/<slug:slug>/refresh/", segments.refresh, name="segment_refresh"),
    path("segments/<slug:slug>/let-leave/", segments.let_leave, name="segment_let_leave"),
    path("segments/<slug:slug>/members/", segments.members, name="segment_members"),
    path("segments/<slug:slug>/history/", segments.History.as_view(), name="segment_history"),
    path("segments/<slug:slug>/why/<int:pk>/", segments.why, name="segment_why"),
    path("search/", search.search, name="search"),
    path("left-out/", exclusions.left_out, name="left_out"),
    path("imports/", imports.Imports.as_view(), name="imports"),
    path("imports/new/", imports.new, name="import_new"),
    path("imports/<int:pk>/", imports.one, name="import"),
    path("imports/<int:pk>/map/", imports.mapping, name="import_map"),
    path("imports/<int:pk>/go/", imports.go, name="import_go"),
    path("imports/<int:pk>/rejects/", imports.rejects, name="import_rejects"),
]
