"""One car loan from the shop floor to the settlement certificate, told by the people who live it.

`make demo` and `tests/journeys/test_car_loan.py` tell the same story: over HTTP, with real processes, on the project's own clock.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from apps.integrations.sandbox.client import SandboxClient
from apps.integrations.sandbox.personas import card_number_for, id_number_for
from carloan.stack import Stack
from tests.journeys.people import Browser, JourneyError, Operations, Phone, until

PRICE, DOWN_PAYMENT, TERM = Decimal(152800), Decimal(32800), 36
PREPAID_AT, LATE_AT, SETTLED_AT = 15, 5, 28  # instalments
LATE_DAYS = 3
PREPAYMENT = Decimal("20000.00")
PAPERS = (
    "handover_note",
    "purchase_invoice",
    "insurance_policy",
    "purchase_tax_invoice",
    "registration_certificate",
    "mortgage_registration",
)


def photo(text: str) -> bytes:
    """A picture such as a phone takes of a paper."""
    picture = Image.new("RGB", (900, 1200), "white")
    ImageDraw.Draw(picture).text((80, 80), text, fill="black")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@dataclass
class Step:
    """A line of the timeline; `seconds` is what the machine took."""

    name: str
    actor: str
    state: str = ""
    seconds: float = 0.0
    at: str = ""
    amount: str = ""


@dataclass
class Person:
    """A customer of the story."""

    name: str
    id_number: str
    phone: Phone
    card: str
    application_id: str = ""


@dataclass
class CarLoanStory:
    """The story over a running stack. `tell` prints each step as it happens."""

    stack: Stack
    folder: Path
    tell: Callable[[Step], None] = lambda step: None
    steps: list[Step] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from django.conf import settings

        self.sandbox = SandboxClient(self.stack.sandbox_url, settings.SANDBOX_SECRET)
        self.operations = Operations(self.stack.environment())
        self.now = dt.datetime.now(dt.UTC)

    # -- the frame -------------------------------------------------------------------------------

    @contextmanager
    def step(self, name: str, actor: str) -> Iterator[Step]:
        """Measure and tell one step."""
        step = Step(name, actor)
        started = time.monotonic()
        yield step
        step.seconds = round(time.monotonic() - started, 3)
        step.at = self.operations.run("clock")["now"]
        self.steps.append(step)
        self.tell(step)

    def run(self) -> dict[str, Any]:
        """Tell everything; returns the report."""
        try:
            self.begin()
            self.other_customers()
            self.origination()
            self.life_of_the_loan()
            self.settlement()
            self.audit()
        finally:
            self.operations.close()
        return self.report()

    def report(self) -> dict[str, Any]:
        """What `.local/demo/report.json` holds."""
        machine = sum(step.seconds for step in self.steps if step.name in self.facts["machine_steps"])
        return {
            "ok": bool(self.facts["audit"]["ok"]),
            "steps": [asdict(step) for step in self.steps],
            "machine_seconds_apply_to_voucher": round(machine, 3),
            "artefacts": self.facts["artefacts"],
            "loan": self.facts["loan"],
            "books": {"balanced": bool(self.facts["audit"]["ok"]), "entries": self.facts["audit"]["entries"]},
        }

    def keep(self, name: str, content: bytes) -> str:
        """Write an artefact beside the report; returns its path."""
        path = self.folder / name
        path.write_bytes(content)
        self.facts.setdefault("artefacts", {})[Path(name).stem] = str(path)
        return str(path)

    # -- 1: the lender ------------------------------------------------------------------------------

    def begin(self) -> None:
        with self.step("lender, staff, dealer, catalogue, products and funder set up", "operations") as step:
            logins = self.operations.run("demo_data")
            self.logins = {login["username"]: login for login in logins}
            step.state = f"{len(logins)} log-ins"
        self.consultant = self.browser("consultant", "/login/")
        self.reviewer = self.browser("reviewer", "/backoffice/login/")
        self.payer = self.browser("payer", "/backoffice/login/")

    def browser(self, username: str, path: str) -> Browser:
        login = self.logins[username]
        return Browser(self.stack.web_url, path, username, login["password"], login["totp_key"])

    # -- 2: customers --------------------------------------------------------------------------------

    def register(self, name: str, persona: str, serial: int) -> Person:
        """Phone, code, consents, ID authenticity, liveness, card, work, contacts."""
        phone = Phone(self.stack.web_url, self.sandbox, f"1380000{1000 + serial}")
        person = Person(name, id_number_for(persona, serial=serial), phone, card_number_for(1000 + serial))
        with self.step(f"{name}: registers by phone and code, gives consents", "customer") as step:
            phone.sign_in()
            for text in phone.get("/consents/texts"):
                phone.post("/me/consents", {"kind": text["kind"], "version": text["version"]})
            step.state = phone.get("/me")["state"]
        with self.step(f"{name}: ID card, liveness (answered by callback), bank card", "customer") as step:
            phone.post("/me/identity-checks", {"kind": "id_authenticity", "name": name, "id_number": person.id_number})
            self.wait_for_check(phone, "id_authenticity")
            phone.post("/me/identity-checks", {"kind": "liveness", "video_ref": "video-1"})
            self.wait_for_check(phone, "liveness")
            phone.post("/me/cards", {"card_number": person.card, "phone": phone.number, "debit_agreed": True})
            self.wait_for_check(phone, "bank_card")
            step.state = until("the customer to be verified", lambda: phone.get("/me")["state"] == "verified" and "verified")
        with self.step(f"{name}: work, income and two contacts", "customer") as step:
            profile = {"employer": "广州某机械厂", "monthly_income": "19800.00", "employed_since": "2021-03-01", "position": "工艺员"}
            phone.put(
                "/me/profile",
                profile
                | {"education": self.choice("education"), "marital_status": self.choice("marital"), "housing": self.choice("housing")},
            )
            for relation, digit in (("parent", 1), ("colleague", 2)):
                phone.post("/me/contacts", {"name": "何平", "phone": f"1370001{serial:02}0{digit}", "relation": relation})
            step.state = phone.get("/me")["state"]
        return person

    def choice(self, kind: str) -> str:
        return {"education": "bachelor", "marital": "married", "housing": "mortgaged"}[kind]

    def wait_for_check(self, phone: Phone, kind: str) -> None:
        def state() -> str:
            checks = phone.get("/me/identity-checks")
            found = [check for check in checks if check["kind"] == kind]
            return found[0]["state"] if found and found[0]["state"] != "pending" else ""

        if (answer := until(f"the {kind} check", state)) != "passed":
            raise JourneyError(f"The {kind} check ended as {answer}.")

    def other_customers(self) -> None:
        """One whom the machine declines, and one whom a person looks at."""
        fraud = self.register("吴一凡", "fraud", 7)
        with self.step("吴一凡: applied for; declined by machine", "consultant") as step:
            self.apply_for(fraud)
            step.state = self.wait_for_order(fraud, "declined")
        thin = self.register("郑小北", "thin", 5)
        with self.step("郑小北: applied for; thin file, passed to a reviewer", "consultant") as step:
            self.apply_for(thin)
            step.state = self.wait_for_order(thin, "manual_review")
        with self.step("郑小北: reviewed and approved in the back office", "reviewer") as step:
            self.review(thin, outcome="approve", reason="收入与流水一致，可接受", amount="60000.00")
            step.state = self.wait_for_order(thin, "offered")
        thin.phone.post(f"/me/applications/{thin.application_id}/withdraw", {"reason": "改买别的车"})

    # -- 3 to 7: from the order to the voucher ------------------------------------------------------------

    def apply_for(self, person: Person) -> None:
        """The consultant enters the order in the portal."""
        page = self.consultant.open("/vehicles/search/?q=红旗 H5")
        vehicle = re.search(r'data-vehicle="([0-9a-f-]{36})"', page.text)
        if not vehicle:
            raise JourneyError("The vehicle catalogue has no 红旗 H5.")
        answer = self.consultant.submit(
            "/orders/new/",
            {
                "id_number": person.id_number,
                "vehicle": vehicle.group(1),
                "price": str(PRICE),
                "lease_type": "leaseback",
                "down_payment": str(DOWN_PAYMENT),
                "term": str(TERM),
            },
            files={"authorisation": ("授权书.png", photo("authorisation"), "image/png")},
        )
        found = re.search(r"/orders/([0-9a-f-]{36})/$", answer.url.path)
        if not found:
            raise JourneyError(f"The order was not taken: {self.consultant.complaints(answer)}")
        person.application_id = found.group(1)

    def order_state(self, person: Person) -> str:
        page = self.consultant.open(f"/orders/{person.application_id}/live/?v=none")
        found = re.search(r'id="state" data-state="(\w+)"', page.text)
        return found.group(1) if found else ""

    def wait_for_order(self, person: Person, *states: str) -> str:
        """The order page, followed as the consultant's open page follows it, until one of the states shows."""
        try:
            return until(f"the order to be {' or '.join(states)}", lambda: (state := self.order_state(person)) in states and state)
        except JourneyError as error:
            raise JourneyError(f"{error} It is {self.order_state(person)}.") from None

    def review(self, person: Person, *, outcome: str, reason: str, amount: str) -> None:
        path = f"/backoffice/review/{person.application_id}/"
        page = self.reviewer.open(path)
        claim = re.search(r'action="(/backoffice/workbench/[0-9a-f-]{36}/claim/)"', page.text)
        if claim:
            self.reviewer.submit(claim.group(1), {}, form_at=path)
        self.reviewer.submit(f"{path}decide/", {"outcome": outcome, "reason": reason, "approved_amount": amount}, form_at=path)

    def origination(self) -> None:
        person = self.person = self.register("张明", "good", 3)
        phone = person.phone
        with self.step("张明: order entered in the portal and submitted", "consultant") as applied:
            self.apply_for(person)
            applied.state, applied.amount = "submitted", str(PRICE - DOWN_PAYMENT)
        with self.step("anti-fraud, bureau, scorecard, grade, limit and rate", "machine") as decided:
            decided.state = self.wait_for_order(person, "offered")
        with self.step("plans with full cost read; the customer takes one", "customer") as accepted:
            offers = phone.get(f"/me/applications/{person.application_id}/offers")
            if len(offers) < 3:
                raise JourneyError(f"Only {len(offers)} plans were offered.")
            best = next(offer for offer in offers if offer["installments"] == TERM)
            phone.post(f"/me/applications/{person.application_id}/accept", {"offer_id": best["id"]}, money=True)
            accepted.state, accepted.amount = self.order_state(person), best["installment"]
        with self.step("contract and full cost table made", "consultant") as made:
            self.consultant.submit(f"/orders/{person.application_id}/contract/", {}, form_at=f"/orders/{person.application_id}/")
            contract = until("the contract to wait for the signature", lambda: self.contract(person, "signing"))
            made.state = contract["state"]
        self.read_and_prove_alive(person, contract)
        with self.step("signed by customer and company, with time stamp", "customer") as signed:
            word = {
                "seconds_read": contract["reading_seconds"] + 20,
                "cost_table_version": contract["cost_table"]["version"],
                "cost_table_sha256": contract["cost_table_sha256"],
            }
            phone.post(f"/me/contracts/{contract['id']}/sign", word, money=True)
            until("the signatures", lambda: self.contract(person, "signed", "archived"))
            signed.state = self.wait_for_order(person, "disbursement_review")
        with self.step("contract fetched; pdfsig and the public page check it", "customer") as checked:
            self.check_contract(phone.download(f"/me/contracts/{contract['id']}/file"))
            checked.state = "genuine"
        with self.step("last check before payment", "disbursement reviewer") as approved:
            path = f"/backoffice/disbursement/{self.disbursement_of(person)}/"
            self.payer.submit(f"{path}decide/", {"outcome": "approve", "reason": "核对一致"}, form_at=path)
            approved.state = self.wait_for_order(person, "approved", "vouchered")
        with self.step("payment voucher with QR in the portal", "machine") as vouchered:
            vouchered.state = self.wait_for_order(person, "vouchered")
            until("the sealed voucher", lambda: "voucher.pdf" in self.consultant.open(f"/orders/{person.application_id}/").text)
            self.keep("voucher.pdf", self.consultant.download(f"/orders/{person.application_id}/voucher.pdf"))
            vouchered.amount = str(PRICE - DOWN_PAYMENT)
        self.facts["machine_steps"] = {step.name for step in (applied, decided, accepted, made, signed, approved, vouchered)}
        self.deliver(person)

    def contract(self, person: Person, *states: str) -> Any:
        found = [
            item
            for item in person.phone.get("/me/contracts")
            if item["application_id"] == person.application_id and item["state"] in states
        ]
        return person.phone.get(f"/me/contracts/{found[0]['id']}") if found else None

    def read_and_prove_alive(self, person: Person, contract: dict[str, Any]) -> None:
        with self.step("contract and cost table read; liveness before signing", "customer") as step:
            self.move_clock(seconds=contract["reading_seconds"] + 30)
            check = person.phone.post("/me/liveness", {"purpose": "signing", "video_ref": "video-2"})
            until(
                "the liveness check",
                lambda: any(c["id"] == check["id"] and c["state"] == "passed" for c in person.phone.get("/me/identity-checks")),
            )
            step.state = "passed"

    def disbursement_of(self, person: Person) -> str:
        def find() -> str:
            page = self.payer.open("/backoffice/workbench/")
            found = re.search(r'href="/backoffice/disbursement/([0-9a-f-]{36})/"', page.text)
            return found.group(1) if found else ""

        return until("the payment in the reviewer's queue", find)

    def check_contract(self, content: bytes) -> None:
        """`pdfsig` calls it valid, and the public page sees one changed byte."""
        path = self.keep("contract.pdf", content)
        opinion = subprocess.run(["pdfsig", "-nocert", path], capture_output=True, text=True, check=False).stdout
        if opinion.count("Signature is Valid") < 2 or "invalid" in opinion.lower():
            raise JourneyError(f"pdfsig does not call the contract valid: {opinion}")
        changed = bytearray(content)
        changed[len(changed) // 2] ^= 1
        for file, verdict in ((content, "true"), (bytes(changed), "false")):
            page = self.consultant.submit("/verify/", {}, files={"file": ("contract.pdf", file, "application/pdf")})
            if f'id="verdict" data-valid="{verdict}"' not in page.text:
                raise JourneyError(f"The verification page does not say {verdict}.")

    def deliver(self, person: Person) -> None:
        with self.step("transfer through the bank; loan opened and booked", "machine") as step:
            loan = until("the loan", lambda: next(iter(person.phone.get("/me/loans")["results"]), None))
            self.loan_id = loan["id"]
            step.state, step.amount = loan["state"], loan["principal"]
        with self.step("car picked up with the voucher; papers uploaded", "consultant") as step:
            path = f"/orders/{person.application_id}/"
            self.consultant.submit(f"{path}pickup/", {}, form_at=path)
            self.wait_for_order(person, "delivered")
            for kind in PAPERS:
                self.consultant.submit(f"{path}papers/{kind}/", {}, files={"file": (f"{kind}.png", photo(kind), "image/png")}, form_at=path)
            step.state = self.wait_for_order(person, "completed")

    # -- 8: the loan lives ------------------------------------------------------------------------------------

    def move_clock(self, *, seconds: int = 0, to: dt.datetime | None = None) -> None:
        moment = to or dt.datetime.fromisoformat(self.operations.run("clock")["now"]) + dt.timedelta(seconds=seconds)
        self.operations.run("clock", "--to", moment.isoformat())

    def live_until(self, day: dt.date) -> None:
        """Morning of `day`: the days before it are closed, in order."""
        moment = dt.datetime.combine(day, dt.time(9, 30), tzinfo=dt.timezone(dt.timedelta(hours=8)))
        if moment > dt.datetime.fromisoformat(self.operations.run("clock")["now"]):
            self.move_clock(to=moment)
        self.operations.run("eod", "--to", (day - dt.timedelta(days=1)).isoformat())

    def loan(self) -> Any:
        return self.person.phone.get(f"/me/loans/{self.loan_id}")

    def row(self, number: int) -> Any:
        return next(row for row in self.loan()["schedule"] if row["no"] == number)

    def sign_in_again(self) -> None:
        """The app's session ends with its tokens; the clock of the story does not touch them, its length in real time may."""
        if self.person.phone.client.get("/me").status_code == 401:
            self.person.phone.sign_in()

    def life_of_the_loan(self) -> None:
        for number in range(1, SETTLED_AT):
            self.sign_in_again()
            row = self.row(number)
            due = dt.date.fromisoformat(row["due_date"])
            late = number == LATE_AT
            if late:
                self.sandbox.add_fault("bank", "debit", "insufficient_funds", times=LATE_DAYS)
            with self.step(f"instalment {number}: " + ("debit refused" if late else "debited"), "bank") as step:
                self.live_until(due)
                if late:
                    self.wait_for_the_bank()
                else:
                    until(f"instalment {number} to be paid", lambda n=number: self.row(n)["status"] == "paid")
                step.state, step.amount = self.loan()["state"], row["total"]
            if late:
                self.pay_late(number, due)
            if number == PREPAID_AT:
                self.prepay(due)

    def wait_for_the_bank(self) -> None:
        """Until every debit that the morning ordered has its result."""
        until("the bank's answers", lambda: not [item for item in self.orders() if item["state"] in {"created", "processing", "unknown"}])

    def pay_late(self, number: int, due: dt.date) -> None:
        phone = self.person.phone
        with self.step("overdue: penalty runs, reminder by text message", "machine") as step:
            seen = len(phone.messages())
            for days in range(1, LATE_DAYS + 1):
                self.live_until(due + dt.timedelta(days=days))
                self.wait_for_the_bank()
            step.state = until("the loan to be overdue", lambda: self.loan()["state"] == "overdue" and "overdue")
            until(
                "the bank's answers", lambda: not [item for item in self.orders() if item["state"] in {"created", "processing", "unknown"}]
            )
            until("the reminder", lambda: any("逾期" in text for text in phone.messages()[seen:]))
            step.amount = self.loan()["due"]["total"]
        with self.step("paid late from the app, penalty included", "customer") as step:
            order = phone.post(f"/me/loans/{self.loan_id}/repayments", {"purpose": "due"}, money=True)
            until("the late payment", lambda: self.row(number)["status"] == "paid")
            if Decimal(self.row(number)["penalty"]) <= 0:
                raise JourneyError("No penalty was charged.")
            step.state, step.amount = self.loan()["state"], order["amount"]

    def prepay(self, due: dt.date) -> None:
        with self.step("part of the principal prepaid; smaller instalments", "customer") as step:
            before = self.row(PREPAID_AT + 2)["total"]
            self.live_until(due + dt.timedelta(days=10))
            body = {"purpose": "prepayment", "amount": str(PREPAYMENT), "mode": "reduce"}
            self.person.phone.post(f"/me/loans/{self.loan_id}/repayments", body, money=True)
            after = until("the smaller instalments", lambda: (total := self.row(PREPAID_AT + 2)["total"]) != before and total)
            if Decimal(after) >= Decimal(before):
                raise JourneyError(f"The instalment did not become smaller: {before} → {after}.")
            step.state, step.amount = f"{before} → {after}", str(PREPAYMENT)

    # -- settlement and the books ---------------------------------------------------------------------------------

    def settlement(self) -> None:
        phone = self.person.phone
        self.sign_in_again()
        with self.step("settled early in the third year", "customer") as step:
            self.live_until(dt.date.fromisoformat(self.row(SETTLED_AT - 1)["due_date"]) + dt.timedelta(days=12))
            order = phone.post(f"/me/loans/{self.loan_id}/repayments", {"purpose": "early_settlement"}, money=True)
            step.state = until("the loan to be settled", lambda: self.loan()["state"] == "settled" and "settled")
            step.amount = order["amount"]
        with self.step("settlement certificate issued, title release noted", "machine") as step:
            document = until("the certificate", self.certificate)
            self.keep("settlement.pdf", phone.download(f"/me/documents/{document['id']}/file"))
            step.state = document["number"]

    def certificate(self) -> Any:
        documents = self.person.phone.get("/me/documents")
        items = documents["results"] if isinstance(documents, dict) else documents
        return next((document for document in items if document["kind"] == "settlement_certificate"), None)

    def audit(self) -> None:
        with self.step("every day's bank statement matched against the books", "finance") as step:
            days = self.money_days()
            self.live_until(max(days) + dt.timedelta(days=1))
            matched = sum(row["matched"] for day in days for row in self.operations.run("reconcile", "--date", day.isoformat()))
            step.state = f"{matched} matched"
        with self.step("books audited", "auditor") as step:
            self.facts["audit"] = self.operations.run("audit_books", codes=(0, 1))
            failed = [check for check in self.facts["audit"]["checks"] if not check["ok"]]
            if failed:
                raise JourneyError(f"The books do not hold: {failed}")
            step.state = f"{self.facts['audit']['entries']} entries balanced"
        loan = self.loan()
        paid = sum((Decimal(item["amount"]) for item in self.payments()), Decimal(0))
        self.facts["loan"] = {"principal": loan["principal"], "paid_total": str(paid), "status": loan["state"]}

    def orders(self) -> list[Any]:
        found = self.person.phone.get(f"/me/loans/{self.loan_id}/repayments", page_size=100)
        return found["results"] if isinstance(found, dict) else found

    def payments(self) -> list[Any]:
        return [item for item in self.orders() if item["state"] == "succeeded"]

    def money_days(self) -> list[dt.date]:
        opened = dt.date.fromisoformat(self.loan()["opened_on"])
        return sorted({opened, *(dt.date.fromisoformat(item["business_date"]) for item in self.payments())})
