"""The kit's place in Django."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class KitConfig(AppConfig):
    name = "kit"

    def ready(self) -> None:
        from kit import bulk, jobs, models, navigation, registry, work

        jobs.register(bulk.JOB, bulk.work, tidy=bulk.tidy)
        registry.holder(models.Task, "tasks", personal=("title", "body"))
        registry.holder(models.Note, "notes", personal=("body",))
        registry.holder(models.AuditEntry, "audit", personal=("before", "after"))
        registry.holder(models.Notice, "notices", personal=("title", "body"))
        navigation.register(area="main", label=_("Home"), url_name="home", icon="house", order=10)
        navigation.register(area="main", label=_("My work"), url_name="work", icon="list-todo", order=15)
        registry.panel("home", _("My work"), "kit/_my_work.html", work.home, order=5)
        navigation.register(area="operations", label=_("Jobs"), url_name="jobs", icon="list-checks", order=10)
        navigation.register(
            area="operations", label=_("Settings"), url_name="settings", icon="settings", order=90, right="administer"
        )
