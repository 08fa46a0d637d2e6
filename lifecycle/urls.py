"""Addresses of lifecycles."""

from django.urls import path

from lifecycle.views import board, lifecycles, memberships, stalled

urlpatterns = [
    path("lifecycles/", lifecycles.lifecycles, name="lifecycles"),
    path("lifecycles/start/", lifecycles.start, name="lifecycle_start"),
    path("lifecycles/moves/<int:pk>/", board.BulkMoved.as_view(), name="bulk_move"),
    path("lifecycles/moves/<int:pk>/undo/", board.bulk_undo, name="bulk_undo"),
    path("lifecycles/<slug:slug>/", lifecycles.lifecycle, name="lifecycle"),
    path("lifecycles/<slug:slug>/members/", lifecycles.Members.as_view(), name="lifecycle_members"),
    path("lifecycles/<slug:slug>/stalled/", stalled.Stalled.as_view(), name="lifecycle_stalled"),
    path("lifecycles/<slug:slug>/stalled/counts/", stalled.counts, name="lifecycle_stalled_counts"),
    path("lifecycles/<slug:slug>/stalled/segment/", stalled.segment, name="lifecycle_stalled_segment"),
    path("lifecycles/<slug:slug>/board/", board.Board.as_view(), name="lifecycle_board"),
    path("lifecycles/<slug:slug>/board/move/", board.MoveMany.as_view(), name="lifecycle_board_move"),
    path(
        "lifecycles/<slug:slug>/board/stages/<slug:stage>/", board.ColumnCards.as_view(), name="lifecycle_board_column"
    ),
    path("lifecycles/<slug:slug>/v<int:number>/", lifecycles.version, name="lifecycle_version"),
    path("lifecycles/<slug:slug>/v<int:number>/preview/", lifecycles.preview, name="lifecycle_preview"),
    path("lifecycles/<slug:slug>/v<int:number>/publish/", lifecycles.publish, name="lifecycle_publish"),
    path("lifecycles/<slug:slug>/v<int:number>/resume/", lifecycles.resume, name="lifecycle_resume"),
    path("lifecycles/<slug:slug>/v<int:number>/discard/", lifecycles.discard, name="lifecycle_discard"),
    path("lifecycles/<slug:slug>/v<int:number>/lifecycle.yaml", lifecycles.document, name="lifecycle_document"),
    path("memberships/<int:pk>/move/", memberships.move, name="membership_move"),
    path("movements/<int:pk>/undo/", memberships.take_back, name="movement_undo"),
]
