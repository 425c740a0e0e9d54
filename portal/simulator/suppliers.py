"""Whom the companies buy from: what it costs, how it is paid, and what stands in the text that travels with the money."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

from portal.simulator.names import Row, cents_of, iban
from portal.simulator.papers import Line, Paper, Party
from portal.simulator.telling import Teller


@dataclass(frozen=True, slots=True)
class Supplier:
    """A supplier and its habits.

    `goods`: text, lowest and highest net price in cents. `days`: days of the month on which it writes an invoice; `every`: only
    in each n-th month. `how`: transfer, direct_debit, card or cash. `text`: what the reference says (see `_reference`).
    `bounces`: months of the year whose direct debit comes back, and is tried again.
    """

    name: str
    street: str
    zip_code: str
    city: str
    pattern: str
    goods: tuple[tuple[str, int, int], ...]
    days: tuple[int, ...]
    every: int = 1
    phase: int = 0
    how: str = "transfer"
    kind: str = "pdf"
    text: str = "exact"
    lag: tuple[int, int] = (6, 16)
    percent: int = 19
    currency: str = "EUR"
    descriptor: str = ""
    discount_percent: int = 0
    bounces: tuple[int, ...] = ()
    is_collective: bool = False
    category: str = "INVOICE"
    country: str = "DE"

    def party(self, teller: Teller) -> Party:
        """As it stands on paper. A card payment needs no IBAN."""
        account = "" if self.how in {"card", "cash"} else iban(teller.seed, teller.key, self.name)
        short = "".join(letter for letter in self.name.split()[0].lower() if letter.isascii() and letter.isalpha())
        number = teller.dice("vat", self.name).randrange(10**8)
        vat = f"DE0{number:08d}" if self.country == "DE" else ""
        return Party(self.name, self.street, self.zip_code, self.city, vat, account, f"info@{short}.example", self.country)


_BOUNCE_DAYS = 3, 10  # after a debit: it comes back, is tried again
_RATES = {"EUR": 100, "USD": 92, "GBP": 117, "CHF": 106}  # cents for one unit


def buy(teller: Teller, supplier: Supplier, account_id: str) -> None:
    """All invoices of a supplier, with their payments."""
    waiting: list[tuple[Paper, Row]] = []
    for month in teller.months():
        if (month.year * 12 + month.month) % supplier.every != supplier.phase % supplier.every:
            continue
        for day in supplier.days:
            issued_on = month.replace(day=day)
            if not teller.is_told(issued_on):
                continue
            key = f"{supplier.name}/{issued_on}"
            paper = _paper(teller, supplier, issued_on, key)
            created = teller.moment(issued_on + timedelta(days=1 if issued_on + timedelta(days=1) < teller.today else 0), key)
            row = teller.supplier_invoice(
                key, paper, supplier.kind, max(created, teller.moment(issued_on, key)), _looks(supplier)
            )
            if supplier.is_collective:
                waiting.append((paper, row))
            else:
                _pay(teller, supplier, account_id, paper, row, key)
        if waiting:
            _pay_together(teller, supplier, account_id, waiting, month.replace(day=26))
            waiting = []


def _looks(supplier: Supplier) -> Row:
    if supplier.category.startswith("OTHER_"):
        return {"attachment_category": supplier.category, "is_attachment_invoice": False}
    return {"attachment_category": supplier.category}


def _paper(teller: Teller, supplier: Supplier, issued_on: date, key: str) -> Paper:
    chance = teller.dice("paper", key)
    number = supplier.pattern.format(
        year=issued_on.year, yy=issued_on.year % 100, month=issued_on.month, day=issued_on.day, n=chance.randrange(100, 9999)
    )
    lines = []
    for text, low, high in chance.sample(supplier.goods, k=min(len(supplier.goods), chance.randint(1, 3))):
        if low == high:
            lines.append(Line(text, 1, low))
        else:
            lines.append(Line(text, chance.choice((1, 1, 2, 4)), chance.randrange(low, high, 5)))
    pays_later = supplier.how in {"transfer", "direct_debit"}
    return Paper(
        title="Rechnung" if supplier.category == "INVOICE" else "Beleg",
        number=number,
        seller=supplier.party(teller),
        buyer=teller.company,
        issued_on=issued_on,
        due_on=issued_on + timedelta(days=14) if pays_later else None,
        lines=tuple(lines),
        vat_percent=supplier.percent,
        currency=supplier.currency,
        customer_number=f"K-{teller.dice('customer', supplier.name).randrange(10000, 99999)}" if pays_later else "",
        remark=f"Bei Zahlung binnen 8 Tagen gewähren wir {supplier.discount_percent} % Skonto."
        if supplier.discount_percent
        else "",
    )


def _reference(supplier: Supplier, paper: Paper) -> str | None:
    match supplier.text:
        case "exact":
            return f"Rechnung {paper.number}"
        case "spaced":
            return f"RG {paper.number.replace('-', ' ')} KD {paper.customer_number}"
        case "bare":
            return paper.number.partition("-")[2] or paper.number
        case "customer":
            return f"Kundennr. {paper.customer_number}"
        case "month":
            return f"Abschlag {paper.issued_on:%m/%Y}"
    return None


def _pay(teller: Teller, supplier: Supplier, account_id: str, paper: Paper, row: Row, key: str) -> None:
    """One invoice, one payment; recent ones are still open, cash leaves no trace at the bank."""
    chance = teller.dice("pay", key)
    lag = chance.randint(*supplier.lag) if supplier.how in {"transfer", "direct_debit"} else 0
    paid_on = paper.issued_on + timedelta(days=lag)
    if paid_on >= teller.today:
        row["status"] = "awaiting_payment"
        return
    if supplier.how == "cash":
        row.update(status="paid", payment_date=str(paid_on), updated_at=teller.written(teller.moment(paid_on, key), key, "paid"))
        return
    cents = paper.total_cents * _RATES[supplier.currency] // 100
    if supplier.discount_percent and chance.random() < 0.5:
        cents -= cents * supplier.discount_percent // 100
    foreign: Row = {} if supplier.currency == "EUR" else {
        "local_amount_cents": paper.total_cents, "local_amount": paper.total_cents / 100, "local_currency": supplier.currency,
    }  # fmt: skip
    files: list[str] = []
    if chance.random() < 0.25:
        kind = "pdf" if supplier.kind == "xrechnung" else supplier.kind
        files = [teller.file(paper, kind, row["created_at"], key, "at bank", n) for n in range(chance.choice((1, 1, 2, 3)))]
    movement = teller.movement(
        key, account_id, teller.moment(paid_on, key, "paid"), "debit", cents, supplier.descriptor or supplier.name, supplier.how,
        days=chance.choice((1, 2, 2, 3)) if supplier.how == "card" else 0, reference=_reference(supplier, paper),
        party_iban=paper.seller.iban or None, attachment_ids=files, **foreign,
    )  # fmt: skip
    if paper.issued_on.month in supplier.bounces:
        paid_on += timedelta(days=_BOUNCE_DAYS[1])
        movement = _bounce(teller, movement, paid_on, key)
    if movement is None or movement["status"] != "completed":
        row["status"] = "pending"
        return
    _mark_paid(teller, row, movement, paid_on, chance.random(), key)


def _bounce(teller: Teller, movement: Row | None, again_on: date, key: str) -> Row | None:
    """The bank gives a direct debit back, as it was; the supplier tries again. None as long as it has not."""
    if movement is None:
        return None
    back_on = again_on - timedelta(days=_BOUNCE_DAYS[1] - _BOUNCE_DAYS[0])
    account_id, cents, label = movement["bank_account_id"], movement["amount_cents"], movement["label"]
    reference, party_iban = movement["reference"], movement["direct_debit"]["counterparty_account_number"]
    teller.movement(
        f"{key}/back", account_id, teller.moment(back_on, key, "back"), "credit", cents, label, "income",
        reference=f"Rückgabe Lastschrift {reference}", party_iban=party_iban,
    )  # fmt: skip
    return teller.movement(
        f"{key}/again", account_id, teller.moment(again_on, key, "again"), "debit", cents, label, "direct_debit",
        reference=reference, party_iban=party_iban,
    )  # fmt: skip


def _mark_paid(teller: Teller, row: Row, movement: Row, paid_on: date, fate: float, key: str) -> None:
    """Paid. The bank knows the link only for some, and writes it in two ways."""
    row.update(
        status="paid", payment_date=str(paid_on), updated_at=teller.written(teller.moment(paid_on, key, "late"), key, "paid")
    )
    if movement["operation_type"] != "transfer" or fate > 0.4:
        return
    transfer_id = teller.uid("transfer", key)
    link = {"subject_id": transfer_id, "subject_type": "transfer", "transaction_id": movement["id"]}
    row["matched_transactions"] = [link if fate < 0.3 else movement["id"]]
    row["transfer_ids"] = [transfer_id]


def _pay_together(teller: Teller, supplier: Supplier, account_id: str, waiting: list[tuple[Paper, Row]], paid_on: date) -> None:
    """Several invoices, one transfer that names them all."""
    if paid_on >= teller.today:
        for _, row in waiting:
            row["status"] = "awaiting_payment"
        return
    key = f"{supplier.name}/{paid_on}/together"
    reference = "RE " + ", ".join(paper.number for paper, _ in waiting)
    cents = sum(paper.total_cents for paper, _ in waiting)
    movement = teller.movement(
        key, account_id, teller.moment(paid_on, key), "debit", cents, supplier.name, "transfer",
        reference=reference, party_iban=waiting[0][0].seller.iban,
    )  # fmt: skip
    for paper, row in waiting:
        if movement:
            _mark_paid(teller, row, movement, paid_on, 1.0, paper.number)


def advertise(teller: Teller, supplier: Supplier, account_id: str, month: date) -> None:
    """Charged to the card four times a month as it runs, and billed in one sum on the first of the next."""
    chance = teller.dice("charges", f"{supplier.name}/{month}")
    charges = {month.replace(day=day): chance.randrange(4100, 19900) for day in (4, 10, 16, 23)}
    for day, cents in charges.items():
        key = f"{supplier.name}/{day}/charge"
        teller.movement(key, account_id, teller.moment(day, key), "debit", cents, supplier.descriptor, "card", days=1)
    billed_on = (month + timedelta(days=31)).replace(day=1)
    if not teller.is_told(month) or not teller.is_told(billed_on):
        return
    key = f"{supplier.name}/{billed_on}"
    paper = replace(
        _paper(teller, supplier, billed_on, key), lines=(Line(f"Campaigns in {month:%m/%Y}", 1, sum(charges.values())),)
    )
    row = teller.supplier_invoice(key, paper, supplier.kind, teller.moment(billed_on, key), _looks(supplier))
    row.update(status="paid", payment_date=str(billed_on), updated_at=row["created_at"])


def give_back(teller: Teller, supplier: Supplier, account_id: str, issued_on: date) -> None:
    """A credit note of a supplier, and the money that comes back."""
    if not teller.is_told(issued_on) or not teller.is_told(issued_on + timedelta(days=6)):
        return
    key = f"{supplier.name}/{issued_on}/back"
    sold = _paper(teller, supplier, issued_on, key)
    paper = Paper(
        "Gutschrift", f"G-{sold.number}", sold.seller, sold.buyer, issued_on, None,
        (Line("Rückgabe: " + sold.lines[0].text, 1, -sold.lines[0].unit_cents),), sold.vat_percent,
    )  # fmt: skip
    row = teller.supplier_invoice(
        key, paper, "pdf", teller.moment(issued_on, key), {"is_credit_note": True, "attachment_category": "CREDIT_NOTE"}
    )
    paid_on = issued_on + timedelta(days=5)
    teller.movement(
        key, account_id, teller.moment(paid_on, key), "credit", abs(cents_of(row["total_amount"]) or 0), supplier.name, "income",
        reference=f"Gutschrift {paper.number}", party_iban=paper.seller.iban,
    )  # fmt: skip
    row.update(status="paid", payment_date=str(paid_on), updated_at=teller.written(teller.moment(paid_on, key), key, "paid"))


def open_invoice(teller: Teller, supplier: Supplier, status: str, age: int, given: Row | None = None) -> Row:
    """An invoice that is not paid (yet), dated from today."""
    issued_on = teller.today - timedelta(days=age)
    key = f"{supplier.name}/open/{status}/{age}"
    paper = _paper(teller, supplier, issued_on, key)
    return teller.supplier_invoice(
        key, paper, supplier.kind, teller.moment(issued_on, key), {"status": status, **_looks(supplier), **(given or {})}
    )
