"""How one client of the second ledger files receipts and books lines: as they are, and as they were read at the year's end."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta

from bench.ledger_facts import Books, Line, Partner, Receipt
from bench.ledger_parties import Inventor, numbered
from bench.ledger_words import RATES, REFERENCE_WAYS

_READING_SLIPS = {"till": 1.6, "income": 0.4, "expense": 1}
"""How much more often a slip is misread, and how much less one's own invoice."""


class Papers(Inventor):
    """One client's papers and lines, without a reason yet why there are any."""

    def __init__(self, split: str, seed: int, number: int) -> None:
        super().__init__(split, seed, number)
        self.books = Books(f"{split}-{number:02d}")
        self.lost: set[str] = set()
        self.own_numbers: defaultdict[date, list[str]] = defaultdict(list)

    def own_run(self, days: Iterable[date]) -> None:
        """Number the client's own invoices of a year in the order of their days, without holes."""
        year = 0
        for day in sorted(days):
            self.counter = 0 if year and year != day.year and "{y" in self.numbers else self.counter
            year, self.counter = day.year, self.counter + 1
            self.own_numbers[day].append(numbered(self.numbers, day, self.counter))

    def receipt(  # noqa: PLR0913 -- keyword-only and named for what they turn
        self,
        partner: Partner,
        day: date,
        cents: int,
        *,
        is_income: bool = False,
        is_till: bool = False,
        tags: Iterable[str] = (),
    ) -> Receipt:
        """File a receipt as it is, before anything is misread."""
        number = self._own_number(day, cents) if is_income else self.number(partner, day)
        made = Receipt(
            id=self.fresh_id(),
            direction="income" if is_income else "expense",
            number=number,
            counterparty=partner.name,
            amount_cents=cents,
            currency=partner.currency,
            issued_on=day,
        )
        if not is_till and cents > 0 and self.happens("due_day_read"):
            made.due_on = day + timedelta(days=partner.term)
        if not is_till and not is_income and self.happens("iban_on_receipt"):
            made.iban = partner.iban
        if is_till and self.happens("number_missing_till"):
            made.number = None
        files = (f"Rechnung_{number.replace('/', '-')}.pdf", f"{partner.name.split()[0]}_{day:%Y-%m}.pdf")
        made.text = self.random.choice(("", "", *files, self.fill("scan_########.pdf"), "Beleg.pdf"))
        self.books.receipts.append(made)
        self.books.truth[made.id] = []
        about = {*tags, made.direction, "till" if is_till else "invoice", f"firm_{self.firm.kind}"}
        self.books.phenomena[made.id] = about | ({"number_restarted"} if partner.has_restarted else set())
        partner.used.append(number)
        if self.happens("receipt_lost_till" if is_till else "receipt_lost_invoice") and not is_income:
            self.lost.add(made.id)
        return made

    def _own_number(self, day: date, cents: int) -> str:
        """The number of one's own invoice, or of a credit note, which has a run of its own."""
        if cents >= 0 and self.own_numbers[day]:
            return self.own_numbers[day].pop(0)
        self.counter += 1
        return numbered("GS-{n}", day, self.counter)

    def line(  # noqa: PLR0913 -- keyword-only and named for what they turn
        self,
        cents: int,
        day: date,
        name: str,
        kind: str,
        text: str = "",
        iban: str | None = None,
        *,
        emitted_on: date | None = None,
        local: tuple[int, str] | None = None,
    ) -> Line:
        """Book a line; positive cents are money in, `local` the original amount."""
        local_cents, currency = local or (abs(cents), "EUR")
        made = Line(
            id=self.fresh_id(),
            side="credit" if cents > 0 else "debit",
            amount_cents=abs(cents),
            local_amount_cents=local_cents,
            local_currency=currency,
            booked_on=day,
            emitted_on=emitted_on or day,
            counterparty=name,
            iban=iban,
            remittance=text,
            operation_type=kind,
        )
        self.books.lines.append(made)
        return made

    def link(self, bills: Iterable[Receipt], lines: Iterable[Line], *tags: str) -> None:
        """Note which lines paid the receipts, and when if whoever keeps the receipts knows."""
        for bill in bills:
            about = self.books.phenomena[bill.id]
            for line in lines:
                self.books.truth[bill.id].append(line.id)
                after = (line.booked_on - bill.day).days
                about.add("paid_before_issue" if after < 0 else "paid_within_60" if after < 60 else "paid_after_60")
                if line.booked_on.year != bill.day.year:
                    about.add("year_change")
                if line.operation_type in {"transfer", "income"} and self.happens("paid_day_bank"):
                    noticed = 0 if bill.direction == "expense" else self.random.choice((0, 0, 1, 4))
                    bill.paid_on = line.booked_on + timedelta(days=noticed)
            about.update(tags)

    # ---- what a text says

    def reference(self, partner: Partner, bills: list[Receipt], who: str) -> tuple[str, str]:
        """The remittance text for the bills, and the way in which it names them."""
        if len(bills) > 1:
            return self._collective_reference(partner, bills)
        number, way = str(bills[0].number), "ref_none" if partner.is_vague else self.pick(REFERENCE_WAYS[who])
        earlier = [other for other in partner.used if other != number]
        if way == "ref_other" and not earlier:
            way = "ref_exact"
        if way == "ref_customer":
            return self.random.choice((f"Kundennummer {partner.code}", f"Kd-Nr. {partner.code}", partner.code)), way
        if way == "ref_none":
            return self.random.choice(self.words.silent).replace("{c}", self.name), way
        place = self.random.randrange(max(1, len(number) - 1))
        digits = [spot for spot, sign in enumerate(number) if sign.isdigit()]
        spot, half = self.random.choice(digits), len(number) // 2
        shown = {
            "ref_exact": number,
            "ref_spaced": re.sub(r"[-/.]", " ", number) if re.search(r"[-/.]", number) else f"{number[:half]} {number[half:]}",
            "ref_prefix_dropped": re.sub(r"^([A-Z]+[-]?)(\d{2,4}[-.])?", "", number) or number,
            "ref_typo": f"{number[:spot]}{(int(number[spot]) + self.random.randint(1, 9)) % 10}{number[spot + 1 :]}",
            "ref_split": f"{number[: place + 1]} {number[place + 1 :]}",
            "ref_truncated": number[: -self.random.choice((1, 2))],
            "ref_other": earlier[-1] if earlier else number,
        }[way]
        if way == "ref_truncated":
            return self.text(partner, bills[0], "\0").split("\0")[0] + shown, way
        return self.text(partner, bills[0], shown), "ref_exact" if shown == number else way

    def _collective_reference(self, partner: Partner, bills: list[Receipt]) -> tuple[str, str]:
        numbers = [str(bill.number) for bill in bills]
        if self.happens("collective_listed"):
            listed = self.random.choice((", ", " ", "+", " und ")).join(numbers)
            return self.text(partner, bills[0], listed), "collective_listed"
        vague = ("diverse Rechnungen", "div. RG", f"offene Posten Kd {partner.code}", f"{numbers[-1]} u.a.")
        return self.random.choice(vague), "collective_unlisted"

    def text(self, partner: Partner, bill: Receipt, shown: str) -> str:
        """The partner's template with a number in it."""
        return partner.template.format(n=shown, k=partner.code, d=f"{bill.day:%d.%m.%Y}", c=self.name)[:140]

    # ---- the end of the year

    def close(self) -> None:
        """Cut the books to the year, lose and misread receipts, file some twice, and shuffle."""
        books = self.books
        books.lines = [line for line in books.lines if self.start <= line.booked_on < self.end]
        there = {line.id for line in books.lines}
        kept = [bill for bill in books.receipts if self.start <= bill.day < self.end and bill.id not in self.lost]
        prices: defaultdict[int, set[str]] = defaultdict(set)
        for bill in kept:
            prices[bill.amount_cents or 0].add(str(bill.counterparty))
        books.receipts = []
        for bill in kept:
            if not set(books.truth[bill.id]) <= there:
                books.truth[bill.id], bill.paid_on = [], None
                books.phenomena[bill.id].add("still_open")
            if len(prices[bill.amount_cents or 0]) > 1:
                books.phenomena[bill.id].add("equal_price_elsewhere")
            books.receipts.append(self.read(bill))
            if self.happens("filed_twice"):
                copy = replace(self.read(bill), id=self.fresh_id(), text=self.fill("IMG_####.pdf"))
                books.receipts.append(copy)
                books.copies[copy.id] = bill.id
                books.truth[copy.id] = list(books.truth[bill.id])
                books.phenomena[bill.id].add("filed_twice")
                books.phenomena[copy.id] = books.phenomena[bill.id]
        ids = {bill.id for bill in books.receipts}
        books.truth = {bill: lines for bill, lines in books.truth.items() if bill in ids}
        books.phenomena = {bill: about for bill, about in books.phenomena.items() if bill in ids}
        self.random.shuffle(books.receipts)
        books.lines.sort(key=lambda line: (line.booked_on, line.id))

    def read(self, bill: Receipt) -> Receipt:
        """The receipt as read by machine: mostly right."""
        about = self.books.phenomena[bill.id]
        often = _READING_SLIPS["till" if "till" in about else bill.direction]
        read = replace(bill)

        def slips(name: str) -> bool:
            has_happened = self.random.random() < RATES[name][0] * often
            about.update([name] if has_happened else [])
            return has_happened

        if slips("amount_missing"):
            read.amount_cents = None
        elif slips("net_for_gross") and read.amount_cents:
            read.amount_cents = round(read.amount_cents / 1.19)
        if slips("wrong_currency" if bill.currency == "EUR" else "wrong_currency_abroad"):
            read.currency = "USD" if bill.currency == "EUR" else "EUR"
        self._read_words(bill, read, slips)
        return read

    def _read_words(self, bill: Receipt, read: Receipt, slips: Callable[[str], bool]) -> None:
        if slips("date_missing"):
            read.issued_on = None
        elif slips("date_wrong"):
            read.issued_on = bill.day - timedelta(days=self.random.randint(1, 20))
        if slips("name_missing"):
            read.counterparty = None
        elif slips("name_garbled"):
            read.counterparty = self._garbled(str(bill.counterparty))
        if read.number and slips("number_missing"):
            read.number = None
        elif read.number and slips("number_misread"):
            read.number = read.number.replace("0", "O", 1) if "0" in read.number else self.fill("########")

    def _garbled(self, name: str) -> str:
        signs = list(name)
        for _ in range(self.random.choice((1, 2, 3))):
            signs[self.random.randrange(len(signs))] = self.random.choice(("", "1", "l", "m", "ii", " ", "0"))
        return "".join(signs)
