"""Running loans taken over from a spreadsheet are loans like any other, and their balances are in the books to the 分."""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import ProgrammingError, transaction

from apps.common.actors import Actor
from apps.common.clock import beijing
from apps.common.errors import NotPermitted
from apps.common.models import new_id
from apps.ledger import selectors as ledger
from apps.loans import services
from apps.loans.models import Loan, LoanTransaction, TakenOverLoan
from apps.loans.selectors import loan_by_number, state_on
from apps.loans.services import takeover
from apps.loans.tests.factories import SYSTEM, a_lender, assert_sound, books, close_through, pay, told
from apps.organisations.models import LegalEntity

pytestmark = pytest.mark.django_db
DAY = dt.date(2025, 6, 10)
HEAD = (
    "external_number,borrower_ref,principal,annual_rate,installments,method,day_count,start,first_due,"
    "principal_balance,interest_balance,penalty_balance,fee_balance,paid,paid_on"
)
# Healthy: 60,000.00 left on 2025-05-20, nothing due on 2025-06-10; 21 days of interest: 60,000 x 10.8 % x 21 / 365 = 372.82.
HEALTHY = "OLD-1,{0},60000.00,10.8,12,equal_installment,act/365,2025-05-20,2025-06-20,60000.00,372.82,,,,"
# Late since 2025-04-20 and 2025-05-20. 1,000.00 came on 2025-05-02: penalty 18.00 (3,000 x 18 % x 12 / 360), interest 310.00, principal
# 672.00. Interest left: 270.00 due, and 24,000 x 12 % x 21 / 360 = 168.00 run. The former system has 25.00 of penalty, a fee of 30.00.
LATE = "OLD-2,{0},30000.00,12,10,equal_principal,act/360,2025-03-20,2025-04-20,29328.00,438.00,25.00,30.00,1000.00,2025-05-02"


def a_file(*lines: str) -> bytes:
    return "\n".join((HEAD, *lines)).encode()


def take_over(entity: LegalEntity, content: bytes, **options: Any) -> services.TakeOverReport:
    return services.take_over_loans(
        legal_entity_id=entity.id, file_name="old.csv", content=content, actor=SYSTEM, now=beijing(DAY, 9), **options
    )


@pytest.fixture
def lender() -> LegalEntity:
    return a_lender(first_day=DAY)


def refusal(entity: LegalEntity, content: bytes, **options: Any) -> dict[str, list[str]]:
    """What is wrong with a file; nothing of it may be left."""
    with pytest.raises(services.SheetRefused) as refused:
        take_over(entity, content, **options)
    assert (TakenOverLoan.objects.count(), Loan.objects.count(), books(entity)) == (0, 0, {})
    return refused.value.fields


def test_a_loan_taken_over_stands_with_its_balances_and_no_money_moves(lender: LegalEntity) -> None:
    report = take_over(lender, a_file(HEALTHY.format(new_id()), LATE.format(new_id())))
    assert (report.lines, report.new) == (2, 2)
    assert {name: str(total.books) for name, total in report.totals.items()} == {
        "principal": "89328.00",
        "interest": "810.82",
        "penalty": "25.00",
        "compound": "0.00",
        "fee": "30.00",
        "credit": "0.00",
    }
    assert all(total.difference == 0 for total in report.totals.values())
    # 90,193.82 of claims less 1,186.56 of provision: 60,000 x 1 % + 29,328 x 2 %. No income, no cost, no money.
    assert books(lender) == {
        "113201": Decimal("810.82"),
        "113202": Decimal("25.00"),
        "122101": Decimal("30.00"),
        "130301": Decimal("84000.00"),
        "130302": Decimal("5328.00"),
        "1304": Decimal("1186.56"),
        "224109": Decimal("89007.26"),
    }
    assert sum(ledger.by_party("1012", lender.id, ["take_over", "disbursement", "repayment"]).values()) == 0
    assert_sound(lender)


def test_a_late_loan_taken_over_keeps_its_days_past_due_and_goes_to_collection(lender: LegalEntity) -> None:
    take_over(lender, a_file(LATE.format(new_id())))
    loan = Loan.objects.get(taken_over__external_number="OLD-2")
    assert (loan.state, loan.balance.dpd, loan.balance.asset_class) == ("overdue", 51, "special_mention")
    assert (loan.balance.penalty, loan.balance.fee, loan.balance.overdue) == (Decimal("25.00"), Decimal("30.00"), Decimal("5623.00"))
    assert [news["number"] for news in told("LoanTakenOver")] == [loan.number]
    assert [news["dpd"] for news in told("LoanFellOverdue")] == [51]
    assert told("LoanOpened") == []


