"""Addresses of lifecycles."""

from django.urls import path

from lifecycle.views import lifecycles, memberships

urlpatterns = [
    path("lifecycles/", lifecycles.lifecycles, name="lifecycles"),
    path("lifecycles/start/", lifecycles.start, name="lifecycle_start"),
    path("lifecycles/<slug:slug>/", lifecycles.lifecycle, name="lifecycle"),
    path("lifecycles/<slug:slug>/members/", lifecycles.Members.as_view(), name="lifecycle_members"),
    path("lifecycles/<slug:slug>/v<int:number>/", lifecycles.version, name="lifecycle_version"),
    path("lifecycles/<slug:slug>/v<int:number>/preview/", lifecycles.preview, name="lifecycle_preview"),
    path("lifecycles/<slug:slug>/v<int:number>/publish/", lifecycles.publish, name="lifecycle_publish"),
    path("lifecycles/<slug:slug>/v<int:number>/resume/", lifecycles.resume, name="lifecycle_resume"),
    path("lifecycles/<slug:slug>/v<int:number>/discard/", lifecycles.discard, name="lifecycle_discard"),
    path("lifecycles/<slug:slug>/v<int:number>/lifecycle.yaml", lifecycles.document, name="lifecycle_document"),
    path("memberships/<int:pk>/move/", memberships.move, name="membership_move"),
    path("movements/<int:pk>/undo/", memberships.take_back, name="movement_undo"),
]
