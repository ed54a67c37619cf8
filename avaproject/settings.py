"""Settings for every deployment; what differs between them is `AVA_*` in the environment.

With no environment at all the project runs on one machine: SQLite, local files, no broker.
Every variable is explained in `.env.example`, and read only here.
"""

import os
import tempfile
from datetime import timedelta
from pathlib import Path

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from avaproject import VERSION
from avaproject.account_settings import *  # noqa: F403
from avaproject.admin_settings import UNFOLD  # noqa: F401
from avaproject.api_settings import REST_FRAMEWORK, SPECTACULAR_SETTINGS  # noqa: F401
from avaproject.base.logs import LEVELS, logging_settings
from avaproject.environment import Environment, read_file

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()
read_file(BASE_DIR / ".env")

# NumPy reads it when it is imported. With small matrices and many processes, BLAS threads only
# wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

DATA_DIR = env.folder("AVA_DATA_DIR", default=BASE_DIR / "var")


def local_secret(path: Path) -> str:
    """The random secret of this installation, created once, readable by its owner only."""
    if not path.exists():
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w") as file:
            file.write(get_random_secret_key())
        try:
            os.link(name, path)
        except FileExistsError:
            pass  # another process was first; its secret is used
        finally:
            Path(name).unlink()
    return path.read_text()


# Web
DEBUG = env.bool("AVA_DEBUG", default=False)
SECRET_KEY = env.str("AVA_SECRET_KEY", default="") or local_secret(DATA_DIR / "secret-key")
# Earlier keys, until the sessions and links that they signed have ended.
SECRET_KEY_FALLBACKS = env.list("AVA_SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("AVA_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("AVA_TRUSTED_ORIGINS", default=[])
CSRF_FAILURE_VIEW = "avaproject.error_pages.csrf_failure"
HTTPS = env.bool("AVA_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 3600 * 24 * 365 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"
PROXIES = env.networks("AVA_PROXIES")  # that may say whom they speak for

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
    "axes",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "datasets",
    "tracking",
    "annotation",
    "qc",
    "workers",
    "demo",
]
MIDDLEWARE = [
    "workers.monitoring.probes.HealthPages",
    "avaproject.middleware.RealAddress",
    "avaproject.base.logs.LogRequests",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "avaproject.middleware.CompressText",
    "csp.middleware.CSPMiddleware",
    "avaproject.middleware.AdminSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "avaproject.middleware.RejectNulCharacters",
    "avaproject.middleware.RefuseOtherMethods",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "avaproject.log_in_limits.RememberDevices",
    "datasets.accounts.activity.RecordActor",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "avaproject.middleware.RefuseScriptsWithoutSession",
    "axes.middleware.AxesMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "qc.middleware.RefreshStatusesOnce",
]
ROOT_URLCONF = "avaproject.urls"
WSGI_APPLICATION = "avaproject.wsgi.application"
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
            "libraries": {"ui": "avaproject.base.template_tags"},
        },
    }
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "datasets:home"
LOGOUT_REDIRECT_URL = "login"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
# The admin is built on Alpine.js, which evaluates strings; all other pages never do.
ADMIN_CONTENT_SECURITY_POLICY = {
    "script-src": [SELF, UNSAFE_EVAL, UNSAFE_INLINE],
    "style-src": [SELF, UNSAFE_INLINE],
}
API_RATE = env.int("AVA_API_RATE", default=1200)  # requests a minute of a token or account
# Language, time
LANGUAGE_CODE = "en"
USE_I18N = False
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "avaproject.formats"
TIME_ZONE = env.time_zone("AVA_TIME_ZONE", default="UTC")
USE_TZ = True

