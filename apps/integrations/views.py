"""Where outside parties reach us."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.common import clock
from apps.integrations import callbacks

MAX_BODY_BYTES = 64 * 1024


@csrf_exempt  # not a browser: the signature is the proof
@require_POST
def callback(request: HttpRequest, party: str) -> HttpResponse:
    """One result of one party; the outcome as `{"outcome": …}`."""
    if int(request.headers.get("Content-Length") or 0) > MAX_BODY_BYTES:
        return JsonResponse({"outcome": "too_large"}, status=413)
    status, outcome = callbacks.receive(
        party=party, path=request.get_full_path(), body=request.body, headers=request.headers, now=clock.now()
    )
    return JsonResponse({"outcome": outcome}, status=status)
