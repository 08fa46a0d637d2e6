"""Addresses of sign-in, jobs and the styleguide."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
