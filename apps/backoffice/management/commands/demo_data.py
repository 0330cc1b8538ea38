"""Make the lender of the demo."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.conf import settings

from apps.backoffice import demo
from apps.common import clock
from apps.common.commands import Command as BaseCommand
from apps.common.errors import NotPermitted


class Command(BaseCommand):
    help = "Make the demo's legal entity, people, dealer, catalogue, products and funder, and list the log-ins. Safe to repeat."
    example = "--format json"

    def work(self, **options: Any) -> tuple[Any, str, int]:
        if settings.PRODUCTION:
            raise NotPermitted("Demonstration data has known passwords; it is never made in production.")
        logins = demo.build(now=clock.now())
        return [asdict(login) | {"password": demo.PASSWORD} for login in logins], "The demonstration lender is there", 0
