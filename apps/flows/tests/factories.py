"""Rows for tests of flows."""

from __future__ import annotations

from typing import Any

import factory

from apps.common.models import new_id
from apps.flows.models import FlowTask, FlowVersion
from apps.organisations.tests.factories import LegalEntityFactory


def approval(key: str, **more: Any) -> dict[str, Any]:
    """An approval step of a credit reviewer that goes on when approved and ends when rejected."""
    base = {"key": key, "kind": "approval", "name": key, "permission": "applications.review", "on": {"approve": "next", "reject": "end"}}
    return base | more


def work(key: str, **more: Any) -> dict[str, Any]:
    """A machine's work step."""
    return {"key": key, "kind": "work", "name": key, "service": "some.service", "on": {"done": "next"}} | more


class FlowVersionFactory(factory.django.DjangoModelFactory):
    """A draft with one approval."""

    class Meta:
        model = FlowVersion

    legal_entity = factory.SubFactory(LegalEntityFactory)
    code = "some_flow"
    version = factory.Sequence(lambda n: n + 1)
    definition = factory.LazyFunction(lambda: {"activities": [approval("review")]})
    author = "system:test"


class FlowTaskFactory(factory.django.DjangoModelFactory):
    """A task that waits for a credit reviewer."""

    class Meta:
        model = FlowTask

    legal_entity = factory.SubFactory(LegalEntityFactory)
    subject_kind = "application"
    subject_ref = factory.LazyFunction(new_id)
    activity = "credit_review"
    permission = "applications.review"
