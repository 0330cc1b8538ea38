"""Port `timestamp` on the sandbox's RFC 3161 authority."""

from __future__ import annotations

from urllib.parse import quote

from asn1crypto import core, tsp

from apps.common import clock
from apps.common.gateways import GatewayRefused
from apps.integrations import http
from apps.integrations.reading import reading

GRANTED = {"granted", "granted_with_mods"}


class _Answer(core.Sequence):
    """A `TimeStampResp`; its token is missing when the authority declines."""

    _fields = [("status", tsp.PKIStatusInfo), ("time_stamp_token", core.Any, {"optional": True})]


class SandboxTimestamp:
    """Stamps the project's moment, which may stand elsewhere than the wall clock."""

    def stamp(self, request_der: bytes) -> bytes:
        """The DER `TimeStampResp` to a DER `TimeStampReq`. Raises the failures of `common.gateways`; refused when not granted."""
        path = f"/timestamp?at={quote(clock.now().isoformat(timespec='seconds'), safe='')}"
        answer = http.call(
            http.Call("timestamp", "stamp", "POST", path, "", request_der, content_type="application/timestamp-query", repeatable=True)
        )
        with reading("timestamp"):
            status = _Answer.load(answer.content, strict=True)["status"]
            verdict, failures = status["status"].native, status["fail_info"].native or set()
        if verdict not in GRANTED:
            raise GatewayRefused(",".join(sorted(failures)) or verdict, f"The time stamp authority answered {verdict}.")
        return answer.content

    def certificate(self) -> bytes:
        """The authority's certificate (PEM), to be trusted as a root."""
        return http.call(http.Call("timestamp", "certificate", "GET", "/timestamp/certificate", repeatable=True)).content
