"""What staff search for may be somebody's phone, ID number or name, and addresses end in logs and in the browser's memory.

The lists' search is therefore posted, and the address that it leads to carries the term as ciphertext for that one person.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.views import ChangeList

from apps.common import crypto

FIELD = "search_for"
MAX_TERM = 80


def sealed(term: str, user: Any) -> str:
    """The term as an address may carry it."""
    return crypto.encrypt_bytes(term.encode(), context=_context(user))


def opened(token: str, user: Any) -> str | None:
    """The term that `sealed` made for this person; None for anything else."""
    try:
        return crypto.decrypt_bytes(token, context=_context(user)).decode()
    except crypto.UndecryptableError:
        return None


def _context(user: Any) -> str:
    return f"search:{user.pk}"


def turned(request: HttpRequest) -> HttpResponse | None:
    """Where a posted search leads; an address with a term in clear leads to the whole list; None for any other request."""
    address = request.GET.copy()
    if request.method == "POST" and FIELD in request.POST:
        term = request.POST[FIELD].strip()[:MAX_TERM]
        address[SEARCH_VAR] = sealed(term, request.user) if term else ""
    elif opened(address.get(SEARCH_VAR, ""), request.user) is None and SEARCH_VAR in address:
        address[SEARCH_VAR] = ""
    else:
        return None
    if not address[SEARCH_VAR]:
        del address[SEARCH_VAR]
    address.pop(PAGE_VAR, None)
    return HttpResponseRedirect(f"{request.path}?{address.urlencode()}" if address else request.path)


class SealedChangeList(ChangeList):
    """A list that reads the sealed term of its address, and shows it in its field."""

    query: str
    search_field = FIELD
    _is_open = False

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        if not self._is_open:
            self.query, self._is_open = opened(self.query, request.user) or "", True
        return super().get_queryset(request, exclude_parameters)

    @property
    def search_address(self) -> str:
        """Where the list's search is posted: the list as it is filtered now."""
        return str(self.get_query_string(remove=[SEARCH_VAR, PAGE_VAR]))
