"""Questions about dealers, shops and consultants."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.errors import NotFound
from apps.dealers.domain import ConsultantBrief, DealerBrief, Payee, ShopBrief
from apps.dealers.models import Consultant, Dealer, Shop


class NoSuchDealer(NotFound):
    """There is no such dealer, or it is not this person's to see."""

    code = "no_such_dealer"
    title = _("There is no such dealer.")


class NoSuchShop(NotFound):
    """There is no such shop, or it is not this person's to see."""

    code = "no_such_shop"
    title = _("There is no such shop.")


class NoSuchConsultant(NotFound):
    """There is no such consultant, or it is not this person's to see."""

    code = "no_such_consultant"
    title = _("There is no such consultant.")


def dealer(dealer_id: UUID) -> DealerBrief:
    """A dealer. Raises `NoSuchDealer`."""
    row = Dealer.objects.filter(id=dealer_id).first()
    if row is None:
        raise NoSuchDealer
    return DealerBrief(
        id=row.id,
        legal_entity_id=row.legal_entity_id,
        code=row.code,
        name=row.name,
        scene=row.scene,
        state=row.state,
        agreement_no=row.agreement_no,
        agreement_id=row.agreement_id,
        signed_on=clock.local_date(row.signed_at) if row.signed_at else None,
    )


def shop(shop_id: UUID) -> ShopBrief:
    """A shop. Raises `NoSuchShop`."""
    return _shop(Shop.objects.select_related("dealer").filter(id=shop_id).first())


def shop_by_code(code: str, legal_entity_id: UUID) -> ShopBrief:
    """A lender's shop by its code; the first one where dealers share a code. Raises `NoSuchShop`."""
    rows = Shop.objects.select_related("dealer").filter(code=code, dealer__legal_entity_id=legal_entity_id)
    return _shop(rows.order_by("created_at").first())


def _shop(row: Shop | None) -> ShopBrief:
    if row is None:
        raise NoSuchShop
    return ShopBrief(
        id=row.id,
        dealer_id=row.dealer_id,
        dealer_name=row.dealer.name,
        legal_entity_id=row.dealer.legal_entity_id,
        code=row.code,
        name=row.name,
        city=row.city,
        address=row.address,
    )


def consultant(consultant_id: UUID) -> ConsultantBrief:
    """A consultant by id. Raises `NoSuchConsultant`."""
    return _consultant(Consultant.objects.select_related("shop__dealer", "user").filter(id=consultant_id).first())


def consultant_of(user_id: UUID) -> ConsultantBrief:
    """The consultant who signs in as this user. Raises `NoSuchConsultant`."""
    return _consultant(Consultant.objects.select_related("shop__dealer", "user").filter(user_id=user_id).first())


def _consultant(row: Consultant | None) -> ConsultantBrief:
    if row is None:
        raise NoSuchConsultant
    place, company = row.shop, row.shop.dealer
    return ConsultantBrief(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        masked_phone=row.masked_phone,
        is_manager=row.is_manager,
        shop_id=place.id,
        shop_name=place.name,
        dealer_id=company.id,
        dealer_name=company.name,
        legal_entity_id=company.legal_entity_id,
        may_apply=row.is_active and row.user.is_active and place.is_active and company.state == Dealer.State.ACTIVE,
    )


def consultants_of_shop(shop_id: UUID) -> QuerySet[Consultant]:
    """People of a shop, managers first."""
    return Consultant.objects.filter(shop_id=shop_id).select_related("user").order_by("-is_manager", "name")


def payee(shop_id: UUID) -> Payee:
    """Where a shop's money goes, account number in clear. Raises `NoSuchShop`."""
    row = Shop.objects.filter(id=shop_id).first()
    if row is None:
        raise NoSuchShop
    return Payee(
        shop_id=row.id,
        dealer_id=row.dealer_id,
        account_name=row.account_name,
        account_no=row.account_no,
        masked_account_no=row.masked_account_no,
        bank_name=row.bank_name,
        bank_code=row.bank_code,
    )
