"""The project as it runs in an office, with the end of day cut into many parts."""

from carloan.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.apps.SmallPartsConfig"]  # noqa: F405
