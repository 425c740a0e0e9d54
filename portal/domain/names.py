"""Names of companies and people as invoices and banks write them, made comparable.

German banks write in capitals, spell umlauts as two letters or drop the dots, cut at 18–35 characters and put a card
processor in front; invoices carry the legal form. `parse_name` removes what does not tell two parties apart,
`similarity` compares what is left.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from rapidfuzz import fuzz

CLEARLY_SAME = 0.9
"""From this similarity on two names are taken for one party, given one more sign (the IBAN)."""
SIMILAR = 0.75
_SHARED_WORD = 0.55
"""A telling word in common ("Deutsche Post DHL", "DHL Paket"): another name, but no stranger's."""
_SAME_SHOP = 0.8
"""Of a card payment: the shop's name is the same, what follows is another branch or a town."""

_LETTERS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "æ": "ae", "ø": "oe", "œ": "oe", "å": "aa", "ł": "l", "đ": "d", "ð": "d", "þ": "th"}
)
_NO_WORD = re.compile(r"[\W_]+")
# "Müller" is spelled Mueller, Muller or MULLER: for comparing, the second letter of a spelled umlaut goes on both sides.
_SPELLED_UMLAUT = re.compile(r"(?<=[aou])e|(?<=s)s")
_DOTTED_FORMS = re.compile(r"\b(?:g m b h|m b h|e k|e kfm|e v|e g|s a r l|s a s|s r l|s p a|b v|n v|sp z o o|d o o|s a)\b")
_OWNED_BY = re.compile(r"(?<=\w{3}) inh(?:aber(?:in)?)? .+")
"""Whose firm it is, after the firm's own name."""
_LEGAL_FORMS = frozenset(
    [
        "gmbh",
        "mbh",
        "ggmbh",
        "ag",
        "kg",
        "kgaa",
        "ohg",
        "ug",
        "haftungsbeschraenkt",
        "gbr",
        "gesbr",
        "ek",
        "ekfm",
        "ekfr",
        "ev",
        "eg",
        "se",
        "stiftung",
        "partg",
        "partgmbb",
        "mbb",
        "co",
        "cie",
        "company",
        "ltd",
        "limited",
        "llc",
        "llp",
        "inc",
        "corp",
        "plc",
        "sarl",
        "sas",
        "sasu",
        "sa",
        "sca",
        "srl",
        "spa",
        "bv",
        "nv",
        "oy",
        "oyj",
        "ab",
        "aps",
        "sro",
        "doo",
        "zoo",
        "inh",
        "inhaber",
        "und",
        "and",
        "et",
        "u",
    ]
)
_NOISE = frozenset(
    [
        "www",
        "http",
        "https",
        "com",
        "de",
        "eu",
        "net",
        "org",
        "mktp",
        "mktplc",
        "marketplace",
        "germany",
        "deutschland",
        "europe",
        "emea",
        "herr",
        "herrn",
        "frau",
        "familie",
        "fam",
        "eheleute",
        "dr",
        "prof",
    ]
)
_LONG_FORMS = {
    "amzn": "amazon",
    "gebr": "gebrueder",
    "dt": "deutsche",
    "dtsch": "deutsche",
    "bhf": "bahnhof",
    "msft": "microsoft",
    "facebk": "meta",
    "facebook": "meta",
}
_PROCESSORS = frozenset(
    [
        "paypal",
        "pp",
        "sumup",
        "zettle",
        "izettle",
        "klarna",
        "stripe",
        "sq",
        "square",
        "mollie",
        "adyen",
        "lsp",
        "crv",
        "nyx",
        "worldline",
        "payone",
        "sp",
        "gumroad",
    ]
)
_TRADES = """
    apotheke auto autohaus autoservice baecker baeckerei bar bau baumarkt bio bistro blumen buchhandlung buero cafe center city
    computer copyshop das der dr deutsche deutscher deutsches die drogerie druck druckerei edv elektro energie erste eis fahrrad feinkost fleischerei fluss foto
    friseur garten gasthaus gasthof getraenke glas grill hafen handel handwerk haus holz hotel imbiss immobilien internet kaffee
    kanzlei kasse kfz kiosk klinik konditorei kueche laden landhaus lotto markt metzgerei meyer meier mueller moebel museum musik
    neue nord online optik ost papier park parken parkhaus pension physio pizza pizzeria post praxis reifen reinigung reise
    restaurant ristorante schmidt schneider schuhe schulz shop st sparkasse sport stadt stadtwerke station steuer sued tabak tankstelle tank taxi technik
    the theater tier ticket trattoria uhren verein verlag versand versicherung volksbank wasser wein weiss werkzeug west wirtshaus zahnarzt
    zeitung zentrale zentrum zoo
"""
_TOWNS = """
    aachen augsburg berlin bielefeld bochum bonn braunschweig bremen chemnitz dortmund dresden duesseldorf duisburg erfurt essen
    frankfurt freiburg halle hamburg hannover heidelberg karlsruhe kassel kiel koeln leipzig luebeck magdeburg mainz mannheim
    muenchen muenster nuernberg potsdam regensburg rostock stuttgart ulm wien wiesbaden wuerzburg zuerich london paris
"""
_COMMON = frozenset(_SPELLED_UMLAUT.sub("", word) for word in (_TRADES + _TOWNS).split())
"""What stands first in many shops' names tells none of them apart."""
_SHORTEST_BRAND = 3
_INITIALS = re.compile(r"[b-df-hj-np-tv-xz]{2}")
"""Two letters that no word is made of: "DB", "HP"."""
_BRAND = re.compile(rf"[^\W\d_]{{{_SHORTEST_BRAND},}}|[^\W\d_]{{4,}}\d\d?")
"""Letters, as in "Aral", or with a number that belongs to the name, as in "Check24"."""
_MANY_DIGITS = re.compile(r"\d.*\d.*\d")
_SHORTEST_CUT, _SHORTEST_CUT_WORDS = 10, 7
_SHORTEST_WORD_CUT = 4
_CONTAINED_LETTERS = 6
_LONGEST_CODE = 3


