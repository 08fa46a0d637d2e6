"""Reporting's place in Django, and what it registers."""

from django.apps import AppConfig


class ReportingConfig(AppConfig):
    name = "reporting"
