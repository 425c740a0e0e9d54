"""The second ledger: invented books of German small firms over one year, and which receipt was paid by which lines.

Written by somebody who knew neither the rules of the matcher nor the first set (`matching_set`), from a list of phenomena only;
so it has other shares, other habits and other texts. A client is a kind of firm (café, carpenter, web agency …) with suppliers,
customers, subscriptions and card purchases of its own. Everything follows from a seed. How the lines reach the portal is told in
`ledger_feeds`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from bench.ledger_facts import Books, Line, Partner, Receipt
from bench.ledger_papers import Papers
from bench.ledger_words import EXCHANGE, FIRMS, MONTHS, Brand

_PAYPAL = "PayPal Europe S.a.r.l. et Cie S.C.A"
_PAYPAL_IBAN = "LU89751000135104200E"
_KLARNA_IBAN = "DE06512200000000000000"
_GOODS = {"wood", "hardware", "parts", "tyres", "goods", "cosmetics", "packing"}
_SERVICES = {"tax", "studio", "craft", "manager"}
_MONTHLY = {"tax", "manager", "laundry"}
_MONTHLY_PRICES = {
    "software": (999, 1200, 1500, 1999, 2000, 2900, 4900, 5900),
    "ads": (12000, 25000),
    "parcel": (9000, 18000),
}
_USUAL_PRICES = (1499, 2499, 3999, 4495, 5990, 8900)
_PAID_IN_PARTS_FROM = 30000
_MOST_TOGETHER = 5


def invent(split: str, seed: int, clients: int) -> Iterator[Books]:
    """Yield the books of so many clients; the same arguments give the same books. Errors: KeyError for an unknown split."""
    for number in range(clients):
        yield Bookkeeper(split, seed, number).write()


def working_day(day: date) -> date:
    """Return the day itself, or the Monday after a weekend."""
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)


@dataclass
class _Dealing:
    """A year's invoices of one partner, on some days, between two amounts in euros. `is_fixed`: all of one amount."""

    partner: Partner
    days: list[date]
    low: int
    high: int
    style: str
    is_income: bool = False
    is_fixed: bool = False
    kind: str = ""


