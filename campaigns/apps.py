"""The campaigns' place in Django, and what they register."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    name = "campaigns"

    def ready(self) -> None:
        from audience.conditions import uses
        from campaigns import importing, models, plans
        from kit import navigation
        from kit.registry import holder, import_kind

        uses.register(plans.kept)
        import_kind(importing.KIND)
        holder(models.Enrollment, "enrollments")
        holder(models.Message, "messages", personal=("links",))
        holder(models.Letter, "letters", personal=("recipient", "subject"))
        navigation.register(area="main", label=_("Campaigns"), url_name="campaigns", icon="megaphone", order=25)
