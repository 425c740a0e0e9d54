"""What the second ledger's books consist of: receipts, lines of the bank, which belong together, and partners."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from bench.matching_set import ClientSet
from portal.domain.matching import Direction, ReceiptFacts, Side, TransactionFacts


@dataclass
class Receipt:
    """A receipt while it is being made; amounts in cents, a credit note's is negative."""

    id: str
    direction: Direction
    number: str | None
    counterparty: str | None
    amount_cents: int | None
    currency: str
    issued_on: date | None
    due_on: date | None = None
    paid_on: date | None = None
    iban: str | None = None
    text: str = ""

    @property
    def day(self) -> date:
        """The day on which it was issued, for as long as nobody has misread it."""
        assert self.issued_on
        return self.issued_on

    def facts(self) -> ReceiptFacts:
        """Return what the matcher is told. Each counts as one from the bank, as in `matching evaluate`."""
        return ReceiptFacts(**vars(self), is_from_bank=True)


@dataclass
class Line:
    """A transaction while it is being made. `remittance` None is no text at all, "" one that says nothing."""

    id: str
    side: Side
    amount_cents: int
    local_amount_cents: int | None
    local_currency: str | None
    booked_on: date
    emitted_on: date | None
    counterparty: str | None
    iban: str | None
    remittance: str | None
    operation_type: str | None

    def facts(self) -> TransactionFacts:
        """Return what the matcher is told."""
        told = {**vars(self), "remittance": self.remittance or ""}
        return TransactionFacts(**told, account="main", currency="EUR", open_cents=self.amount_cents)


@dataclass
class Books:
    """One client's receipts and lines with their truth.

    `truth`: receipt → its lines, none if it has none. `phenomena`: receipt → all that it stands for. `copies`: receipt → the one
    that was filed before from the same paper. `stand_ins`: each line and each receipt → the first of those that nothing told sets
    apart from it (`ledger_feeds`); empty until a feed has told them.
    """

    client: str
    receipts: list[Receipt] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    truth: dict[str, list[str]] = field(default_factory=dict)
    phenomena: dict[str, set[str]] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    stand_ins: dict[str, str] = field(default_factory=dict)

    def as_client(self) -> ClientSet:
        """Return the facts and labels for the matcher; a copy has no label, its paper's is that of the original."""
        labels = {known: () if known in self.copies else tuple(lines) for known, lines in self.truth.items()}
        receipts, lines = [receipt.facts() for receipt in self.receipts], [line.facts() for line in self.lines]
        return ClientSet(name=self.client, receipts=receipts, transactions=lines, labels=labels)


@dataclass
class Partner:
    """A supplier or customer.

    `bank_name`: as the bank calls it, `way`: how that differs from `name`. `template`: of remittance texts, `numbers`: of its
    invoice numbers. `code`: the customer number under which one knows the other. `term`: days until an invoice is due, `delay`:
    after which it is paid. `skonto`: per cent less for who pays at once. `counter`, `step`: its last invoice's number, and about
    how many others get in between. `restarts`: numbers begin anew in January, `has_restarted`: they did; `year`: of the last one.
    `is_vague`: its texts name no number. `used`: the numbers it had.
    """

    name: str
    bank_name: str
    way: str
    iban: str
    template: str
    numbers: str
    code: str
    term: int
    counter: int
    step: int
    restarts: bool
    is_private: bool = False
    is_abroad: bool = False
    is_vague: bool = False
    skonto: int = 0
    delay: int = 0
    currency: str = "EUR"
    year: int = 0
    has_restarted: bool = False
    used: list[str] = field(default_factory=list)
