"""Where each party is and which secret it shares with us.

Outside production the sandbox serves every party that settings do not place elsewhere; in production they place all of them.
"""

from __future__ import annotations

from django.conf import settings


def base_url(party: str) -> str:
    """The party's base URL, without a slash at the end."""
    return str(settings.GATEWAY_URLS.get(party) or settings.SANDBOX_URL).rstrip("/")


def secret(party: str) -> str:
    """The secret that signs requests to the party and its callbacks."""
    return str(settings.GATEWAY_SECRETS.get(party) or settings.SANDBOX_SECRET)


def callback_url(party: str) -> str:
    """Where the party sends its results; "" when settings name no address and the party uses its own."""
    return f"{settings.CALLBACK_URL.rstrip('/')}/callbacks/{party}/" if settings.CALLBACK_URL else ""
