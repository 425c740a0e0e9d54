"""What a paper calls itself: not everything that is filed as a receipt is an invoice to be paid."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import NamedTuple

_LINES, _SIGNS = 3, 200
"""A title stands in the first lines, perhaps below a letterhead."""


class Kind(Enum):
    """What the title says."""

    BILL = auto()
    COPY = auto()
    """Of an invoice, or a reminder of it: the invoice itself is another paper."""
    OTHER = auto()
    """A confirmation, an offer or a contract: nothing is paid by it alone."""


class Title(NamedTuple):
    """The kind of a paper, and the word that tells it, as it is written; "" where nothing tells."""

    kind: Kind
    written: str


_COPY = (
    r"rechnung\s*\(kopie\)|(?:rechnungs?)?(?:duplikat|kopie)|zweitschrift|zahlungserinnerung"
    r"|(?:(?:\d\.|erste|zweite|dritte|letzte)\s*)?mahnung|copy|duplicate|payment reminder"
)
_OTHER = (
    r"auftragsbest(?:ä|ae)tigung|bestellbest(?:ä|ae)tigung|angebot|kostenvoranschlag|lieferschein|pro[- ]?forma[- ]?rechnung"
    r"|(?:miet|leasing|pacht|wartungs)vertrag|order confirmation|quotation|delivery note|pro[- ]?forma invoice"
)
_BILL = re.compile(r"(?<!keine )(?<!forma[- ])(?<!forma)(?:rechnung\b|faktura|invoice|honorarnote|quittung)", re.IGNORECASE)
# a letterhead ("Copy Shop", "Mahnung & Partner") goes on with other words than a title does
_TITLE = re.compile(
    rf"\W{{0,3}}(?:(?P<COPY>{_COPY})(?=\s*(?:$|[\d:(\-–]|(?:nr|no|zu[rm]?|der|of|for)\b))|(?P<OTHER>{_OTHER})\b)", re.IGNORECASE
)


def title_of(text: str) -> Title:
    """Read the first lines of a document's text. Whatever does not say otherwise is a bill."""
    lines = text[:_SIGNS].split("\n")[:_LINES] if text else []
    is_bill = any(map(_BILL.search, lines))
    for line in lines:
        # a bill may name the offer or delivery that it is for
        if (found := _TITLE.match(line)) and (found["COPY"] or not is_bill):
            kind = found.lastgroup or ""
            return Title(Kind[kind], found[kind])
    return Title(Kind.BILL, "")
