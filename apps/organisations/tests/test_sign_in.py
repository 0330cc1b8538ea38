"""Sign-in with two factors, lock-out, and the end of sessions."""

from __future__ import annotations

import time

import pytest
from django.contrib.auth import get_user
from django.test import RequestFactory
from django.urls import reverse

from apps.organisations.domain import totp
from apps.organisations.forms import DealerLoginForm, SecondFactorLoginForm, StaffLoginForm
from apps.organisations.tests.factories import UserFactory
from apps.organisations.tests.support import KEY_HEX, code_now, sign_in

PASSWORD = "correct horse battery"


@pytest.fixture
def person(db):
    from django_otp.plugins.otp_totp.models import TOTPDevice

    user = UserFactory(username="reviewer", roles=["entity_admin"])
    TOTPDevice.objects.create(user=user, name="totp", key=KEY_HEX, confirmed=True)
    return user


def attempt(form_class=SecondFactorLoginForm, *, username="reviewer", password=PASSWORD, code=None):
    request = RequestFactory().post("/login/")
    form = form_class(request, data={"username": username, "password": password, "otp_token": code or code_now()})
    return form, form.is_valid()


def test_the_codes_are_those_of_the_standard():
    """RFC 6238, appendix B."""
    for at, code in [(59, "94287082"), (1111111109, "07081804"), (1234567890, "89005924"), (20000000000, "65353130")]:
        assert totp(KEY_HEX, at, digits=8) == code


class TestForm:
    def test_both_factors_sign_in(self, person):
        form, valid = attempt(StaffLoginForm)
        assert valid, form.errors
        assert form.get_user() == person
        assert form.get_user().otp_device.user_id == person.id

    @pytest.mark.parametrize("wrong", [{"password": "wrong password"}, {"code": "000000"}, {"username": "nobody"}])
    def test_any_wrong_part_gets_the_same_answer(self, person, wrong):
        form, valid = attempt(**wrong)
        assert not valid
        assert form.non_field_errors().as_data()[0].code == "invalid_login"

    @pytest.mark.parametrize("code", ["", "12345", "1234567"])
    def test_a_code_of_another_length_is_refused(self, person, code):
        request = RequestFactory().post("/login/")
        form = SecondFactorLoginForm(request, data={"username": "reviewer", "password": PASSWORD, "otp_token": code})
        assert not form.is_valid()

    def test_a_code_signs_in_once(self, person):
        code = code_now()
        assert attempt(code=code)[1]
        assert not attempt(code=code)[1]

    def test_without_a_second_factor_nobody_signs_in(self, db):
        UserFactory(username="reviewer")
        assert not attempt()[1]

    def test_staff_do_not_sign_in_to_the_portal(self, person):
        assert not attempt(DealerLoginForm)[1]

    def test_somebody_deactivated_does_not_sign_in(self, person):
        person.is_active = False
        person.save()
        assert not attempt()[1]


@pytest.mark.django_db
class TestLockOut:
    @pytest.fixture(autouse=True)
    def _axes(self, settings):
        settings.AXES_ENABLED = True

    def post(self, client, password=PASSWORD, code=None):
        return client.post(
            reverse("admin:login"), {"username": "reviewer", "password": password, "otp_token": code or code_now(), "next": "/"}
        )

    def test_five_wrong_passwords_lock_out_even_with_the_right_one(self, client, person, settings):
        for _ in range(settings.AXES_FAILURE_LIMIT):
            answer = self.post(client, password="wrong password")
        assert answer.status_code == 429
        assert self.post(client).status_code == 429
        assert not get_user(client).is_authenticated

    def test_five_wrong_codes_lock_out(self, client, person, settings):
        for _ in range(settings.AXES_FAILURE_LIMIT):
            answer = self.post(client, code="000000")
        assert answer.status_code == 429
        assert self.post(client).status_code == 429

    def test_the_right_factors_sign_in_to_the_back_office(self, client, person):
        assert self.post(client).status_code == 302
        user = get_user(client)
        assert user == person
        assert client.get(reverse("admin:index")).status_code == 200


@pytest.mark.django_db
class TestSession:
    def test_the_back_office_asks_for_the_second_factor(self, client, person):
        client.force_login(person, backend="apps.organisations.auth.RoleBackend")
        assert client.get(reverse("admin:index")).status_code == 302
        sign_in(client, person)
        assert client.get(reverse("admin:index")).status_code == 200

    @pytest.mark.parametrize(("began", "seen", "stays"), [(0, 0, True), (0, 1700, True), (0, 1900, False), (8 * 3600 + 60, 5, False)])
    def test_a_session_ends_when_idle_or_old(self, client, person, began, seen, stays):
        sign_in(client, person)
        session = client.session
        now = int(time.time())
        session["session_began_at"], session["session_seen_at"] = now - max(began, seen), now - seen
        session.save()
        assert client.get(reverse("admin:index")).status_code == (200 if stays else 302)

    def test_every_page_of_these_contexts_opens_and_is_scoped(self, client, person):
        sign_in(client, person)
        stranger = UserFactory(username="stranger-of-another-lender")
        for name in ("legalentity", "branch", "user", "parameter", "businessday", "steprun"):
            answer = client.get(reverse(f"admin:organisations_{name}_changelist"))
            assert answer.status_code == 200
            assert stranger.username not in answer.content.decode()
        assert client.get(reverse("admin:organisations_user_change", args=[stranger.id])).status_code == 302

    def test_second_factor_keys_have_no_page(self):
        from django.contrib import admin
        from django_otp.plugins.otp_totp.models import TOTPDevice

        assert not admin.site.is_registered(TOTPDevice)
