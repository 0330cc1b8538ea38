"""Deeds of risk."""

from apps.risk.services.deciding import make_decision, replay, request_decision, time_out_requests
from apps.risk.services.signals import add_list_entry, end_list_entry
from apps.risk.services.versions import (
    change_version,
    check_version,
    create_version,
    install_shipped_flows,
    publish_version,
    retire_version,
    start_gray,
    submit_version,
    take_back_version,
)

__all__ = [
    "add_list_entry",
    "change_version",
    "check_version",
    "create_version",
    "end_list_entry",
    "install_shipped_flows",
    "make_decision",
    "publish_version",
    "replay",
    "request_decision",
    "retire_version",
    "start_gray",
    "submit_version",
    "take_back_version",
    "time_out_requests",
]
