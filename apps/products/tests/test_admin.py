from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.organisations.tests.factories import UserFactory
from apps.products.models import ProductVersion, VehicleModel
from apps.products.tests.factories import VehicleModelFactory, shipped_products

pytestmark = pytest.mark.django_db
HEADS = "brand,series,model_year,trim,guide_price,power\n"


def client_of(role: str) -> Client:
    user = UserFactory(roles=[role])
    device = TOTPDevice.objects.create(user=user, name="totp")
    client = Client()
    client.force_login(user, backend="apps.organisations.auth.RoleBackend")
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    session.save()
    client.user = user
    return client


def upload(client: Client, text: str):
    file = SimpleUploadedFile("vehicles.csv", (HEADS + text).encode(), content_type="text/csv")
    return client.post(reverse("admin:products_vehiclemodel_import"), {"import_file": file, "format": "0", "resource": ""})


def test_a_file_is_previewed_and_then_imported():
    client = client_of("entity_admin")
    page = upload(client, "远岚,E5,2026,长续航版,152800,nev\n")
    assert page.status_code == 200
    body = page.content.decode()
    assert "长续航版" in body
    assert not VehicleModel.objects.exists()
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', body))
    done = client.post(reverse("admin:products_vehiclemodel_process_import"), hidden)
    assert done.status_code == 302
    assert VehicleModel.objects.get().series.brand.name == "远岚"


def test_a_wrong_row_is_shown_and_nothing_is_imported():
    page = upload(client_of("entity_admin"), "远岚,E5,2026,长续航版,152800,nev\n远岚,E6,2026,标准版,abc,nev\n")
    assert page.status_code == 200
    assert 'name="confirm"' not in page.content.decode()
    assert not VehicleModel.objects.exists()


def test_only_who_edits_products_may_import():
    client = client_of("auditor")
    VehicleModelFactory()
    assert client.get(reverse("admin:products_vehiclemodel_changelist")).status_code == 200
    assert upload(client, "").status_code == 403


def test_versions_are_withdrawn_by_an_action_within_ones_own_lender():
    client = client_of("entity_admin")
    own, other = shipped_products(client.user.legal_entity), shipped_products(UserFactory().legal_entity)
    address = reverse("admin:products_productversion_changelist")
    page = client.get(address).content.decode()
    assert str(own["cash"].id) in page
    assert str(other["cash"].id) not in page
    chosen = [own["cash"].id, other["cash"].id]
    client.post(address, {"action": "withdraw", "_selected_action": [str(pk) for pk in chosen]})
    assert ProductVersion.objects.get(id=own["cash"].id).state == "withdrawn"
    assert ProductVersion.objects.get(id=other["cash"].id).state == "on_sale"
    assert client.get(reverse("admin:products_productversion_change", args=[own["cash"].id])).status_code == 200
