"""Settings, in Django's order. What differs between machines comes from the environment (README, "Configure")."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy as _

from oceanus_console.environment import Environment

env = Environment()

BASE_DIR = Path(__file__).resolve().parent.parent
# All data of this installation: database, broker, Flink's state, logs, credentials.
HOME = Path(env.str("OCEANUS_HOME", default=str(BASE_DIR / ".oceanus"))).resolve()

DEBUG = env.bool("OCEANUS_DEBUG", default=False)
# Good for commands that sign nothing; wsgi.py refuses to serve with it.
DEFAULT_SECRET_KEY = "only-for-tests-and-management-commands"
SECRET_KEY = env.str("OCEANUS_SECRET_KEY", default=DEFAULT_SECRET_KEY)
# Former keys: what they signed or sealed (workspaces/sealed.py) can still be read.
SECRET_KEY_FALLBACKS = env.list("OCEANUS_SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("OCEANUS_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", ".localhost"])
CSRF_TRUSTED_ORIGINS = env.list("OCEANUS_CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "oceanus_console.administration.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "django_ace",
    "axes",
    "oceanus_console",
    "workspaces",
    "clusters",
    "jobs",
    "api",
]

MIDDLEWARE = [
    "oceanus_console.room.Room",
    "api.gate.Gate",
    "django.middleware.security.SecurityMiddleware",
    "oceanus_console.polls.Polls",  # brings its own, stricter policy
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "oceanus_console.sessions.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "oceanus_console.sessions.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "oceanus_console.htmx.PartsApart",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "oceanus_console.urls"
WSGI_APPLICATION = "oceanus_console.wsgi.application"
FILE_UPLOAD_HANDLERS = ["oceanus_console.uploads.NoFiles"]

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
                "workspaces.context.navigation",
            ],
        },
    }
]

# Without DATABASE_URL: the embedded PostgreSQL, over the socket in HOME (oceanus_console/embedded.py).
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url("DATABASE_URL")
    if env.str("DATABASE_URL", default="")
    else {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "console",
        "USER": "console",
        "HOST": str(HOME / "run" / "postgres"),
    }
}
DATABASES["default"] |= {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
# What a worker has locked goes with its connection. If its machine or the network is gone, both ends learn it within half a minute,
# not after the two hours that systems take by default. Over a socket none of it counts.
REACH_OF_DATABASE = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds, as below
    "options": "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=30000",
}
# What workspaces/prepared.py asks is planned once by a connection; what Django asks never is.
DATABASES["default"]["OPTIONS"] = {"prepare_threshold": 1} | REACH_OF_DATABASE | DATABASES["default"].get("OPTIONS", {})
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
# Whoever fails too often with a name from an address has to wait (oceanus_console/sign_in.py). Others are not locked out with him.
AXES_FAILURE_LIMIT = env.int("OCEANUS_LOGIN_FAILURES", default=10)
AXES_COOLOFF_TIME = timedelta(minutes=env.int("OCEANUS_LOGIN_COOL_OFF_MINUTES", default=15))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # so that the time that the page tells is true
AXES_LOCKOUT_CALLABLE = "oceanus_console.sign_in.locked_out"
AXES_CLIENT_IP_CALLABLE = "oceanus_console.sign_in.address_of"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False  # oceanus_console/admin.py shows it in the reader's language
AXES_VERBOSE = False
# How many reverse proxies stand before us, each adding to X-Forwarded-For. With none, that header is anybody's invention.
TRUSTED_PROXIES = env.int("OCEANUS_TRUSTED_PROXIES", default=0)

LANGUAGE_CODE = "en"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
FORMAT_MODULE_PATH = "oceanus_console.formats"
TIME_ZONE = env.time_zone("OCEANUS_TIME_ZONE", default="UTC")
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("OCEANUS_STATIC_ROOT", default=str(BASE_DIR / ".venv" / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "oceanus_console.staticfiles.NeededFilesFinder",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if env.bool("OCEANUS_PLAIN_STATIC_FILES", default=False)  # tests run without collectstatic
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
        "base-uri": ["'self'"],
        "object-src": ["'none'"],
    }
}
SESSION_ENGINE = "oceanus_console.sessions"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
# A form that was open while its user signed in again needs the new token (static/js/refusals.js).
CSRF_COOKIE_HTTPONLY = False
SECURE_REFERRER_POLICY = "same-origin"
# True behind HTTPS (a reverse proxy that sets X-Forwarded-Proto).
HTTPS = env.bool("OCEANUS_HTTPS", default=False)
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    # Asked by machines, past the proxy.
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|livez|readyz|metrics)$"]
    SECURE_HSTS_SECONDS = 31_536_000
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = True
# HSTS for all names below ours, and for the lists that browsers ship with: the owner of the domain decides, not the console.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# Celery only wakes steps up; the truth is in PostgreSQL. So no result backend, short idempotent tasks, late acknowledgement.
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=f"redis+socket://{HOME / 'run' / 'valkey.sock'}")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
# A message that is lost with its worker is made up for by the next ticks, sooner than Redis could give it to another one; to have
# Redis keep it until then cost more of a worker's time than all else that a message does.
CELERY_BROKER_TRANSPORT_OPTIONS = {"ack_emulation": False}
# Looks at Flinks, and the ticks that send for them, wait in a line of their own. Workers take from both by turns: however much batches
# ask for at once, the age of what is shown depends on how many Flinks there are, and not on that.
CELERY_TASK_ROUTES = {"jobs.tick": {"queue": "looks"}, "jobs.watch": {"queue": "looks"}}
CELERY_TIMEZONE = "UTC"
# When a message expires is told by the clock of beat's machine and judged by that of the worker's: they may differ by so much.
CELERY_BEAT_SCHEDULE = {
    "tick": {"task": "jobs.tick", "schedule": 1.0, "options": {"expires": 60}},
    "find-orphans": {"task": "jobs.find_orphans", "schedule": 600.0, "options": {"expires": 300}},
    "seal": {"task": "oceanus_console.seal", "schedule": 5.0, "options": {"expires": 60}},
    "remove-old": {"task": "oceanus_console.remove_old", "schedule": 3600.0, "options": {"expires": 1800}},
}
CELERY_BEAT_SCHEDULER = "oceanus_console.celery:BeatingScheduler"

# One line for people, or one JSON object for a log collector; neither tells secrets.
LOG_FORMAT = env.str("OCEANUS_LOG_FORMAT", default="line")
LOG_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LOG_LEVEL = str.upper(env.str("OCEANUS_LOG_LEVEL", default="INFO"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "jobs.masking.MaskingFormatter", "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "json": {"()": "jobs.log_records.JsonFormatter"},
    },
    "filters": {
        "repetition": {"()": "jobs.log_records.RepetitionFilter"},
        "subject": {"()": "jobs.log_records.SubjectFilter"},
        "without_trace": {"()": "jobs.log_records.WithoutTrace"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "json" if LOG_FORMAT == "json" else "line",
            "filters": ["repetition", "subject"],
        }
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL if LOG_LEVEL in LOG_LEVELS else "INFO"},
    "loggers": {
        "axes": {"level": "WARNING"},
        "celery": {"level": "WARNING"},
        # Who asks for a host that is not ours is no error of ours; and there are many who try.
        "django.security.DisallowedHost": {"filters": ["without_trace"]},
        "urllib3": {"level": "ERROR"},
    },
}

# --- What is ours ---

# Files under this folder may be previewed on a job's page; no other file is ever read for a user.
DATA_DIRECTORY = HOME / "data"
# The Java runner for SQL jobs, compiled at set-up (clusters/sql_runner).
SQL_RUNNER_JAR = Path(env.str("OCEANUS_SQL_RUNNER_JAR", default=str(BASE_DIR / ".venv" / "flink" / "sql-runner.jar")))
# Shown where an error has no advice of ours.
SUPPORT_URL = env.str("OCEANUS_SUPPORT_URL", default="")
# What a reader of /metrics must bring; without one, only this machine may read them.
METRICS_TOKEN = env.str("OCEANUS_METRICS_TOKEN", default="")

# The deadline of each step of an operation, in seconds (G5).
STEP_DEADLINE_SECONDS = {
    "submitting": env.int("OCEANUS_SUBMITTING_SECONDS", default=300),
    "starting": env.int("OCEANUS_STARTING_SECONDS", default=600),
    "asking": env.int("OCEANUS_ASKING_SECONDS", default=300),
    "snapshotting": env.int("OCEANUS_SNAPSHOTTING_SECONDS", default=600),
    "ending": env.int("OCEANUS_ENDING_SECONDS", default=300),
}
# How many submissions are under way on one Flink endpoint at a time (8 is where a JobManager is at its best). Twice as many items
# of batches have a place there, so that there is always one to take up.
BATCH_PARALLEL_PER_ENDPOINT = env.int("OCEANUS_BATCH_PARALLEL_PER_ENDPOINT", default=8)
# How long a job may be missing from a JobManager that answers before it is taken for lost (with HA they come back; on a busy machine that took 54 s).
LOST_AFTER_SECONDS = env.int("OCEANUS_LOST_AFTER_SECONDS", default=120)
# The same where the JobManager has no high availability: its jobs don't come back.
LOST_AFTER_WITHOUT_HA_SECONDS = env.int("OCEANUS_LOST_AFTER_WITHOUT_HA_SECONDS", default=10)
# After how many days ended acts, their problems and events leave the record (oceanus_console/retention.py); 0: they stay for ever.
KEEP_RECORDS_DAYS = env.int("OCEANUS_KEEP_RECORDS_DAYS", default=0)
# How many jobs one call of the API may name, and how many calls of one action a user may make per second (the product's limits).
API_BATCH_LIMIT = env.int("OCEANUS_API_BATCH_LIMIT", default=20)
API_REQUESTS_PER_SECOND = env.int("OCEANUS_API_REQUESTS_PER_SECOND", default=20)
