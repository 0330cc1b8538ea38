"""Settings of every environment, read from environment variables; docs/runbook.md lists them."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import os
from pathlib import Path
from urllib.parse import unquote

import environ
from celery.schedules import crontab
from csp.constants import NONCE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
if (BASE_DIR / ".env").exists():
    env.read_env(BASE_DIR / ".env")

# -- mode ---------------------------------------------------------------------
PRODUCTION = env.bool("CARLOAN_PRODUCTION", default=False)
LOCAL_DIR = Path(env.str("CARLOAN_LOCAL_DIR", default=str(BASE_DIR / ".local")))


def _secret(name: str) -> str:
    """A secret from the environment; outside production a fixed one derived from its name, so that a newcomer needs no set-up."""
    value = env.str(name, default="")
    if value:
        return value
    if PRODUCTION:
        raise ImproperlyConfigured(f"Set {name}: production has no default secrets.")
    return base64.b64encode(hashlib.sha256(f"development only: {name}".encode()).digest()).decode()


def _key(name: str, value: str) -> str:
    """An encryption key as it is written down: 32 bytes in base64."""
    try:
        whole = len(base64.b64decode(value, validate=True)) == 32
    except ValueError:
        whole = False
    if not whole:
        raise ImproperlyConfigured(f"{name} is no key: make one of 32 bytes in base64, by head -c 32 /dev/urandom | base64")
    return value


def _not_in_production(name: str, default: bool) -> bool:
    """A switch that production must not have on."""
    on = env.bool(name, default=default)
    if PRODUCTION and on:
        raise ImproperlyConfigured(f"Set {name} to 0 or take it away: production does not allow it.")
    return on


def _stated(name: str, default: str) -> str:
    """What the environment states; the default holds outside production only."""
    value = env.str(name, default="")
    if PRODUCTION and not value:
        raise ImproperlyConfigured(f"Set {name}: production has no default for it.")
    return value or default


def _of_every_party(name: str, defaults: dict[str, str]) -> dict[str, str]:
    """`party=value,…` of the environment over the defaults; production has no defaults, so it names every party itself."""
    stated = {party: value for party, value in env.dict(name, default={}).items() if value}
    missing = [party for party in SANDBOX_ADAPTERS if party not in stated]
    if PRODUCTION and missing:
        raise ImproperlyConfigured(f"Set {name}: it names nothing for {', '.join(missing)}, and production has no sandbox.")
    return stated if PRODUCTION else defaults | stated


DEBUG = _not_in_production("DEBUG", default=False)
SECRET_KEY = _secret("SECRET_KEY")
ALLOWED_HOSTS = [host.strip() for host in _stated("ALLOWED_HOSTS", "*").split(",")]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_URL = _stated("PUBLIC_URL", "http://127.0.0.1:8000")
# Where outside parties reach /callbacks/; sent with each request whose result comes later.
CALLBACK_URL = env.str("CARLOAN_CALLBACK_URL", default=PUBLIC_URL)

# How many proxies of ours stand in front, each adding to X-Forwarded-For; with none that header, and X-Forwarded-Proto, are not believed.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
METRICS_NETWORKS = env.list("METRICS_NETWORKS", default=["127.0.0.0/8", "::1/128"])

# -- applications ---------------------------------------------------------------
CONTEXTS = [
    "apps.common",
    "apps.organisations",
    "apps.flows",
    "apps.ledger",
    "apps.loans",
    "apps.documents",
    "apps.messaging",
    "apps.customers",
    "apps.dealers",
    "apps.products",
    "apps.risk",
    "apps.applications",
    "apps.contracts",
    "apps.disbursement",
    "apps.reconciliation",
    "apps.postloan",
    "apps.portal",
    "apps.backoffice",
    "apps.integrations",
]
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # its default one would put its own site before ours
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "apps.backoffice.site.CarloanAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "pgtrigger",
    "pghistory",
    "django_fsm",
    "rest_framework",
    "rest_framework_simplejwt",
    "rest_framework_simplejwt.token_blacklist",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "axes",
    "django_celery_beat",
    "django_structlog",
    "django_prometheus",
    "django_htmx",
    "import_export",
    "csp",
    *CONTEXTS,
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "apps.common.middleware.ClientAddressMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "apps.organisations.middleware.SessionLimitMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "apps.common.middleware.RequestLogMiddleware",
    "apps.common.middleware.RequestContextMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.common.middleware.ErrorPageMiddleware",
    "axes.middleware.AxesMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "carloan.urls"
WSGI_APPLICATION = "carloan.wsgi.application"
ASGI_APPLICATION = "carloan.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
        },
    },
]

# -- database and broker ----------------------------------------------------------
DATABASE_URL = env.str("DATABASE_URL", default="")
if not DATABASE_URL:
    if PRODUCTION:
        raise ImproperlyConfigured("Set DATABASE_URL: production does not use the embedded PostgreSQL.")
    from carloan.embedded import start_postgres

    DATABASE_URL = start_postgres()
DATABASES = {"default": env.db_url_config(DATABASE_URL)}
DATABASES["default"].update(
    ENGINE="django.db.backends.postgresql",
    HOST=unquote(DATABASES["default"].get("HOST") or ""),  # a folder, for a server on a unix socket
    CONN_MAX_AGE=env.int("CONN_MAX_AGE", default=60),
    CONN_HEALTH_CHECKS=True,
    ATOMIC_REQUESTS=False,
    OPTIONS={
        "options": f"-c lock_timeout={env.int('LOCK_TIMEOUT_MS', default=10_000)}"
        f" -c idle_in_transaction_session_timeout={env.int('IDLE_TIMEOUT_MS', default=120_000)}",
    },
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = _stated("REDIS_URL", "")
CACHE_URL = REDIS_URL.replace("redis+socket://", "unix://")  # the same server, as the cache's library writes it
CACHES = {  # counters of rate limits: shared between web processes where there is a server to share
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": CACHE_URL, "KEY_PREFIX": "carloan"}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 600
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 1800}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = "Asia/Shanghai"
# Sweeps run each minute and find little to do: news and callbacks move things at once, sweeps catch what was lost.
_MINUTELY = (
    "apps.common.tasks.dispatch_outbox",
    "apps.flows.tasks.sweep_overdue_tasks",
    "apps.messaging.tasks.sweep_messages",
    "apps.customers.tasks.sweep_identity_checks",
    "apps.risk.tasks.time_out_requests",
    "apps.disbursement.tasks.sweep_transfers",
    "apps.disbursement.tasks.sweep_debits",
)
CELERY_BEAT_SCHEDULE = {
    **{task: {"task": task, "schedule": 60.0, "options": {"expires": 55}} for task in _MINUTELY},
    "end of day": {"task": "apps.organisations.tasks.run_end_of_day", "schedule": crontab(hour=1, minute=0)},
    "expire applications": {"task": "apps.applications.tasks.expire_stale", "schedule": crontab(minute=15)},
    "purge": {"task": "apps.common.tasks.purge_expired", "schedule": crontab(hour=3, minute=30)},
    "reconcile": {"task": "apps.reconciliation.tasks.reconcile_yesterday", "schedule": crontab(hour=9, minute=0)},
}

# For how long records are kept that serve for a while only; at least what their own checks look back.
KEEP_DAYS = {
    "idempotency": max(env.int("KEEP_IDEMPOTENCY_DAYS", default=7), 1),
    "outbox": max(env.int("KEEP_OUTBOX_DAYS", default=90), 1),
    "login_codes": max(env.int("KEEP_LOGIN_CODES_DAYS", default=2), 1),
}

# -- people and access --------------------------------------------------------------
AUTH_USER_MODEL = "organisations.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "apps.organisations.auth.RoleBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "apps.common.middleware.client_address"
OTP_TOTP_ISSUER = "Carloan"
LOGIN_URL = "portal:login"
LOGIN_REDIRECT_URL = "portal:home"
SESSION_COOKIE_AGE = 8 * 3600
SESSION_LIMITS_S = {"staff": {"idle": 1800, "total": SESSION_COOKIE_AGE}, "dealer": {"idle": 2 * 3600, "total": SESSION_COOKIE_AGE}}
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

# -- language and time ---------------------------------------------------------------
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "简体中文"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_THOUSAND_SEPARATOR = True
USE_TZ = True
TIME_ZONE = "Asia/Shanghai"
# The project's clock may be moved (demo, tests, digital twin); never in production.
CLOCK_MOVABLE = _not_in_production("CLOCK_MOVABLE", default=not PRODUCTION)

# -- files ----------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = LOCAL_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
ARCHIVE_DIR = Path(env.str("ARCHIVE_DIR", default=str(LOCAL_DIR / "archive")))
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
UPLOAD_MAX_BYTES = 20 * 1024 * 1024

# -- secrets of the field encryption ----------------------------------------------------
# key id -> base64 key of 32 bytes; the current one encrypts, all decrypt.
CRYPTO_KEYS = {"k1": _key("CRYPTO_KEY_K1", _secret("CRYPTO_KEY_K1"))}
CRYPTO_KEYS |= {key_id: _key(f"CRYPTO_KEYS_MORE ({key_id})", value) for key_id, value in env.dict("CRYPTO_KEYS_MORE", default={}).items()}
CRYPTO_CURRENT_KEY = env.str("CRYPTO_CURRENT_KEY", default="k1")
if CRYPTO_CURRENT_KEY not in CRYPTO_KEYS:
    raise ImproperlyConfigured(f"CRYPTO_CURRENT_KEY={CRYPTO_CURRENT_KEY} names no key: known are {', '.join(CRYPTO_KEYS)}.")
BLIND_INDEX_KEY = _key("BLIND_INDEX_KEY", _secret("BLIND_INDEX_KEY"))
# Signing keys and certificates of the documents context; a test CA is created there outside production.
PKI_DIR = Path(env.str("PKI_DIR", default=str(LOCAL_DIR / "pki")))

# -- the outside world -------------------------------------------------------------------
SANDBOX_ADAPTERS = {
    "sms": "apps.integrations.sms.sandbox.SandboxSms",
    "identity": "apps.integrations.identity.sandbox.SandboxIdentity",
    "bureau": "apps.integrations.bureau.sandbox.SandboxBureau",
    "bank": "apps.integrations.bank.sandbox.SandboxBank",
    "timestamp": "apps.integrations.timestamp.sandbox.SandboxTimestamp",
}
# Outside production the sandbox serves every party that GATEWAY_URLS does not place elsewhere; in production there is none.
SANDBOX_URL = "" if PRODUCTION else env.str("SANDBOX_URL", default="http://127.0.0.1:8100")
SANDBOX_SECRET = "" if PRODUCTION else _secret("SANDBOX_SECRET")
# Each a list of party=value. GATEWAYS: dotted path of the adapter (the contexts ask for it by the port's name, see
# apps.common.gateways); GATEWAY_URLS: base address; GATEWAY_SECRETS: what signs requests and callbacks.
GATEWAYS = _of_every_party("GATEWAYS", SANDBOX_ADAPTERS)
GATEWAY_URLS = _of_every_party("GATEWAY_URLS", {})
GATEWAY_SECRETS = _of_every_party("GATEWAY_SECRETS", {})
GATEWAY_TIMEOUT_S = {"connect": 3.0, "read": 10.0}
# After so many failures in a row a party is left alone for so long.
GATEWAY_BREAKER = {"failures": env.int("GATEWAY_BREAKER_FAILURES", default=5), "rest_s": env.int("GATEWAY_BREAKER_REST_S", default=30)}

# -- API ---------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser", "rest_framework.parsers.MultiPartParser"],
    "DEFAULT_SCHEMA_CLASS": "apps.common.schema.Schema",
    "DEFAULT_PAGINATION_CLASS": "apps.common.api.CursorPages",
    "DEFAULT_THROTTLE_RATES": {"codes": "30/hour"},
    "NUM_PROXIES": 0,  # the middleware has looked behind them
    "EXCEPTION_HANDLER": "apps.common.errors.problem_response",
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Carloan API",
    "DESCRIPTION": "Loans from the shop floor to the last 分. Errors are RFC 9457 problem details.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "ApplicationKindEnum": "apps.applications.models.Kind",
        "ApplicationStateEnum": "apps.applications.models.State",
        "ConsentKindEnum": "apps.customers.api.serializers.CONSENT_KINDS",
        "ContractKindEnum": "apps.contracts.models.Contract.Kind",
        "ContractStateEnum": "apps.contracts.models.State",
        "RepaymentPurposeEnum": "apps.disbursement.models.RepaymentOrder.Purpose",
    },
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": dt.timedelta(minutes=30),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "USER_ID_FIELD": "id",
    "UPDATE_LAST_LOGIN": False,
}

# -- what browsers are told ------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF],
        "frame-ancestors": ["'none'"],
        "form-action": [SELF],
        "base-uri": ["'none'"],
    },
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if PRODUCTION:
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
    ALLOWED_HOSTS += ["127.0.0.1"]  # the health check of the container itself
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
    SECURE_HSTS_SECONDS = 31_536_000
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# -- records ------------------------------------------------------------------------------------
LOG_LEVEL = os.environ.get("LOG_LEVEL", "INFO")
from apps.common.logging import configure  # noqa: E402  (needs the level above)

LOGGING = configure(LOG_LEVEL, json=env.bool("LOG_JSON", default=PRODUCTION))
DJANGO_STRUCTLOG_CELERY_ENABLED = True

# -- look of the back office ------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": _("Carloan"),
    "SITE_HEADER": _("Carloan"),
    "SITE_SUBHEADER": _("Back office"),
    "SITE_URL": None,
    "SITE_ICON": "/static/img/logo.svg",
    "SHOW_HISTORY": False,
    "LOGIN": {"form": "apps.organisations.forms.StaffLoginForm"},
    "SIDEBAR": {"show_search": True, "navigation": "apps.backoffice.navigation.sidebar"},
}
