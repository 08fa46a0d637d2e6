"""The lifecycle's place in Django, and what it registers."""

from django.apps import AppConfig


class LifecycleConfig(AppConfig):
    name = "lifecycle"

    def ready(self) -> None:
        from kit import jobs
        from lifecycle import versions

        jobs.register("replay", versions.replay_job)
        jobs.register("preview", versions.preview_job)
