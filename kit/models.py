"""Users and teams, settings, long work, and the trail of who changed what."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _


class Team(models.Model):
    """One row is one team of users."""

    name = models.CharField(_("name"), max_length=200, unique=True)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("team", args=[self.pk])


class UserManager(BaseUserManager["User"]):
    """Creates users by email."""

    def create_user(self, email: str, password: str | None = None, **values: Any) -> User:
        user = self.model(email=email.strip().lower(), **values)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **values: Any) -> User:
        return self.create_user(email, password, role=User.Role.ADMIN, **values)


class User(AbstractBaseUser, PermissionsMixin):
    """One row is one who may sign in, or could once. Who has no password yet is invited; a closed access stays a row.

    `generation` counts upwards: what was signed in with, and links that were sent, under a smaller one are over.
    """

    class Role(models.TextChoices):
        ADMIN = "admin", _("Administrator")
        MARKETER = "marketer", _("Marketer")
        SALES = "sales", _("Sales")
        OPS = "ops", _("Operations")
        ANALYST = "analyst", _("Analyst")
        VIEWER = "viewer", _("Viewer")

    email = models.EmailField(_("email"), max_length=254, unique=True)
    name = models.CharField(_("name"), max_length=200, blank=True)
    role = models.CharField(_("role"), max_length=20, choices=Role.choices, default=Role.VIEWER)
    team = models.ForeignKey(Team, verbose_name=_("team"), null=True, blank=True, on_delete=models.SET_NULL)
    language = models.CharField(_("language"), max_length=10, blank=True)
    zone = models.CharField(_("time zone"), max_length=64, blank=True)
    may_export = models.BooleanField(_("may export"), null=True)  # None: as the role has it
    out_from = models.DateField(_("out of office from"), null=True, blank=True)
    out_until = models.DateField(_("out of office until"), null=True, blank=True)  # the last day away
    deputy = models.ForeignKey(
        "self", verbose_name=_("deputy"), null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    capacity = models.IntegerField(_("hand-offs at once"), null=True, blank=True)  # None: as many as come
    is_active = models.BooleanField(_("active"), default=True)
    generation = models.IntegerField(default=0)
    invited_at = models.DateTimeField(_("invited"), null=True)
    created_at = models.DateTimeField(db_default=Now())

    USERNAME_FIELD = "email"
    objects: ClassVar[UserManager] = UserManager()

    def __str__(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name.split(" ")[0] if self.name else self.email.split("@")[0]

    def get_absolute_url(self) -> str:
        return reverse("user", args=[self.pk])

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a session must know to be this user's: another role, password or generation ends all that are open."""
        known = f"{self.password}|{self.role}|{self.generation}"
        return salted_hmac("kit.User.session", known, secret=secret, algorithm="sha256").hexdigest()


class Setting(models.Model):
    """One row is one setting of the installation: zone, currency, own domains …"""

    key = models.CharField(max_length=64, primary_key=True)
    value = models.JSONField()

    def __str__(self) -> str:
        return self.key


