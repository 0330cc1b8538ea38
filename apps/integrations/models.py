"""What integrations remember themselves; calls and callbacks are kept in `common.GatewayCall`."""

from __future__ import annotations

from django.db import models


class CallbackNonce(models.Model):
    """The nonce of a callback that was applied, with the outcome: coming again it does nothing. Kept as long as its signature is fresh."""

    party = models.CharField(max_length=32)
    nonce = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)  # SHA-256 of the body: other bytes under a used nonce are not trusted
    outcome = models.CharField(max_length=32, blank=True)
    # Wall clock, like the timestamps of the signatures; the project's clock may be moved.
    seen_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["party", "nonce"], name="callback_nonce_once")]

    def __str__(self) -> str:
        return f"{self.party} {self.nonce}"
