"""The kit's place in Django."""

from django.apps import AppConfig


class KitConfig(AppConfig):
    name = "kit"
