"""Deeds on the books: opening them, posting, closing a day, changing the rules, entries by hand, the end of a year."""

from apps.ledger.domain import Posting
from apps.ledger.services.by_hand import AccountControlled, AlreadyReversed, EntryDoesNotBalance, propose_entry, propose_reversal
from apps.ledger.services.days import close_day, hold_balance, hold_day
from apps.ledger.services.posting import AmountNotPostable, DayClosed, NoRule, ReferenceReused, post, post_few, post_many
from apps.ledger.services.rules import add_account, install_rules, open_books, propose_rules, rename_account, save_draft
from apps.ledger.services.year_end import YearRunning, transfer_result

__all__ = [
    "AccountControlled",
    "AlreadyReversed",
    "AmountNotPostable",
    "DayClosed",
    "EntryDoesNotBalance",
    "NoRule",
    "Posting",
    "ReferenceReused",
    "YearRunning",
    "add_account",
    "close_day",
    "hold_balance",
    "hold_day",
    "install_rules",
    "open_books",
    "post",
    "post_few",
    "post_many",
    "propose_entry",
    "propose_reversal",
    "propose_rules",
    "rename_account",
    "save_draft",
    "transfer_result",
]
