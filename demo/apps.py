"""The demo company's place in Django, and what it registers."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "demo"

    def ready(self) -> None:
        from demo import loading
        from kit import jobs

        jobs.register(loading.JOB, loading.work)
