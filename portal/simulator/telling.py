"""How a story is told: rows of one company are added one by one, and at the end its accounts are balanced.

The story follows the calendar: what happened in a month depends on seed and month alone, so that tomorrow tells the same months
and one more day. Only what is still open (unpaid invoices, drafts, authorisations) is dated from today.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from portal.simulator import payables, rows
from portal.simulator.clock import moment_of, stamp
from portal.simulator.files import TYPES, Attachment
from portal.simulator.names import Row, dice, iban, money, uid
from portal.simulator.papers import Paper, Party, render
from portal.simulator.state import Organization

DAYS = 424  #: fourteen months, and never more
_SUBJECTS = {
    "transfer": "Transfer", "income": "Income", "card": "Card", "direct_debit": "DirectDebit", "qonto_fee": "BillingTransfer",
    "cheque": "Check", "swift_income": "SwiftIncome", "recall": "Recall", "pay_later": "PayLater",
    "financing_installment": "FinancingInstallment", "direct_debit_collection": "DirectDebitCollection",
}  # fmt: skip
_DETAILS = {"transfer", "income", "swift_income", "direct_debit", "direct_debit_collection"}


class Teller:
    """Collects the rows of one company."""

    def __init__(self, seed: int, today: date, key: str, company: Party, plan: str) -> None:
        self.seed, self.key, self.company = seed, key, company
        self.end = datetime(today.year, today.month, today.day, tzinfo=UTC)  #: nothing is as late as this
        self.start = self.end - timedelta(days=DAYS)
        self.today = today
        self.id = self.uid("organization")
        self.slug = f"{key}-{dice(seed, key, 'slug').randrange(1000, 9999)}"
        self.plan = plan
        self.attachments: dict[str, Attachment] = {}
        self.accounts: dict[str, Row] = {}
        self._closing: dict[str, int] = {}
        self.memberships: list[Row] = []
        self.tables: dict[str, dict[str, Row]] = {
            name: {}
            for name in (
                "supplier_invoices", "client_invoices", "credit_notes", "beneficiaries", "transactions",
                "transfers", "bulk_transfers", "requests",
            )
        }  # fmt: skip

    def uid(self, *key: object) -> str:
        """An id of this company."""
        return uid(self.seed, self.key, *key)

    def dice(self, *key: object) -> Any:
        """Chance of this company."""
        return dice(self.seed, self.key, *key)

    def months(self) -> Iterator[date]:
        """The first days of the months that are told."""
        month = self.start.date().replace(day=1)
        while month <= self.today:
            yield month
            month = (month + timedelta(days=32)).replace(day=1)

    def is_told(self, day: date) -> bool:
        """Whether the day belongs to the story; today does not, its hours may lie ahead."""
        return self.start.date() < day < self.today

    def moment(self, day: date, *key: object) -> datetime:
        """Some time between six and twenty o'clock."""
        seconds = self.dice("time", day, *key).randrange(6 * 3600, 20 * 3600)
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=seconds)

    def written(self, moment: datetime, *key: object) -> str:
        """A timestamp as invoices have it: mostly UTC, sometimes with an offset. Never as late as today."""
        moment = min(moment, self.end - timedelta(minutes=5))
        if self.dice("offset", *key).random() < 0.2:
            return moment.astimezone(timezone(timedelta(hours=2))).isoformat(timespec="seconds")
        return stamp(moment)

    # --- people and accounts ---

    def member(self, role: str, first: str, last: str, sca: str | None) -> None:
        """A user of the company."""
        name = last.lower().replace("ü", "ue").replace("ö", "oe").replace("ä", "ae")
        self.memberships.append(
            {
                "id": self.uid("member", role, first), "first_name": first, "last_name": last,
                "email": f"{first.lower()}.{name}@{self.company.email.partition('@')[2]}", "phone_number": "+4900000000000",
                "position": role, "status": "active", "role": role, "locale": "de", "team_id": self.uid("team"), "sca": sca,
            }
        )  # fmt: skip

    def account(self, key: str, name: str, closing_cents: int, *, main: bool = False, external: bool = False) -> str:
        """An account that will hold `closing_cents` at the end."""
        account_id = self.uid("account", key)
        self.accounts[account_id] = rows.account(
            account_id,
            self.id,
            {
                "name": name, "slug": f"{self.slug}-bank-account-{len(self.accounts) + 1}", "main": main,
                "iban": iban(self.seed, self.key, key), "bic": "TESTDE88XXX" if external else "QNTODEB2XXX",
                "is_external_account": external, "updated_at": stamp(self.end - timedelta(hours=2)),
            },
        )  # fmt: skip
        self._closing[account_id] = closing_cents
        return account_id

    def beneficiary(self, party: Party, number: int) -> None:
        """Somebody who is paid by transfer."""
        created = self.moment(self.start.date() + timedelta(days=3 + 17 * number), party.name)
        row_id = self.uid("beneficiary", party.name)
        self.tables["beneficiaries"][row_id] = {
            "id": row_id, "name": party.name, "email": party.email or None, "activity_tag": "SENTINEL-TAG", "iban": party.iban,
            "bic": "TESTDE88XXX" if number % 4 else None, "currency": "EUR",
            "status": "pending" if number == 2 else "validated", "trusted": number % 3 == 0,
            "created_at": stamp(created), "updated_at": stamp(created + timedelta(days=number % 5)),
        }  # fmt: skip

    # --- papers ---

    def file(self, paper: Paper, kind: str, created_at: str, *key: object, name: str = "") -> str:
        """Keep a paper as a file; its id."""
        attachment_id = self.uid("file", *key)
        ending = {"zugferd": "pdf", "xrechnung": "xml"}.get(kind, kind)
        file_name = f"{name or f'{paper.title}_{paper.number}'.replace(' ', '_').replace('/', '-')}.{ending}"
        self.attachments[attachment_id] = Attachment(
            attachment_id, self.id, file_name, TYPES[kind], created_at, lambda: render(paper, kind)
        )
        return attachment_id

    def supplier_invoice(self, key: str, paper: Paper, kind: str, created: datetime, given: Row) -> Row:
        """Add an invoice from a supplier with its file; what the paper says is read from it."""
        row_id, cents, currency = self.uid("supplier_invoice", key), paper.total_cents, paper.currency
        created_at = self.written(created, key, "created")
        original = self.file(paper, kind, created_at, key)
        shown = self.file(paper, "pdf", created_at, key, "view") if kind == "xrechnung" else original
        is_electronic = kind in {"zugferd", "xrechnung"}
        row = rows.supplier_invoice(
            row_id,
            self.id,
            created,
            {
                "file_name": self.attachments[original].file_name, "attachment_id": original, "display_attachment_id": shown,
                "source_type": "e_invoicing" if is_electronic else "email",
                "source": "e_invoicing" if is_electronic else "email_forward",
                "supplier_id": self.uid("supplier", paper.seller.name), "supplier_name": paper.seller.name,
                "issuer_name": paper.seller.name, "invoice_number": paper.number, "iban": paper.seller.iban or None,
                "vat_number": paper.seller.vat_number or None, "total_amount": money(cents, currency),
                "total_amount_excluding_taxes": money(paper.net_cents, currency),
                "total_tax_amount": money(paper.vat_cents, currency), "payable_amount": money(cents, currency),
                "taxes": [{"tax_rate": f"0.{paper.vat_percent:02d}", "tax_amount": money(paper.vat_cents, currency)}],
                "issue_date": str(paper.issued_on), "due_date": str(paper.due_on) if paper.due_on else None,
                "created_at": created_at, "analyzed_at": self.written(created + timedelta(seconds=25), key, "analyzed"),
                "updated_at": self.written(created + timedelta(minutes=2), key, "updated"),
                "is_einvoice": is_electronic, "e_invoice_type": kind if is_electronic else None,
                "initiator_id": self.memberships[0]["id"], "description": "SENTINEL-NOTE nur für uns", **given,
            },
        )  # fmt: skip
        self.tables["supplier_invoices"][row_id] = row
        return row

    # --- movements ---

    def movement(
        self, key: str, account_id: str, emitted: datetime, side: str, cents: int, label: str, operation: str,
        *, days: int = 0, reference: str | None = None, party_iban: str | None = None, status: str = "completed", **given: Any,
    ) -> Row | None:  # fmt: skip
        """Add a movement; None when it lies outside the story. One that settles only after the story is still pending."""
        settled: datetime | None = emitted + timedelta(days=days, seconds=18)
        if not self.start < emitted < self.end:
            return None
        if status != "completed" or (settled and settled >= self.end):
            settled, status = None, "pending" if status == "completed" else status
        row_id, chance = self.uid("transaction", key), self.dice("details", key)
        count = len(self.tables["transactions"]) + 1
        written = stamp(settled or emitted)
        row = rows.transaction(
            row_id,
            emitted,
            {
                "transaction_id": f"{self.slug}-transaction-{count}", "amount_cents": cents, "side": side, "label": label,
                "operation_type": operation, "subject_type": _SUBJECTS.get(operation, "Other"), "status": status,
                "bank_account_id": account_id, "reference": reference, "emitted_at": stamp(emitted), "created_at": stamp(emitted),
                "settled_at": stamp(settled) if settled else None, "updated_at": written,
                "is_external_transaction": self.accounts[account_id]["is_external_account"],
                "initiator_id": self.memberships[0]["id"] if side == "debit" else None,
                "category": "other_income" if side == "credit" else "SENTINEL-CATEGORY",
                "cashflow_category": {"name": "SENTINEL-CATEGORY Betrieb" if chance.random() < 0.5 else None},
                "cashflow_subcategory": {"name": "SENTINEL-CATEGORY Material" if side == "debit" else None},
                "card_last_digits": "4417" if operation == "card" else None, **given,
            },
        )  # fmt: skip
        if operation in _DETAILS and party_iban:
            row[operation] = {
                "counterparty_account_number": party_iban, "counterparty_account_number_format": "IBAN",
                "counterparty_bank_identifier": "TESTDE88XXX", "counterparty_bank_identifier_format": "BIC",
            }  # fmt: skip
        if chance.random() < 0.2:
            row["note"] = "SENTINEL-NOTE bitte nicht weitergeben"
        if chance.random() < 0.2:
            row["label_ids"] = [self.uid("label")]
            row["labels"] = [{"id": self.uid("label"), "name": "SENTINEL-TAG Baustelle"}]
        self.tables["transactions"][row_id] = row
        return row

    def _balance(self) -> None:
        """Running balances: the opening one is whatever leads to the closing one."""
        for account_id, account in self.accounts.items():
            booked = [
                row
                for row in self.tables["transactions"].values()
                if row["bank_account_id"] == account_id and row["status"] == "completed"
            ]
            booked.sort(key=lambda row: (moment_of(row["settled_at"]), row["id"]))
            changes = [row["amount_cents"] if row["side"] == "credit" else -row["amount_cents"] for row in booked]
            balance = self._closing[account_id] - sum(changes)
            for row, change in zip(booked, changes, strict=True):
                balance += change
                if not account["is_external_account"]:
                    row["settled_balance_cents"], row["settled_balance"] = balance, balance / 100
            waiting = sum(
                row["amount_cents"]
                for row in self.tables["transactions"].values()
                if row["bank_account_id"] == account_id and row["status"] == "pending" and row["side"] == "debit"
            )
            rows.set_balance(account, balance, balance - waiting)

    def organization(self, *, register: str, capital: int) -> Organization:
        """The finished company."""
        self._balance()
        for row in self.tables["supplier_invoices"].values():
            payables.describe(row)
        body = {
            "id": self.id, "name": self.company.name, "slug": self.slug, "legal_name": self.company.name, "locale": "de",
            "legal_share_capital": capital, "legal_country": "DE", "legal_registration_date": "2015-03-02",
            "legal_form": "GmbH" if capital else "EI",
            "legal_address": f"{self.company.street} {self.company.zip_code} {self.company.city}", "legal_sector": None,
            "contract_signed_at": "2021-02-03T09:15:00.000Z", "legal_number": register,
        }  # fmt: skip
        return Organization(self.id, self.slug, self.company.name, self.plan, body, self.memberships, self.accounts, self.tables)
