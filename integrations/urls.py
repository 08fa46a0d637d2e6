"""Addresses of the keys' pages and of the reference; what keys are for has addresses of its own, in `config/api.py`."""

from django.urls import path

from integrations.views import keys, reference

urlpatterns = [
    path("operations/keys/", keys.Keys.as_view(), name="api_keys"),
    path("operations/keys/new/", keys.new, name="api_key_new"),
    path("operations/keys/<int:pk>/revoke/", keys.revoke, name="api_key_revoke"),
    path("api/docs/", reference.index, name="api_reference"),
    path("api/docs/<slug:slug>/", reference.group, name="api_reference_group"),
]
