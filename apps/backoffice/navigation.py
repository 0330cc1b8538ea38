"""The menus of the back office, as each person may see them. The source's names stand beside the English ones.

客户管理 Customers · 业务受理 Orders · 业务办理 Processing · 台账管理 Books and ledgers · 贷后管理 Post-loan · 我的工作台 My workbench ·
法人控制台 Legal-entity console.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

# Texts of the admin's library that it leaves untranslated; named here, they are gathered and translated with ours.
LEFT_BY_THE_LIBRARY: Final = (_("Search apps and models..."),)
# What tasks ask of people: whoever holds one of these has a workbench.
TASK_PERMISSIONS: Final = ("applications.review", "applications.verify", "disbursement.review", "disbursement.pay")
# Whoever proposes or decides something that takes two.
APPROVAL_PERMISSIONS: Final = (
    "approvals.check",
    "organisations.edit",
    "ledger.adjust",
    "loans.adjust",
    "reconciliation.work",
    "risk.publish",
)


@dataclass(frozen=True)
class Item:
    """A link of a menu; one of `permissions` opens it, none asked: any staff."""

    title: str | Promise
    url: str
    permissions: tuple[str, ...] = ()
    icon: str = ""


def _list(model: str) -> str:
    return f"admin:{model}_changelist"


MENUS: Final[tuple[tuple[str | Promise, tuple[Item, ...]], ...]] = (
    (
        _("My workbench"),
        (
            Item(_("Home"), "admin:index", icon="home"),
            Item(_("Workbench"), "admin:workbench", TASK_PERMISSIONS, "inbox"),
            Item(
                _("Approvals by two"), "admin:approvals", ("approvals.check", "ledger.adjust", "loans.adjust", "risk.publish"), "fact_check"
            ),
        ),
    ),
    (
        _("Customers"),
        (
            Item(_("Customers"), _list("customers_customer"), ("customers.view",), "person"),
            Item(_("Identity checks"), _list("customers_identitycheck"), ("customers.view",), "badge"),
            Item(_("Consents"), _list("customers_consent"), ("customers.view",), "handshake"),
            Item(_("Disclosures"), _list("customers_disclosurelog"), ("audit.view",), "visibility"),
        ),
    ),
    (
        pgettext_lazy("menu", "Orders"),
        (
            Item(_("Orders"), _list("applications_application"), ("applications.view",), "assignment"),
            Item(_("Decisions"), _list("risk_decision"), ("risk.view",), "rule"),
            Item(_("Bureau queries"), _list("risk_bureauquery"), ("risk.view",), "query_stats"),
            Item(_("Decision flows"), _list("risk_decisionflowversion"), ("risk.view",), "account_tree"),
            Item(_("Lists"), _list("risk_listentry"), ("risk.view",), "list"),
        ),
    ),
    (
        _("Processing"),
        (
            Item(_("Contracts"), _list("contracts_contract"), ("contracts.view",), "contract"),
            Item(_("Disbursements"), _list("disbursement_disbursement"), ("disbursement.view",), "payments"),
            Item(_("Vouchers"), _list("disbursement_voucher"), ("disbursement.view",), "receipt"),
            Item(_("Payments in"), _list("disbursement_repaymentorder"), ("disbursement.view",), "savings"),
            Item(_("Notices of banks"), _list("disbursement_banknotice"), ("disbursement.view",), "notifications"),
            Item(_("Documents"), _list("documents_document"), ("documents.view",), "folder"),
        ),
    ),
    (
        _("Books and ledgers"),
        (
            Item(_("Loans"), _list("loans_loan"), ("loans.view",), "account_balance"),
            Item(_("Counter"), "admin:counter", ("loans.adjust",), "point_of_sale"),
            Item(_("Take over loans"), "admin:take_over", ("loans.open",), "move_to_inbox"),
            Item(_("Loan transactions"), _list("loans_loantransaction"), ("loans.view",), "swap_horiz"),
            Item(_("Journal"), _list("ledger_journalentry"), ("ledger.view",), "menu_book"),
            Item(_("Trial balance"), "admin:books_turnovers", ("ledger.view",), "balance"),
            Item(_("Chart of accounts"), "admin:books_chart", ("ledger.view",), "toc"),
            Item(_("Posting rules"), "admin:books_rules", ("ledger.view",), "rule_settings"),
            Item(_("Manual entry"), "admin:books_manual", ("ledger.adjust",), "edit_note"),
            Item(_("Funding parties"), "admin:funders", ("ledger.view", "organisations.edit"), "diversity_3"),
            Item(_("Positions"), _list("disbursement_fundingaccount"), ("disbursement.view",), "account_balance_wallet"),
            Item(_("Reconciliation"), _list("reconciliation_reconciliationbatch"), ("reconciliation.view",), "compare_arrows"),
            Item(_("Differences"), _list("reconciliation_difference"), ("reconciliation.view",), "difference"),
        ),
    ),
    (
        _("Post-loan"),
        (
            Item(_("Collection cases"), _list("postloan_collectioncase"), ("postloan.view",), "phone_in_talk"),
            Item(_("Delivery papers"), _list("postloan_deliverypaper"), ("postloan.view",), "description"),
            Item(_("Settlement certificates"), _list("postloan_settlementcertificate"), ("postloan.view",), "workspace_premium"),
            Item(_("Title releases"), _list("postloan_titlerelease"), ("postloan.view",), "key"),
        ),
    ),
    (
        _("Legal-entity console"),
        (
            Item(_("Business day"), "admin:eod", ("eod.run", "jobs.view"), "today"),
            Item(_("Jobs"), _list("common_job"), ("jobs.view",), "work_history"),
            Item(_("Deliveries of events"), _list("common_outboxdelivery"), ("jobs.view",), "outbox"),
            Item(_("Calls to partners"), _list("common_gatewaycall"), ("jobs.view",), "cell_tower"),
            Item(_("Messages"), _list("messaging_message"), ("messaging.view",), "sms"),
            Item(_("Dealers"), _list("dealers_dealer"), ("dealers.view",), "storefront"),
            Item(_("Products"), _list("products_product"), ("products.view",), "category"),
            Item(_("Vehicles"), _list("products_vehiclemodel"), ("products.view",), "directions_car"),
            Item(_("Flows"), _list("flows_flowversion"), ("flows.view",), "schema"),
            Item(_("Tasks"), _list("flows_flowtask"), ("flows.view",), "task"),
            Item(_("Extra fields"), "admin:extra_fields", ("organisations.edit",), "list_alt"),
            Item(_("Parameters"), _list("organisations_parameter"), ("organisations.view",), "tune"),
            Item(_("Staff"), _list("organisations_user"), ("organisations.view",), "group"),
            Item(_("Branches"), _list("organisations_branch"), ("organisations.view",), "location_city"),
        ),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's sidebar for this person; menus without anything for them are left out."""
    user: Any = request.user
    menus = []
    for title, items in MENUS:
        allowed = [item for item in items if not item.permissions or any(user.can(name) for name in item.permissions)]
        if allowed:
            menus.append({"title": title, "separator": False, "items": [_link(item, request.path) for item in allowed]})
    return menus


def _link(item: Item, path: str) -> dict[str, Any]:
    url = reverse(item.url)
    home = item.url == "admin:index"
    return {"title": item.title, "link": url, "icon": item.icon, "active": path == url if home else path.startswith(url)}
