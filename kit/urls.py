"""Addresses of sign-in, jobs and the styleguide."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from kit import views
from kit.views import desk

urlpatterns = [
    path("", views.home, name="home"),
    path("sign-in/", views.SignIn.as_view(), name="sign_in"),
    path("sign-out/", LogoutView.as_view(), name="sign_out"),
    path("notes/add/", desk.note_add, name="note_add"),
    path("notes/<int:pk>/edit/", desk.note_edit, name="note_edit"),
    path("notes/<int:pk>/remove/", desk.note_remove, name="note_remove"),
    path("notes/<int:pk>/restore/", desk.note_restore, name="note_restore"),
    path("undo/", desk.take_back, name="undo"),
    path("work/", desk.Work.as_view(), name="work"),
    path("work/new/", desk.task_new, name="task_new"),
    path("work/<int:pk>/", desk.task, name="task"),
    path("work/<int:pk>/done/", desk.task_done, name="task_done"),
    path("work/<int:pk>/reopen/", desk.task_reopen, name="task_reopen"),
    path("work/<int:pk>/remove/", desk.task_remove, name="task_remove"),
    path("work/<int:pk>/restore/", desk.task_restore, name="task_restore"),
    path("operations/jobs/", views.Jobs.as_view(), name="jobs"),
    path("operations/jobs/<int:pk>/", views.job, name="job"),
    path("operations/jobs/<int:pk>/cancel/", views.job_cancel, name="job_cancel"),
    path("operations/jobs/<int:pk>/retry/", views.job_retry, name="job_retry"),
    path("operations/settings/", views.settings_page, name="settings"),
    path("styleguide/", views.styleguide, name="styleguide"),
]
