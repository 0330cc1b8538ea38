"""Entry point of WSGI servers."""

from django.core.wsgi import get_wsgi_application

from carloan.start import load_settings

load_settings(exit_code=3)  # gunicorn ends for good on a worker's 3, and starts it anew on anything else
application = get_wsgi_application()
