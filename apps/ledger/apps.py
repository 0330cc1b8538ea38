from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class LedgerConfig(AppConfig):
    name = "apps.ledger"
    verbose_name = pgettext_lazy("app", "Ledger")

    def ready(self) -> None:
        from apps.common import approvals
        from apps.organisations import business_day

        for name, module in (("rules", "rules"), ("entry", "by_hand"), ("reversal", "by_hand")):
            approvals.register(
                approvals.Kind(
                    name=f"ledger.{name}",
                    propose_permission="ledger.adjust",
                    check_permission="approvals.check",
                    preview=f"apps.ledger.services.{module}.preview_{name}",
                    execute=f"apps.ledger.services.{module}.execute_{name}",
                    give_back="apps.ledger.services.rules.give_back_rules" if name == "rules" else "",
                )
            )
        business_day.register(business_day.Step(name="totals", phase="close", order=60, run="apps.ledger.eod.totals"))