class WorkingCalendar(models.Model):
    """One row is one named working calendar, of a region say, by which stages that name it count; others count by the
    settings.

    `hours` has one opening for each weekday that is worked, in their order: {"weekday": 1 (Monday) to 7,
    "opens": "09:00", "closes": "17:00"}, in the local time of `zone`; "24:00" is midnight at the day's end. `holidays`
    are days on which nobody works: {"on": "2025-12-25", "name": "Christmas Day"}.
    """

    slug = models.SlugField(_("short name"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=200)
    zone = models.CharField(_("time zone"), max_length=64)
    hours = models.JSONField(_("working hours"))
    holidays = models.JSONField(_("holidays"), default=list)

    class Meta:
        verbose_name_plural = _("working calendars")

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("working_calendar", args=[self.slug])


class Job(models.Model):
    """One row is one piece of long work; nothing else is needed to resume it."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    kind = models.CharField(_("kind"), max_length=64)
    title = models.CharField(_("title"), max_length=300, blank=True)
    payload = models.JSONField(default=dict)
    state = models.CharField(_("state"), max_length=20, choices=State.choices, default=State.QUEUED)
    phase = models.CharField(_("phase"), max_length=64, blank=True)
    rows_done = models.BigIntegerField(_("rows done"), default=0)
    rows_total = models.BigIntegerField(_("rows in all"), null=True)
    cursor = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    error = models.TextField(_("reason"), blank=True)
    attempts = models.IntegerField(_("attempts"), default=0)
    cancel_asked = models.BooleanField(default=False)
    owner = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL)
    request_id = models.CharField(max_length=64, blank=True, db_default="", default="")
    created_at = models.DateTimeField(_("asked for"))
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        indexes = [
            # The sweep asks for open jobs every few seconds.
            models.Index(fields=["lease_until"], condition=Q(state__in=["queued", "running"]), name="job_open"),
            models.Index(fields=["-created_at"], name="job_newest"),
            models.Index(fields=["-finished_at"], condition=Q(state="failed"), name="job_failed"),  # dead letters
        ]

    def __str__(self) -> str:
        return self.title or self.kind


class Tick(models.Model):
    """One row is one turn of a periodic job, claimed by whoever inserted it."""

    job = models.CharField(max_length=64)
    slot = models.DateTimeField()
    lease_until = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "slot"], name="tick_once")]

    def __str__(self) -> str:
        return f"{self.job} {self.slot}"


class Periodic(models.Model):
    """One row is one kind of periodic work: how its last turn went, and whether somebody asked for one now."""

    name = models.CharField(max_length=64, unique=True)
    began_at = models.DateTimeField(_("last turn"), null=True)
    ended_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)  # of the last turn, when it failed
    error = models.CharField(max_length=500, blank=True, db_default="", default="")
    asked_at = models.DateTimeField(null=True)
    asked_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return self.name


class Settled(models.Model):
    """One row is one thing that had stopped for good, and of which somebody said that no more is to be done."""

    kind = models.CharField(max_length=32)
    key = models.CharField(max_length=64)
    at = models.DateTimeField()
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    reason = models.CharField(_("why"), max_length=500)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="settled_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class Hint(models.Model):
    """One row is one wake-up call in flight for a (task, id), so that a queue never holds two."""

    task = models.CharField(max_length=200)
    target = models.BigIntegerField()
    sent_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "target"], name="hint_once")]

    def __str__(self) -> str:
        return f"{self.task}({self.target})"


class Heartbeat(models.Model):
    """One row is one worker process and when it last said that it lives."""

    worker = models.CharField(_("worker"), max_length=200, primary_key=True)
    queues = models.CharField(_("takes from"), max_length=200, blank=True, db_default="", default="")
    started_at = models.DateTimeField(_("started"))
    seen_at = models.DateTimeField(_("last seen"))

    def __str__(self) -> str:
        return self.worker

    @property
    def takes_from(self) -> list[str]:
        """The queues it takes from; a clock takes from none."""
        return self.queues.split()


class AuditEntry(models.Model):
    """One row is one change by somebody: what, before and after, about whom. Append-only."""

    at = models.DateTimeField(_("when"))
    user = models.ForeignKey(User, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    actor = models.CharField(_("by"), max_length=200)
    action = models.CharField(_("action"), max_length=100)
    target = models.CharField(_("what"), max_length=300)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    request_id = models.CharField(max_length=64, blank=True, db_default="", default="")
    about = ArrayField(models.BigIntegerField(), default=list, editable=False)  # the numbers of whom it is about

    class Meta:
        indexes = [
            models.Index(fields=["-at"], name="audit_newest"),
            GinIndex(fields=["about"], name="audit_about"),  # a profile; the audit page of one of them
            # The audit page, narrowed; a user's own last sign-ins.
            models.Index(fields=["user", "-at"], name="audit_of_user"),
            models.Index(fields=["action", "-at"], name="audit_of_action"),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target}"

    def get_absolute_url(self) -> str:
        return reverse("audit_entry", args=[self.pk])


class Attempts(models.Model):
    """One row is how often somebody tried something of late, and when they may try again. The key is a hash."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.IntegerField()
    last_at = models.DateTimeField()
    free_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key


class Notice(models.Model):
    """One row is one thing to tell a user, or a subject at an address.

    `in_app` and `by_mail` are what the user wished when it was written. A notice to a user may speak of a subject too.
    """

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, db_index=False)
    subject_id = models.BigIntegerField(null=True, db_index=True)
    address = models.CharField(max_length=254, blank=True)
    kind = models.CharField(max_length=64)
    title = models.CharField(max_length=300)
    body = models.TextField(blank=True)
    link = models.CharField(max_length=300, blank=True)
    in_app = models.BooleanField(db_default=True, default=True)
    by_mail = models.BooleanField(db_default=True, default=True)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # The bell, on every page: how many a user has not read.
            models.Index(fields=["user"], condition=Q(read_at=None, in_app=True), name="notice_unread"),
            models.Index(fields=["user", "-created_at", "-id"], name="notices_of_user"),
        ]

    def __str__(self) -> str:
        return self.title


class NoticeWish(models.Model):
    """One row is one kind of notices that a user wants otherwise than usual, which is both ways."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, db_index=False)
    kind = models.CharField(max_length=64)
    in_app = models.BooleanField(default=True)
    by_mail = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "kind"], name="notice_wish_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.kind}"


class IdempotencyKey(models.Model):
    """One row is one request that must not be done twice, with its answer."""

    key = models.CharField(max_length=200)
    caller = models.CharField(max_length=100)
    fingerprint = models.CharField(max_length=64)
    status = models.IntegerField(null=True)
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="idempotency_once")]

    def __str__(self) -> str:
        return self.key


class Task(models.Model):
    """One row is one thing that a human is asked to do, perhaps about a subject. A removed one can be taken back."""

    title = models.CharField(_("title"), max_length=300)
    body = models.TextField(_("details"), blank=True)
    subject_id = models.BigIntegerField(null=True, db_index=True)
    assigned_to = models.ForeignKey(User, verbose_name=_("for"), null=True, on_delete=models.SET_NULL, related_name="+")
    team = models.ForeignKey(Team, null=True, on_delete=models.SET_NULL)
    due_on = models.DateField(_("due"), null=True)
    done_at = models.DateTimeField(_("done"), null=True)
    done_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # My work, on every home page: what is open of one user, by day.
            models.Index(
                fields=["assigned_to", "due_on"], condition=Q(done_at=None, removed_at=None), name="task_open_of_user"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class Note(models.Model):
    """One row is one remark about a subject. A removed one can be taken back."""

    subject_id = models.BigIntegerField(null=True, db_index=True)
    body = models.TextField(_("note"))
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.body[:80]
