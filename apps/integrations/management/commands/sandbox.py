"""`manage.py sandbox`: the outside world as a process of its own."""

from __future__ import annotations

import signal
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.integrations.sandbox.server import config_from_settings, make_server


class Command(BaseCommand):
    help = "Run the sandbox third parties (SMS, identity, bureau, bank, time stamp) until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8100)
        parser.add_argument("--callback-base", default=None, help="Where callbacks go; by default CARLOAN_CALLBACK_URL.")
        parser.add_argument("--callback-delay", type=float, default=0.2, metavar="SECONDS")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("The sandbox does not run in production: real parties are named in GATEWAYS and GATEWAY_URLS.", returncode=2)
        changes: dict[str, object] = {"callback_delay_s": options["callback_delay"]}
        if options["callback_base"] is not None:
            changes["callback_base"] = options["callback_base"]
        try:
            server = make_server(config_from_settings(**changes), host=options["host"], port=options["port"])
        except OSError as error:
            raise CommandError(f"Port {options['port']} cannot be used ({error.strerror}). Choose another with --port.") from error
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        self.stdout.write(f"Sandbox third parties on http://{options['host']}:{server.server_address[1]}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            server.server_close()
