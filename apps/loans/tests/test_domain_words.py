"""Refusals of the core: English in the core, which knows no translation, and the user's language wherever people read them."""

from __future__ import annotations

import ast
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils.translation import gettext, override

from apps.loans.domain import BadTerms, RateAboveCap, RefusedOnEntry, check_entry, errors, quote_from_json
from apps.loans.tests.builders import CAR_LOAN, tx
from apps.loans.tests.test_domain_replay import small_loan

DOMAIN = Path(errors.__file__).parent


def is_said(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_"


def templates() -> list[str]:
    calls = (node for path in DOMAIN.glob("*.py") for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return [call.args[0].value for call in calls if is_said(call) and isinstance(call.args[0], ast.Constant)]


def test_every_reason_keeps_its_template() -> None:
    plain = []
    for path in sorted(DOMAIN.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call) or not isinstance(node.exc.func, ast.Name):
                continue
            if node.exc.func.id in ("BadTerms", "RefusedOnEntry"):
                reason = node.exc.args[1]
                parts = [reason.body, reason.orelse] if isinstance(reason, ast.IfExp) else [reason]
                plain += [f"{path.name}:{node.lineno}" for part in parts if not is_said(part)]

    assert plain == []
    assert len(templates()) > 100


def test_every_reason_has_its_chinese() -> None:
    with override("zh-hans"):
        english = [template for template in templates() if gettext(template) == template and template != "%(first)s; %(then)s"]

    assert english == []


def test_a_reason_is_told_in_the_language_of_who_reads_it() -> None:
    with pytest.raises(RateAboveCap) as above:
        quote_from_json(CAR_LOAN | {"annual_rate": "30"})
    with pytest.raises(RefusedOnEntry) as refused:
        check_entry(small_loan(), [], tx("r", "refund", "2025-02-20", "5"))
    with pytest.raises(BadTerms) as unknown:
        quote_from_json(CAR_LOAN | {"method": "x"})

    assert str(refused.value) == "refund: r refused: only 0.00 of credit can be refunded" == refused.value.told(lambda text: text)
    with override("zh-hans"):
        assert refused.value.told(gettext) == "refund: r 被拒绝：只能退还溢缴款 0.00"
        assert unknown.value.why(gettext).startswith("'x' 不在可选值中：equal_installment, ")
        assert above.value.told(gettext).endswith(f"含全部费用的年化利率为 {above.value.apr_irr} %，超过上限 24.00 %")


def test_a_command_refuses_in_one_line_of_the_users_language() -> None:
    options = {"principal": "100", "annual_rate": "9.125", "installments": "0", "method": "equal_installment", "day_count": "act/365"}
    with override("zh-hans"), pytest.raises(CommandError) as refused:
        call_command("quote", **options, start="2022-05-10", first_due="2022-06-20", stdout=StringIO())

    assert str(refused.value) == "installments: 必须是 1 至 1200 的整数"
    assert refused.value.returncode == 2
