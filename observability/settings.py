"""Django's settings, made from the product's own in `environment.py`. Below nothing reads the environment again."""

import hashlib
import hmac
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from generations.management import embedded, places
from observability import environment, zones

BASE_DIR = Path(__file__).resolve().parent.parent

env = environment.read()
zones.choose_newer()


def _secret_key() -> str:
    """The key that was set, or the one that `manage.py up` keeps in DATA_DIR."""
    if env.SECRET_KEY:
        return env.SECRET_KEY
    kept = places.secret_key(env.DATA_DIR)
    if kept.is_file():
        return kept.read_text().strip()
    if env.DEBUG:
        return "only-for-debug-" + hashlib.sha256(str(env.DATA_DIR).encode()).hexdigest()
    raise ImproperlyConfigured(
        "There is no secret key. Set SECRET_KEY to a long random text, or start once with "
        f"`manage.py up`, which makes one and keeps it in {kept}. DEBUG=true does without, on your own machine."
    )


def _database(url: str) -> dict[str, Any]:
    """Django's connection settings from a URL; a query parameter becomes an option of libpq."""
    parts = urlsplit(url)
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or unquote(parts.hostname or "")
    port = options.pop("port", None) or parts.port or ""
    return {
        "ENGINE": "observability.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "generations",
        "USER": unquote(parts.username or options.pop("user", "")),
        "PASSWORD": unquote(parts.password or options.pop("password", "")),
        "HOST": host,
        "PORT": str(port),
        "OPTIONS": options,
    }


# --- The product's own settings, read as `django.conf.settings.X` ---------------------------------

DATA_DIR = env.DATA_DIR
# Written by the supervisor, read by /healthz.
STATE_FILE = places.state(DATA_DIR)
SUPERVISOR = places.supervisor()
_host = "localhost" if env.HOST in {"0.0.0.0", "::"} else env.HOST  # noqa: S104 - compared, not bound
PUBLIC_URL = env.PUBLIC_URL or f"http://{f'[{_host}]' if ':' in _host else _host}:{env.PORT}"
INGEST_MAX_BYTES = env.INGEST_MAX_BYTES
OTLP_ORIGINS = frozenset(env.OTLP_ORIGINS)
EXPORT_EXPIRY_HOURS = env.EXPORT_EXPIRY_HOURS
EXPORT_FOLDER = places.found(Path(env.EXPORT_FOLDER)) if env.EXPORT_FOLDER else DATA_DIR / "scheduled"
EXPORT_BUCKETS = env.EXPORT_BUCKETS
STORAGE_ENDPOINT_URL = env.STORAGE_ENDPOINT_URL
BOOTSTRAP_API_KEY = env.BOOTSTRAP_API_KEY
BOOTSTRAP_PASSWORD = env.BOOTSTRAP_PASSWORD
METRICS_TOKEN = env.METRICS_TOKEN
MISSPELT = environment.misspelt()
HOST, PORT = env.HOST, env.PORT
WEB_PROCESSES = env.WEB_PROCESSES
DATABASE_LOG_MB = env.DATABASE_LOG_MB
DATABASE_BUFFERS_MB = env.DATABASE_BUFFERS_MB
WEB_THREADS = env.WEB_THREADS
WORKER_NICE = env.WORKER_NICE
GATEWAY_UPSTREAM = env.GATEWAY_UPSTREAM
GATEWAY_STREAMS = env.GATEWAY_STREAMS
EGRESS_HOSTS = env.EGRESS_HOSTS
EGRESS_PRIVATE = env.EGRESS_PRIVATE

# --- Django ---------------------------------------------------------------------------------------

DEBUG = env.DEBUG
SECRET_KEY = _secret_key()

_public = urlsplit(PUBLIC_URL)
ALLOWED_HOSTS = sorted({"localhost", "127.0.0.1", "[::1]", _public.hostname or "localhost", *env.ALLOWED_HOSTS})
CSRF_TRUSTED_ORIGINS = sorted({f"{_public.scheme}://{_public.netloc}", *env.CSRF_TRUSTED_ORIGINS})

INSTALLED_APPS = [
    # Without its own search for admin modules, which the worker has no use for: urls.py starts it.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_filters",
    "ninja",
    "generations",
]

MIDDLEWARE = [
    "generations.api.prometheus.CountRequests",
    "django.middleware.security.SecurityMiddleware",
    "generations.web.middleware.ContentSecurityPolicy",
    "generations.api.straight.Straight",
    "generations.web.middleware.ServerTiming",
    "generations.web.middleware.TryAgain",
    "generations.web.middleware.RefuseValues",
    "generations.web.static_files.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "observability.urls"
WSGI_APPLICATION = "observability.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": _database(env.DATABASE_URL or embedded.url(env.DATA_DIR)),
}
DATABASES["default"]["OPTIONS"]["pool"] = {
    "min_size": 1,
    "max_size": env.DATABASE_POOL_SIZE,
    # An embedded server's idle connection holds some 8 MB: give them back soon.
    "max_idle": 15,
    # Whoever gets none by then is told to come again (503), rather than kept: within 2 s, with all that goes with it.
    "timeout": 1.5,
    # Nor is a server that is back waited for: after this long the next request tries it anew. psycopg's pool would wait
    # twice as long after each attempt that failed, for up to two minutes.
    "reconnect_timeout": 2,
}
# A connection that died with a restarted server is found when it is taken from the pool, not by a request.
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

