"""What is said: content and its numbered versions."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from lifecycle.models import Lifecycle


class Content(models.Model):
    """One row is one thing to say; its words are in its versions. Tagged by style and by the stage that it serves."""

    class Style(models.TextChoices):
        EDUCATION = "education", _("Education")
        ENGAGEMENT = "engagement", _("Engagement")

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=200)
    style = models.CharField(_("style"), max_length=12, choices=Style.choices, blank=True)
    lifecycle = models.ForeignKey(Lifecycle, verbose_name=_("lifecycle"), null=True, on_delete=models.PROTECT)
    stage = models.SlugField(_("stage"), max_length=64, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(_("made"))
    updated_at = models.DateTimeField(_("changed"))

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("content", args=[self.slug])


class ContentVersion(models.Model):
    """One row is one edition of a content; it never changes, so a message can be shown as it was written for ever.

    `source` is what was typed (HTML or MJML, with Liquid in it), `html` what it was compiled to once: styles inlined,
    each link's address replaced by a token of its place in `links`. `links` are the addresses as typed, Liquid
    included. `text` is the plain part, made from the HTML unless it was typed.
    """

    class Format(models.TextChoices):
        HTML = "html", _("HTML")
        MJML = "mjml", _("MJML")

    class Missing(models.TextChoices):
        DEFAULT = "default", _("leave the place empty")
        SKIP = "skip", _("send that person nothing")
        FAIL = "fail", _("count it as a failure")

    content = models.ForeignKey(Content, on_delete=models.PROTECT, related_name="versions")
    number = models.IntegerField(_("version"))
    subject = models.CharField(_("subject"), max_length=500)
    preheader = models.CharField(_("preview text"), max_length=500, blank=True)
    format = models.CharField(_("written in"), max_length=4, choices=Format.choices, default=Format.HTML)
    source = models.TextField(_("body"))
    html = models.TextField()
    text_source = models.TextField(_("plain text"), blank=True)
    text = models.TextField()
    links = models.JSONField(default=list)
    missing = models.CharField(
        _("when a value is missing"), max_length=7, choices=Missing.choices, default=Missing.DEFAULT
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(_("written"))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["content", "number"], name="content_version_once")]

    def __str__(self) -> str:
        return f"{self.content} v{self.number}"
