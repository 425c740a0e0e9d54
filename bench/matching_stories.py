"""What happens to an invented client: each story makes receipts and lines with their truth, for every phenomenon we know of."""
# ruff: noqa: E501 -- tables of facts

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bench.matching_rows import FIRST_DAY, LAST_ISSUE, ClientSet, Rows


class Maker(Rows):
    """Plays stories with one client."""

    def make(self, stories: int, twins: int = 0) -> ClientSet:
        """Play that many stories by their weights, and `twins` more equal tickets of one party, five a day."""
        table = self._table()
        for story in self.dice.choices([story for _, story in table], [weight for weight, _ in table], k=stories):
            story()
        self._ticket_desk(twins)
        self.dice.shuffle(self.made.receipts)
        self.dice.shuffle(self.made.transactions)
        return self.made

    def _table(self) -> list[tuple[float, Callable[[], None]]]:
        return [
            (20, self.plain), (7, self.customer_pays), (8, self.garbled_reference), (2, self.customer_number), (5, self.no_reference),
            (2.5, self.foreign_reference), (3, self.paid_by_due_date), (1.5, self.paid_early), (2, self.subscription), (4, self.discount),
            (2, self.instalments), (1.5, self.part_payments), (1.5, self.split_shipment), (3.5, self.collective), (2, self.netted_credit_note),
            (2, self.refund), (6, self.card), (3, self.foreign_currency), (1.5, self.converted_only), (1.5, self.bank_fee), (1, self.amount_slip),
            (1.5, self.tip), (3, self.equal_prices), (2, self.twins), (0.7, self.weekly), (0.7, self.spotty_subscription), (1, self.paid_twice), (3, self.filed_twice), (1, self.order_confirmation), (4, self.without_line),
            (8, self.line_only), (3.5, self.processor), (0.7, self.payout), (2, self.trading_name), (2, self.private_payer),
            (1, self.other_account), (6, self.badly_read), (1.5, self.numbers_restart), (0.5, self.late_payer), (0.7, self.listed_by_ends),
            (0.5, self.batch_booking), (1, self.aided), (0.7, self.billed_monthly),
        ]  # fmt: skip

    # ---- one invoice, one line

    def plain(self) -> None:
        """An invoice paid in full, its number in the text."""
        case = self._case("plain", self._supplier())
        self._pair(case, self._text(case))

    def customer_pays(self) -> None:
        """A customer pays our invoice and names it in his own words."""
        case = self._case("customer pays", self.dice.choice(self.customers))
        self._pair(case, self._text(case))

    def garbled_reference(self) -> None:
        """The number stands there, but not as it was printed."""
        case = self._case("", self._any_party())
        number, dice = case.number or "", self.dice
        if len(number) < 4:  # nothing of it would be left
            return
        place = dice.randrange(1, len(number))
        text = self._text(case)
        head = max(0, dice.choice(self.words.breaks) - place)
        swapped = number[: place - 1] + number[place] + number[place - 1] + number[place + 1 :]
        kinds: tuple[tuple[str, str], ...] = (
            ("reference, other separators", text.replace(number, number.translate(str.maketrans("-/._", "  - ")))),
            ("reference, other separators", text.replace(number, number.translate(str.maketrans("", "", "-/._ ")))),
            ("reference, prefix dropped", text.replace(number, number.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ-_. /"))),
            ("reference, typing error", text.replace(number, number[:place] + number[place + 1 :])),
            ("reference, typing error", text.replace(number, swapped)),
            ("reference, split by the bank", f"{'Zahlung vom Konto der Firma, Beleg '[-head:] if head else ''}{number[:place]} {number[place:]}"),
            ("reference, cut off", self._text(case, number[: -dice.randint(1, 3)])),
        )  # fmt: skip
        phenomenon, written = dice.choice(kinds)
        self._pair(replace(case, phenomenon=phenomenon), written)

    def customer_number(self) -> None:
        """Only the customer's number is named."""
        case = self._case("customer number only", self._any_party())
        self._pair(case, self._said(case, self.words.customer_numbers))

    def no_reference(self) -> None:
        """A text that says nothing, or none."""
        case = self._case("no reference", self._any_party())
        self._pair(case, self._said(case, (*self.words.polite, "", "")))

    def foreign_reference(self) -> None:
        """The payer names another invoice, often one of the same party."""
        case = self._case("another invoice's number", self._any_party())
        earlier = [made.number for made in self.made.receipts[-60:] if made.number and made.counterparty == case.party.name]
        anything = [made.number for made in self.made.receipts[-60:] if made.number] or [self._number(case.party, case.day)]
        self._pair(case, self._text(case, self.dice.choice(earlier or anything)))

    def paid_by_due_date(self) -> None:
        """Paid weeks later, about when it is due."""
        case = self._case("paid weeks later", self._any_party())
        due = case.day + timedelta(days=self.dice.choice((30, 45, 60)))
        case = replace(case, paid=due + timedelta(days=self.dice.randint(-4, 3)))
        text = self._text(case) if self.dice.random() < 0.6 else self._said(case, self.words.polite)
        self._pair(case, text, due_on=due)

    def paid_early(self) -> None:
        """Paid before the invoice was written."""
        case = self._case("paid early", self._any_party())
        case = replace(case, paid=case.day - timedelta(days=self.dice.randint(2, 20)))
        self._pair(case, self._said(case, self.words.polite) if self.dice.random() < 0.6 else self._text(case))

    def card(self) -> None:
        """Bought by card: a descriptor, no text."""
        self._card(self._case("card", self._supplier(), cents=self._cents(300, 30_000)))

    def tip(self) -> None:
        """The card was charged with a tip on top of the bill."""
        case = self._case("tip", self._supplier(), cents=self._cents(1_500, 20_000))
        self._card(case, case.cents * self.dice.choice((105, 110)) // 1000 * 10 + self.dice.randint(0, 9) * 10)

    def foreign_currency(self) -> None:
        """An invoice in another currency; the line knows the original amount."""
        case = self._case("foreign currency, original amount", self._supplier())
        local: dict[str, Any] = {"local_amount_cents": case.cents, "local_currency": "USD", "operation_type": "card"}
        text = self._text(case) if self.dice.random() < 0.4 else ""
        self._receipt(case, [self._line(case, text, cents=self._converted(case.cents), **local)], currency="USD")

    def converted_only(self) -> None:
        """The same, but the bank tells only what it took."""
        case = self._case("foreign currency, converted only", self._supplier())
        text = self._text(case) if self.dice.random() < 0.4 else ""
        currency = self.dice.choice(("USD", "GBP", "CHF"))
        self._receipt(case, [self._line(case, text, cents=self._converted(case.cents))], currency=currency)

    def _converted(self, cents: int) -> int:
        return round(cents * self.dice.uniform(0.88, 0.96))

    def discount(self) -> None:
        """Skonto of 2 or 3 percent taken, named or not."""
        case = self._case("discount", self._any_party(), cents=self._cents(20_000))
        percent = self.dice.choice((2, 2, 3))
        case = replace(case, paid=case.day + timedelta(days=self.dice.randint(2, 12)))
        text = self._text(case)
        if self.dice.random() < 0.4:
            text += " " + self._said(case, self.words.discounts, percent=percent)
        self._receipt(case, [self._line(case, text, cents=round(case.cents * (100 - percent) / 100))])

    def bank_fee(self) -> None:
        """A bank on the way kept a fee of what a customer paid."""
        case = self._case("bank fee deducted", self.dice.choice(self.customers))
        self._receipt(case, [self._line(case, self._text(case), cents=case.cents - self.dice.choice((150, 500, 1250)))])

    def amount_slip(self) -> None:
        """A typing error in the amount."""
        case = self._case("amount mistyped", self._any_party())
        slip = self.dice.choice((-9, 9, 90, -90, 900, 1, -1))
        self._receipt(case, [self._line(case, self._text(case), cents=case.cents + slip)])

    def processor(self) -> None:
        """Paid through PayPal or Klarna: their name and IBAN on the line."""
        case = self._case("intermediary", self._supplier(), cents=self._cents(500, 40_000))
        name, iban, text = self.dice.choice(self.words.processors)
        facts: dict[str, Any] = {"counterparty": name, "iban": iban, "operation_type": "direct_debit"}
        written = text.format(party=case.party.name, code=self._code(10))
        case = replace(case, paid=case.day + timedelta(days=self.dice.randint(0, 3)))
        self._receipt(case, [self._line(case, written, **facts)])

    def trading_name(self) -> None:
        """The invoice carries the shop's name, the account the owner's."""
        case = self._case("trading name", self._supplier())
        owner = f"{self.dice.choice(self.words.first_names)} {self.dice.choice(self.words.families)}"
        text = self._text(case) if self.dice.random() < 0.5 else self._said(case, self.words.polite)
        self._receipt(case, [self._line(case, text, counterparty=owner)])

    def private_payer(self) -> None:
        """Somebody else pays for the customer, from a private account."""
        case = self._case("private payer", self.dice.choice(self.customers))
        payer = f"{self.dice.choice(self.words.first_names)} {self.dice.choice(self.words.families)}"
        text = self._text(case) if self.dice.random() < 0.5 else self._said(case, self.words.polite)
        iban = "DE" + "".join(self.dice.choices("0123456789", k=20))
        self._receipt(case, [self._line(case, text, counterparty=payer, iban=iban)])

    def other_account(self) -> None:
        """The supplier prints one account and is paid on another of his."""
        case = self._case("supplier's other account", self._supplier())
        iban = "DE" + "".join(self.dice.choices("0123456789", k=20))
        self._receipt(case, [self._line(case, self._text(case))], iban=iban)

    # ---- sets

    def instalments(self) -> None:
        """Three monthly parts, with or without the number."""
        case = self._case("", self._any_party(), self._day(230), self._cents(30_000))
        is_named, share = self.dice.random() < 0.6, case.cents // 3
        case = replace(case, phenomenon="instalments, numbered" if is_named else "instalments, not numbered")
        part = self.dice.choice(self.words.instalments)
        lines = [
            self._line(
                case,
                f"{case.number} {part.format(n=n + 1)}" if is_named else part.format(n=n + 1),
                cents=share if n < 2 else case.cents - 2 * share,
                paid=case.day + timedelta(days=30 * n + self.dice.randint(0, 5)),
            )
            for n in range(3)
        ]
        self._receipt(replace(case, paid=case.day + timedelta(days=65)), lines)

    def part_payments(self) -> None:
        """A first payment and the rest of other height; of some only the first came."""
        case = self._case("", self._any_party(), self._day(280), self._cents(10_000))
        first = case.cents * self.dice.choice((20, 30, 50, 60)) // 100
        is_whole = self.dice.random() < 0.7
        case = replace(case, phenomenon="part payments" if is_whole else "part payment, rest open")
        lines = [self._line(case, self._text(case), cents=first)]
        if is_whole:
            rest = case.paid + timedelta(days=self.dice.randint(5, 40))
            lines.append(self._line(case, self._text(case), cents=case.cents - first, paid=rest))
        self._receipt(case, lines, paid_on=None)

    def split_shipment(self) -> None:
        """One bill, charged to the card parcel by parcel."""
        case = self._case("split shipment", self._supplier(), cents=self._cents(5_000, 60_000))
        first = self.dice.randint(case.cents // 5, case.cents // 2)
        days = (case.day + timedelta(days=2), case.day + timedelta(days=self.dice.randint(3, 9)))
        parts = zip((first, case.cents - first), days, strict=True)
        self._receipt(case, [self._swipe(case, cents, day) for cents, day in parts], due_on=None, iban=None, paid_on=None)

    def collective(self) -> None:
        """Several invoices in one transfer, listed or "diverse"."""
        dice, party, day = self.dice, self._any_party(), self._day()
        is_listed = dice.random() < 0.7
        name = "collective, listed" if is_listed else "collective, not listed"
        days = [max(FIRST_DAY, day - timedelta(days=dice.randint(0, 20))) for _ in range(dice.randint(2, 5))]
        cases = [self._case(name, party, issued) for issued in days]
        paid = day + timedelta(days=dice.randint(1, 20))
        joint, template = dice.choice(self.words.lists)
        whole = replace(cases[0], cents=sum(case.cents for case in cases), paid=paid)
        listed = self._text(whole, joint.join(case.number or "" for case in cases), template)
        line = self._line(whole, listed if is_listed else self._said(whole, self.words.unlisted))
        for case in cases:
            self._receipt(replace(case, paid=paid), [line])

    def netted_credit_note(self) -> None:
        """A credit note taken off the payment of an invoice; the text names both, or only the invoice."""
        party, day = self._supplier(), self._day()
        invoice = self._case("netted credit note", party, day, self._cents(20_000))
        note = self._case("netted credit note", party, day, self._cents(500, 9_000))
        text = f"{invoice.number} abzgl. {note.number}" if self.dice.random() < 0.7 else self._text(invoice)
        line = self._line(invoice, text, cents=invoice.cents - note.cents)
        self._receipt(invoice, [line])
        self._receipt(replace(note, cents=-note.cents, paid=invoice.paid), [line])

    def payout(self) -> None:
        """Sales by card reader, paid out together less the fees."""
        day, customer = self._day(), self.dice.choice(self.customers)
        cases = [
            self._case("payout of several sales", customer, day, self._cents(500, 20_000)) for _ in range(self.dice.randint(2, 6))
        ]
        name, iban, text = self.dice.choice(self.words.payouts)
        total = sum(case.cents for case in cases)
        paid = day + timedelta(days=self.dice.randint(1, 3))
        fees = sum(max(1, round(case.cents * 0.0139)) for case in cases)
        line = self._line(
            cases[0], text.format(code=self._code()), cents=total - fees, paid=paid, counterparty=name, iban=iban
        )  # fmt: skip
        for case in cases:
            self._receipt(replace(case, paid=paid), [line], counterparty=None if self.dice.random() < 0.5 else customer.name)

    def listed_by_ends(self) -> None:
        """Of a list only the first number is written whole."""
        dice, party, day = self.dice, self.dice.choice(self.customers), self._day()
        paid = day + timedelta(days=dice.randint(5, 25))
        name = "collective, listed by ends"
        cases = [replace(self._case(name, party, day + timedelta(days=n)), paid=paid) for n in range(dice.randint(2, 4))]
        joint, template = dice.choice(self.words.lists)
        first, *others = (case.number or "" for case in cases)
        ends = [number[-4:] for number in others]
        whole = replace(cases[0], cents=sum(case.cents for case in cases))
        line = self._line(whole, self._text(whole, joint.join((first, *ends)), template))
        for case in cases:
            self._receipt(case, [line])

    def batch_booking(self) -> None:
        """What was collected of several customers by direct debit, in one sum; one of them may pay the same bill himself."""
        dice, day = self.dice, self._day()
        members, fees = [self._party(is_customer=True) for _ in range(dice.randint(4, 9))], dice.sample(self.words.prices, 2)
        cases = [self._case("batch booking", party, day, dice.choice(fees)) for party in members]
        own = dice.randint(0, 1)
        collected, paid = cases[own:], day + timedelta(days=dice.randint(3, 8))
        whole = replace(collected[0], cents=sum(case.cents for case in collected), paid=paid)
        text = self._said(whole, self.words.batches, count=len(collected))
        line = self._line(whole, text, counterparty=dice.choice((None, *self.words.brands)), iban=None, operation_type=None)
        for case in collected:
            self._receipt(replace(case, paid=paid), [line])
        for case in cases[:own]:
            self._pair(replace(case, phenomenon="beside a batch booking"), self._text(case))

    def aided(self) -> None:
        """An office pays a part of somebody's bill and says for whom."""
        dice, party = self.dice, self.dice.choice(self.customers)
        person = f"{dice.choice(self.words.first_names)} {dice.choice(self.words.families)}"
        payer = replace(party, name=person, bank_name=self._bank_name(person))
        case = self._case("a part paid by somebody else", payer, cents=self._cents(30_000, 120_000))
        case = replace(case, paid=case.day + timedelta(days=dice.randint(-2, 4)))
        part = case.cents * dice.randint(30, 80) // 100
        office, text = dice.choice(self.words.aids)
        iban = "DE" + "".join(dice.choices("0123456789", k=20))
        day, said = case.paid + timedelta(days=dice.randint(-2, 2)), text.format(party=payer.bank_name, code=self._code())
        lines = [self._line(case, said, cents=part, paid=day, counterparty=office, iban=iban)]
        lines.append(self._line(case, self._said(case, self.words.polite), cents=case.cents - part))
        self._receipt(case, lines)

    def billed_monthly(self) -> None:
        """Advertising is charged to the card as it runs, and billed at the month's end."""
        dice = self.dice
        name, shop = dice.choice(self.words.advertisers)
        advertiser = replace(self._supplier(), name=name)
        start = self._day().replace(day=1)
        bill = (start + timedelta(days=32)).replace(day=1) + timedelta(days=dice.randint(-1, 3))
        charges = [
            (self._cents(1_000, 30_000), start + timedelta(days=4 + 26 * n // 7)) for n in range(dice.randint(3, 7))
        ]  # fmt: skip
        case = self._case("a month's charges", advertiser, bill, sum(cents for cents, _ in charges))
        card: dict[str, Any] = {"counterparty": shop.format(code=self._code()), "iban": None, "operation_type": "card"}
        lines = [self._line(case, "", cents=cents, paid=day, **card) for cents, day in charges]
        self._receipt(replace(case, paid=charges[-1][1]), lines, due_on=None, iban=None, paid_on=None)

    def refund(self) -> None:
        """An invoice paid, and its credit note paid back on a line of its own."""
        bought = self._case("refund, the invoice", self._supplier())
        self._pair(bought, self._text(bought))
        day = bought.day + timedelta(days=self.dice.randint(5, 30))
        returned = self._case("refund, the credit note", bought.party, day, bought.cents)
        text = self._said(returned, self.words.credits) if self.dice.random() < 0.7 else ""
        line = self._line(returned, text, side="credit")
        self._receipt(replace(returned, cents=-returned.cents), [line])

    # ---- what looks alike

    def subscription(self) -> None:
        """The same amount every month, with or without a number on the line."""
        dice = self.dice
        party, cents = self._supplier(), dice.choice(self.words.prices)
        is_named, start, lag = dice.random() < 0.4, self._day(30), dice.choice((0, 1, 3, 10))
        name = "subscription, numbered" if is_named else "subscription, not numbered"
        text = dice.choice(self.words.series).format(code=party.code)
        for month in range(dice.randint(5, 11)):
            case = self._case(name, party, start + timedelta(days=30 * month + dice.randint(-1, 1)), cents)
            case = replace(case, paid=case.day + timedelta(days=max(0, lag + dice.randint(-1, 2))))
            line = self._line(case, self._text(case) if is_named else text, operation_type="direct_debit")
            self._receipt(case, [line])

    def late_payer(self) -> None:
        """A customer owes the same every month, and always pays about a month late, without a word."""
        dice = self.dice
        party, cents, start = self.dice.choice(self.customers), dice.choice(self.words.prices), self._day(60)
        for month in range(dice.randint(5, 8)):
            case = self._case("always late", party, start + timedelta(days=30 * month), cents)
            case = replace(case, paid=case.day + timedelta(days=dice.randint(27, 45)))
            receipt = self._receipt(case, [self._line(case, self._said(case, self.words.polite))])
            if receipt.is_from_bank:  # the client wrote it there himself
                self.made.arrivals[receipt.id] = case.day

    def weekly(self) -> None:
        """The same delivery every week, paid as it comes."""
        party, cents, start = self._supplier(), self.dice.choice(self.usual_prices), self._day(280)
        is_named = self.dice.random() < 0.5
        name = "weekly, numbered" if is_named else "weekly, not numbered"
        for week in range(self.dice.randint(4, 8)):
            day = start + timedelta(days=7 * week)
            case = replace(self._case(name, party, day, cents), paid=day + timedelta(days=self.dice.randint(1, 12)))
            self._pair(case, self._text(case) if is_named else self._said(case, self.words.polite))

    def spotty_subscription(self) -> None:
        """A subscription of which some papers were never filed and some months paid from elsewhere."""
        dice = self.dice
        party, cents, start = self._supplier(), dice.choice(self.words.prices), self._day(40)
        text = self._said(self._case("", party, start, cents), self.words.series)
        for month in range(dice.randint(6, 10)):
            case = self._case("subscription, spotty", party, start + timedelta(days=30 * month + dice.randint(-1, 1)), cents)
            case = replace(case, paid=case.day + timedelta(days=dice.randint(0, 4)))
            lines = [self._line(case, text, operation_type="direct_debit")] if dice.random() < 0.8 else []
            if dice.random() < 0.6:
                self._receipt(case, lines)

    def paid_twice(self) -> None:
        """By mistake paid again some days later, and given back."""
        case = self._case("paid twice", self._any_party())
        text = self._text(case) if self.dice.random() < 0.7 else self._said(case, self.words.polite)
        line = self._line(case, text)
        again = case.paid + timedelta(days=self.dice.randint(2, 20))
        self.made.stand_ins[self._line(case, text, paid=again)] = line
        self._line(case, text, paid=again + timedelta(days=9), side="debit" if case.party.is_customer else "credit")
        self._receipt(case, [line])

    def equal_prices(self) -> None:
        """The same price at three suppliers in the same days."""
        cents, day = self.dice.choice(self.words.prices), self._day()
        for party in self.dice.sample(self.suppliers, 3):
            case = self._case("equal prices", party, day, cents)
            case = replace(case, paid=day + timedelta(days=self.dice.randint(0, 9)))
            self._pair(case, self.dice.choice((self._text(case), self._said(case, self.words.polite), "")))

    def twins(self) -> None:
        """Two equal purchases on one day: nothing tells which line is whose."""
        party, day, cents = self._supplier(), self._day(), self._cents(300, 9_000)
        has_number, paid = self.dice.random() < 0.5, day + timedelta(days=1)
        for _ in range(2):
            case = self._case("twins", party, day, cents)
            self._card(case if has_number else replace(case, number=None), paid=paid)

    def _ticket_desk(self, count: int) -> None:
        """Equal tickets by the hundred."""
        party, cents = self.suppliers[0], self.words.prices[0]
        for n in range(count):
            day = FIRST_DAY + timedelta(days=(n // 5) % LAST_ISSUE)
            self._card(replace(self._case("tickets", party, day, cents), number=None), paid=day + timedelta(days=1))

    def filed_twice(self) -> None:
        """The bank's invoice, uploaded once more later: the copy has no line of its own."""
        case = self._case("filed twice, the original", self._supplier())
        original = self._receipt(case, [self._line(case, self._text(case))], is_from_bank=True)
        upload = self.dice.random() < 0.7
        copied = self._receipt(
            replace(case, phenomenon="filed twice, the copy"), [], is_from_bank=not upload, linked_transactions=(), paid_on=None,
            iban=original.iban, due_on=original.due_on,
        )  # fmt: skip
        arrivals = self.made.arrivals
        arrivals[copied.id] = max(arrivals[original.id], arrivals[copied.id]) + timedelta(days=self.dice.randint(0, 30))

    def order_confirmation(self) -> None:
        """An order confirmation of the same amount is filed beside the invoice; the payment names the invoice."""
        case = self._case("invoice beside its order confirmation", self._supplier())
        number = f"AB{self._code(6)}"
        earlier = replace(
            case, phenomenon="order confirmation", number=number, day=case.day - timedelta(days=self.dice.randint(1, 9))
        )
        self._receipt(earlier, [], is_from_bank=False, due_on=None)
        self._pair(case, self._text(case))

    def without_line(self) -> None:
        """Paid in cash, or not at all."""
        case = self._case("no line", self._any_party())
        self._receipt(case, [])

    def line_only(self) -> None:
        """Money without a receipt: wages, taxes, and invoices that nobody filed."""
        case = self._case("", self._any_party())
        if self.dice.random() < 0.6:
            self._line(case, self._text(case) if self.dice.random() < 0.7 else self._said(case, self.words.polite))
        else:
            somebody = f"{self.dice.choice(self.words.first_names)} {self.dice.choice(self.words.families)}"
            self._line(case, self._said(case, self.words.other_lines), side="debit", counterparty=somebody, iban=None)

    def numbers_restart(self) -> None:
        """Short numbers that begin anew each year."""
        party, cents, count = self._supplier(), self._cents(), self.dice.randint(1, 9)
        for day in (self._day(40), self._day(40) + timedelta(days=365)):
            case = replace(self._case("numbers restart", party, day, cents), number=f"{count:03d}")
            self._pair(replace(case, paid=day + timedelta(days=8)), self._text(case))

    # ---- what reading a paper does to it

    def badly_read(self) -> None:
        """One fact of the receipt is missing or wrong."""
        dice = self.dice
        case = self._case("", self._supplier())
        name = case.party.name
        garbled = name.replace("e", "c").replace("n", "u")[: max(4, len(name) - 5)]
        swapped = (
            case.day.replace(month=case.day.day, day=case.day.month) if case.day.day <= 12 else case.day + timedelta(days=90)
        )
        mistakes: tuple[tuple[str, dict[str, Any]], ...] = (
            ("amount missing", {"amount_cents": None}), ("net for gross", {"amount_cents": round(case.cents / 1.19)}),
            ("dates missing", {"issued_on": None, "due_on": None, "paid_on": None}), ("date misread", {"issued_on": swapped, "due_on": None}),
            ("name missing", {"counterparty": None}), ("name garbled", {"counterparty": garbled}),
            ("name misread", {"counterparty": dice.choice(self.words.misread_names)}), ("currency wrong", {"currency": "USD"}),
            ("currency missing", {"currency": None}), ("number misread", {"number": dice.choice((case.party.code, self._code()))}), ("number missing", {"number": None}),
            ("direction unknown", {"direction": None}), ("amount misread", {"amount_cents": case.cents + dice.choice((-30_00, 7_00, 10))}),
        )  # fmt: skip
        phenomenon, wrong = dice.choice(mistakes)
        case = replace(case, phenomenon=f"read: {phenomenon}")
        text = self._text(case) if dice.random() < 0.75 else self._said(case, self.words.polite)
        self._pair(case, text, **wrong)
