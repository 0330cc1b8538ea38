import datetime as dt

import pytest

from apps.common.clock import BEIJING
from apps.messaging.domain import fill, is_quiet, places_of, send_time
from apps.messaging.selectors import shipped_templates

FROM, UNTIL = dt.time(22), dt.time(8)


def at(day: int, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(2026, 11, day, hour, minute, tzinfo=BEIJING)


@pytest.mark.parametrize(
    ("asked", "goes"),
    [
        (at(20, 8), at(20, 8)),
        (at(20, 21, 59), at(20, 21, 59)),
        (at(20, 22), at(21, 8)),
        (at(20, 23, 30), at(21, 8)),
        (at(21, 0), at(21, 8)),
        (at(21, 7, 59), at(21, 8)),
    ],
)
def test_a_message_of_the_night_waits_for_eight_o_clock(asked, goes):
    assert send_time(asked, quiet_from=FROM, quiet_until=UNTIL) == goes


def test_quiet_hours_may_lie_within_one_day():
    assert is_quiet(dt.time(13), quiet_from=dt.time(12), quiet_until=dt.time(14))
    assert not is_quiet(dt.time(14), quiet_from=dt.time(12), quiet_until=dt.time(14))


def test_a_missing_variable_is_named():
    with pytest.raises(KeyError, match="code"):
        fill("验证码 ${code}", {})


def test_a_template_reaches_no_attribute_of_its_variables():
    assert fill("${code} {code.__class__}", {"code": 1}) == "1 {code.__class__}"


def test_a_broken_place_is_refused():
    with pytest.raises(ValueError, match="place"):
        places_of("验证码 ${code")


def test_every_shipped_text_carries_the_lender_and_fits_into_five_hundred_signs():
    for template in shipped_templates().values():
        assert "lender" in places_of(template.text)
        assert len(template.text) <= 500
    assert shipped_templates()["login_code"].urgent


def test_the_catalogue_holds_every_message_of_the_path():
    assert set(shipped_templates()) >= {
        "login_code", "application_received", "offer_ready", "please_sign", "money_paid_out", "due_reminder", "overdue_reminder",
        "payment_received", "settled", "identity_result",
    }  # fmt: skip
