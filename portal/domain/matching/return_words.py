"""How banks say that money came back."""

from __future__ import annotations

import re
from typing import Literal

from portal.domain.names import fold

Came = Literal["debit", "transfer", "any", ""]
"""What came back: a direct debit, a transfer, one or the other; "" where a text tells of no return."""

_DEBIT = r"(?:\w*lastschr\w*|direct debit|sdd)"
_TRANSFER = r"(?:\w*ueberweisung\w*|credit transfer|sepa ct)"
_BACK = (
    r"(?:rueckg|rueckgabe\w*|retoure\w*|rueckbuchung|rueckbelast\w*|rueckl|ruecklauf\w*|ruecklaeufer|rueckruf|zurueck|widerspruch"
    r"|zurueckgegeben\w*|storno\w*|stornierung|wiedergutschrift|nicht eingeloest\w*|return\w*|refund\w*|reject\w*|reversed"
    r"|reversal|bounced|unpaid)"
)
_SAYS_DEBIT = re.compile(
    rf"ruecklastschr|\brueck ?lastschr|\b{_DEBIT} (?:\w+ ){{0,3}}{_BACK}\b|\b{_BACK} (?:\w+ ){{0,2}}{_DEBIT}\b"
    rf"|\blastschr\w*{_BACK}\b|\bruecklast\b|\bls {_BACK}\b|\b(?:sepa|einzug) rueckbelast"
)
"""In a folded text. "Lastschrift Rückstand" is none, and "Rückgabe LS 4711" speaks of a delivery note."""
_SAYS_TRANSFER = re.compile(
    rf"\bueberweisungsrueck|\brueckueberweisung\b|\b{_TRANSFER} (?:\w+ ){{0,2}}{_BACK}\b|\b{_BACK} (?:\w+ ){{0,2}}{_TRANSFER}\b"
)
_SAYS_SOMETHING = re.compile(
    r"\bmangels deckung\b|\b(?:deckung unzureichend|unzureichende deckung|keine deckung)\b|\bkonto (?:erloschen|aufgeloest)\b"
    r"|\b(?:ac0[146]|am04|md0[1267]|ms0[23])\b|\brtrn\b|\boamt\b.*\bcoam\b|\br transaktion\b|\bchargeback\b"
    r"|\breturn(?:ed)? payment\b|\brueck(?:belastung|buchung)\b|\bwiedergutschrift\b|\bruecklaeufer\b|\beinzug zurueck\b"
)
"""The causes, the codes of SEPA for them, and what was taken back beside the fee for it."""
_SPEAKS_OF_IT = re.compile(
    r"\b(?:rueck)?lastschr\w* ?(?:gebuehr|kosten|entgelt|schutz|versicherung)|\bruecklast\w* (?:ausge?gl|bezahlt)"
    r"|\b(?:gebuehr|entgelt|kosten|ausgleich|ersatz|zahlung|nachzahlung|begleichung|offene|restbetrag) (?:\w+ )?ruecklast"
    r"|\b(?:nach|wegen|wg|keine) (?:ruecklast|rueckgabe|lastschr\w* ?rueck|rueckbuchung)"
)
"""A purpose of somebody who pays again, or pays the fee for it; or what a bank adds to a return."""
_SAYS_OBJECTED = re.compile(r"\bmd0\d\b|\bwiderspr\w*|\bunauthori[sz]ed\b")
_SAYS_TOO_MUCH = re.compile(r"doppel|ueberzahl|\bzu ?viel")
"""A refund of what was paid once more than owed: one payment stays."""

_STEMS = (
    "rue", "retour", "return", "storn", "widerspr", "reject", "revers", "refund", "bounc", "unpaid", "gutschrift",
    "eingeloest", "deckung", "konto ", "rtrn", "oamt", "transaktion", "chargeback", "ac0", "am0", "md0", "ms0",
)  # fmt: skip
"""One of them is in each such text; most texts have none, and are not looked at again."""


def what_came_back(remittance: str) -> Came:
    """Tell what came back by the words of a bank's text, "" if it tells of no return."""
    folded = fold(remittance)
    if not any(stem in folded for stem in _STEMS):
        return ""
    if _SAYS_DEBIT.search(folded) or "ruecklastschr" in folded.replace(" ", ""):  # some banks break words
        return "debit"
    if _SAYS_TOO_MUCH.search(folded):
        return ""
    if _SAYS_TRANSFER.search(folded):
        return "transfer"
    return "any" if _SAYS_SOMETHING.search(folded) else ""


def is_purpose(remittance: str) -> bool:
    """Tell whether a text that tells of a return may as well be of somebody who pays because of it."""
    return _SPEAKS_OF_IT.search(fold(remittance)) is not None


def is_objection(remittance: str) -> bool:
    """Tell whether a payer objected, which he may for eight weeks; a bank returns what is not covered within days."""
    return _SAYS_OBJECTED.search(fold(remittance)) is not None


def is_unmistakable(remittance: str) -> bool:
    """Tell whether a text has a word that means nothing else: "Rücklastschrift", "mangels Deckung"."""
    folded = fold(remittance)
    return any(word in folded for word in ("ruecklast", "mangels deckung", "rtrn "))
