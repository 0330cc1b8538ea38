"""What risk needs of outsiders: the credit bureau 征信, in the words of its second-generation personal report."""

from __future__ import annotations

import datetime as dt
from typing import Literal, NotRequired, Protocol, TypedDict
from uuid import UUID

ReasonCode = Literal["01", "02", "03", "08", "20", "21", "22", "26"]
LOAN_APPROVAL: ReasonCode = "02"


class Person(TypedDict):
    """The person reported on (BQ01, BD01, BI01 and the identity unit PB01 to PB04)."""

    name: str
    id_type: str
    id_number: str
    education: NotRequired[str]  # 10, 20, 30, 40, 60, 91
    marital: NotRequired[str]  # 10, 20, 30, 40, 91, 99
    residence: NotRequired[str]  # 1 to 9, 11, 12


class ReportAccount(TypedDict):
    """One credit account (PD01). Amounts are whole 分 (integers)."""

    type: str  # account type: D1, R1, R2, R3, R4, C1
    status: str  # account status, as text: "1" normal, "2" overdue, "3" settled (D1) …
    five_class: str  # "1" normal to "5" loss, "6" default, "9" unclassified
    amount: int  # loan amount or credit limit
    balance: int
    overdue_amount: int
    history_24: str  # oldest month first, one sign a month: N 1-7 M * # / A C B D Z G; up to 24 signs
    opened_on: str  # ISO date
    business: str  # 11 housing, 21 car, 81 credit card, 91 other consumption …
    org_type: NotRequired[str]  # 11 commercial bank, 23 car finance, 24 consumer finance, 51 micro-loan …
    monthly_payment: NotRequired[int]


class Queries(TypedDict):
    """Query summary (PC05) of the last month: numbers of queries by reason, and of organisations that asked for a loan or a card."""

    loan_1m: int
    card_1m: int
    self_1m: int
    orgs_1m: int


class PublicRecord(TypedDict):
    """One public record (PF01 to PF08): tax arrears, civil judgment, enforcement, administrative penalty."""

    kind: Literal["tax", "judgment", "enforcement", "penalty"]
    amount: int  # whole 分
    date: str  # ISO date


class BureauReport(TypedDict):
    """A second-generation personal report.

    `no_record` says that the bureau answered and knows of no credit (a thin file); it is an answer, not a failure: `accounts`,
    `queries` and `public` are then present and empty (zero). A report without one of these keys is incomplete and is never approved.
    """

    report_no: str
    query_time: str  # ISO 8601 with offset
    person: Person
    accounts: list[ReportAccount]
    queries: Queries
    public: list[PublicRecord]
    no_record: bool
    alert: NotRequired[bool]  # PA01D: an anti-fraud warning stands in the report's header


class Bureau(Protocol):
    """Port `bureau`."""

    def query(
        self, *, query_id: UUID, name: str, id_number: str, reason_code: ReasonCode, authorisation_no: str, queried_at: dt.datetime
    ) -> BureauReport:
        """The person's report as of `queried_at`. `query_id` is ours and makes a repetition harmless: the same gets the same report.

        `authorisation_no` is the number of the person's written consent to the query, without which a bureau does not answer.
        Raises `GatewayUnavailable`, `GatewayRefused` (the bureau says no, with its code), `GatewayUnknown`.
        """
        ...
