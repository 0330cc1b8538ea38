"""Deeds on legal entities, people, second factors, parameters and the first business day."""

from apps.organisations.services.access import CodeTaken, require_entity
from apps.organisations.services.entities import (
    BusinessDayOpen,
    ask_end_of_day,
    create_branch,
    create_legal_entity,
    hold_business_date,
    hold_business_days,
    open_business_day,
    wait_for_holders,
)
from apps.organisations.services.extras import MAX_EXTRA_FIELDS, ExtraFieldStands, define_extra_field, retire_extra_field
from apps.organisations.services.parameters import (
    BadParameter,
    install_parameters,
    propose_parameter,
    set_parameter,
    shipped_parameters,
)
from apps.organisations.services.people import (
    BadSecretKey,
    RoleNotForKind,
    ScopeNotForKind,
    TotpEnrolment,
    UserUnknown,
    WeakPassword,
    change_roles,
    create_user,
    deactivate_user,
    enrol_totp,
)

__all__ = [
    "ask_end_of_day",
    "MAX_EXTRA_FIELDS",
    "ExtraFieldStands",
    "define_extra_field",
    "retire_extra_field",
    "BadParameter",
    "BadSecretKey",
    "BusinessDayOpen",
    "CodeTaken",
    "RoleNotForKind",
    "ScopeNotForKind",
    "TotpEnrolment",
    "UserUnknown",
    "WeakPassword",
    "change_roles",
    "create_branch",
    "create_legal_entity",
    "create_user",
    "deactivate_user",
    "enrol_totp",
    "hold_business_date",
    "hold_business_days",
    "wait_for_holders",
    "install_parameters",
    "open_business_day",
    "propose_parameter",
    "require_entity",
    "set_parameter",
    "shipped_parameters",
]
