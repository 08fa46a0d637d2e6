"""Addresses of lifecycles."""

from django.urls import path

from lifecycle.views import board, lifecycles, memberships, partners
from lifecycle.views import backtests, board, lifecycles, memberships, placing
from lifecycle.views import board, handoffs, lifecycles, memberships, routing
from lifecycle.views import board, lifecycles, memberships, versions

urlpatterns = [
    path("partners/", partners.Partners.as_view(), name="partners"),
    path("partners/applications/", partners.Applications.as_view(), name="partner_applications"),
    path("partners/applications/<int:pk>/", partners.application, name="partner_application"),
    path("partners/applications/<int:pk>/approve/", partners.approve, name="partner_approve"),
    path("partners/applications/<int:pk>/decline/", partners.decline, name="partner_decline"),
    path("partners/applications/<int:pk>/reconsider/", partners.reconsider, name="partner_reconsider"),
    path("partners/programmes/", partners.programmes_page, name="partner_programmes"),
    path("partners/programmes/<slug:slug>/", partners.programme, name="partner_programme"),
    path("partners/steps/<int:pk>/", partners.step, name="partner_step"),
    path("accounts/<int:pk>/certificate/", partners.certify, name="partner_certify"),
    path("lifecycles/", lifecycles.lifecycles, name="lifecycles"),
    path("lifecycles/start/", lifecycles.start, name="lifecycle_start"),
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
    path("lifecycles/<slug:slug>/v<int:number>/backtest/", backtests.new, name="backtest_new"),
    path("lifecycles/<slug:slug>/backtests/", backtests.of_lifecycle, name="backtests"),
    path("backtests/<int:pk>/", backtests.shown, name="backtest"),
    path("backtests/<int:pk>/people/", backtests.People.as_view(), name="backtest_people"),
    path("backtests/<int:pk>/segment/", backtests.segment, name="backtest_segment"),
    path("backtests/<int:pk>/take/", backtests.take, name="backtest_take"),
    path("backtests/<int:pk>/remove/", backtests.remove, name="backtest_remove"),
    path("lifecycles/<slug:slug>/starting-points/", placing.page, name="lifecycle_placing"),
    path("lifecycles/<slug:slug>/starting-points/people/", placing.People.as_view(), name="lifecycle_placing_people"),
    path("lifecycles/<slug:slug>/starting-points/accept/", placing.accept, name="lifecycle_placing_accept"),
    path("hand-offs/", handoffs.Queue.as_view(), name="handoffs"),
    path("hand-offs/link/<str:token>/", handoffs.link, name="handoff_link"),
    path("hand-offs/routing/", routing.overview, name="routing"),
    path("hand-offs/routing/rules/<int:pk>/", routing.rule, name="routing_rule"),
    path("hand-offs/routing/rules/<int:pk>/move/", routing.rule_move, name="routing_rule_move"),
    path("hand-offs/routing/rules/<int:pk>/remove/", routing.rule_remove, name="routing_rule_remove"),
    path("hand-offs/routing/<slug:slug>/rules/new/", routing.rule_new, name="routing_rule_new"),
    path("hand-offs/routing/<slug:slug>/adopt/", routing.adopt, name="routing_adopt"),
    path("hand-offs/routing/<slug:slug>/reasons/", routing.reasons, name="routing_reasons"),
    path("hand-offs/routing/<slug:slug>/offer/", routing.offer, name="routing_offer"),
    path("hand-offs/<int:pk>/", handoffs.handoff, name="handoff"),
    path("hand-offs/<int:pk>/accept/", handoffs.accept, name="handoff_accept"),
    path("hand-offs/<int:pk>/reject/", handoffs.reject, name="handoff_reject"),
    path("hand-offs/<int:pk>/not-now/", handoffs.not_now, name="handoff_not_now"),
    path("hand-offs/<int:pk>/pass-on/", handoffs.pass_on, name="handoff_pass_on"),
    path("memberships/<int:pk>/move/", memberships.move, name="membership_move"),
    path("movements/<int:pk>/undo/", memberships.take_back, name="movement_undo"),
]