class Bookkeeper(Papers):
    """Writes one client's books."""

    def __init__(self, split: str, seed: int, number: int) -> None:
        super().__init__(split, seed, number)
        self.files_orders = number // len(FIRMS) % 2 == 0

    def write(self) -> Books:
        """Return the year's books: everything that happened, cut to the year, read by machine and shuffled."""
        self.purchases()
        for category, times, low, high in self.firm.shops:
            self.shopping(category, times, low, high)
        for category, many in self.firm.subscriptions:
            offers = self.words.brands[category]
            for which in self.random.sample(offers, min(many, len(offers))):
                self.subscribe(category, which)
        self.sales()
        self.lines_alone()
        self.close()
        return self.books

    # ---- invoices that are transferred

    def purchases(self) -> None:
        """A year's invoices of all suppliers."""
        for category, many, times, low, high in self.firm.suppliers:
            for _ in range(many):
                name = self.company(self.random.choice(self.words.trades[category]))
                supplier = self.partner(name, "transfer", delay=self.random.choice((1, 3, 7, 12, 14, 21, 28)))
                if category in _GOODS and self.happens("supplier_grants_skonto"):
                    supplier.skonto = self.random.choice((2, 2, 3))
                is_fixed = category in _MONTHLY and self.random.random() < 0.6
                style = "service" if category in _SERVICES else "any"
                self.deal(_Dealing(supplier, self.days(times, is_fixed=is_fixed), low, high, style, is_fixed=is_fixed))

    def days(self, times: float, *, is_fixed: bool) -> list[date]:
        """When a partner writes invoices: now and then, or monthly on one day; some before the year."""
        if is_fixed:
            return self.monthly(range(-1, 12))
        count = int(times) + (self.random.random() < times % 1)
        return sorted(self.start + timedelta(days=self.random.randrange(-40, 365)) for _ in range(count))

    def monthly(self, months: range) -> list[date]:
        """The same day of each month."""
        first = self.random.randint(1, 28)
        return [(self.start.replace(day=1) + timedelta(days=31 * month)).replace(day=first) for month in months]

    def deal(self, dealing: _Dealing) -> None:
        """Write a year's invoices of one partner, each paid by transfer, now and then several at once or with a credit note."""
        partner, days, is_income, is_fixed = dealing.partner, dealing.days, dealing.is_income, dealing.is_fixed
        amount = self.price(dealing.low, dealing.high, dealing.style)
        waiting: list[Receipt] = []
        for place, day in enumerate(days):
            if self.happens("name_changes"):
                partner.bank_name, partner.way = self.bank_name(partner.name, "income" if is_income else "transfer")
            is_usual = is_fixed or self.random.random() < 0.08
            cents = amount if is_usual else self.price(dealing.low, dealing.high, dealing.style)
            tags = {"subscription"} if is_fixed else set()
            waiting.append(self.receipt(partner, day, cents, is_income=is_income, tags=tags))
            if len(waiting) == 1 and not is_fixed and self.happens("netted_credit"):
                back, when = round(cents * self.random.uniform(0.05, 0.5)), day + timedelta(days=self.random.randint(0, 4))
                waiting.append(self.receipt(partner, when, -back, is_income=is_income))
                for bill in waiting:
                    self.books.phenomena[bill.id].add("netted_credit")
            elif self.happens("refund") and not is_fixed:
                self.refund(partner, day, round(cents * self.random.choice((0.2, 0.35, 1))), is_income=is_income)
            is_soon = place + 1 < len(days) and (days[place + 1] - waiting[0].day).days < 24
            rate = "collective_in" if is_income else "collective_out"
            is_more = self.random.random() < 0.5 if len(waiting) > 1 else self.happens(rate)
            if not (is_soon and is_more and len(waiting) < _MOST_TOGETHER):
                self.pay(partner, waiting, is_income=is_income)
                waiting = []

    def refund(self, partner: Partner, day: date, cents: int, *, is_income: bool) -> None:
        """A credit note whose money comes back by a line of its own."""
        day += timedelta(days=self.random.randint(4, 25))
        credit = self.receipt(partner, day, -cents, is_income=is_income, tags=("refund",))
        text, way = self.reference(partner, [credit], "firm")
        paid, signed = working_day(day + timedelta(days=self.random.randint(1, 12))), -cents if is_income else cents
        line = self.line(signed, paid, partner.bank_name, "transfer" if is_income else "income", text, partner.iban)
        self.link([credit], [line], partner.way, way)

    def pay(self, partner: Partner, bills: list[Receipt], *, is_income: bool) -> None:
        """Pay bills of one partner by bank transfer: whole, less skonto, in parts or with a slip; or not at all."""
        if self.happens("customer_never_pays" if is_income else "paid_privately"):
            for bill in bills:
                self.books.phenomena[bill.id].add("no_line")
            return
        day, cents, tags = self._terms(partner, bills)
        who = "transfer" if not is_income else "private" if partner.is_private else "firm"
        text, way = self.reference(partner, bills, who)
        parts, more = self._parts(partner, bills, cents, is_income=is_income)
        name, name_way = self._payer(partner) if is_income else (partner.bank_name, partner.way)
        account = partner.iban if name_way != "name_private_payer" else self.iban()
        kind = "income" if is_income else "transfer"
        if is_income and partner.is_abroad and self.random.random() < 0.5:
            kind = "swift_income"
        lines = []
        for place, part in enumerate(parts):
            shown = f"{text} Rate {place + 1}" if len(parts) > 1 and self.random.random() < 0.5 else text
            when = working_day(day + timedelta(days=30 * place))
            lines.append(self.line(part if is_income else -part, when, name, kind, shown, account))
        self.link(bills, lines, name_way, way, *tags, *more)

    def _terms(self, partner: Partner, bills: list[Receipt]) -> tuple[date, int, set[str]]:
        """When bills are paid, and how much."""
        cents = sum(bill.amount_cents or 0 for bill in bills)
        wait, tags = partner.delay + self.random.choice((-2, -1, 0, 0, 0, 1, 2, 3)), {"collective"} if len(bills) > 1 else set()
        if partner.skonto and self.happens("skonto_taken"):
            wait, cents = self.random.randint(2, 8), round(cents * (100 - partner.skonto) / 100)
            tags.add("skonto")
        elif len(bills) == 1 and "subscription" not in self.books.phenomena[bills[0].id] and self.happens("prepaid"):
            wait = -self.random.randint(1, 12)
        elif self.happens("late"):
            wait = partner.term + self.random.randint(8, 45)
        return working_day(bills[-1].day + timedelta(days=wait if wait < -2 else max(0, wait))), cents, tags

    def _parts(self, partner: Partner, bills: list[Receipt], cents: int, *, is_income: bool) -> tuple[list[int], set[str]]:
        """In which amounts it arrives."""
        in_parts, less_fee = "part_payment" if is_income else "instalments", "fee_deducted_abroad"
        if len(bills) == 1 and cents > _PAID_IN_PARTS_FROM and self.happens(in_parts):
            count = 2 if is_income else self.random.choice((2, 3, 3, 4))
            first = cents // count
            if is_income and self.random.random() < 0.6:
                first = cents * 6 // 100000 * 10000
            return [first] * (count - 1) + [cents - first * (count - 1)], {in_parts}
        if is_income and self.happens(less_fee if partner.is_abroad else "fee_deducted"):
            return [cents - self.random.choice((500, 1000, 1250, 1500))], {"fee_deducted"}
        if self.happens("typing_error"):
            meant = str(cents)
            typed = int(meant[0] + meant[2] + meant[1] + meant[3:])
            return [typed], {"typing_error" if typed != cents else "equal"}
        is_equal = len(bills) == 1 and cents == bills[0].amount_cents
        return [cents], {"equal"} if is_equal else set()

    def _payer(self, partner: Partner) -> tuple[str, str]:
        """Who pays a customer's invoice, and the way in which that name differs."""
        if partner.is_private and self.happens("relative_pays"):
            name = f"{self.random.choice(self.words.first_names)} {partner.name.split()[-1]}"
            return self.person() if self.random.random() < 0.3 else name, "name_private_payer"
        if not partner.is_private and self.happens("owner_pays"):
            return self.person(), "name_private_payer"
        return partner.bank_name, partner.way

    # ---- cards and direct debits

    def shopping(self, category: str, times: int, low: int, high: int) -> None:
        """A year's purchases of one kind by card."""
        places = self.restaurants() if category == "restaurant" else [self.brand(category) for _ in range(3)]
        favourites = [0.65, 0.2, 0.15] + [0.1] * (len(places) - 3)
        is_till = category not in {"online", "travel"}
        for _ in range(times):
            day = self.start + timedelta(days=self.random.randrange(365))
            place, cents = self.random.choices(places, favourites)[0], self.price(low, high, "till")
            first = len(self.books.receipts)
            self.card(place, day, cents, category, is_till=is_till)
            if self.happens("twins_travel" if category in {"travel", "parking"} else "twins"):
                self.card(place, day, cents, category, "twins", is_till=is_till)
                self.books.phenomena[self.books.receipts[first].id].add("twins")

    def card(self, partner: Partner, day: date, cents: int, *tags: str, is_till: bool, lag: int | None = None) -> None:
        """Buy by card, with a slip or an online invoice; foreign ones are converted, PayPal and Klarna stand between.

        `lag`: days until it is booked, None for any.
        """
        bill = self.receipt(partner, day, cents, is_till=is_till, tags=tags)
        bill.iban = bill.due_on = None
        if self.happens("paid_privately"):
            self.books.phenomena[bill.id].add("no_line")
            return
        lag = self.random.choice((0, 1, 1, 1, 2, 2, 3)) if lag is None else lag
        charged_on = day + timedelta(days=0 if is_till else self.random.choice((-2, -1, 0, 0, 0, 0, 1, 1, 3)))
        booked_on = working_day(charged_on + timedelta(days=lag))
        parts, way = self._charged(partner, cents, tags)
        more = {"card_lag" if lag else "card_same_day", *way}
        lines = []
        for place, part in enumerate(parts):
            after = timedelta(days=2 * place)
            line, named = self._card_line(partner, bill, part, booked_on + after, charged_on + after)
            lines.append(line)
            more |= named
        if self.happens("paid_day_till"):
            bill.paid_on = charged_on
        self.link([bill], lines, *more)
        if "online" in tags and self.happens("refund_online"):
            self.send_back(partner, bill, lines[0], is_till=is_till)

    def _charged(self, partner: Partner, cents: int, tags: Iterable[str]) -> tuple[list[int], set[str]]:
        """In which amounts a card is charged for a purchase."""
        if "restaurant" in tags and self.happens("tip"):
            return [math.ceil(cents * self.random.uniform(1.03, 1.1) / 100) * 100], {"tip"}
        if "online" in tags and cents > 4000 and self.happens("split_shipment"):
            part = round(cents * self.random.uniform(0.2, 0.8))
            return [part, cents - part], {"split_shipment"}
        return [cents], {"equal"} if partner.currency == "EUR" else set()

    def _card_line(self, partner: Partner, bill: Receipt, part: int, booked_on: date, charged_on: date) -> tuple[Line, set[str]]:
        shown, local, euros = partner.bank_name, None, part
        if partner.currency != "EUR":
            usual = EXCHANGE[partner.currency] * (1 + 0.03 * math.sin(bill.day.toordinal() / 40))
            euros, local = round(part * (usual * self.random.uniform(1, 1.015))), (part, partner.currency)
        if "PAYPAL *" in shown:
            shop = shown.replace("PAYPAL *", "")
            text = self.fill(f"#############/PP.####.PP/. {shop}, Ihr Einkauf bei {shop}")
            line = self.line(-euros, booked_on, _PAYPAL, "direct_debit", text, _PAYPAL_IBAN)
            return line, {"intermediary"} | ({"foreign_without_original"} if local else set())
        if shown.startswith("Klarna"):
            text = self.fill(f"{partner.name.split()[0]} ########### {self.random.choice((bill.number, '', ''))}")
            return self.line(-euros, booked_on, shown, "direct_debit", text, _KLARNA_IBAN), {"intermediary"}
        line = self.line(-euros, booked_on, self.fill(shown), "card", emitted_on=charged_on, local=local)
        return line, {"card_descriptor"} | ({"foreign_with_original"} if local else set())

    def send_back(self, partner: Partner, bill: Receipt, bought: Line, *, is_till: bool) -> None:
        """A credit note for what was bought online, and its money on the way on which it was paid."""
        back, gap = round((bill.amount_cents or 0) * self.random.choice((1, 1, 0.4))), self.random.randint(5, 25)
        credit = self.receipt(partner, bill.day + timedelta(days=gap), -back, is_till=is_till, tags=("refund", "online"))
        paid, name = working_day(bill.day + timedelta(days=gap + 2)), self.fill(bought.counterparty or "")
        text = (bought.remittance or "").replace("Ihr Einkauf", "Ihre Gutschrift")
        line = self.line(back, paid, name, "card" if bought.operation_type == "card" else "income", text, bought.iban)
        credit.iban = credit.due_on = None
        self.link([credit], [line], "intermediary" if bought.iban else "card_descriptor")

    def subscribe(self, category: str, which: Brand) -> None:
        """A monthly service at one price, or by use, by card or direct debit."""
        brand = self.brand(category, which)
        is_by_use = category in {"ads", "parcel"} or (category == "telecom" and self.random.random() < 0.3)
        cents = self.random.choice(_MONTHLY_PRICES.get(category, _USUAL_PRICES))
        is_by_card, is_yearly = category in {"software", "ads"}, category == "insurance"
        brand.bank_name = self.fill(brand.bank_name) if self.random.random() < 0.4 else brand.bank_name
        if not is_by_card:
            is_any = self.random.random() < 0.4
            called = self.bank_name(brand.name, "debit") if is_any else (brand.bank_name, "name_trading")
            brand.bank_name, brand.way = called if called[0] != brand.name else (brand.name, "name_exact")
        for month, day in enumerate(self.monthly(range(12))):
            if month == 7 and self.happens("subscription_price_change"):
                cents = round(cents * self.random.choice((1.1, 1.2)))
            if is_yearly and month % 6:
                continue
            amount, usage = (round(cents * self.random.uniform(0.6, 1.5)), "by_use") if is_by_use else (cents, "subscription")
            if is_by_card:
                self.card(brand, day, amount, usage, lag=self.random.choice((0, 1, 2)), is_till=False)
            else:
                # energy and insurance send one invoice a year, and debit instalments
                self._debit(brand, day, amount, usage, has_invoice=month == 0 or not (is_yearly or category == "energy"))

    def _debit(self, brand: Partner, day: date, cents: int, usage: str, *, has_invoice: bool) -> None:
        booked_on = working_day(day + timedelta(days=self.random.choice((3, 5, 7))))
        if has_invoice:
            bill = self.receipt(brand, day, cents, tags=(usage,))
            text, way = self.reference(brand, [bill], "debit")
            tags = set()
            if self.happens("returned_debit"):
                booked_on, tags = self._returned(brand, booked_on, cents, text), {"returned_debit"}
            line = self.line(-cents, booked_on, brand.bank_name, "direct_debit", text, brand.iban)
            self.link([bill], [line], brand.way, way, "direct_debit", "equal", *tags)
        else:
            text = f"Abschlag {MONTHS[day.month - 1]} {brand.code}"
            self.line(-cents, booked_on, brand.bank_name, "direct_debit", text, brand.iban)

    def _returned(self, brand: Partner, booked_on: date, cents: int, text: str) -> date:
        """A debit that the bank gives back some days later; returns the day on which it is tried again."""
        self.line(-cents, booked_on, brand.bank_name, "direct_debit", text, brand.iban)
        back_on = working_day(booked_on + timedelta(days=self.random.choice((1, 2, 2, 3, 5, 20, 45))))
        told = self.random.choice(self.words.returns).format(t=text, d=f"{booked_on:%d.%m.%Y}")
        self.line(cents, back_on, brand.bank_name, "income", told, brand.iban)
        return working_day(back_on + timedelta(days=self.random.choice((3, 5, 7, 14))))

    # ---- what customers pay

    def sales(self) -> None:
        """Invoices to customers, and payouts of card and online sales."""
        dealings: list[_Dealing] = []
        style = "any" if self.firm.sells_goods else "service"
        for kind, many, times, low, high in self.firm.customers:
            for _ in range(many):
                is_fixed = kind == "tenant" or (kind == "firm" and times > 6 and self.random.random() < 0.12)
                who, days = self.customer(kind), self.days(times, is_fixed=is_fixed)
                dealings.append(_Dealing(who, days, low, high, style, is_income=True, is_fixed=is_fixed, kind=kind))
        sold: list[Receipt] = []
        self.own_run(day for dealing in dealings for day in dealing.days)
        for dealing in dealings:
            if dealing.kind != "through":
                self.deal(dealing)
            elif self.files_orders:
                for day in dealing.days:
                    cents = self.price(dealing.low, dealing.high, "till")
                    sold.append(self.receipt(dealing.partner, day, cents, is_income=True, tags=("payout",)))
        if self.firm.payouts and (self.firm.payouts != "Stripe" or sold):
            self.payouts(sold)

    def payouts(self, sold: list[Receipt]) -> None:
        """Weekly or daily payouts of an intermediary; sales filed one by one stand in them, less the fee."""
        name = {"SumUp": "SumUp Payments Limited", "Stripe": "STRIPE", "PayPal": _PAYPAL}[self.firm.payouts]
        iban, day, text = self.iban(), self.start, self.fill(f"{self.firm.payouts.upper()} PAYOUT ")
        while day < self.end:
            after = day + timedelta(days=7 if self.firm.payouts != "SumUp" else self.random.choice((1, 1, 2)))
            inside = [bill for bill in sold if day <= bill.day < after]
            gross = sum(bill.amount_cents or 0 for bill in inside) if sold else self.price(120, 900)
            if gross:
                fee = round(gross * 0.0249) + 35 * len(inside)
                paid = working_day(after + timedelta(days=1))
                line = self.line(gross - fee, paid, name, "income", text + self.fill("######"), iban)
                self.link(inside, [line], "payout", "intermediary", "name_trading")
            day = after
        fees = self.partner(name, "debit")
        for month in range(12):
            self.receipt(fees, self.start + timedelta(days=30 * month), self.price(8, 90), tags=("no_line", "fees_kept_back"))

    def lines_alone(self) -> None:
        """Wages, taxes, draws, rents and other lines that nobody files a receipt for."""
        people, owner, landlord = [self.person() for _ in range(self.firm.staff)], self.person(), self.company("Immobilien")
        wages, rent = [self.price(900, 3200) for _ in people], self.price(400, 3000, "service")
        accounts = [self.iban() for _ in range(len(people) + 4)]
        office = f"Finanzamt {self.town}"
        for month in range(12):
            first = self.start + timedelta(days=30 * month)
            payday = working_day(first + timedelta(days=26))
            for who, cents, account in zip(people, wages, accounts, strict=False):
                self.line(-cents, payday, who, "transfer", f"Lohn/Gehalt {first:%m/%Y}", account)
            if people:
                self.line(-self.price(300, 2500), payday, "AOK", "direct_debit", "Beitrag SV", accounts[-1])
            tax, share = self.price(200, 4000), self.price(3000, 9000)
            due = working_day(first + timedelta(days=9))
            self.line(-tax, due, office, "direct_debit", f"StNr {accounts[0][3:11]} UST", accounts[-2])
            self.line(-rent, working_day(first), landlord, "transfer", "Miete Gewerbe", accounts[-3])
            draw = self.random.choice((50000, 100000, 150000))
            self.line(-draw, working_day(first + timedelta(days=12)), owner, "transfer", "Privatentnahme", accounts[-4])
            self.line(-self.random.choice((900, 1900, 2900)), first, "Kontogebühr", "qonto_fee")
            if self.firm.kind == "physio":
                paid = working_day(first + timedelta(days=14))
                self.line(share, paid, "Abrechnungszentrum", "income", self.fill("RZ-Nr. ######"), accounts[-1])
        if self.firm.kind == "landlord":
            self._rents()

    def _rents(self) -> None:
        for _ in range(8):
            tenant, cents = self.partner(self.person(), "income"), self.price(400, 1100)
            for month in range(12):
                day = working_day(self.start + timedelta(days=30 * month + 2))
                self.line(cents, day, tenant.bank_name, "income", f"Miete {MONTHS[day.month - 1]}", tenant.iban)
