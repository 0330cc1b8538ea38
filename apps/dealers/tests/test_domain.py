from __future__ import annotations

import pytest

from apps.dealers import domain


@pytest.mark.parametrize("code", ["91350100M000100Y43", "91110000802100433B"])
def test_real_social_credit_codes_are_valid(code):
    assert domain.uscc_valid(code)


@pytest.mark.parametrize("code", ["", "91350100M000100Y44", "9135010OM000100Y43", "91350100M000100Y4", "91350100m000100y43"])
def test_other_codes_are_not(code):
    assert not domain.uscc_valid(code)


def test_an_account_number_is_kept_without_spaces():
    assert domain.parse_account_no(" 1001 2443-0912 3456 789 ") == "1001244309123456789"
    for text in ("1234567", "abc", ""):
        with pytest.raises(ValueError, match="account_no"):
            domain.parse_account_no(text)
