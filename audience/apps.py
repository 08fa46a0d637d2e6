"""The audience's place in Django, and what it registers."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AudienceConfig(AppConfig):
    name = "audience"

    def ready(self) -> None:
        from audience import fields, holders, importing
        from audience.importing.kinds import accounts, activities, contracts, deals, people, products, purchases
        from kit import jobs, navigation, registry

        fields.register_all()
        holders.register_all()
        for each in (people, accounts, activities, deals, products, purchases, contracts):
            registry.import_kind(each.KIND)
        jobs.register("import", importing.work, tidy=importing.tidy)
        navigation.register(area="main", label=_("People"), url_name="people", icon="users", order=30)
        navigation.register(area="main", label=_("Accounts"), url_name="accounts", icon="building-2", order=40)
        navigation.register(area="data", label=_("Imports"), url_name="imports", icon="upload", order=10)
