"""The kit's place in Django."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class KitConfig(AppConfig):
    name = "kit"

    def ready(self) -> None:
        from kit import (
            audit,
            bulk,
            calendars,
            jobs,
            models,
            navigation,
            operations,
            publicholidays,
            registry,
            trail,
            work,
            yamlfiles,
        )
        from kit.api import calendars as calendars_api
        from kit.api import problems
        from kit.views import calendars as calendar_pages

        problems.register(yamlfiles.DocumentError, problems.at_place(400, "bad_document"))
        jobs.register(bulk.JOB, bulk.work, tidy=bulk.tidy)
        registry.holder(models.Task, "tasks", goes=True)
        registry.holder(models.Note, "notes", goes=True)
        registry.spare(models.User, models.Team, models.Setting, models.WorkingCalendar)
        problems.register(calendars.Refused, calendars_api.refused)
        problems.register(publicholidays.Refused, calendars_api.nowhere)
        registry.panel("settings", _("Calendars of regions"), "kit/_setting.html", calendar_pages.setting, order=5)
        navigation.register(area="main", label=_("Home"), url_name="home", icon="house", order=10)
        navigation.register(area="main", label=_("My work"), url_name="work", icon="list-todo", order=15)
        operations.register_all()
        registry.panel("home", _("My work"), "kit/_my_work.html", work.home, order=5)
        audit.named(trail.ACTIONS)
        for label, name, icon, order in (
            (_("Users and roles"), "users", "users", 80),
            (_("Audit"), "audit", "scroll-text", 85),
        ):
            navigation.register(
                area="operations", label=label, url_name=name, icon=icon, order=order, right="administer"
            )
        navigation.register(area="operations", label=_("Jobs"), url_name="jobs", icon="list-checks", order=10)
        navigation.register(
            area="operations", label=_("Settings"), url_name="settings", icon="settings", order=90, right="administer"
        )
