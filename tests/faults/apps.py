"""Small portfolios cut as if they were large: many parts, so that many moments lie between them."""

from django.apps import AppConfig

LOANS_PER_PART = 8


class SmallPartsConfig(AppConfig):
    name = "tests.faults"

    def ready(self) -> None:
        from apps.loans import eod
        from apps.loans.selectors import due
        from apps.loans.services import aging, sums

        for module, constant in ((eod, "LOANS_PER_RANGE"), (sums, "REPLAYS_PER_PART"), (aging, "LOANS_PER_PART"), (due, "LOANS_PER_PART")):
            assert hasattr(module, constant)
            setattr(module, constant, LOANS_PER_PART)
