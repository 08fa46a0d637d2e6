"""The audience's place in Django, and what it registers."""

from django.apps import AppConfig


class AudienceConfig(AppConfig):
    name = "audience"

    def ready(self) -> None:
        from audience import fields

        fields.register_all()
