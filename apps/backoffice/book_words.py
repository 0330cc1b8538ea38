"""Words of the books: what entries are for, and what their amounts are."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

EVENTS: Final[dict[str, Any]] = {
    "bank_fee": _("fee of the bank"),
    "take_over": _("loan taken over"),
    "funding_received": _("money from a funder"),
    "funding_returned": _("money back to a funder"),
    "funding_fee": _("fees between funding parties"),
    "partner_settlement": _("paid on to a partner"),
    "sale": _("sale to another owner"),
    "buy_back": _("buy-back"),
    "service_fee": _("fee for servicing another owner's loans"),
    "unearned": _("unearned income of a lease"),
    "deposit_received": _("deposit received"),
    "deposit_offset": _("deposit offset"),
    "deposit_refunded": _("deposit refunded"),
    "deposit_kept": _("deposit kept for damages"),
    "car_returned": _("leased car returned"),
    "lease_purchase": _("leased car bought"),
    "voucher_issued": _("guarantee of a voucher"),
    "voucher_released": _("end of a voucher's guarantee"),
    "manual_entry": _("adjusting entry"),
    "manual_reversal": _("reversal of an entry by hand"),
    "internal_transfer": _("internal transfer"),
    "result_transfer": _("result of the year to equity"),
}
COMPONENTS: Final[dict[str, Any]] = {
    "interest_vat": _("VAT on interest"),
    "penalty_vat": _("VAT on penalty interest"),
    "compound_vat": _("VAT on compound interest"),
    "fee_vat": _("VAT on fees"),
    "money": _("money"),
    "guarantee": _("guarantee"),
    "overdue": _("overdue"),
    "non_accrual": _("non-accrual"),
    "guide_received": _("guide fee received"),
    "guide_received_vat": _("VAT on guide fee received"),
    "guide_paid": _("guide fee paid"),
    "guarantee_received": _("guarantee fee received"),
    "guarantee_received_vat": _("VAT on guarantee fee received"),
    "guarantee_paid": _("guarantee fee paid"),
    "service_received": _("service fee received"),
    "service_received_vat": _("VAT on service fee received"),
    "service_paid": _("service fee paid"),
    "provision": _("loss provision"),
    "price": _("price of the claim"),
    "difference": _("price above the claim"),
    "price_vat": _("VAT on the price"),
    "damages": _("damages"),
    "damages_vat": _("VAT on damages"),
    "claim": _("claim settled"),
    "excess": _("value above the claim"),
    "by_hand": _("by hand"),
    "result": _("result of the year"),
}
PARTIES: Final[dict[str, Any]] = {"own": _("own share"), "partner": _("partner's share"), "lease": _("own share of a finance lease")}
