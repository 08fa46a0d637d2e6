"""All settings, from the environment alone, in one file."""

import os
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
from django.utils.translation import gettext_lazy as _

from config import data, schedule

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = data.folder()  # what this installation keeps beside its database; PERENNIAL_DATA, else var/

VERSION = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]

DEBUG = os.environ.get("DEBUG") == "1"
SECRET_KEY = os.environ.get("SECRET_KEY") or data.secret(DATA_DIR / "secret-key")
SECRET_KEY_FALLBACKS = [old for old in os.environ.get("SECRET_KEY_FALLBACKS", "").split(",") if old]
# Which installation this is (kit/instance.py). Several machines of one installation are given the same INSTALLATION_ID.
INSTALLATION_ID = os.environ.get("INSTALLATION_ID", "")
INSTALLATION_SECRET = "" if INSTALLATION_ID else data.secret(DATA_DIR / "installation-id")
# What must stay as it is for years: links in mails that have left, hashes of addresses that must not be written to.
# The oldest secret key by default, so it stays when a new SECRET_KEY comes and the former one is kept as a fallback.
LASTING_KEY = os.environ.get("LASTING_KEY") or [SECRET_KEY, *SECRET_KEY_FALLBACKS][-1]
# Where recipients reach this installation: the base of links in mails, unless the settings page names another.
PUBLIC_ADDRESS = os.environ.get("PUBLIC_ADDRESS", "http://localhost:8000").rstrip("/")
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
CSRF_TRUSTED_ORIGINS = [origin for origin in os.environ.get("CSRF_TRUSTED_ORIGINS", "").split(",") if origin]

# Whoever shows this may read /metrics from another machine; without it only this machine may.
METRICS_TOKEN = os.environ.get("METRICS_TOKEN", "")

# A server speaks https, itself or behind a proxy that says so. Only the demo on its own machine speaks plain http.
HTTPS = not DEBUG and os.environ.get("PLAIN_HTTP") != "1"
# How many proxies stand before it, whose X-Forwarded-* headers are believed (kit/visitors.py).
TRUSTED_PROXIES = int(os.environ.get("TRUST_PROXY") or 0)
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True  # pages carry the token themselves
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
# Whether other hosts of the domain speak https, and for ever, is for their owner to say, not for us.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "kit",
    "audience",
    "scoring",
    "lifecycle",
    "campaigns",
    "reporting",
    "integrations",
    "demo",
]