@dataclass(frozen=True, slots=True)
class Name:
    """What distinguishes a party: `words` folded and in order, `squashed` and `ordered` for comparing."""

    words: tuple[str, ...]
    squashed: str
    ordered: str
    brand: str = ""
    """The shop that a card payment's line names first; "" where that is a trade, a town, or not known to be a shop."""
    behind: Name | None = None
    """What stands behind a star, where the word before it may be a shop or only its card reader's: "VIVA *MUSTERSHOP"."""
    is_guessed: bool = False
    """Whether it may be something else: it says something only where it is like another."""

    def __bool__(self) -> bool:
        return bool(self.words)


def fold(text: str) -> str:
    """Lower case, ä → ae and ß → ss before accents are dropped, every run of other signs one space; "" stays ""."""
    lowered = text.casefold()
    if not lowered.isascii():
        lowered = unicodedata.normalize("NFC", lowered).translate(_LETTERS)
        decomposed = unicodedata.normalize("NFKD", lowered)
        lowered = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    return _NO_WORD.sub(" ", lowered).strip()


def loosen(word: str) -> str:
    """Make the spellings of an umlaut equal: mueller, muller → muller. `word` is folded."""
    return _SPELLED_UMLAUT.sub("", word)


@lru_cache(maxsize=65_536)
def parse_name(written: str | None) -> Name:
    """Take legal form, card processor, web address and digit runs off a written name.

    A name that consists of nothing else ("Co KG", "4711") keeps its words; None and "" give an empty `Name`.
    """
    name, behind = _without_processor(written or "")
    folded = fold(name)
    words = _DOTTED_FORMS.sub(" ", _OWNED_BY.sub("", folded)).split()
    telling = [_LONG_FORMS.get(word, word) for word in words if _is_telling(word)] or folded.split()
    loose = [loosen(word) for word in telling]
    return Name(tuple(loose), "".join(loose), " ".join(sorted(loose)), behind=parse_name(behind) if behind else None)


def similarity(one: Name, other: Name) -> float:
    """Compare two names: 1 = the same, 0 = nothing in common or one is empty. Symmetric.

    0.96: one is the other cut off (10 letters at least, or 7 and a whole word). 0.9: all words of one are in the other. Else the
    share of equal letters. Of a name with a star that part counts which is more alike.
    """
    alike = _likeness(one, other)
    if one.behind:
        alike = max(alike, _likeness(one.behind, other))
    if other.behind:
        alike = max(alike, similarity(one, other.behind))
    return alike


def _likeness(one: Name, other: Name) -> float:
    if not one.words or not other.words:
        return 0.0
    if one.squashed == other.squashed or one.ordered == other.ordered:
        return 1.0
    short, long = (one, other) if len(one.squashed) < len(other.squashed) else (other, one)
    if len(short.squashed) >= _SHORTEST_CUT and long.squashed.startswith(short.squashed):
        return 0.96
    if len(short.squashed) >= _SHORTEST_CUT_WORDS and _is_cut(short.words, long.words):
        return 0.96
    alike = fuzz.ratio(one.ordered, other.ordered) / 100
    is_shorter = (len(one.words), one.squashed) < (len(other.words), other.squashed)
    few, many = (one, other) if is_shorter else (other, one)
    if len(few.squashed) >= _CONTAINED_LETTERS and _is_contained(few.words, many.words):
        return max(alike, 0.9)
    if (one.brand and _is_of(one.brand, other.words)) or (other.brand and _is_of(other.brand, one.words)):
        return max(alike, _SAME_SHOP)
    for word in one.words:
        if word in other.words and len(word) >= _SHORTEST_BRAND and word not in _COMMON:
            return max(alike, _SHARED_WORD)
    return alike


