"""A labelled set of invented receipts and transactions of German small firms, for measuring and testing the matcher.

Everything comes from one seed. Each receipt carries the phenomenon it stands for, so that results can be read one by one.
Names, numbers and habits are made up here; no figure says anything about a real firm.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from portal.domain.matching import Direction, ReceiptFacts, Side, TransactionFacts

FEEDS = ("full", "csv", "poor", "gaps")
"""Qonto's data · a bank CSV (no IBAN, no original amount) · half of the texts empty · a quarter of the lines missing."""
_FIRST_DAY = date(2025, 1, 2)
_TRADES = (
    "Holzhandel Elektro Druckerei Bäckerei Gerüstbau Spedition Dachdeckerei Sanitär Gärtnerei Reinigung Werbetechnik "
    "Kältetechnik Blechnerei Schlosserei Raumausstattung Bürobedarf Autohaus Kfz-Werkstatt Zimmerei Fliesen Catering "
    "Getränke"
).split()
_FAMILIES = (
    "Müller Größle Jäger Özdemir Schäfer Weißhaupt Köhler Brandt Reuter Kämmer Pohl Hansen Möhring Voß Süß Lindner Barth "
    "Zöllner Ehrlich Nguyen Kowalski Fährmann Thieß Löwe Stür Damm Eickhoff Überall Rößler Tausend Wendt Achterberg"
).split()
_TOWNS = ("Hildesheim Bremen Elsenau Würzburg Köln Lübeck Görlitz Fürth Jever Suhl Aalen Goslar").split()
_LEGAL_FORMS = ("GmbH", "GmbH & Co. KG", "AG", "e.K.", "UG (haftungsbeschränkt)", "OHG", "KG", "")
_BRANDS = ("Wolkenblick", "Rechenwerk", "Papierlos", "Funkhaus", "Serverdorf", "Kontorcloud", "Lautwerk", "Bildarchiv")
_FIRST_NAMES = ["Anna", "Jürgen", "Aylin", "Björn", "Käthe", "Tomasz", "Lena", "Günther"]


@dataclass
class ClientSet:
    """One client's facts with the truth: `labels` receipt → transactions, `phenomena` receipt → name."""

    receipts: list[ReceiptFacts] = field(default_factory=list)
    transactions: list[TransactionFacts] = field(default_factory=list)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    phenomena: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Party:
    name: str
    iban: str
    prefix: str
    counter_from: int


def make_client(seed: int, *, stories: int = 300, feed: str = "full") -> ClientSet:
    """Invent one client. `stories` gives roughly 1.6 receipts each; the same arguments give the same set."""
    return _Maker(random.Random(f"{seed}-{feed}"), feed).make(stories)


