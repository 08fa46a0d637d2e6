"""Addresses of the pages of keys and webhooks, and of the reference.

What keys are for has addresses of its own, in `config/api.py`.
"""

from django.urls import path

from integrations.views import keys, reference, webhooks

urlpatterns = [
    path("operations/keys/", keys.Keys.as_view(), name="api_keys"),
    path("operations/keys/new/", keys.new, name="api_key_new"),
    path("operations/keys/<int:pk>/revoke/", keys.revoke, name="api_key_revoke"),
    path("operations/webhooks/", webhooks.Webhooks.as_view(), name="webhooks"),
    path("operations/webhooks/new/", webhooks.new, name="webhook_new"),
    path("operations/webhooks/<int:pk>/", webhooks.one, name="webhook"),
    path("operations/webhooks/<int:pk>/edit/", webhooks.edit, name="webhook_edit"),
    path("operations/webhooks/<int:pk>/pause/", webhooks.pause, name="webhook_pause"),
    path("operations/webhooks/<int:pk>/secret/", webhooks.rotate, name="webhook_rotate"),
    path("operations/webhooks/<int:pk>/test/", webhooks.try_out, name="webhook_test"),
    path("operations/webhooks/<int:pk>/replay/", webhooks.replay, name="webhook_replay"),
    path("operations/webhooks/<int:pk>/remove/", webhooks.remove, name="webhook_remove"),
    path("operations/webhooks/<int:pk>/deliveries/", webhooks.Deliveries.as_view(), name="webhook_deliveries"),
    path("operations/webhooks/deliveries/<int:pk>/", webhooks.delivery, name="webhook_delivery"),
    path("operations/webhooks/deliveries/<int:pk>/replay/", webhooks.replay_one, name="webhook_delivery_replay"),
    path("api/docs/", reference.index, name="api_reference"),
    path("api/docs/<slug:slug>/", reference.group, name="api_reference_group"),
]