@lru_cache(maxsize=65_536)
def parse_shop(written: str | None) -> Name:
    """The same for the other side of a card payment, which begins with the shop: "ARAL STATION 4711 HAMBURG DE"."""
    return _with_brand(parse_name(written))


def _with_brand(name: Name) -> Name:
    first = name.words[0] if name else ""
    is_brand = (_BRAND.fullmatch(first) or _INITIALS.fullmatch(first)) and first not in _COMMON
    behind = _with_brand(name.behind) if name.behind else None
    return replace(name, brand=first if is_brand else "", behind=behind) if is_brand or behind else name


def _is_of(brand: str, words: tuple[str, ...]) -> bool:
    """A short brand has to stand first ("Aral Center Nord"), a long one anywhere ("Deutsche Lufthansa")."""
    return brand == words[0] or (len(brand) >= _CONTAINED_LETTERS and brand in words)


def is_in_text(name: Name, words: frozenset[str]) -> bool:
    """Tell whether a text, given as its loosened words, holds all words of a name (payment by an intermediary)."""
    return is_long(name) and words.issuperset(name.words)


def is_brand_in_text(name: Name, words: frozenset[str]) -> bool:
    """Tell whether the text of a payment service, which says little but what was bought where, holds a telling word of a name.

    A short one has to be its first ("OTTO"), a long one any ("Conrad Electronic").
    """
    return any(
        word in words and word not in _COMMON and sum(map(str.isalpha, word)) >= (_CONTAINED_LETTERS if n else _SHORTEST_BRAND)
        for n, word in enumerate(name.words)
    )


def couples(words: Iterable[str]) -> set[str]:
    """Return every two neighbours among folded words, in either order, that may be a person's two names."""
    return {
        " ".join(sorted(two)) for two in pairwise(words) if all(word.isalpha() and len(word) >= _SHORTEST_BRAND for word in two)
    }


def is_long(name: Name) -> bool:
    """Tell whether a name has letters enough to be looked for in a text."""
    return len(name.squashed) >= _CONTAINED_LETTERS


@lru_cache(maxsize=65_536)
def service(written: str | None) -> str:
    """Return the word by which a payment service is known that only passes money on (PayPal, Stripe), "" if it is none.

    Its name says nothing of the payee's.
    """
    return next((word for word in fold(written or "").split() if word in _PROCESSORS), "")


def is_processor(written: str | None) -> bool:
    """Tell whether money went through a payment service."""
    return service(written) != ""


def _without_processor(written: str) -> tuple[str, str]:
    """The name, and what may be the name as well.

    For example "PAYPAL *MUSTERSHOP" and "XY *MUSTERSHOP" → MUSTERSHOP, "AMZN Mktp DE*2K4TT1" → AMZN Mktp DE, but
    "VIVA *MUSTERSHOP" → VIVA or MUSTERSHOP.
    """
    before, star, after = written.partition("*")
    if not star:
        return written, ""
    first = [word for word in fold(before).split() if word not in _NOISE]  # "PADDLE.NET* LINEAR"
    if not first or (first[0] in _PROCESSORS and after.strip(" *")):
        return after, ""
    if len(first) > 1 or not any(part.isalpha() and len(part) > _LONGEST_CODE for part in fold(after).split()):
        return before, ""
    # no shop is called by two or three letters: a processor that we do not know yet
    return (after, "") if len(first[0]) <= _LONGEST_CODE else (before, after)


def _is_telling(word: str) -> bool:
    return word not in _LEGAL_FORMS and word not in _NOISE and not _MANY_DIGITS.search(word)


def _is_cut(short: tuple[str, ...], long: tuple[str, ...]) -> bool:
    """Tell whether the one stops in the middle of a later word of the other: "Zöllner & N" for Zöllner & Novak."""
    last = len(short) - 1
    return 0 < last < len(long) and short[:last] == long[:last] and long[last].startswith(short[last])


def _is_contained(few: tuple[str, ...], many: tuple[str, ...]) -> bool:
    """Tell whether each of the few words is one of the many, or either of the two is the other cut off."""
    for word in few:
        is_long = len(word) >= _SHORTEST_WORD_CUT
        for other in many:
            if word == other or (is_long and other.startswith(word)):
                break
            if len(other) >= _SHORTEST_WORD_CUT and word.startswith(other):
                break
        else:
            return False
    return True
