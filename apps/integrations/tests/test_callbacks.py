"""Callbacks: who is believed, and what the sender is answered."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest
from django.test import Client

from apps.common.models import GatewayCall
from apps.integrations.models import CallbackNonce

pytestmark = pytest.mark.django_db


def result(**changes):
    return {"operation": "transfer", "order_no": "T1", "amount": "1.00", "status": "succeeded", "bank_ref": "B1", "reason": ""} | changes


class TestTrust:
    def test_an_unsigned_callback_is_refused(self):
        assert Client().post("/callbacks/bank/", data="{}", content_type="application/json").status_code == 401

    def test_another_secret_is_refused_and_leaves_no_row(self, sandbox):
        assert sandbox.post_callback("bank", result(), secret="other") == 401
        assert not GatewayCall.objects.exists()

    @pytest.mark.parametrize("age_s", [301, -301])
    def test_a_stale_callback_is_refused(self, sandbox, age_s):
        assert sandbox.post_callback("bank", result(), timestamp=int(time.time()) - age_s) == 401

    def test_a_replay_is_refused_and_visible(self, sandbox):
        nonce = uuid4().hex
        sandbox.post_callback("bank", result(), nonce=nonce)
        assert sandbox.post_callback("bank", result(), nonce=nonce) == 401
        assert GatewayCall.objects.latest("id").outcome == "replayed"
        assert CallbackNonce.objects.count() == 1

    def test_only_post(self):
        assert Client().get("/callbacks/bank/").status_code == 405

    @pytest.mark.parametrize(
        "payload", [{}, result(operation="rob"), result(status="perhaps"), result(amount="much"), result(amount="NaN")]
    )
    def test_nonsense_is_a_definite_no(self, sandbox, payload):
        assert sandbox.post_callback("bank", payload) == 422
        assert GatewayCall.objects.latest("id").outcome == "unreadable"


class TestBank:
    @pytest.mark.parametrize("operation", ["transfer", "debit"])
    def test_a_result_for_an_unknown_order_is_asked_for_again(self, sandbox, operation):
        assert sandbox.post_callback("bank", result(operation=operation)) == 404
        call = GatewayCall.objects.latest("id")
        assert (call.direction, call.operation, call.reference, call.outcome) == ("in", f"{operation}_result", "T1", "unknown_order")
        assert call.request["fields"]["amount"] == "1.00"
