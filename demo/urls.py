"""The address of the demo company's one button."""

from django.urls import path

from demo import views

urlpatterns = [path("demo/load/", views.load, name="demo_load")]
