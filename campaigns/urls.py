"""Addresses of campaigns."""

from django.urls import path

from campaigns.views import builder, campaigns, contents, people, public, senders

urlpatterns = [
    # What messages lead to: short, and without a slash at the end, so that nothing is mended by a redirect.
    path("c/<str:token>", public.click, name="message_click"),
    path("o/<str:token>.gif", public.picture, name="message_picture"),
    path("u/<str:token>", public.unsubscribe, name="unsubscribe"),
    path("u/<str:token>/topics", public.topics, name="preferences"),
    path("campaigns/", campaigns.Campaigns.as_view(), name="campaigns"),
    path("campaigns/new/", campaigns.new, name="campaign_new"),
    path("campaigns/<slug:slug>/", builder.flow, name="campaign"),
    path("campaigns/<slug:slug>/v<int:number>/", builder.flow, name="campaign_version"),
    path("campaigns/<slug:slug>/steps/new/<slug:kind>/", builder.step_new, name="campaign_step_new"),
    path("campaigns/<slug:slug>/steps/put-back/", builder.step_put_back, name="campaign_step_put_back"),
    path("campaigns/<slug:slug>/steps/<int:pk>/", builder.step, name="campaign_step"),
    path("campaigns/<slug:slug>/steps/<int:pk>/move/", builder.step_move, name="campaign_step_move"),
    path("campaigns/<slug:slug>/steps/<int:pk>/remove/", builder.step_remove, name="campaign_step_remove"),
    path("campaigns/<slug:slug>/edit/", campaigns.edit, name="campaign_edit"),
    path("campaigns/<slug:slug>/discard/", campaigns.discard, name="campaign_discard"),
    path("campaigns/<slug:slug>/settings/", campaigns.settings, name="campaign_settings"),
    path("campaigns/<slug:slug>/launch/", campaigns.launch, name="campaign_launch"),
    path("campaigns/<slug:slug>/launch/dry-run/", campaigns.dry_run, name="campaign_dry_run"),
    path("campaigns/<slug:slug>/pause/", campaigns.pause, name="campaign_pause"),
    path("campaigns/<slug:slug>/resume/", campaigns.resume, name="campaign_resume"),
    path("campaigns/<slug:slug>/stop/", campaigns.stop, name="campaign_stop"),
    path("campaigns/<slug:slug>/people/", campaigns.People.as_view(), name="campaign_people"),
    path("campaigns/<slug:slug>/people/add/", campaigns.enroll, name="campaign_enroll"),
    path("campaigns/<slug:slug>/people/<int:pk>/", people.trace, name="campaign_trace"),
    path("campaigns/<slug:slug>/people/<int:pk>/enroll/", people.enroll, name="campaign_enroll_one"),
    path("campaigns/<slug:slug>/results/", campaigns.results, name="campaign_results"),
    path("campaigns/<slug:slug>/versions/", campaigns.versions, name="campaign_versions"),
    path("content/", contents.Contents.as_view(), name="contents"),
    path("content/new/", contents.new, name="content_new"),
    path("content/preview/", contents.preview, name="content_preview"),
    path("content/people/", contents.people, name="content_people"),
    path("content/<slug:slug>/", contents.one, name="content"),
    path("content/<slug:slug>/test/", contents.test, name="content_test"),
    path("content/<slug:slug>/copy/", contents.clone, name="content_clone"),
    path("content/<slug:slug>/versions/", contents.versions, name="content_versions"),
    path("content/<slug:slug>/versions/<int:number>/", contents.version, name="content_version"),
    path("senders/", senders.Senders.as_view(), name="senders"),
    path("senders/new/", senders.new, name="sender_new"),
    path("senders/<int:pk>/", senders.edit, name="sender_edit"),
    path("senders/<int:pk>/retire/", senders.retire, name="sender_retire"),
]
