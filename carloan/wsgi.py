"""Entry point of WSGI servers."""

from threading import Thread

from django.core.wsgi import get_wsgi_application

from carloan.start import load_settings

load_settings(exit_code=3)  # gunicorn ends for good on a worker's 3, and starts it anew on anything else
application = get_wsgi_application()


def _load_engines() -> None:
    from apps.documents.services import load_engines

    load_engines(drawing=False)


# Aside, so that the process answers at once; a page that shows a contract's signatures does not wait for the import later.
Thread(target=_load_engines, daemon=True).start()
