"""Addresses of lifecycles."""

from django.urls import path

from lifecycle.views import board, editor, lifecycles, memberships, versions

EDIT = "lifecycles/<slug:slug>/v<int:number>/edit/"

urlpatterns = [
    path("lifecycles/", lifecycles.lifecycles, name="lifecycles"),
    path("lifecycles/start/", lifecycles.start, name="lifecycle_start"),
    path("lifecycles/playbooks/<slug:name>/", lifecycles.playbook, name="lifecycle_playbook"),
    path("lifecycles/playbooks/<slug:name>/file.yaml", lifecycles.playbook_file, name="lifecycle_playbook_file"),
    path("lifecycles/new/", editor.new, name="lifecycle_new"),
    path("lifecycles/moves/<int:pk>/", board.BulkMoved.as_view(), name="bulk_move"),
    path("lifecycles/moves/<int:pk>/undo/", board.bulk_undo, name="bulk_undo"),
    path("lifecycles/<slug:slug>/", lifecycles.lifecycle, name="lifecycle"),
    path("lifecycles/<slug:slug>/members/", lifecycles.Members.as_view(), name="lifecycle_members"),
    path("lifecycles/<slug:slug>/board/", board.Board.as_view(), name="lifecycle_board"),
    path("lifecycles/<slug:slug>/board/move/", board.MoveMany.as_view(), name="lifecycle_board_move"),
    path(
        "lifecycles/<slug:slug>/board/stages/<slug:stage>/", board.ColumnCards.as_view(), name="lifecycle_board_column"
    ),
    path("lifecycles/<slug:slug>/v<int:number>/", lifecycles.version, name="lifecycle_version"),
    path("lifecycles/<slug:slug>/v<int:number>/preview/", lifecycles.preview, name="lifecycle_preview"),
    path("lifecycles/<slug:slug>/v<int:number>/publish/", lifecycles.publish, name="lifecycle_publish"),
    path("lifecycles/<slug:slug>/v<int:number>/plan/", versions.plan, name="lifecycle_plan"),
    path("lifecycles/<slug:slug>/v<int:number>/to/v<int:other>/", versions.difference, name="lifecycle_difference"),
    path("lifecycles/<slug:slug>/v<int:number>/withdraw/", versions.withdraw, name="lifecycle_withdraw"),
    path("lifecycles/<slug:slug>/v<int:number>/resume/", lifecycles.resume, name="lifecycle_resume"),
    path("lifecycles/<slug:slug>/v<int:number>/discard/", lifecycles.discard, name="lifecycle_discard"),
    path("lifecycles/<slug:slug>/v<int:number>/lifecycle.yaml", lifecycles.document, name="lifecycle_document"),
    path("lifecycles/<slug:slug>/draft/", editor.next_draft, name="lifecycle_next_draft"),
    path(EDIT, editor.edit, name="lifecycle_edit"),
    path(f"{EDIT}model/", editor.model, name="lifecycle_edit_model"),
    path(f"{EDIT}put-back/", editor.put_back, name="lifecycle_edit_put_back"),
    path(f"{EDIT}stages/new/", editor.stage_new, name="lifecycle_edit_stage_new"),
    path(f"{EDIT}stages/<slug:stage>/", editor.stage, name="lifecycle_edit_stage"),
    path(f"{EDIT}stages/<slug:stage>/card/", editor.card, name="lifecycle_edit_card"),
    path(f"{EDIT}stages/<slug:stage>/move/", editor.stage_move, name="lifecycle_edit_stage_move"),
    path(f"{EDIT}stages/<slug:stage>/remove/", editor.stage_remove, name="lifecycle_edit_stage_remove"),
    path(f"{EDIT}rules/new/", editor.rule_new, name="lifecycle_edit_rule_new"),
    path(f"{EDIT}rules/<int:place>/", editor.rule, name="lifecycle_edit_rule"),
    path(f"{EDIT}rules/<int:place>/move/", editor.rule_move, name="lifecycle_edit_rule_move"),
    path(f"{EDIT}rules/<int:place>/remove/", editor.rule_remove, name="lifecycle_edit_rule_remove"),
    path(f"{EDIT}cases/new/", editor.case_new, name="lifecycle_edit_case_new"),
    path(f"{EDIT}cases/run/", editor.played, name="lifecycle_edit_played"),
    path(f"{EDIT}cases/<int:place>/", editor.case, name="lifecycle_edit_case"),
    path(f"{EDIT}cases/<int:place>/remove/", editor.case_remove, name="lifecycle_edit_case_remove"),
    path("memberships/<int:pk>/move/", memberships.move, name="membership_move"),
    path("movements/<int:pk>/undo/", memberships.take_back, name="movement_undo"),
]
