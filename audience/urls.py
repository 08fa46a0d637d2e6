"""Addresses of people, accounts and search."""

from django.urls import path

from audience.views import accounts, conditions, editing, exclusions, imports, people, search

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
    path("search/", search.search, name="search"),
    path("left-out/", exclusions.left_out, name="left_out"),
    path("imports/", imports.Imports.as_view(), name="imports"),
    path("imports/new/", imports.new, name="import_new"),
    path("imports/<int:pk>/", imports.one, name="import"),
    path("imports/<int:pk>/map/", imports.mapping, name="import_map"),
    path("imports/<int:pk>/go/", imports.go, name="import_go"),
    path("imports/<int:pk>/rejects/", imports.rejects, name="import_rejects"),
]
