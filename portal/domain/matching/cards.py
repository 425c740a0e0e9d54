"""How banks tell of the other side, above all of a card payment: Qonto in fields, a bank's file in words, each in its own way.

The other side may be the shop ("EDEKA MUELLER//HAMBURG/DE"), nobody, or the card itself ("VISA DEBITKARTE"); then the shop stands
first in the remittance information, and the day of the purchase somewhere behind it. PayPal tells there where something was
bought. Some files have no column for the other side of anything: it stands before the text ("Vattenfall Europe Sales GmbH Kd
91255 Beitrag").
"""

from __future__ import annotations

import re
from datetime import date, timedelta

from portal.domain.matching.facts import TransactionFacts
from portal.domain.names import fold, service
from portal.domain.remittance import INVOICE_WORDS

_LONGEST_BOOKING = timedelta(days=7)
_WORDS = r"(?:karten?\w*|giro\s?card|debitk\w*|kreditk\w*|visa|master\s?card|maestro|card)"
_CARD = re.compile(rf"\b{_WORDS}\b", re.IGNORECASE)
_ONLY_CARD = re.compile(rf"(?:(?:{_WORDS}|debit|ec|v\s?pay|umsatz|zahlung)\W*)+", re.IGNORECASE)
_PLACE = re.compile(r"//(?:[^/]*/)?[A-Z]{2}\b")
"""Town and country as the German card networks write them behind a shop."""
_CUT_PLACE = re.compile(r"(?<!:)//[^/]*(?:/[A-Z]?)?$")
"""The same where the bank cuts the name: "UPWORK -5701532177//MAINZ/D"."""
_TERMINAL = re.compile(r"\w\s+(?:AT|BE|CH|CZ|DE|DK|ES|FI|FR|GB|IE|IT|LU|NL|PL|SE|US)(?:\s+2[-\dT:]*)?$")
"""The same as others write it, where the text may be cut in the day behind: "ESSO STATION 9533 Freiburg DE 2024-1"."""
_BEHIND_SHOP = re.compile(rf"//|\s*\b(?:\d{{4}}-\d\d-\d\d|\d\d?\.\d\d?\.|[A-Z]{{2}}\s+2[-\d]*$|{_WORDS}\b)", re.IGNORECASE)
_BOUGHT = re.compile(r"\b(?:ein)?kauf\s+b\s?ei\s+(\S.*)$", re.IGNORECASE)
_BOUGHT_BEFORE = re.compile(r"[\s/]\.\s*([^,]*[^\W\d][^,]*),")
"""The shop in "1068766094442 PP.8724.PP . FLUXBAU, Ihr Einkauf bei FLUXBAU", also where that is cut."""
_MOST_WORDS = 8
_NUMBER = re.compile(r"\d.*\d.*\d")
_NO_NAME = """
    abo abonnement abrechnung abschlag abschlagszahlung anzahlung auftrag avis az ba basislastschrift begleichung beitrag
    beleg bestellung dank danke dauerauftrag datum echtzeit eingang einzug end entgelt erstattung faktura
    firmenlastschrift gebuehr gehalt guthaben gutschrift ihr ihre ihren kauf kd kdnr knr kunde kunden kundennr
    kundennummer lastschrift laut lohn lt mandat mandatsref miete mieter mitgliedsbeitrag monatsbeitrag nebenkosten online
    pacht rate raten ref referenz rest restbetrag restzahlung saldo sammelueberweisung schlusszahlung sepa siehe sonstiges
    spende svwz teilbetrag teilzahlung ueberweisung umbuchung unser unsere vertrag vertragsnr vielen vom wg wie wir
    zahlung zins zinsen zum zur
"""
_ENDS_NAME = frozenset(_NO_NAME.split()) | {word.lower() for word in INVOICE_WORDS}
"""With these a text begins, or goes on behind a name."""
_ISO_DAY = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)(?:T|\b)")
_DAY = re.compile(r"\b(\d\d?)\.(\d\d?)\.(?!\d\d?\.)")


def is_card(facts: TransactionFacts) -> bool:
    """Tell whether it was paid by card: the bank says so, or, in a bank's file, its words or a card reader's star do."""
    if facts.operation_type is not None:
        return facts.operation_type == "card"
    if facts.side == "debit" and not facts.remittance.strip() and "*" in (facts.counterparty or ""):
        return True
    if facts.side == "debit" and not (facts.counterparty or "").strip() and _TERMINAL.search(facts.remittance):
        return True
    if _has_place(facts.counterparty or "") or _PLACE.search(facts.remittance):
        return True
    return any(_CARD.search(told) for told in (facts.remittance, facts.counterparty or ""))


def _has_place(name: str) -> bool:
    return "//" in name and (_PLACE.search(name) or _CUT_PLACE.search(name)) is not None


def other_side(facts: TransactionFacts) -> str:
    """Return the other side's name as the bank wrote it, "" if nowhere: of a card or payment service the shop, wherever it is.

    Where the bank has nobody on the other side (`is_guessed`), it is what the text begins with, up to a number or a word that is
    no name's: it may hold more than the name, or be none.
    """
    written = (facts.counterparty or "").strip()
    if facts.side == "debit" and service(written):
        bought = _BOUGHT.search(facts.remittance) or _BOUGHT_BEFORE.search(facts.remittance)
        if bought:
            return bought[1].strip()
    if is_guessed(facts):
        return _beginning(facts.remittance)
    if (written and not _ONLY_CARD.fullmatch(written)) or not is_card(facts):
        begin = _ONLY_CARD.match(written)
        written = written[begin.end() :] if begin and is_card(facts) else written
        return written.partition("//")[0] if _has_place(written) else written
    text = facts.remittance.strip()
    begin = _ONLY_CARD.match(text)
    text = text[begin.end() :] if begin else text
    end = _BEHIND_SHOP.search(text)
    return (text[: end.start()] if end else text).strip() or written


def service_of(facts: TransactionFacts) -> str:
    """Return the word of the payment service that passed the money on, "" if none did."""
    return service(facts.counterparty) or service(other_side(facts))


def is_guessed(facts: TransactionFacts) -> bool:
    """Tell whether the bank does not say who is on the other side."""
    return not (facts.counterparty or "").strip() and not is_card(facts)


def _beginning(text: str) -> str:
    found: list[str] = []
    for word in text.split()[:_MOST_WORDS]:
        first = fold(word).partition(" ")[0]
        if first in _ENDS_NAME or _NUMBER.search(word):
            break
        found.append(word)
    return " ".join(found).strip(" .,;:/-")


def purchased_on(facts: TransactionFacts) -> date | None:
    """Return the day on which a card was used, if the text tells one that is up to a week before the booking."""
    text, booked = facts.remittance, facts.booked_on
    told = [found.groups() for found in _ISO_DAY.finditer(text)]
    # of a day without its year it is the last one before the booking
    told += [(str(booked.year - (int(found[2]) > booked.month)), found[2], found[1]) for found in _DAY.finditer(text)]
    for written in told:
        try:
            day = date(*map(int, written))
        except ValueError:
            continue
        if timedelta(0) <= booked - day <= _LONGEST_BOOKING:
            return day
    return None
