"""The campaigns' place in Django, and what they register."""

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "campaigns"

    def ready(self) -> None:
        from campaigns import models
        from kit.registry import holder

        holder(models.Enrollment, "enrollments")
        holder(models.Message, "messages", personal=("links",))
        holder(models.Letter, "letters", personal=("recipient", "subject"))
