"""How every program of Carloan begins: with its settings, or with one line that says what to do."""

from __future__ import annotations

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from carloan.embedded import EmbeddedServerError


def load_settings(*, exit_code: int = 2) -> None:
    """Read the settings; when they do not stand, end the process with the reason on standard error."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "carloan.settings")
    try:
        _ = settings.INSTALLED_APPS  # the first look reads them
    except (ImproperlyConfigured, EmbeddedServerError) as error:
        sys.stderr.write(f"Carloan cannot start. {error}\n")
        sys.exit(exit_code)
