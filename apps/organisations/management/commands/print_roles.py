from __future__ import annotations

from typing import Any

from apps.common.commands import Command as BaseCommand
from apps.organisations.domain import ROLES


class Command(BaseCommand):
    help = "Show which role may do what."
    example = "--format json"

    def work(self, **options: Any) -> tuple[Any, str, int]:
        permissions = sorted(frozenset().union(*ROLES.values()))
        if options["format"] == "json":
            return {role: sorted(may) for role, may in ROLES.items()}, "", 0
        rows = [
            {"permission": permission} | {role: "x" if permission in may else "" for role, may in ROLES.items()}
            for permission in permissions
        ]
        return rows, f"{len(ROLES)} roles and {len(permissions)} permissions shown", 0
