"""Sample facts for papers."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.documents.domain import Signer
from apps.loans.domain.quote import make_quote
from apps.loans.domain.terms import DayCount, LoanTerms, Method

COMPANY_ID = UUID("018f0000-0000-7000-8000-000000000001")
CUSTOMER_ID = UUID("018f0000-0000-7000-8000-000000000002")
MADE_ON = dt.date(2026, 11, 20)
LENDER = {
    "name": "启明融资租赁（上海）有限公司",
    "uscc": "91310000MA1FL0XX3K",
    "address": "中国（上海）自由贸易试验区世纪大道 1168 号",
    "phone": "400-820-1168",
}


def company(field: str = "company") -> Signer:
    return Signer(field=field, kind="company", ref=COMPANY_ID, name=LENDER["name"], identifier=LENDER["uscc"], reason="合同签署")


def customer() -> Signer:
    return Signer(field="customer", kind="person", ref=CUSTOMER_ID, name="王小明", identifier="310101********1234", reason="合同签署")


def contract_context(kind: str = "direct", number: str = "HT20261120000001") -> dict[str, Any]:
    """What `loan_contract.html` wants, with sums from the loan core."""
    terms = LoanTerms(
        principal=Decimal("120000.00"),
        annual_rate=Decimal("0.108"),
        installments=36,
        method=Method.EQUAL_INSTALLMENT,
        day_count=DayCount.THIRTY_360,
        start=MADE_ON,
        first_due=dt.date(2026, 12, 20),
        due_day=20,
        fee_upfront=Decimal("600.00"),
    )
    quote = make_quote(terms)
    row = {"collector": LENDER["name"]}
    return {
        "kind": kind,
        "number": number,
        "made_on": MADE_ON,
        "template_version": "2026-01",
        "lender": LENDER,
        "borrower": {
            "name": "王小明",
            "id_number": "310101199003071234",
            "phone": "13812345678",
            "address": "上海市浦东新区张江路 88 弄 6 号 1201 室",
        },
        "dealer": {"name": "上海远航汽车销售有限公司", "shop": "远航 4S 店（浦东）"},
        "vehicle": {"name": "比亚迪 汉 2026 款 DM-i 125KM 尊贵型", "price": Decimal("169800.00"), "power_name": "新能源"},
        "plan": {
            "name": "新能源直租 36 期",
            "principal": terms.principal,
            "installments": 36,
            "annual_rate": terms.annual_rate,
            "method_name": "等额本息",
            "installment": quote.installment,
            "total_interest": quote.total_interest,
            "total_fees": quote.fees,
            "total_payable": terms.principal + quote.total_cost,
            "down_payment": Decimal("49800.00"),
            "deposit": Decimal("0.00"),
            "own_money_name": "首付款",
            "own_money": Decimal("49800.00"),
            "penalty_rate": Decimal("0.162"),
            "penalty_markup": Decimal("0.5"),
        },
        "schedule": quote.schedule.rows,
        "cost": {
            "version": "MS2026-01",
            "principal": terms.principal,
            "rows": [
                row | {"name": "利息", "how": "按月随租金支付", "standard": "年利率 10.80%", "amount": quote.total_interest,
                       "annualised": Decimal("0.1135")},
                row | {"name": "手续费", "how": "放款时一次性支付", "standard": "融资本金的 0.5%", "amount": quote.fees,
                       "annualised": Decimal("0.0038")},
            ],
            "contingent": [row | {"name": "逾期罚息", "how": "未按期足额付款", "standard": "逾期本金按年利率 16.20% 按日计收"}],
            "total": quote.total_cost,
            "annual_all_in": quote.effective_rate / 100,
            "annual_simple": quote.apr_irr / 100,
            "sentence": "除上述明示的息费外，不收取任何其他费用。",
        },
        "card": {"bank": "中国工商银行", "masked": "6222 **** **** 0123"},
        "verify_url": f"https://carloan.example.cn/verify/?number={number}",
    }  # fmt: skip


_VEHICLE = {"name": "比亚迪 汉 2026 款 DM-i 125KM 尊贵型"}
_VERIFY = "https://carloan.example.cn/verify/?number=X"
SHEETS: dict[str, dict[str, Any]] = {
    "voucher.html": {
        "number": "PZ20261120000007", "lender": LENDER, "guarantor": LENDER["name"], "vehicle": _VEHICLE, "amount": Decimal("120000.00"),
        "shop": {"name": "上海远航汽车销售有限公司", "account_masked": "**** 8821", "bank": "招商银行上海分行"},
        "borrower": {"name_masked": "王**"}, "issued_on": MADE_ON, "valid_until": dt.date(2026, 12, 20),
        "application_number": "CL20261120-000001", "contract_number": "HT20261120000001", "verify_url": _VERIFY,
    },
    "settlement_certificate.html": {
        "number": "JQ20290320000003", "lender": LENDER, "borrower": {"name": "王小明", "id_number": "310101199003071234"},
        "loan": {
            "number": "LN20261120000001", "principal": Decimal("120000.00"), "opened_on": MADE_ON, "settled_on": dt.date(2029, 3, 20),
            "total_principal": Decimal("120000.00"), "total_interest": Decimal("16512.07"), "total_penalty": Decimal("15.72"),
            "total_fees": Decimal("600.00"), "total_paid": Decimal("137127.79"), "early": True,
        },
        "contract_number": "HT20261120000001", "vehicle": _VEHICLE, "issued_on": dt.date(2029, 3, 21), "verify_url": _VERIFY,
    },
    "repayment_voucher.html": {
        "number": "HK20261220000001", "lender": LENDER, "borrower": {"name_masked": "王**"}, "loan": {"number": "LN20261120000001"},
        "payment": {
            "paid_at": dt.datetime(2026, 12, 20, 1, 5, 9, tzinfo=dt.UTC), "amount": Decimal("3917.29"), "channel": "银行代扣",
            "reference": "BK202612200001", "purpose": "第 1 期", "fees": Decimal(0), "penalty": Decimal(0), "interest": Decimal("1080.00"),
            "principal": Decimal("2837.29"), "balance": Decimal("117162.71"),
        },
        "issued_on": dt.date(2026, 12, 20), "verify_url": _VERIFY,
    },
    "credit_authorisation.html": {
        "number": "SQ20261120000001", "lender": LENDER,
        "borrower": {"name": "王小明", "id_number": "310101199003071234", "phone": "13812345678"},
        "reason_code": "02", "valid_until": dt.date(2026, 12, 20), "signed_on": MADE_ON, "text_version": "3", "verify_url": _VERIFY,
    },
    "dealer_agreement.html": {
        "number": "XY20260901000001", "lender": LENDER, "quota": Decimal("5000000.00"), "deposit": Decimal("200000.00"),
        "dealer": {
            "name": "上海远航汽车销售有限公司", "uscc": "91310115MA1K3YYY0P", "legal_representative": "李远航",
            "address": "上海市浦东新区沪南路 2288 号", "bank": "招商银行上海分行", "account_masked": "**** 8821",
        },
        "made_on": dt.date(2026, 9, 1), "template_version": "2026-01", "verify_url": _VERIFY,
    },
}  # fmt: skip