AUTH_USER_MODEL = "generations.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
# Static files are served from where they lie, found once at the start: no collectstatic.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

MEDIA_ROOT = DATA_DIR / "media"
STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "generations.whole_files.WholeFiles",
        "OPTIONS": {"location": str(MEDIA_ROOT)},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if env.STORAGE_BUCKET:
    STORAGES["default"] = {
        "BACKEND": "generations.buckets.Bucket",
        "OPTIONS": {"bucket_name": env.STORAGE_BUCKET, "endpoint_url": env.STORAGE_ENDPOINT_URL or None},
    }

# The wrapper in wsgi.py has bounded the body already; this bound only has to let it through.
DATA_UPLOAD_MAX_MEMORY_SIZE = INGEST_MAX_BYTES
# Seconds over which a process counts what comes in before it writes that down; 0 writes with every request.
INTAKE_SECONDS = 2.0
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
FILE_UPLOAD_PERMISSIONS = 0o600

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "observability.refusing.no_form"
# Browsers keep cookies by host, whatever the port: copies on one host are told apart by the port that people see, and
# those behind one address, on several machines or ports, are not.
_seen_port = _public.port or (443 if _public.scheme == "https" else 80)
SESSION_COOKIE_NAME = f"generations_session_{_seen_port}"
CSRF_COOKIE_NAME = f"generations_csrf_{_seen_port}"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
if _public.scheme == "https":
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "()": "observability.masking.WithoutKeys",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        },
    },
    "filters": {
        "shortly": {"()": "generations.outages.Shortly"},
        "in_one_line": {"()": "observability.masking.InOneLine"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env.LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": env.LOG_LEVEL, "propagate": True},
        # A 4xx is the caller's affair and is answered; only 5xx are ours.
        "django.request": {"level": "ERROR"},
        **{
            f"django.security.{name}": {"filters": ["in_one_line"]}
            for name in ("DisallowedHost", "TooManyFieldsSent", "TooManyFilesSent", "RequestDataTooBig")
        },
        # What the supervisor and beat do all day, every few seconds, and each call to a model.
        **{
            name: {"level": "DEBUG" if env.LOG_LEVEL == "DEBUG" else "WARNING"}
            for name in ("_granian", "celery.beat", "celery.worker", "httpx")
        },
        "celery.app.trace": {"level": "DEBUG" if env.LOG_LEVEL == "DEBUG" else "WARNING", "filters": ["shortly"]},
    },
}

# --- Celery ---------------------------------------------------------------------------------------

CELERY_BROKER_URL = env.CELERY_BROKER_URL or "filesystem://localhost/"
# Lets `celery inspect` talk to the workers.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = bool(env.CELERY_BROKER_URL)
if env.CELERY_BROKER_URL:
    # Several copies may share a broker: all machines of one have its secret key, and no other copy has it.
    CELERY_TASK_DEFAULT_QUEUE = f"generations-{hmac.digest(SECRET_KEY.encode(), b'queue', 'sha256').hex()[:16]}"
if not env.CELERY_BROKER_URL:
    _queue = DATA_DIR / "queue"
    CELERY_BROKER_TRANSPORT = "generations.management.folder_queue:Transport"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        # In and out are one folder: what one process sends, another receives.
        "data_folder_in": str(_queue / "messages"),
        "data_folder_out": str(_queue / "messages"),
        "processed_folder": str(_queue / "taken"),
        "control_folder": str(_queue / "control"),
        "polling_interval": 0.1,
    }
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = env.WORKER_CONCURRENCY
# Threads: one process, one copy of the code in memory; the work waits on the database.
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# For as long as it takes: a process that is begun anew would find the broker no sooner.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "generations.management.beating:Scheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    # A message that no worker took in time is worth nothing: the next one says the same.
    "sweep": {"task": "generations.tasks.sweep", "schedule": 15.0, "options": {"expires": 15.0}},
    "index-text": {"task": "generations.tasks.index_text", "schedule": 5.0, "options": {"expires": 5.0}},
    "compact": {"task": "generations.tasks.compact", "schedule": 10.0, "options": {"expires": 10.0}},
    "score-new": {"task": "generations.tasks.score_new", "schedule": 10.0, "options": {"expires": 10.0}},
    "retain": {"task": "generations.tasks.retain", "schedule": 3600.0, "options": {"expires": 3600.0}},
    "tidy": {"task": "generations.tasks.tidy", "schedule": 600.0, "options": {"expires": 600.0}},
}
