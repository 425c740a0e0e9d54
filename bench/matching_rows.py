"""How an invented client's invoices become receipts and lines with their truth: its parties, numbers, texts and rows."""
# ruff: noqa: E501 -- tables of facts

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from bench.matching_words import LEGAL_FORMS, Vocabulary
from portal.domain.matching import ReceiptFacts, Side, TransactionFacts

FIRST_DAY = date(2025, 1, 2)
LAST_ISSUE = 330
_LINKED_WRONG = 0.01
_USUAL_PRICE = 0.2
_TOLD_APART = 0.95


@dataclass
class ClientSet:
    """One client's facts with the truth, in no order.

    `labels`: receipt → its transactions, sorted; () if none exists. `phenomena`: receipt → what it stands for. `arrivals`: receipt
    → the day on which the portal first sees it; a transaction is seen on its booking day. `stand_ins`: transaction → the one of
    the labels in whose place it is right as well (an invoice paid twice by mistake).
    """

    name: str = ""
    feed: str = "full"
    receipts: list[ReceiptFacts] = field(default_factory=list)
    transactions: list[TransactionFacts] = field(default_factory=list)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    phenomena: dict[str, str] = field(default_factory=dict)
    arrivals: dict[str, date] = field(default_factory=dict)
    stand_ins: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Party:
    """Whom a client deals with: what its papers say, and how the bank and its card reader write it."""

    name: str
    bank_name: str
    iban: str
    numbers: str
    letters: str
    counter_from: int
    reference: str
    code: str
    """The number under which one knows the other; payers write it beside the invoice's, and readers take it for that."""
    shop: str = ""
    """How its card reader calls it."""
    is_customer: bool = False


@dataclass(frozen=True)
class Case:
    """One invoice before it becomes a receipt and lines. `number` None: it has none."""

    phenomenon: str
    party: Party
    day: date
    cents: int
    number: str | None
    paid: date


