"""The lifecycle's place in Django, and what it registers."""

from django.apps import AppConfig


class LifecycleConfig(AppConfig):
    name = "lifecycle"
