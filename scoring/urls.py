"""Addresses of scoring."""

from django.urls import path

from scoring.views import drafts, scores

V = "scoring/<slug:slug>/v<int:number>/"

urlpatterns = [
    path("scoring/", scores.models, name="scoring_models"),
    path("scoring/new/", drafts.new, name="scoring_new"),
    path("scoring/file/", drafts.from_file, name="scoring_file"),
    path("scoring/<slug:slug>/", scores.model, name="scoring_model"),
    path("scoring/<slug:slug>/scores/", scores.Scores.as_view(), name="scoring_scores"),
    path("scoring/<slug:slug>/matrix/", scores.matrix, name="scoring_matrix"),
    path("scoring/<slug:slug>/rescore/", scores.rescore, name="scoring_rescore"),
    path("scoring/<slug:slug>/draft/", drafts.draft, name="scoring_draft"),
    path(V, drafts.version, name="scoring_version"),
    path(V + "scoring.yaml", drafts.document, name="scoring_document"),
    path(V + "rules/new/<slug:kind>/", drafts.rule_new, name="scoring_rule_new"),
    path(V + "rules/<int:pk>/", drafts.rule, name="scoring_rule"),
    path(V + "rules/<int:pk>/move/", drafts.rule_move, name="scoring_rule_move"),
    path(V + "rules/<int:pk>/remove/", drafts.rule_remove, name="scoring_rule_remove"),
    path(V + "thresholds/", drafts.thresholds, name="scoring_thresholds"),
    path(V + "preview/", drafts.preview, name="scoring_preview"),
    path(V + "crossings/", drafts.Crossings.as_view(), name="scoring_crossings"),
    path(V + "publish/", drafts.publish, name="scoring_publish"),
    path(V + "retire/", drafts.retire, name="scoring_retire"),
    path(V + "discard/", drafts.discard, name="scoring_discard"),
]
