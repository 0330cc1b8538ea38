"""Entry point of ASGI servers."""

from django.core.asgi import get_asgi_application

from carloan.start import load_settings

load_settings()
application = get_asgi_application()