class Rows:
    """Invents one client from `dice`.

    `prices`: how many different amounts exist, None for any. `links`: share of the bank's own invoices that it links to their
    lines. `parties`: suppliers and customers.
    """

    def __init__(
        self, dice: random.Random, words: Vocabulary, *, prices: int | None = None, links: float = 0.25, parties: int = 50
    ) -> None:
        self.dice = dice
        self.words = words
        self.links = links
        self.made = ClientSet()
        self.counters: dict[str, int] = {}
        self.names: set[str] = set()
        self.prices = sorted(self._any_cents(500, 400_000) for _ in range(prices)) if prices else None
        self.usual_prices = [
            self._any_cents(500, dice.choice((20_000, 80_000, 400_000))) for _ in range(max(5, parties * 6 // 5))
        ]
        self.own_numbers = dice.choice(words.own_numbers)
        self.habits = dice.sample(words.references, 2)
        self.cut = dice.choice((*words.cuts, 70))
        self.wrapper = dice.choice(words.wrappers)
        self.is_upper_bank = dice.random() < 0.5
        self.suppliers = [self._party() for _ in range(max(3, parties * 3 // 5))]
        self.customers = [self._party(is_customer=True) for _ in range(max(2, parties * 2 // 5))]

    # ---- parties, numbers, texts

    def _party(self, *, is_customer: bool = False) -> Party:
        dice, words = self.dice, self.words
        name, form = self._name(is_customer=is_customer)
        if name in self.names and dice.random() < _TOLD_APART:  # who has thousands of parties has not as many of one name
            name = f"{name} {dice.choice(words.families)}-{dice.choice(words.families)}"
        self.names.add(name)
        name = f"{name} {form}".strip()
        iban = "DE" + "".join(dice.choices("0123456789", k=20))
        return Party(
            name=name, bank_name=self._bank_name(name), iban=iban,
            numbers=self.own_numbers if is_customer else dice.choice(words.numbers),
            letters="".join(dice.choices("ABCDEFGHKLMNPRSTVWZ", k=2)), counter_from=dice.choice((1, 40, 700, 10_400, 88_000)),
            reference=dice.choice(words.references if is_customer else self.habits), code=self._code(),
            shop=dice.choice(words.descriptors).replace("{town}", dice.choice(words.towns).upper()), is_customer=is_customer,
        )  # fmt: skip

    def _name(self, *, is_customer: bool) -> tuple[str, str]:
        """A name and its legal form."""
        dice, words = self.dice, self.words
        if is_customer and dice.random() < 0.3:
            return f"{dice.choice(words.first_names)} {dice.choice(words.families)}", ""
        if dice.random() < 0.3:
            return f"{dice.choice(words.brands)} {dice.choice(words.towns)}", dice.choice(LEGAL_FORMS)
        return f"{dice.choice(list(words.trades))} {dice.choice(words.families)}", dice.choice(LEGAL_FORMS)

    def _bank_name(self, name: str) -> str:
        """Write a name as banks do: always in the same way for one party."""
        dice = self.dice
        if dice.random() < 0.5:
            for form in LEGAL_FORMS:
                name = name.removesuffix(f" {form}") if form else name
        if dice.random() < 0.15:
            for trade, short in self.words.trades.items():
                name = name.replace(trade, short)
        spelled = dice.random()
        if spelled < 0.5:
            for umlaut, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("Ü", "Ue"), ("Ö", "Oe"), ("Ä", "Ae")):
                name = name.replace(umlaut, letters)
        elif spelled < 0.65:
            name = name.translate(str.maketrans("äöüÄÖÜČčćłýò", "aouAOUCccłyo"))
        if self.is_upper_bank or dice.random() < 0.2:
            name = name.upper()
        return name[: self.cut].strip()

    def _number(self, party: Party, day: date) -> str:
        key = "own" if party.is_customer else party.iban
        start = 100 if party.is_customer else party.counter_from
        count = self.counters[key] = self.counters.get(key, start) + self.dice.randint(1, 1 if party.is_customer else 6)
        return party.numbers.format(n=count, year=day.year, yy=f"{day:%y}", month=day.month, letters=party.letters)

    def _code(self, digits: int = 7) -> str:
        return str(self.dice.randrange(10 ** (digits - 1), 10**digits))

    def _text(self, case: Case, number: str | None = None, template: str | None = None) -> str:
        """Word a payment as this payer does, or by `template`; the bank puts its own words around."""
        day = f"{case.day:%d.%m.%Y}"
        amount = f"{case.cents // 100},{case.cents % 100:02d}"
        if template is None:
            template = case.party.reference if self.dice.random() < 0.8 else self.dice.choice(self.words.references)
        written = template.format(number or case.number or "", day=day, code=case.party.code, amount=amount)
        return self.wrapper.format(written, day=f"{case.paid:%d.%m.%Y}") if written else ""

    def _said(self, case: Case, templates: Sequence[str], **values: object) -> str:
        amount = f"{case.cents // 100},{case.cents % 100:02d}"
        known = {"day": f"{case.paid:%d.%m.%Y}", "code": case.party.code, "amount": amount, "party": case.party.name, **values}
        return self.dice.choice(templates).format(case.number or "", **known)

    def _day(self, latest: int = LAST_ISSUE) -> date:
        return FIRST_DAY + timedelta(days=self.dice.randint(0, latest))

    def _any_cents(self, low: int, high: int) -> int:
        dice = self.dice
        steps = (1, 10, 100, 1000)
        step = dice.choices(steps, (5, 2, 2, 1))[0]
        return max(step, dice.randint(low // step, max(low, high) // step) * step)

    def _cents(self, low: int = 500, high: int = 400_000) -> int:
        if self.prices or self.dice.random() < _USUAL_PRICE:
            known = self.prices or self.usual_prices
            return self.dice.choice([price for price in known if low <= price <= high] or known)
        # small invoices are far more frequent than large ones
        return self._any_cents(low, min(high, self.dice.choice((20_000, 80_000, 400_000))) if low < 20_000 else high)

    def _paid(self, day: date) -> date:
        return day + timedelta(days=self.dice.choice((0, 0, 1, 2, 3, 4, 7, 9, 12, 14, 14, 15, 21, 30)))

    # ---- rows

    def _case(self, phenomenon: str, party: Party, day: date | None = None, cents: int | None = None) -> Case:
        day = day or self._day()
        return Case(phenomenon, party, day, cents or self._cents(), self._number(party, day), self._paid(day))

    def _any_party(self) -> Party:
        return self.dice.choice(self.suppliers if self.dice.random() < 0.7 else self.customers)

    def _supplier(self) -> Party:
        return self.dice.choice(self.suppliers)

    def _receipt(self, case: Case, lines: Sequence[str], **facts: Any) -> ReceiptFacts:
        dice, party = self.dice, case.party
        is_from_bank = facts.setdefault("is_from_bank", dice.random() < 0.85)
        is_expense = not party.is_customer
        is_marked = is_from_bank and is_expense and bool(lines) and dice.random() < 0.4
        known: dict[str, Any] = {
            "id": f"r{dice.getrandbits(64):016x}", "direction": "expense" if is_expense else "income", "number": case.number,
            "counterparty": party.name, "amount_cents": case.cents, "currency": "EUR", "issued_on": case.day,
            "due_on": case.day + timedelta(days=dice.choice((7, 14, 14, 30))) if dice.random() < 0.6 else None,
            "paid_on": case.paid - timedelta(days=dice.choice((0, 0, 1))) if is_marked else None,
            "iban": party.iban if is_expense and dice.random() < 0.7 else None,
            "linked_transactions": self._linked(case, lines) if is_from_bank and is_expense else (),
        }  # fmt: skip
        receipt = ReceiptFacts(**{**known, **facts})
        self.made.receipts.append(receipt)
        self.made.labels[receipt.id] = tuple(sorted(lines))
        self.made.phenomena[receipt.id] = case.phenomenon
        # most papers come at once, some long after the payment
        late = dice.choices((0, 1, 3, 6, 25, 60), (5, 4, 3, 2, 1, 1))[0]
        self.made.arrivals[receipt.id] = case.day + timedelta(days=late)
        return receipt

    def _linked(self, case: Case, lines: Sequence[str]) -> tuple[str, ...]:
        chance = self.dice.random()
        # of an equal amount nobody could say that the link is wrong
        others = [line.id for line in self.made.transactions[-50:] if line.amount_cents != case.cents]
        if chance < _LINKED_WRONG and self.links and others:
            return (self.dice.choice(others),)
        return tuple(lines) if lines and chance < self.links else ()

    def _line(self, case: Case, text: str, *, cents: int | None = None, paid: date | None = None, **facts: Any) -> str:
        is_card = facts.get("operation_type") == "card"
        amount, day = max(1, case.cents if cents is None else cents), paid or case.paid
        side: Side = "credit" if case.party.is_customer else "debit"
        known: dict[str, Any] = {
            "id": f"t{self.dice.getrandbits(64):016x}", "side": side, "amount_cents": amount, "open_cents": amount, "currency": "EUR",
            "booked_on": day, "counterparty": case.party.bank_name, "remittance": text, "iban": None if is_card else case.party.iban,
            "emitted_on": day - timedelta(days=self.dice.randint(1, 3)) if is_card else day, "operation_type": "transfer",
        }  # fmt: skip
        line = TransactionFacts(**{**known, **facts})
        self.made.transactions.append(line)
        return line.id

    def _pair(self, case: Case, text: str, **receipt: Any) -> None:
        self._receipt(case, [self._line(case, text)], **receipt)

    def _card(self, case: Case, cents: int | None = None, paid: date | None = None) -> None:
        case = replace(case, paid=paid or case.day + timedelta(days=self.dice.randint(1, 3)))
        self._receipt(case, [self._swipe(case, cents, case.paid)], due_on=None, iban=None)

    def _swipe(self, case: Case, cents: int | None, paid: date) -> str:
        town = self.dice.choice(self.words.towns).upper()
        # a shop is called the same each time, until it has another reader or another branch
        written = case.party.shop if self.dice.random() < 0.9 else self.dice.choice(self.words.descriptors)
        descriptor = written.format(name=case.party.bank_name[:22], town=town, code=self._code(6))
        return self._line(case, "", cents=cents, paid=paid, counterparty=descriptor, operation_type="card")
