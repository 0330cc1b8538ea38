"""Settings of the tests: the same parts, cheaper hashing, folders of their own."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("CARLOAN_LOCAL_DIR", str(Path(tempfile.gettempdir()) / f"carloan-tests-{os.getuid()}"))
# The sandbox alone, whatever the machine's settings.
os.environ |= {"CARLOAN_PRODUCTION": "0", "GATEWAYS": "", "GATEWAY_URLS": "", "GATEWAY_SECRETS": ""}

from carloan.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_TASK_ALWAYS_EAGER = False
AXES_ENABLED = False
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
# Tests name the texts as they stand in the code; tests/test_translations.py looks after the Chinese ones.
LANGUAGE_CODE = "en"
# Threads of a test's server give their connections back, else the database could not be dropped.
DATABASES["default"]["CONN_MAX_AGE"] = 0  # noqa: F405
