"""Every address of the product, one include per app."""

from django.urls import include, path

handler400 = "kit.views.errors.bad_request"
urlpatterns = [
    path("", include("kit.urls")),
    path("", include("audience.urls")),
    path("", include("scoring.urls")),
    path("", include("lifecycle.urls")),
    path("", include("campaigns.urls")),
    path("", include("reporting.urls")),
    path("", include("demo.urls")),
]
