"""Who the second ledger's clients are and deal with: names, as their papers and as the bank write them, numbers and prices."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any

from bench.ledger_facts import Partner
from bench.ledger_words import FIRMS, LEGAL_FORMS, NAME_WAYS, RATES, WORDS, Brand

_FOLDED = str.maketrans(
    {
        **dict(zip("äöüÄÖÜß", ("ae", "oe", "ue", "Ae", "Oe", "Ue", "ss"), strict=True)),
        **dict(zip("éàáóıř", "eaaoir", strict=True)),
    }
)
_LEGAL_FORM = re.compile(r" (GmbH & Co\. KG|GmbH|e\.K\.|KG|UG \(haftungsbeschränkt\)|AG|OHG|GbR|SE)$")
_TERMS = (7, 10, 14, 14, 14, 30, 30)
_ROUND_PRICES_BELOW = 300


def fold(text: str) -> str:
    """Write umlauts and accents as banks do."""
    return text.translate(_FOLDED)


class Inventor:
    """Invents a client and whom it deals with. All chance comes from `random`; the order of the draws is part of the set."""

    def __init__(self, split: str, seed: int, number: int) -> None:
        """Begin client `number` of a seed; its kind of firm follows from the number. Errors: KeyError for an unknown split."""
        self.random = Random(f"{split}/{seed}/{number}")
        self.words, self.firm = WORDS[split], FIRMS[number % len(FIRMS)]
        self.start = date(2023, 1, 1) + timedelta(days=30 * self.random.randrange(2, 22))
        self.end = self.start + timedelta(days=365)
        self.town = self.random.choice(self.words.towns)
        self.name = self.company(self.random.choice(self.words.trades["any"]))
        self.numbers = self.random.choice(self.words.numbers)
        self.counter = self.random.choice((1, 80, 1200))

    def happens(self, name: str) -> bool:
        """Whether something of the table of rates happens this time."""
        return self.random.random() < RATES[name][0]

    def pick(self, weights: dict[str, int]) -> str:
        """One of the keys, by weight."""
        return self.random.choices(list(weights), list(weights.values()))[0]

    def fresh_id(self) -> str:
        """An id that tells nothing."""
        return f"{self.random.getrandbits(48):012x}"

    def fill(self, text: str) -> str:
        """Put digits for "#" and characters for "@"."""
        signs = {"#": "0123456789", "@": "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"}
        return re.sub("[#@]", lambda found: self.random.choice(signs[found[0]]), text)

    def person(self) -> str:
        """A private person's name."""
        return f"{self.random.choice(self.words.first_names)} {self.random.choice(self.words.families)}"

    def company(self, trade: str) -> str:
        """A firm's name with its legal form."""
        words, form = self.words, self.random.choice(LEGAL_FORMS)
        one, two = self.random.sample(words.families, 2)
        shape = self.random.randrange(9)
        if shape == 0:
            return f"{trade} {self.random.choice(words.first_names)} {one}"
        if shape == 1:
            return f"{one} & {two} {trade} {form}"
        if shape == 2:
            return f"{self.random.choice(words.coined)} {form}"
        if shape == 3:
            return f"{trade} {self.random.choice(words.towns)} {form}"
        if shape == 4:
            return f"{self.random.choice(words.coined)} {trade} {form}"
        return f"{trade} {one} {form}" if shape < 7 else f"{one} {trade} {form}"

    def price(self, low: int, high: int, style: str = "any") -> int:
        """An amount in cents, small ones more often; of a "service" it is round before tax, at a "till" it ends in 9."""
        euros = math.exp(self.random.uniform(math.log(low), math.log(high)))
        if style == "service":
            unit = 5 if euros < _ROUND_PRICES_BELOW else 50
            return round(max(unit, round(euros / unit) * unit) * 119)
        if style == "till" and self.random.random() < 0.6:
            return max(1, round(euros)) * 100 - self.random.choice((1, 1, 5, 10, 50, 0))
        return round(euros * 100)

    def iban(self) -> str:
        """A German account number, only shaped like one."""
        return "DE" + self.fill("#" * 20)

    def bank_name(self, name: str, kind: str) -> tuple[str, str]:
        """How the bank calls a partner, and the way in which it differs from the receipt's name."""
        way = self.pick(NAME_WAYS[kind])
        bare = _LEGAL_FORM.sub("", name)
        cut = self.random.choice((18, 22, 27, 27, 35))
        words = bare.split()
        called = {
            "name_exact": name,
            "name_no_form": bare,
            "name_folded": fold(name),
            "name_upper": fold(name).upper(),
            "name_cut": fold(name)[:cut].strip(),
            "name_short": " ".join(word if place == 0 or len(word) < 5 else word[:4] + "." for place, word in enumerate(words)),
            "name_trading": self.random.choice((f"{self.random.choice(self.words.coined)} {words[-1]}", self.person())),
        }[way]
        return (called, way) if called != name else (name, "name_exact")

    def partner(self, name: str, kind: str, **more: Any) -> Partner:
        """A partner whose money moves by "transfer", "income" or "debit"; `more`: fields that are not left to chance."""
        called, way = self.bank_name(name, kind)
        texts = {"transfer": self.words.pays, "income": self.words.asks, "debit": self.words.debits}[kind]
        code = self.fill(self.random.choice(("#####", "1######", "K####", "D-#####")))
        counter, step = self.random.choice((3, 40, 300, 2500)), self.random.choice((1, 4, 20, 90))
        made = Partner(
            name=name,
            bank_name=called,
            way=way,
            template=self.random.choice(texts),
            numbers=self.random.choice(self.words.numbers),
            iban=self.iban(),
            code=code,
            term=self.random.choice(_TERMS),
            counter=counter,
            step=step,
            restarts=self.happens("renumbered"),
        )
        return replace(made, **more)

    def customer(self, kind: str) -> Partner:
        """A firm, a private person, a tenant, or someone abroad."""
        is_private = kind in {"private", "through"}
        name = self.person() if is_private else self.company(self.random.choice(self.words.trades["any"]))
        who = self.partner(name, "income", is_private=is_private, delay=self.random.choice((0, 4, 10, 14, 14, 25, 30)))
        if is_private:
            turned, joint = " ".join(reversed(name.split())), f"{name} u. {self.random.choice(self.words.first_names)}"
            shown = {name: "name_exact", fold(name).upper(): "name_upper", turned: "name_turned", joint: "name_joint"}
            who.bank_name = self.random.choices(list(shown), (60, 16, 12, 12))[0]
            who.way = shown[who.bank_name]
        if kind == "abroad":
            who.is_abroad, who.term = True, 45
            who.bank_name, who.way = fold(name).upper()[:27], "name_cut"
            who.iban = self.fill("GB##BARC##############")
        if kind == "firm" and self.firm.sells_goods and self.happens("customer_takes_skonto"):
            who.skonto = self.random.choice((2, 2, 3))
        if kind == "tenant":
            who.template, who.is_vague = "Miete {n}", self.random.random() < 0.6
        return who

    def brand(self, category: str, which: Brand | None = None) -> Partner:
        """A brand, with its branch in or near the client's town."""
        name, shown, currency = which or self.random.choice(self.words.brands[category])
        town = self.town if self.random.random() < 0.7 else self.random.choice(self.words.towns)
        owner = self.random.choice(self.words.families)
        words = {"Town": town, "TOWN": fold(town).upper(), "Name": owner, "NAME": fold(owner).upper()}
        name, shown = name.format(**words), shown.format(**words)
        # a shop's till has one number for good, an online shop's order a new one each time
        shown = self.fill(shown) if category in {"fuel", "diy", "market", "parking"} else shown
        if currency != "EUR" and self.happens("abroad_by_paypal"):
            shown = f"PAYPAL *{name.split(',')[0]}"
        return self.partner(name, "debit", bank_name=shown[:34], way="card_descriptor", currency=currency)

    def restaurants(self) -> list[Partner]:
        """Five places to eat, as their card readers call them."""
        kinds = self.random.choices(self.words.trades["restaurant"], k=5)
        names = [f"{kind} {self.random.choice(self.words.families)}" for kind in kinds]
        places = [self.partner(name, "debit", way="card_descriptor") for name in names]
        for place in places:
            shape = self.random.choice(("{0} {1}", "SumUp *{2}", "{0:.22}"))
            place.bank_name = shape.format(fold(place.name).upper(), fold(self.town).upper(), place.name)[:34]
        return places

    def number(self, partner: Partner, day: date) -> str:
        """A supplier's next invoice number; others had invoices of it in between."""
        if partner.year and partner.year != day.year and ("{y" in partner.numbers or partner.restarts):
            partner.counter, partner.has_restarted = 0, True
        partner.year = day.year
        partner.counter += self.random.randint(1, 2 * partner.step)
        return numbered(partner.numbers, day, partner.counter)


def numbered(style: str, day: date, count: int) -> str:
    """Return an invoice number in a format."""
    return style.format(y=day.year, yy=f"{day.year % 100:02d}", m=f"{day.month:02d}", n=count)