class _Maker:
    def __init__(self, dice: random.Random, feed: str) -> None:
        self.dice = dice
        self.feed = feed
        self.made = ClientSet()
        self.counters: dict[str, int] = {}
        self.suppliers = [self._party() for _ in range(30)]
        self.customers = [self._party(is_customer=True) for _ in range(20)]
        own = _Party("", "", "AR-{year}-", 1)
        self.customers = [replace(customer, prefix=own.prefix) for customer in self.customers]

    def make(self, stories: int) -> ClientSet:
        table: list[tuple[int, Callable[[], None]]] = [
            (26, self.plain), (6, self.customer_pays), (10, self.garbled_reference), (5, self.no_reference), (3, self.foreign_reference),
            (3, self.subscription), (5, self.discount), (3, self.instalments), (4, self.collective), (2, self.netted_credit_note),
            (3, self.refund), (8, self.card), (4, self.foreign_currency), (3, self.fee_or_tip), (4, self.equal_prices), (3, self.twins),
            (4, self.filed_twice), (5, self.without_line), (5, self.line_only), (4, self.intermediary), (6, self.badly_read), (2, self.numbers_restart),
        ]  # fmt: skip
        for story in self.dice.choices([story for _, story in table], [weight for weight, _ in table], k=stories):
            story()
        self._degrade()
        self.dice.shuffle(self.made.receipts)
        self.dice.shuffle(self.made.transactions)
        return self.made

    # ---- parties, numbers, texts

    def _party(self, *, is_customer: bool = False) -> _Party:
        dice = self.dice
        family = dice.choice(_FAMILIES)
        if is_customer and dice.random() < 0.3:
            name = f"{dice.choice(_FIRST_NAMES)} {family}"
        elif dice.random() < 0.25:
            name = f"{dice.choice(_BRANDS)} {dice.choice(_TOWNS)} {dice.choice(_LEGAL_FORMS)}"
        else:
            name = f"{dice.choice(_TRADES)} {family} {dice.choice(_LEGAL_FORMS)}"
        prefix = dice.choice(("RE-{year}-", "RE{year}", "{year}/", "R-", "INV-", "", "{letters}-{year}-", "RG {year}-"))
        letters = "".join(dice.choices("ABCDEFGHKLMNPRSTVWZ", k=2))
        iban = "DE" + "".join(dice.choices("0123456789", k=20))
        return _Party(name.strip(), iban, prefix.replace("{letters}", letters), dice.choice((1, 40, 700, 10_400, 880_000)))

    def _number(self, party: _Party, day: date) -> str:
        key = party.prefix if party.prefix.startswith("AR") else party.iban
        self.counters[key] = self.counters.get(key, party.counter_from) + self.dice.randint(1, 6 if key == party.iban else 1)
        count = self.counters[key]
        return party.prefix.replace("{year}", str(day.year)) + (f"{count:04d}" if count < 10_000 else str(count))

    def _bank_name(self, name: str) -> str:
        dice = self.dice
        if dice.random() < 0.5:
            for form in _LEGAL_FORMS:
                name = name.removesuffix(f" {form}") if form else name
        spelled = dice.random()
        if spelled < 0.5:
            for umlaut, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("Ü", "Ue"), ("Ö", "Oe")):
                name = name.replace(umlaut, letters)
        elif spelled < 0.65:
            name = name.translate(str.maketrans("äöüÄÖÜ", "aouAOU"))
        if dice.random() < 0.5:
            name = name.upper()
        return name[: dice.choice((18, 22, 27, 35, 70, 70))].strip()

    def _text(self, number: str) -> str:
        return self.dice.choice(
            ("{}", "Rechnung {}", "Rechnung-Nr.: {}", "RE {} vom 03.11.2025", "EREF+{} SVWZ+Danke", "{} Kd. 4471906")
        ).format(number)

    def _day(self, latest: int = 300) -> date:
        return _FIRST_DAY + timedelta(days=self.dice.randint(0, latest))

    def _cents(self, low: int = 500, high: int = 400_000) -> int:
        dice = self.dice
        return dice.choice(
            (dice.randint(low, high), dice.randint(low // 100, high // 100) * 100, dice.randint(low // 10, high // 10) * 10)
        )

    # ---- rows

    def _receipt(
        self, phenomenon: str, party: _Party, cents: int | None, day: date, lines: list[str], **facts: object
    ) -> ReceiptFacts:
        direction: Direction = "income" if party in self.customers else "expense"
        is_from_bank = self.dice.random() < 0.85
        links = self._links(lines) if is_from_bank and direction == "expense" else ()
        known: dict[str, object] = {
            "id": f"r{self.dice.getrandbits(64):016x}", "direction": direction, "number": self._number(party, day), "counterparty": party.name,
            "amount_cents": cents, "currency": "EUR", "issued_on": day, "due_on": day + timedelta(days=14) if self.dice.random() < 0.6 else None,
            "iban": party.iban if direction == "expense" and self.dice.random() < 0.7 else None,
            "linked_transactions": links, "is_from_bank": is_from_bank,
        }  # fmt: skip
        receipt = ReceiptFacts(**{**known, **facts})  # type: ignore[arg-type]
        self.made.receipts.append(receipt)
        self.made.labels[receipt.id] = tuple(sorted(lines))
        self.made.phenomena[receipt.id] = phenomenon
        return receipt

    def _links(self, lines: list[str]) -> tuple[str, ...]:
        chance = self.dice.random()
        if chance < 0.01 and self.made.transactions:
            return (self.dice.choice(self.made.transactions).id,)
        return tuple(lines) if lines and chance < 0.25 else ()

    def _line(self, party: _Party, cents: int, day: date, text: str, side: Side | None = None, **facts: object) -> str:
        is_card = facts.get("operation_type") == "card"
        known: dict[str, object] = {
            "id": f"t{self.dice.getrandbits(64):016x}", "side": side or ("credit" if party in self.customers else "debit"), "amount_cents": cents,
            "open_cents": cents, "currency": "EUR", "booked_on": day, "counterparty": self._bank_name(party.name), "remittance": text,
            "iban": None if is_card else party.iban, "emitted_on": day - timedelta(days=self.dice.randint(0, 3)) if is_card else day, "operation_type": "transfer",
        }  # fmt: skip
        line = TransactionFacts(**{**known, **facts})  # type: ignore[arg-type]
        self.made.transactions.append(line)
        return line.id

    def _paid(self, day: date) -> date:
        return day + timedelta(days=self.dice.choice((-2, 0, 1, 2, 3, 7, 9, 12, 14, 15, 21, 30, 34, 60)))

    # ---- stories

    def plain(self) -> None:
        self._invoice("plain", self.dice.choice(self.suppliers), self._text)

    def customer_pays(self) -> None:
        self._invoice("customer pays", self.dice.choice(self.customers), self._text)

    def garbled_reference(self) -> None:
        self._invoice("garbled reference", self.dice.choice(self.suppliers + self.customers), self._garble)

    def no_reference(self) -> None:
        texts = (
            "",
            "Danke",
            "Kundennummer 4471906",
            "Überweisung",
            "Ihre Rechnung vom letzten Monat",
            "Kd-Nr 20260042 Vertrag 88123",
        )
        self._invoice("no reference", self.dice.choice(self.suppliers + self.customers), lambda _: self.dice.choice(texts))

    def foreign_reference(self) -> None:
        earlier = [receipt for receipt in self.made.receipts if receipt.number]
        if earlier:
            other = self.dice.choice(earlier)
            self._invoice("another invoice's number", self.dice.choice(self.suppliers), lambda _: self._text(other.number or ""))

    def _invoice(self, phenomenon: str, party: _Party, text: Callable[[str], str], cents: int | None = None) -> None:
        day, amount = self._day(), cents or self._cents()
        number = self._number(party, day)
        paid = self._paid(day)
        line = self._line(party, amount, paid, text(number))
        self._receipt(phenomenon, party, amount, day, [line], number=number, paid_on=paid if self.dice.random() < 0.5 else None)

    def _garble(self, number: str) -> str:
        dice = self.dice
        kind = dice.randrange(6)
        if kind == 0:
            return number.replace("-", " ").replace("/", " ")
        if kind == 1:
            return "Rechnung " + number.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ- ")
        if kind == 2:
            place = dice.randrange(len(number))
            return number[:place] + number[place + 1 :]
        if kind == 3:
            place = dice.randrange(1, len(number))
            return f"{number[:place]} {number[place:]} Danke"
        if kind == 4:
            return f"RG{number}"
        return f"Zahlung {number}"[:-2]

    def subscription(self) -> None:
        dice = self.dice
        party, cents = dice.choice(self.suppliers), dice.choice((999, 1190, 4900, 11900, 2999))
        is_named, start, lag = dice.random() < 0.4, self._day(30), dice.choice((0, 1, 3, 10))
        for month in range(dice.randint(5, 10)):
            day = start + timedelta(days=30 * month + dice.randint(-1, 1))
            number = self._number(party, day)
            line = self._line(
                party,
                cents,
                day + timedelta(days=lag),
                number if is_named else "Abo Mandat M-4711",
                operation_type="direct_debit",
            )
            self._receipt("subscription", party, cents, day, [line], number=number)

    def discount(self) -> None:
        party, cents, day = self.dice.choice(self.suppliers), self._cents(20_000), self._day()
        number, percent = self._number(party, day), self.dice.choice((2, 3))
        line = self._line(party, round(cents * (100 - percent) / 100), self._paid(day), self._text(number))
        self._receipt("discount", party, cents, day, [line], number=number)

    def instalments(self) -> None:
        party, cents, day = self.dice.choice(self.suppliers), self._cents(30_000), self._day(200)
        number, is_named = self._number(party, day), self.dice.random() < 0.6
        part = cents // 3
        parts = (part, part, cents - 2 * part)
        lines = [
            self._line(party, share, day + timedelta(days=30 * n + 3), f"{number} Rate {n + 1}" if is_named else f"Rate {n + 1}")
            for n, share in enumerate(parts)
        ]
        self._receipt("instalments", party, cents, day, lines, number=number)

    def collective(self) -> None:
        dice = self.dice
        party, day = dice.choice(self.suppliers + self.customers), self._day()
        count, is_listed = dice.randint(2, 5), dice.random() < 0.7
        days = [day - timedelta(days=dice.randint(0, 20)) for _ in range(count)]
        amounts, numbers = [self._cents() for _ in days], [self._number(party, issued) for issued in days]
        text = dice.choice((", ", " ", " + ")).join(numbers) if is_listed else "diverse Rechnungen"
        line = self._line(party, sum(amounts), day + timedelta(days=dice.randint(1, 20)), text)
        for issued, cents, number in zip(days, amounts, numbers, strict=True):
            self._receipt(
                "collective, listed" if is_listed else "collective, not listed", party, cents, issued, [line], number=number
            )

    def netted_credit_note(self) -> None:
        party, day = self.dice.choice(self.suppliers), self._day()
        cents, back = self._cents(20_000), self._cents(500, 9_000)
        number, credit = self._number(party, day), self._number(party, day)
        line = self._line(party, cents - back, day + timedelta(days=12), f"{number} abzgl. {credit}")
        self._receipt("netted credit note", party, cents, day, [line], number=number)
        self._receipt("netted credit note", party, -back, day, [line], number=credit)

    def refund(self) -> None:
        party, day, cents = self.dice.choice(self.suppliers), self._day(), self._cents()
        number, credit = self._number(party, day), self._number(party, day)
        paid = self._line(party, cents, day + timedelta(days=2), self._text(number))
        back = self._line(party, cents, day + timedelta(days=20), f"Gutschrift {credit}", side="credit")
        self._receipt("refund", party, cents, day, [paid], number=number)
        self._receipt("refund", party, -cents, day + timedelta(days=15), [back], number=credit)

    def card(self) -> None:
        dice = self.dice
        party, day, cents = dice.choice(self.suppliers), self._day(), self._cents(300, 30_000)
        descriptor = (
            f"{self._bank_name(party.name)[:22].upper()}*{dice.getrandbits(24):06X}"
            if dice.random() < 0.5
            else f"SumUp  *{party.name[:16]}"
        )
        line = self._line(
            party, cents, day + timedelta(days=dice.randint(1, 3)), "", counterparty=descriptor, operation_type="card"
        )
        self._receipt("card", party, cents, day, [line], due_on=None)

    def foreign_currency(self) -> None:
        dice = self.dice
        party, day, cents = dice.choice(self.suppliers), self._day(), self._cents()
        number, is_named = self._number(party, day), dice.random() < 0.5
        paid = round(cents * dice.uniform(0.88, 0.96))
        line = self._line(
            party,
            paid,
            self._paid(day),
            number if is_named else "",
            local_amount_cents=cents,
            local_currency="USD",
            operation_type="card",
        )
        self._receipt("foreign currency", party, cents, day, [line], currency="USD", number=number)

    def fee_or_tip(self) -> None:
        party, day, cents = self.dice.choice(self.suppliers), self._day(), self._cents()
        number, extra = self._number(party, day), self.dice.choice((-1500, -35, 200, 500, 9, -9))
        line = self._line(party, max(1, cents + extra), self._paid(day), self._text(number))
        self._receipt("fee, tip or slip", party, cents, day, [line], number=number)

    def equal_prices(self) -> None:
        cents, day = self.dice.choice((1990, 2500, 10_000, 50_000)), self._day()
        for party in self.dice.sample(self.suppliers, 3):
            number = self._number(party, day)
            line = self._line(
                party, cents, day + timedelta(days=self.dice.randint(0, 9)), self.dice.choice((number, "Danke", ""))
            )
            self._receipt("equal prices", party, cents, day, [line], number=number)

    def twins(self) -> None:
        party, day, cents = self.dice.choice(self.suppliers), self._day(), self._cents(300, 9_000)
        has_number = self.dice.random() < 0.5
        for _ in range(2):
            line = self._line(party, cents, day + timedelta(days=1), "", operation_type="card")
            number = self._number(party, day) if has_number else None
            self._receipt("twins", party, cents, day, [line], number=number, due_on=None)

    def filed_twice(self) -> None:
        party, day, cents = self.dice.choice(self.suppliers), self._day(), self._cents()
        number = self._number(party, day)
        line = self._line(party, cents, self._paid(day), self._text(number))
        self._receipt("filed twice", party, cents, day, [line], number=number, is_from_bank=True)
        self._receipt(
            "filed twice, the copy",
            party,
            cents,
            day,
            [],
            number=number,
            is_from_bank=self.dice.random() < 0.3,
            linked_transactions=(),
        )

    def without_line(self) -> None:
        self._receipt("no line", self.dice.choice(self.suppliers), self._cents(), self._day(), [])

    def line_only(self) -> None:
        party, day = self.dice.choice(self.suppliers + self.customers), self._day()
        self._line(party, self._cents(), day, self.dice.choice((self._text(self._number(party, day)), "", "Miete 2025-11")))

    def intermediary(self) -> None:
        party, day, cents = self.dice.choice(self.suppliers), self._day(), self._cents(500, 40_000)
        text = f"10{self.dice.getrandbits(40)}/. {party.name}, Ihr Einkauf bei {party.name}"
        line = self._line(
            party,
            cents,
            day + timedelta(days=1),
            text,
            counterparty="PayPal Europe S.a.r.l. et Cie S.C.A",
            iban="LU89751000135104200E",
            operation_type="direct_debit",
        )
        self._receipt("intermediary", party, cents, day, [line])

    def badly_read(self) -> None:
        party, day, cents = self.dice.choice(self.suppliers), self._day(), self._cents()
        number = self._number(party, day)
        line = self._line(party, cents, self._paid(day), self._text(number))
        mistakes: tuple[dict[str, object], ...] = (
            {"amount_cents": None}, {"amount_cents": round(cents / 1.19)}, {"issued_on": None, "due_on": None}, {"counterparty": None},
            {"currency": "USD"}, {"currency": None}, {"number": "4471906"}, {"number": None}, {"direction": None}, {"counterparty": "Lieferschein"},
        )  # fmt: skip
        wrong = self.dice.choice(mistakes)
        self._receipt("badly read", party, cents, day, [line], **{"number": number, **wrong})

    def numbers_restart(self) -> None:
        party, cents = self.dice.choice(self.suppliers), self._cents()
        for day in (self._day(60), self._day(60) + timedelta(days=365)):
            count = self.dice.randint(1, 3)
            line = self._line(party, cents, day + timedelta(days=8), f"Rechnung {count:03d}")
            self._receipt("numbers restart", party, cents, day, [line], number=f"{count:03d}")

    # ---- the feed

    def _degrade(self) -> None:
        dice, made = self.dice, self.made
        if self.feed == "csv":
            made.transactions = [
                replace(line, iban=None, emitted_on=None, operation_type=None, local_amount_cents=None, local_currency=None)
                for line in made.transactions
            ]
        elif self.feed == "poor":
            made.transactions = [replace(line, remittance="") if dice.random() < 0.5 else line for line in made.transactions]
        elif self.feed == "gaps":
            made.transactions = [line for line in made.transactions if dice.random() >= 0.25]
            there = {line.id for line in made.transactions}
            # an invoice of which a line is missing has no complete truth any more: nothing may be assigned
            made.labels = {known: lines if set(lines) <= there else () for known, lines in made.labels.items()}
            made.receipts = [
                replace(receipt, linked_transactions=tuple(n for n in receipt.linked_transactions if n in there))
                for receipt in made.receipts
            ]
