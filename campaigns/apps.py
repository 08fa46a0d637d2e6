"""The campaigns' place in Django, and what they register."""

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "campaigns"

    def ready(self) -> None:
        from audience.conditions import uses
        from campaigns import models, plans
        from kit.registry import holder

        uses.register(plans.kept)
        holder(models.Enrollment, "enrollments")
        holder(models.Message, "messages", personal=("links",))
        holder(models.Letter, "letters", personal=("recipient", "subject"))
