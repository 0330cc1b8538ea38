"""Many workers, one decision."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from apps.common.models import OutboxMessage
from apps.organisations.tests.factories import LegalEntityFactory
from apps.risk import services
from apps.risk.models import BureauReport, Decision
from apps.risk.tests.factories import NOW, SYSTEM, order_facts, person, ready_entity


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_give_one_report_and_one_decision(sandbox: Any) -> None:
    entity = LegalEntityFactory()
    ready_entity(entity.id)
    request_id = services.request_decision(
        flow_code="car_loan",
        legal_entity_id=entity.id,
        subject_ref=person(entity).id,
        subject=order_facts(),
        reference="application:1:1",
        actor=SYSTEM,
        now=NOW,
    )

    def work(_: int) -> None:
        try:
            services.make_decision(request_id=request_id, now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert Decision.objects.get().outcome == "approve"
    assert BureauReport.objects.count() == 1
    assert OutboxMessage.objects.filter(name="risk.DecisionMade").count() == 1
