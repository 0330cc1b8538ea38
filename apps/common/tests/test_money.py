"""Rounding, shares and capital numerals of money."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest

from apps.common.money import allocate, parse_money, round_money, to_capital_chinese


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("0.125", "0.13"), ("0.135", "0.14"), ("-0.125", "-0.13"), ("1.004999", "1.00"), ("7", "7.00")],
)
def test_half_a_cent_rounds_up(amount: str, expected: str) -> None:
    assert str(round_money(Decimal(amount))) == expected


def test_half_even_goes_to_the_even_cent() -> None:
    assert str(round_money(Decimal("0.125"), ROUND_HALF_EVEN)) == "0.12"
    assert str(round_money(Decimal("0.135"), ROUND_HALF_EVEN)) == "0.14"


def test_a_multiple_of_one_gives_whole_yuan_with_two_decimals() -> None:
    assert str(round_money(Decimal("304.50"), multiple=Decimal(1))) == "305.00"
    assert str(round_money(Decimal("304.12"), multiple=Decimal("0.05"))) == "304.10"


@pytest.mark.parametrize(
    ("amount", "parts", "expected"),
    [
        ("100.00", [7000, 3000], ["70.00", "30.00"]),
        ("33.93", [7000, 3000], ["23.75", "10.18"]),
        ("0.01", [5000, 5000], ["0.00", "0.01"]),
        ("0.02", [100, 3300, 3300, 3300], ["0.00", "0.01", "0.01", "0.00"]),
        ("10.00", [1, 1, 1], ["3.34", "3.33", "3.33"]),
        ("-10.00", [1, 1, 1], ["-3.34", "-3.33", "-3.33"]),
        ("0.00", [1, 1], ["0.00", "0.00"]),
        ("5.00", [10000], ["5.00"]),
    ],
)
def test_shares_add_up_and_the_residual_goes_to_the_lead(amount: str, parts: list[int], expected: list[str]) -> None:
    assert [str(share) for share in allocate(Decimal(amount), parts)] == expected


@pytest.mark.parametrize("parts", [[], [0, 0], [3, -1]])
def test_impossible_parts_are_refused(parts: list[int]) -> None:
    with pytest.raises(ValueError, match="parts"):
        allocate(Decimal(1), parts)


@pytest.mark.parametrize(("text", "expected"), [("1234.5", "1234.50"), (" 7 ", "7.00"), ("10000000000", "10000000000.00")])
def test_plain_amounts_are_read(text: str, expected: str) -> None:
    assert str(parse_money(text)) == expected


@pytest.mark.parametrize("text", ["NaN", "inf", "-1", "+1", "1e3", "1.001", "10000000000.01", "", "1,000", "١٢", "0x1"])
def test_anything_else_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"amount|decimals|limit"):
        parse_money(text)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "零元整"),
        ("0.05", "伍分"),
        ("0.50", "伍角整"),
        ("10.50", "壹拾元伍角整"),
        ("325.04", "叁佰贰拾伍元零肆分"),
        ("1010", "壹仟零壹拾元整"),
        ("1680.32", "壹仟陆佰捌拾元叁角贰分"),
        ("6007.14", "陆仟零柒元壹角肆分"),
        ("16409.02", "壹万陆仟肆佰零玖元零贰分"),
        ("107000.53", "壹拾万柒仟元伍角叁分"),
        ("100010.05", "壹拾万零壹拾元零伍分"),
        ("1000000.00", "壹佰万元整"),
        ("10010000", "壹仟零壹万元整"),
        ("100000001", "壹亿零壹元整"),
        ("20000000300.07", "贰佰亿零叁佰元零柒分"),
        ("123456789012.34", "壹仟贰佰叁拾肆亿伍仟陆佰柒拾捌万玖仟零壹拾贰元叁角肆分"),
    ],
)
def test_capital_numerals(amount: str, words: str) -> None:
    assert to_capital_chinese(Decimal(amount)) == words


@pytest.mark.parametrize("amount", ["-1", "0.001", "1000000000000", "NaN"])
def test_amounts_without_capital_numerals_are_refused(amount: str) -> None:
    with pytest.raises(ValueError, match="capital numerals"):
        to_capital_chinese(Decimal(amount))