def test_a_loan_taken_over_goes_on_like_any_other(lender: LegalEntity) -> None:
    take_over(lender, a_file(HEALTHY.format(new_id()), LATE.format(new_id())))
    close_through(lender, DAY)
    # One day: 60,000 x 10.8 % / 365 = 17.75 and 24,000 x 12 % / 360 = 8.00 (17.76 with what the roundings of two days leave), 6 % of
    # it tax; penalty (2,328 + 3,000) x 18 % / 360 = 2.66.
    assert books(lender)["113201"] == Decimal("836.58")
    assert books(lender)["113202"] == Decimal("27.66")
    assert (books(lender)["601101"], books(lender)["601102"], books(lender)["222101"]) == tuple(map(Decimal, ("24.30", "2.51", "1.61")))
    close_through(lender, DAY + dt.timedelta(days=70))
    late = Loan.objects.get(taken_over__external_number="OLD-2")
    assert (late.balance.dpd, late.balance.is_non_accrual) == (122, True)
    assert_sound(lender)
    pay(late, "5000.00", DAY + dt.timedelta(days=71))
    healthy = Loan.objects.get(taken_over__external_number="OLD-1")
    day = DAY + dt.timedelta(days=71)
    owed = services.payoff_quote(loan_id=healthy.id, on=day).total
    services.settle_early(loan_id=healthy.id, value_date=day, amount=owed, reference="end", actor=SYSTEM, now=beijing(day, 9))
    assert Loan.objects.get(id=healthy.id).state == "settled"
    assert_sound(lender)


def test_a_non_accrual_loan_comes_in_with_its_interest_off_balance(lender: LegalEntity) -> None:
    line = "BAD,{0},30000.00,12,1,bullet,act/360,2025-01-01,2025-02-01,30000.00,310.00,1935.00,,,"
    report = take_over(lender, a_file(line.format(new_id())))
    # 129 days past due: 31 days of interest 310.00, penalty 30,000 x 18 % x 129 / 360 = 1,935.00.
    assert (report.totals["interest"].books, report.totals["interest"].off_balance) == (Decimal("0.00"), Decimal("310.00"))
    assert (report.totals["penalty"].off_balance, report.totals["penalty"].difference) == (Decimal("1935.00"), 0)
    assert (books(lender)["130303"], books(lender)["9002"]) == (Decimal("30000.00"), Decimal("2245.00"))
    assert_sound(lender)


def test_a_co_lent_loan_is_taken_over_by_its_shares(lender: LegalEntity) -> None:
    head = f"{HEAD},funders"
    content = "\n".join((head, f"{HEALTHY.format(new_id())},own:3000;bank-a:7000")).encode()
    report = take_over(lender, content)
    assert report.totals["principal"].difference == report.totals["interest"].difference == 0
    # 30 % of 60,000.00 and of 372.82 are the lender's own; a partner's part never touches the balance sheet.
    held = books(lender)
    assert (held["130301"], held["9004"], held["113201"], held["9005"]) == tuple(map(Decimal, ("18000.00", "42000.00", "111.85", "260.97")))
    close_through(lender, DAY + dt.timedelta(days=11))
    pay(Loan.objects.get(), "5000.00", DAY + dt.timedelta(days=12))
    assert_sound(lender)


def test_the_same_file_again_changes_nothing(lender: LegalEntity) -> None:
    content = a_file(HEALTHY.format(new_id()), LATE.format(new_id()))
    first, before = take_over(lender, content), books(lender)
    again = take_over(lender, content)
    assert (again.lines, again.new, books(lender)) == (2, 0, before)
    assert again.totals == first.totals
    assert [loan.number for loan in again.loans] == [loan.number for loan in first.loans]


def test_a_contract_taken_over_before_with_other_contents_is_refused(lender: LegalEntity) -> None:
    take_over(lender, a_file(HEALTHY.format(new_id())))
    with pytest.raises(services.SheetRefused) as refused:
        take_over(lender, a_file(HEALTHY.format(new_id())))
    assert refused.value.fields == {"line 2, external_number": ["was taken over with other contents."]}


def test_a_preview_reports_and_keeps_nothing(lender: LegalEntity) -> None:
    report = take_over(lender, a_file(HEALTHY.format(new_id())), preview=True)
    assert report.preview
    assert report.totals["principal"].books == Decimal("60000.00")
    assert (Loan.objects.count(), LoanTransaction.objects.count(), books(lender)) == (0, 0, {})


