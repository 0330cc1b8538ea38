"""`manage.py audit_books`: every invariant of the books with its figures."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _

from apps.common.commands import CHECK_FAILED
from apps.common.commands import Command as BaseCommand
from apps.ledger import audit, selectors
from apps.organisations.selectors import entities, entity_by_code


class Command(BaseCommand):
    help = "Check every invariant of the books; the first offending row is named. Exit 1 when one fails, 2 for an unknown legal entity."
    example = "--entity CL01 --digest --format json"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--entity", help="Code of one legal entity; all when left out.")
        parser.add_argument("--digest", action="store_true", help="Add the SHA-256 of what the books say.")

    def work(self, **options: Any) -> tuple[Any, str, int]:
        chosen = [entity_by_code(options["entity"])] if options["entity"] else entities()
        found = [(entity, check) for entity in chosen for check in audit.run(entity.id)]
        failed = [check for _entity, check in found if not check.ok]
        answer: dict[str, Any] = {
            "ok": not failed,
            "entries": sum(selectors.entry_count(entity.id) for entity in chosen),
            "checks": [
                {
                    "entity": entity.code,
                    "check": check.name,
                    "ok": check.ok,
                    "figures": dict(check.figures),
                    "first_offender": check.first_offender,
                }
                for entity, check in found
            ],
        }
        if options["digest"]:
            answer["digest"] = selectors.digest(chosen[0].id if options["entity"] else None)
        text = _("%(ok)s of %(all)s checks passed") % {"ok": len(found) - len(failed), "all": len(found)}
        return answer, text, CHECK_FAILED if failed else 0

    def table(self, answer: Any) -> None:
        rows = [
            {
                "entity": check["entity"],
                "check": check["check"],
                "result": _("ok") if check["ok"] else _("FAILED"),
                "figures": ", ".join(f"{name} {value}" for name, value in check["figures"].items()),
                "first offender": check["first_offender"],
            }
            for check in answer["checks"]
        ]
        super().table(rows)
        if "digest" in answer:
            self.stdout.write(f"digest {answer['digest']}")
