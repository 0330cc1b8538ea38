"""Roles as code, and what each may do."""

from __future__ import annotations

from typing import Final

# Permission names read `context.deed`; services ask for them through `common.permissions.require`.
ROLES: Final[dict[str, frozenset[str]]] = {
    "account_manager": frozenset({"applications.view", "applications.verify", "customers.view"}),
    "credit_reviewer": frozenset(
        {"applications.view", "applications.review", "customers.view", "risk.view", "documents.view", "products.view"}
    ),
    "disbursement_reviewer": frozenset(
        {"applications.view", "disbursement.view", "disbursement.review", "contracts.view", "documents.view"}
    ),
    "risk_analyst": frozenset({"risk.view", "risk.edit", "risk.publish", "applications.view"}),
    "finance": frozenset(
        {
            "disbursement.view",
            "disbursement.pay",
            "ledger.view",
            "ledger.adjust",
            "reconciliation.view",
            "reconciliation.work",
            "loans.view",
            "loans.adjust",
            "approvals.check",
        }
    ),
    "collector": frozenset({"postloan.view", "postloan.collect", "loans.view", "customers.view"}),
    "entity_admin": frozenset(
        {
            "organisations.view",
            "organisations.edit",
            "products.view",
            "products.edit",
            "dealers.view",
            "dealers.edit",
            "flows.view",
            "flows.edit",
            "approvals.check",
            "eod.run",
            "jobs.view",
            "outbox.retry",
            "messaging.view",
        }
    ),
    "auditor": frozenset(
        {
            "applications.view",
            "customers.view",
            "contracts.view",
            "documents.view",
            "disbursement.view",
            "ledger.view",
            "loans.view",
            "reconciliation.view",
            "postloan.view",
            "products.view",
            "dealers.view",
            "risk.view",
            "organisations.view",
            "flows.view",
            "jobs.view",
            "messaging.view",
            "audit.view",
        }
    ),
    "dealer_manager": frozenset({"portal.use", "portal.shop"}),
    "consultant": frozenset({"portal.use"}),
    "customer": frozenset({"api.customer"}),
}