def test_every_wrong_cell_is_named_and_no_line_is_taken(lender: LegalEntity) -> None:
    nobody = HEALTHY.format("someone")
    wrong = refusal(lender, a_file(nobody, LATE.format(new_id()).replace("30.00,1000.00,2025-05-02", "30.00,1000.00,")))
    assert wrong == {
        "line 2, borrower_ref": ["is no customer's id."],
        "line 3, paid_on": ["goes with an amount paid, and an amount paid with its day."],
    }
    twice = HEALTHY.format(new_id())
    assert refusal(lender, a_file(twice, twice)) == {"line 3, external_number": ["is there twice."]}
    assert refusal(lender, a_file(HEALTHY.format(new_id()).replace("10.8", "abc"))) == {
        "line 2, annual_rate": ["'abc' is not a plain number of 0 or more"]
    }


def test_balances_that_do_not_follow_from_the_plan_are_refused(lender: LegalEntity) -> None:
    wrong = refusal(lender, a_file(HEALTHY.format(new_id()).replace("60000.00,372.82", "60000.01,372.80"), LATE.format(new_id())))
    assert wrong == {
        "line 2, principal_balance": ["the file says 60000.01, its plan and payments leave 60000.00."],
        "line 2, interest_balance": ["the file says 372.80, its plan and payments leave 372.82."],
    }


def test_interest_within_the_tolerance_comes_in_as_the_file_says_and_is_reported(lender: LegalEntity) -> None:
    report = take_over(lender, a_file(HEALTHY.format(new_id()).replace("372.82", "372.80")), tolerance=Decimal("0.05"))
    assert report.totals["interest"].books == Decimal("372.80")
    assert report.loans[0].interest_difference == Decimal("-0.02")
    assert (books(lender)["113201"], books(lender)["601101"]) == (Decimal("372.82"), Decimal("0.02"))
    assert_sound(lender)


def test_control_totals_stop_a_file_that_does_not_add_up(lender: LegalEntity) -> None:
    content = a_file(HEALTHY.format(new_id()))
    wrong = refusal(lender, content, control={"lines": Decimal("2"), "principal": Decimal("60000.00"), "tax": Decimal(0)})
    assert wrong["lines"] == ["the control total is 2, the file adds up to 1."]
    assert list(wrong) == ["lines", "tax"]
    report = take_over(lender, content, control={"lines": Decimal("1"), "interest": Decimal("372.82")})
    assert report.totals["interest"].control == Decimal("372.82")


def test_formulas_unknown_columns_and_missing_cells_are_refused(lender: LegalEntity) -> None:
    assert refusal(lender, a_file(HEALTHY.format(new_id()).replace("60000.00,10.8", "=2*30000,10.8"))) == {
        "line 2, principal": ["is a formula; enter its value."]
    }
    assert refusal(lender, b"external_number,colour\nA,red") == {
        "colour": ["is not a column of this file."],
        **{name: ["is missing among the columns."] for name in takeover.REQUIRED if name != "external_number"},
    }
    assert refusal(lender, a_file(HEALTHY.format(new_id()).replace("12,equal_installment", ",equal_installment"))) == {
        "line 2, installments": ["is missing."]
    }


