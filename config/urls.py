"""Every address of the product, one include per app; the REST API has its own."""

from django.urls import include, path

handler400 = "kit.views.errors.bad_request"
handler403 = "kit.views.errors.not_allowed"
handler404 = "kit.views.errors.not_found"
handler500 = "kit.views.errors.unexpected"
urlpatterns = [
    path("", include("kit.urls")),
    path("", include("audience.urls")),
    path("", include("scoring.urls")),
    path("", include("lifecycle.urls")),
    path("", include("campaigns.urls")),
    path("", include("reporting.urls")),
    path("", include("integrations.urls")),
    path("", include("demo.urls")),
    path("api/", include("config.api")),
]
