"""Port `bureau` on the sandbox's credit bureau."""

from __future__ import annotations

import datetime as dt
from typing import cast
from uuid import UUID

from apps.common import clock
from apps.integrations import http
from apps.risk.gateways import BureauReport, ReasonCode


class SandboxBureau:
    """The bureau knows a query by `query_id` and answers a repetition with the same report."""

    def query(
        self, *, query_id: UUID, name: str, id_number: str, reason_code: ReasonCode, authorisation_no: str, queried_at: dt.datetime
    ) -> BureauReport:
        """The person's report as it came: risk keeps it raw and judges whether it is complete."""
        payload = {
            "query_id": str(query_id),
            "name": name,
            "id_number": id_number,
            "reason_code": reason_code,
            "authorisation_no": authorisation_no,
            "queried_at": queried_at.astimezone(clock.BEIJING).isoformat(),
        }
        answer = http.call(http.Call("bureau", "query", "POST", "/bureau/reports", str(query_id), payload, repeatable=True))
        return cast(BureauReport, answer.fields)
