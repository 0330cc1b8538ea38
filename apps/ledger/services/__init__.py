"""Deeds on the books: opening them, posting, closing a day, changing the rules."""

from apps.ledger.services.days import close_day, hold_day
from apps.ledger.services.posting import DayClosed, NoRule, ReferenceReused, post, post_many
from apps.ledger.services.rules import install_rules, open_books
from apps.ledger.services.year_end import YearRunning, transfer_result

__all__ = [
    "DayClosed",
    "NoRule",
    "ReferenceReused",
    "YearRunning",
    "close_day",
    "hold_day",
    "install_rules",
    "open_books",
    "post",
    "post_many",
    "transfer_result",
]
