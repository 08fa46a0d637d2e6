"""Addresses of sign-in, jobs and the styleguide."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from kit import views

urlpatterns = [
    path("", views.home, name="home"),
    path("sign-in/", views.SignIn.as_view(), name="sign_in"),
    path("sign-out/", LogoutView.as_view(), name="sign_out"),
    path("operations/jobs/", views.Jobs.as_view(), name="jobs"),
    path("operations/jobs/<int:pk>/", views.job, name="job"),
    path("operations/jobs/<int:pk>/cancel/", views.job_cancel, name="job_cancel"),
    path("operations/jobs/<int:pk>/retry/", views.job_retry, name="job_retry"),
    path("operations/settings/", views.settings_page, name="settings"),
    path("styleguide/", views.styleguide, name="styleguide"),
]