MIDDLEWARE = [
    "kit.requests.given_an_id",
    "kit.views.probes.answered_first",
    "django.middleware.security.SecurityMiddleware",
    "kit.security.content_security_policy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "kit.security.kept_nowhere",
    "kit.zones.shown_in_the_readers_zone",
    "kit.languages.spoken_by_the_reader",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {
    "default": dj_database_url.parse(
        # manage.py, bin/demo and bin/test set it to the embedded server's address when nobody else did.
        os.environ.get("DATABASE_URL", "postgres:///perennial"),
        conn_max_age=60,
        conn_health_checks=True,
    )
}
# The server notices within a second that a worker was killed in a long statement, and lets go of the rows it locked.
# Compiling a statement costs more than it saves in passes and pages, which are many and short.
DATABASES["default"].setdefault("OPTIONS", {}).setdefault(
    "options", "-c client_connection_check_interval=1s -c jit=off"
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTHENTICATION_BACKENDS = ["kit.signing_in.Backend"]
AUTH_USER_MODEL = "kit.User"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(os.environ.get("STATIC_ROOT", DATA_DIR / "static"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
UPLOADS = DATA_DIR / "uploads"  # files to be brought in, under generated names, until they are
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 << 20  # a request of a thousand activities has room
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000  # a file of a thousand columns is mapped in one form
IMPORT_FOLDERS = os.environ.get("IMPORT_FOLDERS", "")  # below it schedules find files; empty: nowhere
REACHABLE_IN_TESTS: set[tuple[str, int]] = set()  # hosts and ports besides the open web; never out of the environment
IMPORT_MAX_BYTES = int(os.environ.get("IMPORT_MAX_BYTES", 2 << 30))

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["kit.api.access.Keys"],
    "DEFAULT_PERMISSION_CLASSES": ["kit.api.access.Allowed"],
    "DEFAULT_THROTTLE_CLASSES": ["integrations.limits.PerKey"],
    "DEFAULT_PARSER_CLASSES": ["kit.api.decoding.StrictJSON"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "kit.api.paging.CursorPages",
    "DEFAULT_FILTER_BACKENDS": ["kit.api.filtering.Filters"],
    "DEFAULT_SCHEMA_CLASS": "kit.api.schema.Schema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "kit.api.problems.answer",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Perennial",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "COMPONENT_SPLIT_REQUEST": True,
    # Enumerations stay where they are used: many things have a state and a kind, and names would be made up for all.
    "POSTPROCESSING_HOOKS": ["kit.api.schema.with_problems", "kit.api.schema.with_skipped"],
}

API_REQUESTS_A_MINUTE = int(os.environ.get("API_REQUESTS_A_MINUTE", 6000))  # of one key; 0: as many as it likes
CHANGES_KEPT_DAYS = int(os.environ.get("CHANGES_KEPT_DAYS", 30))  # a reader of the feed may stay away for so long

CSRF_FAILURE_VIEW = "kit.views.errors.csrf_failed"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in {
        "UserAttributeSimilarityValidator": {"user_attributes": ("email", "name")},
        "MinimumLengthValidator": {"min_length": 10},
        "CommonPasswordValidator": {},
        "NumericPasswordValidator": {},
    }.items()
]
PASSWORD_RESET_TIMEOUT = 7 * 24 * 3600  # of the longest links; kit/links.py says which are shorter

LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/sign-in/"

CELERY_BROKER_URL = os.environ.get("REDIS_URL") or "filesystem://here"
EMBEDDED_BROKER = CELERY_BROKER_URL.startswith("filesystem:")
if EMBEDDED_BROKER:
    CELERY_BROKER_TRANSPORT = "config.filequeue:Transport"
    CELERY_BROKER_TRANSPORT_OPTIONS = {"folder": str(DATA_DIR / "queue"), "polling_interval": 0.2}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_DEFAULT_QUEUE = "quick"
CELERY_TASK_ROUTES = {  # long work, and servers of others that take their time, must not stand before sweeps
    "kit.tasks.run_job": {"queue": "jobs"},
    "campaigns.tasks.send": {"queue": "mail"},
    "campaigns.tasks.send_now": {"queue": "mail"},
    "integrations.tasks.deliver": {"queue": "hooks"},
    "integrations.tasks.deliver_now": {"queue": "hooks"},
}
CELERY_TASK_TIME_LIMIT = 1800  # seconds; what takes longer is a job, with a limit of its own in kit/tasks.py
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE = schedule.SCHEDULE
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat")
CELERY_TIMEZONE = TIME_ZONE

LOG_FORMAT = os.environ.get("LOG_FORMAT") or "lines"
# What must never stand in a log, whoever writes it there.
KEPT_OUT_OF_LOGS = [
    SECRET_KEY, *SECRET_KEY_FALLBACKS, LASTING_KEY, INSTALLATION_SECRET, METRICS_TOKEN,
    *(urlsplit(os.environ.get(name, "")).password or "" for name in ("DATABASE_URL", "REDIS_URL")),
]  # fmt: skip
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "lines": {"()": "kit.logs.Lines", "secrets": KEPT_OUT_OF_LOGS},
        "json": {"()": "kit.logs.Json", "secrets": KEPT_OUT_OF_LOGS},
    },
    "filters": {"origin": {"()": "kit.logs.Origin"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["origin"]}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("LOG_LEVEL") or "INFO"},
    "loggers": {
        "django": {"handlers": []},
        # Every request has a line already, which says less of who asked for what; an error is told with its traceback.
        "django.request": {"level": "ERROR"},
        # A line per task would bury the rest; a task that fails is still told.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.worker.request": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
    },
}
