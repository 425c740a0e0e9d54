"""Whom the companies sell to: client invoices, what is paid of them, drafts and credit notes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

from portal.simulator import rows
from portal.simulator.clock import stamp
from portal.simulator.names import Row, iban, money
from portal.simulator.papers import Line, Paper, Party
from portal.simulator.telling import Teller


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer. A person has a first and a last name instead of a company's."""

    name: str
    street: str
    zip_code: str
    city: str
    is_person: bool = False

    def party(self) -> Party:
        """As it stands on paper."""
        return Party(self.name, self.street, self.zip_code, self.city)

    def shown(self, teller: Teller) -> Row:
        """The client object of an invoice."""
        first, _, last = self.name.rpartition(" ")
        return {
            "id": teller.uid("client", self.name), "type": "individual" if self.is_person else "company",
            "name": None if self.is_person else self.name, "first_name": first if self.is_person else None,
            "last_name": last if self.is_person else None, "email": None, "vat_number": None, "tax_identification_number": None,
            "address": self.street, "city": self.city, "zip_code": self.zip_code, "country_code": "DE", "locale": "de",
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trade:
    """What a company sells: text, lowest and highest net price in cents."""

    customers: tuple[Customer, ...]
    goods: tuple[tuple[str, int, int], ...]
    days: tuple[int, ...]
    prefix: str


def sell(teller: Teller, trade: Trade, account_id: str) -> None:
    """All client invoices of the story, what came in for them, and some drafts."""
    for month in teller.months():
        for number, day in enumerate(trade.days, 1):
            issued_on = month.replace(day=day)
            if teller.is_told(issued_on):
                _invoice(teller, trade, account_id, issued_on, f"{trade.prefix}-{issued_on:%Y%m}-{number:02d}")
    for number in range(3):
        _draft(teller, trade, number)


def sell_by_card(teller: Teller, trade: Trade, account_id: str, day: date, count: int) -> None:
    """Sales of one day, paid by card, and what the card reader's firm pays out for them: less its fee, naming nobody."""
    paid_out = 0
    for number in range(1, count + 1):
        _, paper, row = _issue(teller, trade, day, f"{trade.prefix}-{day:%Y%m%d}-{number:02d}")
        row.update(status="paid", paid_at=row["finalized_at"], amount_paid=money(paper.total_cents))
        paid_out += paper.total_cents - round(paper.total_cents * 0.0139)
    key = f"payout/{trade.prefix}/{day:%Y-%m-%d}"
    teller.movement(
        key, account_id, teller.moment(day + timedelta(days=2), key), "credit", paid_out, "SumUp Payments Ltd", "income",
        reference=f"SUMUP PAYOUT {teller.dice(key).randrange(10**5, 10**6)}", party_iban=iban(teller.seed, "SumUp"),
        attachment_required=False,
    )  # fmt: skip


def _paper(teller: Teller, trade: Trade, issued_on: date, number: str) -> tuple[Customer, Paper]:
    chance = teller.dice("sale", number)
    customer = chance.choice(trade.customers)
    goods = chance.sample(trade.goods, k=min(len(trade.goods), chance.randint(1, 3)))
    lines = tuple(Line(text, chance.choice((1, 1, 2)), chance.randrange(low, high, 50)) for text, low, high in goods)
    seller = replace(teller.company, iban=teller.accounts[next(iter(teller.accounts))]["iban"])
    return customer, Paper("Rechnung", number, seller, customer.party(), issued_on, issued_on + timedelta(days=14), lines)


def _given(teller: Teller, customer: Customer, paper: Paper) -> Row:
    account = teller.accounts[next(iter(teller.accounts))]
    return {
        "total_amount": money(paper.total_cents), "total_amount_cents": paper.total_cents, "vat_amount": money(paper.vat_cents),
        "vat_amount_cents": paper.vat_cents, "issue_date": str(paper.issued_on), "due_date": str(paper.due_on),
        "client": customer.shown(teller), "organization": {"id": teller.id, "legal_name": teller.company.name},
        "items": [rows.item(line.text, line.quantity, line.unit_cents, paper.vat_percent) for line in paper.lines],
        "payment_methods": [
            {"type": "transfer", "beneficiary_name": teller.company.name, "iban": account["iban"], "bic": account["bic"]}
        ],
    }  # fmt: skip


def _issue(teller: Teller, trade: Trade, issued_on: date, number: str) -> tuple[Customer, Paper, Row]:
    """Write one, not paid yet."""
    customer, paper = _paper(teller, trade, issued_on, number)
    created = teller.moment(issued_on, number)
    row_id = teller.uid("client_invoice", number)
    row = rows.client_invoice(
        row_id,
        teller.id,
        created,
        {
            **_given(teller, customer, paper), "number": number, "status": "unpaid",
            "attachment_id": teller.file(paper, "pdf", stamp(created), number, name=f"Rechnung_{number}"),
            "finalized_at": stamp(created + timedelta(minutes=2)), "amount_paid": money(0),
            "performance_start_date": str(issued_on - timedelta(days=9)),
            "performance_end_date": str(issued_on - timedelta(days=1)),
        },
    )  # fmt: skip
    teller.tables["client_invoices"][row_id] = row
    return customer, paper, row


def _invoice(teller: Teller, trade: Trade, account_id: str, issued_on: date, number: str) -> None:
    customer, paper, row = _issue(teller, trade, issued_on, number)
    chance = teller.dice("fate", number)
    if chance.random() < 0.07:
        _cancel(teller, customer, paper, row)
        return
    parts = (1,) if chance.random() < 0.85 else (2, 2)
    paid = 0
    for n, part in enumerate(parts):
        lag = chance.randint(5, 24) + 21 * n
        cents = paper.total_cents // part if n == 0 else paper.total_cents - paid
        text = chance.choice(
            (f"Rechnung {number}", f"RE {number.replace('-', ' ')}", number, f"{number} vom {issued_on:%d.%m.}", None)
        )
        came = teller.movement(
            f"{number}/{n}", account_id, teller.moment(issued_on + timedelta(days=lag), number, n), "credit", cents,
            customer.name, "income", reference=text, party_iban=iban(teller.seed, teller.key, customer.name),
            attachment_required=False,
        )  # fmt: skip
        if came is None or came["status"] != "completed":
            break
        paid += cents
        row["updated_at"] = came["settled_at"]
        row["paid_at"] = came["settled_at"] if paid == paper.total_cents else None
    row["amount_paid"] = money(paid)
    row["status"] = "paid" if paid == paper.total_cents else "unpaid"
    if row["paid_at"] is None and chance.random() < 0.5:
        row["paid_at"] = ""  # both are seen


def _cancel(teller: Teller, customer: Customer, paper: Paper, row: Row) -> None:
    """Canceled by a credit note."""
    number = f"GS-{paper.number}"
    created = min(teller.moment(paper.issued_on + timedelta(days=4), number), teller.end - timedelta(hours=2))
    back = Paper(
        "Gutschrift", number, paper.seller, paper.buyer, created.date(), None,
        tuple(Line(line.text, line.quantity, -line.unit_cents) for line in paper.lines), paper.vat_percent,
    )  # fmt: skip
    row_id = teller.uid("credit_note", number)
    given = {
        name: value
        for name, value in _given(teller, customer, paper).items()
        if name not in {"payment_methods", "due_date", "organization"}
    }
    teller.tables["credit_notes"][row_id] = rows.credit_note(
        row_id,
        teller.id,
        created,
        {
            **given, "number": number, "invoice_id": row["id"], "issue_date": str(created.date()),
            "invoice_issue_date": row["issue_date"],
            "attachment_id": teller.file(back, "pdf", stamp(created), number, name=f"Gutschrift_{paper.number}"),
        },
    )  # fmt: skip
    row.update(status="canceled", credit_notes_ids=[row_id], updated_at=stamp(created))


def _draft(teller: Teller, trade: Trade, number: int) -> None:
    """Not finished: without number, file and sometimes without items."""
    day = teller.today - timedelta(days=2 + number)
    customer, paper = _paper(teller, trade, day, f"draft-{number}")
    row_id = teller.uid("client_invoice", "draft", number)
    empty = "" if number % 2 == 0 else None
    teller.tables["client_invoices"][row_id] = rows.client_invoice(
        row_id,
        teller.id,
        teller.moment(day, "draft", number),
        {
            **_given(teller, customer, paper), "finalized_at": empty, "paid_at": empty,
            **({"items": None} if number == 1 else {}), "amount_paid": money(0), "payment_methods": [],
        },
    )  # fmt: skip