def an_xlsx(rows: list[list[str]]) -> bytes:
    """A workbook as spreadsheet programs write it: shared texts, numbers, days as numbers; a cell that begins with = is a formula."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    texts: list[str] = []
    body = ""
    for no, row in enumerate(rows, start=1):
        body += f'<row r="{no}">'
        for column, value in enumerate(row):
            where = f"{chr(65 + column)}{no}"
            if value.startswith("="):
                body += f'<c r="{where}"><f>{value[1:]}</f><v>1</v></c>'
            elif value.replace(".", "", 1).isdecimal():
                body += f'<c r="{where}"><v>{value}</v></c>'
            elif value:
                body += f'<c r="{where}" t="s"><v>{len(texts)}</v></c>'
                texts.append(value)
        body += "</row>"
    parts = {
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="loans" r:id="rId7"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships><Relationship Id="rId7" Target="worksheets/sheet3.xml"/></Relationships>',
        "xl/sharedStrings.xml": f'<sst xmlns="{main}">{"".join(f"<si><t>{text}</t></si>" for text in texts)}</sst>',
        "xl/worksheets/sheet3.xml": f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>',
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content)
    return file.getvalue()


def test_a_workbook_is_read_as_a_csv_file_is(lender: LegalEntity) -> None:
    borrower = new_id()
    # 45797 is 2025-05-20, 45828 is 2025-06-20; 372.81999999999999 is how a program writes 372.82 down.
    cells = HEALTHY.format(borrower).replace("2025-05-20", "45797").replace("2025-06-20", "45828").replace("372.82", "372.81999999999999")
    report = take_over(lender, an_xlsx([HEAD.split(","), cells.split(",")]))
    assert report.totals["interest"].books == Decimal("372.82")
    loan = Loan.objects.get()
    assert (loan.borrower_ref, loan.opened_on) == (borrower, dt.date(2025, 5, 20))


def test_a_formula_in_a_workbook_is_refused(lender: LegalEntity) -> None:
    cells = HEALTHY.format(new_id()).replace("60000.00,10.8", "=SUM(A1),10.8").split(",")
    assert refusal(lender, an_xlsx([HEAD.split(","), cells])) == {"line 2, principal": ["is a formula; enter its value."]}
    bomb = b"PK\x05\x06" + b"\0" * 18
    with pytest.raises(services.SheetRefused, match="no XLSX workbook"):
        take_over(lender, bomb)


def test_the_command_takes_over_and_tells_what_is_wrong(
    lender: LegalEntity, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.common.clock.now", lambda: beijing(DAY, 9))
    file = tmp_path / "old.csv"
    file.write_bytes(a_file(HEALTHY.format(new_id())))
    asked = ["take_over", "--entity", lender.code, "--file", str(file), "--format", "json"]
    call_command(*asked, "--dry-run", "--control", "principal=60000")
    assert json.loads(capsys.readouterr().out)["dry_run"] is True
    assert not Loan.objects.exists()
    call_command(*asked)
    answer = json.loads(capsys.readouterr().out)
    assert answer["totals"]["principal"] == {
        "file": "60000.00", "books": "60000.00", "off_balance": "0.00", "difference": "0.00", "control": ""
    }  # fmt: skip
    assert loan_by_number(answer["loans"][0]["number"]).state == "active"
    file.write_bytes(a_file(HEALTHY.format("x")))
    with pytest.raises(CommandError) as refused:
        call_command(*asked)
    assert refused.value.returncode == 2
    assert "line 2, borrower_ref: is no customer's id." in capsys.readouterr().err


def test_taking_over_needs_the_permission_to_open_loans(lender: LegalEntity) -> None:
    nobody = Actor(kind="staff", label="nobody", permissions=frozenset({"loans.view"}))
    with pytest.raises(NotPermitted):
        services.take_over_loans(
            legal_entity_id=lender.id, file_name="a.csv", content=a_file(HEALTHY.format(new_id())), actor=nobody, now=beijing(DAY, 9)
        )


def test_the_row_of_a_take_over_is_never_changed(lender: LegalEntity) -> None:
    take_over(lender, a_file(HEALTHY.format(new_id())))
    with pytest.raises(ProgrammingError), transaction.atomic():
        TakenOverLoan.objects.update(external_number="other")


FURTHER = HEAD + ",terms\n" + HEALTHY.format(new_id()) + ",{}"


def test_a_line_may_bring_further_terms(lender: LegalEntity) -> None:
    terms = '"{""principal_grace"": 2, ""fees"": [{""name"": ""care"", ""when"": ""instalment"", ""of"": ""flat"", ""amount"": ""5""}]}"'
    take_over(lender, FURTHER.replace("{}", terms).encode())

    rows = state_on(Loan.objects.get().id, dt.date(2025, 8, 20)).rows
    # 60,000 × 10.8 % × 31, 30 and 31 ÷ 365 days, and no principal before the third instalment.
    told = [(row.installment.interest, row.installment.fee, row.installment.principal > 0) for row in rows[:3]]
    assert told == [
        (Decimal("550.36"), Decimal("5.00"), False),
        (Decimal("532.60"), Decimal("5.00"), False),
        (Decimal("550.36"), Decimal("5.00"), True),
    ]
    assert_sound(lender)


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ("{}x", "is no JSON."),
        ('"{""grace"": 2}"', "grace: is not known here"),
        ('"{""principal"": ""1""}"', "principal: is set by the plan itself"),
        ('"{""compound"": true}"', "compound has a column of its own."),
    ],
)
def test_further_terms_that_cannot_be_are_named(lender: LegalEntity, terms: str, told: str) -> None:
    assert refusal(lender, FURTHER.replace("{}", terms, 1).encode()) == {"line 2, terms": [told]}