# Database
DATABASES = {
    "default": env.database(
        "AVA_DATABASE_URL",
        default=f"sqlite:///{DATA_DIR / 'ava.sqlite3'}",
        password="AVA_DATABASE_PASSWORD",  # noqa: S106  # the name of its variable
    )
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # Compiling the queries of a page takes ten times as long as running them.
    options = DATABASES["default"].setdefault("OPTIONS", {})
    options["options"] = f"-c jit=off {options.get('options', '')}".strip()
# Opening SQLite costs a few milliseconds, and closing the last connection a checkpoint.
DATABASES["default"]["CONN_MAX_AGE"] = 60
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Files
MEDIA_ROOT = DATA_DIR / "media"
MEDIA_URL = "/media/"
STATIC_URL = "/static/"
# Without collectstatic, static files are served from their source folders.
STATIC_ROOT = env.str("AVA_STATIC_DIR", default="") or None
STATICFILES_DIRS = [BASE_DIR / "static"]

RELEASE_COPIES = (
    "release-copies"  # a folder of the bucket, unless releases have their own bucket
)
S3_STORAGE = "storages.backends.s3.S3Storage"
S3_BUCKET = env.str("AVA_S3_BUCKET", default="")
STORAGES: dict[str, dict[str, object]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
RELEASES_BUCKET = env.str("AVA_RELEASES_S3_BUCKET", default="")
s3_client: dict[str, object] = {}
if S3_BUCKET or RELEASES_BUCKET:
    from botocore.config import Config

    # The default signature is the retired version 2, and a server that takes no connections was
    # waited for five minutes.
    s3_client["client_config"] = Config(signature_version="s3v4", connect_timeout=5)
if S3_BUCKET:
    s3 = {
        "bucket_name": S3_BUCKET,
        "endpoint_url": env.address("AVA_S3_ENDPOINT", "https", "http") or None,
        "access_key": env.str("AVA_S3_ACCESS_KEY", default="") or None,
        "secret_key": env.str("AVA_S3_SECRET_KEY", default="") or None,
        "region_name": env.str("AVA_S3_REGION", default="") or None,
        "file_overwrite": True,
        "max_memory_size": 16 << 20,  # when reading; larger files go to disk
        "querystring_expire": 3600 * 8,
        **s3_client,
    }
    STORAGES["default"] = {"BACKEND": S3_STORAGE, "OPTIONS": s3}
    STORAGES["releases"] = {
        "BACKEND": S3_STORAGE, "OPTIONS": s3 | {"location": RELEASE_COPIES},
    }  # fmt: skip
    # Players, downloads and uploads are redirected to presigned URLs there.
    s3_origin = env.address("AVA_S3_ENDPOINT", "https", "http") or "https://*.amazonaws.com"
    CONTENT_SECURITY_POLICY["DIRECTIVES"]["img-src"] += [s3_origin]
    CONTENT_SECURITY_POLICY["DIRECTIVES"]["media-src"] = [SELF, s3_origin]
    CONTENT_SECURITY_POLICY["DIRECTIVES"]["connect-src"] = [SELF, s3_origin]
# Target of release syncs: a separate bucket, or a folder of the one above.
if RELEASES_BUCKET:
    STORAGES["releases"] = {
        "BACKEND": S3_STORAGE,
        "OPTIONS": {
            "bucket_name": RELEASES_BUCKET,
            "endpoint_url": env.address("AVA_RELEASES_S3_ENDPOINT", "https", "http") or None,
            "access_key": env.str("AVA_RELEASES_S3_ACCESS_KEY", default="") or None,
            "secret_key": env.str("AVA_RELEASES_S3_SECRET_KEY", default="") or None,
            "region_name": env.str("AVA_RELEASES_S3_REGION", default="") or None,
            **s3_client,
        },
    }
# Backups in a bucket (`backup s3://...`), by default at the store of the files.
BACKUP_S3 = {
    "endpoint_url": env.address("AVA_BACKUP_S3_ENDPOINT", "https", "http")
    or env.address("AVA_S3_ENDPOINT", "https", "http")
    or None,
    "access_key": env.str("AVA_BACKUP_S3_ACCESS_KEY", default="")
    or env.str("AVA_S3_ACCESS_KEY", default="")
    or None,
    "secret_key": env.str("AVA_BACKUP_S3_SECRET_KEY", default="")
    or env.str("AVA_S3_SECRET_KEY", default="")
    or None,
    "region_name": env.str("AVA_BACKUP_S3_REGION", default="")
    or env.str("AVA_S3_REGION", default="")
    or None,
}
WHITENOISE_USE_FINDERS = not STATIC_ROOT
WHITENOISE_MAX_AGE = 0  # of names without a hash: browsers ask whether the file has changed
if STATIC_ROOT:
    STORAGES["staticfiles"] = {"BACKEND": "avaproject.base.static_files.HashedModulesStorage"}
WATCH_DIR = env.str("AVA_WATCH_DIR", default="")
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
FILE_UPLOAD_TEMP_DIR = env.str("AVA_TEMP_DIR", default="") or None
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 << 20

# Limits of uploads; bytes, counts, pixels, seconds
MAX_ZIP_BYTES = env.int("AVA_MAX_ZIP_BYTES", default=200 << 30)
MAX_ZIP_MEMBERS = env.int("AVA_MAX_ZIP_MEMBERS", default=2000)
MAX_VIDEO_BYTES = env.int("AVA_MAX_VIDEO_BYTES", default=20 << 30)
MAX_VIDEO_PIXELS = env.int("AVA_MAX_VIDEO_PIXELS", default=8192 * 4352)
MAX_VIDEO_SECONDS = env.int("AVA_MAX_VIDEO_SECONDS", default=4 * 3600)
# Annotation frames are made when they are wanted; those used last stay, up to so many bytes.
ANNOTATION_FRAMES_BYTES = env.int("AVA_ANNOTATION_FRAMES_BYTES", default=1 << 30)
# Limits of the process that decodes one video: bytes, CPU seconds, wall clock seconds. The last
# must be below CELERY_TASK_TIME_LIMIT.
DECODE_MEMORY = env.int("AVA_DECODE_MEMORY", default=4 << 30)
DECODE_CPU_SECONDS = env.int("AVA_DECODE_CPU_SECONDS", default=12 * 3600)
DECODE_SECONDS = env.int("AVA_DECODE_SECONDS", default=4 * 3600 + 1800)

# Who may create datasets, and what an account may have; 0: without a limit.
DATASET_CREATORS = env.choice(
    "AVA_DATASET_CREATORS", ("accounts", "permitted"), default="accounts"
)
QUOTA_DATASETS = env.int("AVA_QUOTA_DATASETS", default=0)
QUOTA_BYTES = env.int("AVA_QUOTA_BYTES", default=0)

# Detectors
WEIGHTS_DIR = Path(env.str("AVA_WEIGHTS_DIR", default=str(DATA_DIR / "weights")))
DEVICE = env.choice("AVA_DEVICE", ("auto", "cpu", "cuda", "mps"), default="auto")
DETECTORS = "tracking.detectors.registry.DETECTORS"  # for apps below tracking
MEASURE_DETECTORS = env.bool("AVA_MEASURE_DETECTORS", default=True)
DETECTOR_BATCH = env.int("AVA_DETECTOR_BATCH", default=4)

# E-mail of invitations; without a server their links are shown to be copied.
EMAIL_URL = env.str("AVA_EMAIL_URL", default="")
vars().update(env.email("AVA_EMAIL_URL"))
DEFAULT_FROM_EMAIL = env.str("AVA_EMAIL_FROM", default="") or "ava-studio@localhost"
EMAIL_TIMEOUT = 10

# Log-in by OpenID Connect, if a provider is set, and passkeys.
OIDC_URL = env.address("AVA_OIDC_URL", "https", "http")
OIDC_SIGN_UP = env.bool("AVA_OIDC_SIGN_UP", default=False)
OIDC_APP = {
    "provider_id": "sso",
    "name": env.str("AVA_OIDC_NAME", default="Single sign-on"),
    "client_id": env.str("AVA_OIDC_CLIENT_ID", default=""),
    "secret": env.str("AVA_OIDC_CLIENT_SECRET", default=""),
    "settings": {"server_url": OIDC_URL},
}
if OIDC_URL:
    SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {"APPS": [OIDC_APP], "OAUTH_PKCE_ENABLED": True}
    }
    # The form that begins the log-in is redirected there.
    CONTENT_SECURITY_POLICY["DIRECTIVES"]["form-action"] += [
        "/".join(OIDC_URL.split("/")[:3]),
    ]
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS  # browsers allow http on this computer only

# CVAT. Servers are rows; one may be set here. Stored passwords are encrypted with these keys.
SECRETS_KEYS = env.list("AVA_SECRETS_KEY", default=[]) or [SECRET_KEY, *SECRET_KEY_FALLBACKS]
PUBLIC_URL = env.address("AVA_PUBLIC_URL", "https", "http")
CVAT_URL = env.address("AVA_CVAT_URL", "https", "http")
CVAT_ORGANISATION = env.str("AVA_CVAT_ORGANISATION", default="")
CVAT_TOKEN = env.str("AVA_CVAT_TOKEN", default="")
CVAT_USER = env.str("AVA_CVAT_USER", default="")
CVAT_PASSWORD = env.str("AVA_CVAT_PASSWORD", default="")
# Whether CVAT may be on this machine or a private network: what operators enter is requested
# from here. Addresses that are local to a link never are.
PRIVATE_ADDRESSES = env.bool("AVA_PRIVATE_ADDRESSES", default=not HTTPS)
CVAT_CONCURRENCY = env.int("AVA_CVAT_CONCURRENCY", default=8)

# What is deleted after some days.
SESSION_COOKIE_AGE = 24 * 3600 * env.int("AVA_SESSION_DAYS", default=14)
KEEP_LOG_INS = timedelta(days=env.int("AVA_KEEP_LOG_INS_DAYS", default=90))
KEEP_DELIVERIES = timedelta(days=env.int("AVA_KEEP_DELIVERIES_DAYS", default=14))
KEEP_UNFINISHED_UPLOADS = timedelta(days=env.int("AVA_KEEP_UNFINISHED_UPLOADS_DAYS", default=7))

# Bearer token of /metrics; without it the peer must be on a private network.
METRICS_TOKEN = env.str("AVA_METRICS_TOKEN", default="")

# Work. The database is the work order; the broker only wakes workers (docs/pipeline.md).
LEASE = timedelta(seconds=env.int("AVA_LEASE_SECONDS", default=120))
REDIS_URL = env.address("AVA_REDIS_URL", "redis", "rediss")
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 6 * 3600,
    "unacked_restore_throttle": 1,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "cpu"
CELERY_TASK_ROUTES = {"tracking.tasks.track_clip": {"queue": "gpu"}}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 5 * 3600
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BEAT_SCHEDULER = "workers.beat:PlanningScheduler"  # runs `advance` itself
CELERY_BEAT_SCHEDULE = {
    "advance": {"task": "workers.tasks.advance", "schedule": 10.0},
    "move files": {
        "task": "workers.tasks.move_files",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    },
}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")  # touched by `advance`

# Logs
LOGGING = logging_settings(
    format=env.choice("AVA_LOG_FORMAT", ("line", "json"), default="line"),
    level=env.choice("AVA_LOG_LEVEL", LEVELS, default="INFO"),
)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False  # the workers log as everything else

# Errors are sent to a Sentry server if one is set; never what users entered.
if SENTRY_DSN := env.str("AVA_SENTRY_DSN", default=""):
    import sentry_sdk

    try:
        sentry_sdk.init(
            dsn=SENTRY_DSN,
            release=VERSION,
            include_local_variables=False,
            max_request_body_size="never",
        )
    except sentry_sdk.utils.BadDsn as error:
        raise ImproperlyConfigured("AVA_SENTRY_DSN is not an address of Sentry") from error
