"""Remittance information, and finding invoice numbers in it as whole tokens.

A number found as a mere substring is the classic wrong link (31 of 31 wrong in a peer's production), so a hit counts as
*whole* only where its ends are ends of a token and the words around it do not claim it for something else. Spaces, dashes
and slashes may differ, a prefix may be dropped or be a plain "RE"/"Rechnung-Nr."; digits are only regrouped in long numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from functools import cached_property, lru_cache
from itertools import pairwise

from rapidfuzz.distance import OSA

from portal.domain.references import ATOM, FEWEST_DIGITS, TYPO_LENGTH, Reference, as_digits

_WRITTEN_DATE = re.compile(r"(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])\.(?:20)?\d\d(?!\d)")
_DAY_AND_MONTH = re.compile(r"(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])")
_ONLY_YEAR = re.compile(r"(?:19|20)\d\d")
_SOFT = frozenset("-/._#\\–—")

FREE, SPACE, SOFT, GLUED = "free", "space", "soft", "glued"

INVOICE_WORDS = frozenset(
    (
        "RE RG R RN RNR RENR RGNR RECH RECHN RECHNR RECHNUNG RECHNUNGEN RECHNUNGSNR RECHNUNGSNUMMER RECHNUNGNR INV INVOICE "
        "INVNO BELEG BELEGNR BELEGNUMMER FA FACTURE AR ER"
    ).split()
)
_NUMBER_WORDS = frozenset(["NR", "NO", "N", "NUM", "NUMMER", "NUMBER", "NRN"])
_OTHER_THINGS = frozenset(
    (
        "KD KDN KDNR KNR KUNDE KUNDEN KUNDENNR KUNDENNUMMER CUSTOMER ANGEBOT ANGEBOTSNR AUFTRAG AUFTRAGS AUFTRAGSNR AUFTR "
        "BESTELLUNG BESTELL BESTELLNR ORDER LIEFERSCHEIN LS LIEFERSCHEINNR VERTRAG VERTRAGS VERTRAGSNR VERTRAGSNUMMER VTR "
        "VNR MANDAT MANDATS MANDATSREF MREF CRED TEL STEUER STEUERNR STNR IBAN BLZ KTO KONTO PROJEKT KARTE ZAEHLER ZÄHLER"
    ).split()
)
_PAYERS_OWN = frozenset(["BELEG", "BELEGNR", "BELEGNUMMER"])
"""What many who pay call the number of their own booking: it may announce an invoice, and as well another thing."""
_ENOUGH_DIGITS = 6
_ANNOUNCED_DIGITS = 3
_REGROUPED_LENGTH, _REGROUPED_DIGITS = 8, 5
_LONGEST_WINDOW = 10
_SPACES_INSIDE = 3
_NEXT = re.compile(r"\s*[+,;/&]?\s*")
"""Between two numbers of a list."""
_LEAST_LEFT = 0.6
"""So much of a number has to be left of it to be known as cut off."""
_SHAPED_DIGITS = 4
_OF_BEGINNING = 4
"""One digit in so many stays the same while somebody counts his invoices."""


class Strength(IntEnum):
    """How much a place in a text says: part of something longer < whole, but short or date-like < it names one invoice."""

    PART = 0
    SHORT = 1
    WHOLE = 2


class Near(Enum):
    """How a text nearly holds a number.

    Two signs swapped, letters read for digits, its beginning at the text's end or its end alone, or a sign missing or too many.
    """

    SWAPPED = auto()
    MISREAD = auto()
    CUT = auto()
    MISTYPED = auto()


@dataclass(frozen=True, slots=True)
class Found:
    """One place in a text that holds a number, as character offsets [start, end)."""

    start: int
    end: int
    strength: Strength

    @property
    def is_whole(self) -> bool:
        """Tell whether it identifies the number, else it is a hint."""
        return self.strength is Strength.WHOLE

    def overlaps(self, other: Found) -> bool:
        """Tell whether the two share a character."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class _DigitGroup:
    start: int
    end: int
    lengths: list[int]
    beginning: str
    is_announced: bool
    is_long: bool


class RemittanceText:
    """A text split into runs of letters and digits, with what stands between them. Parsed once, searched often."""

    def __init__(self, written: str) -> None:
        """Split `written`, the remittance information of one transaction."""
        self.written = written
        spans = [match.span() for match in ATOM.finditer(written)]
        self.spans = spans
        self.atoms = [written[start:end].upper() for start, end in spans]
        inner = [_joint(written[left[1] : right[0]]) for left, right in pairwise(spans)]
        self.joints = [FREE, *inner, FREE]
        self._lefts: dict[int, tuple[str, bool, bool]] = {}

    def windows(self, longest: int = 10**6) -> Iterator[tuple[int, int, str]]:
        """Every run of neighbouring atoms that could be one number of at most `longest` signs: (first, last + 1, squashed)."""
        atoms, joints = self.atoms, self.joints
        for first in range(len(atoms)):
            squashed = ""
            for after in range(first + 1, min(first + _LONGEST_WINDOW, len(atoms)) + 1):
                if after > first + 1 and joints[after - 1] == FREE:
                    break
                squashed += atoms[after - 1]
                if len(squashed) > longest:
                    break
                yield first, after, squashed

    @cached_property
    def numbers(self) -> frozenset[str]:
        """The squashed windows that may be a number or its part, years alone left out: what two texts have in common."""
        digits = {squashed: "".join(filter(str.isdigit, squashed)) for _, _, squashed in self.windows()}
        return frozenset(
            squashed for squashed, told in digits.items() if len(told) >= FEWEST_DIGITS and not _ONLY_YEAR.fullmatch(told)
        )

    @cached_property
    def has_digits(self) -> bool:
        """Whether any number stands there at all."""
        return any(map(str.isdigit, self.atoms))

    @cached_property
    def lookalikes(self) -> dict[int, list[str]]:
        """The squashed windows with digits and of a number's length, by length, sorted: to find typing errors in."""
        found: dict[int, set[str]] = {}
        for _, _, squashed in self.windows():
            if len(squashed) >= TYPO_LENGTH and not squashed.isalpha() and any(map(str.isdigit, squashed)):
                found.setdefault(len(squashed), set()).add(squashed)
        return {length: sorted(windows) for length, windows in found.items()}

    @cached_property
    def _all_digits(self) -> dict[int, frozenset[str]]:
        """Those of digits alone."""
        digits = {length: frozenset(filter(str.isdigit, windows)) for length, windows in self.lookalikes.items()}
        return {length: windows for length, windows in digits.items() if windows}

    @cached_property
    def _as_read(self) -> frozenset[str]:
        """The lookalikes, with a digit for each letter that is read for one."""
        return frozenset(as_digits(window) for windows in self.lookalikes.values() for window in windows)

    def hit(self, reference: Reference, first: int, after: int) -> Found | None:
        """Judge a window whose squashed text is one of the reference's keys; None when it belongs to something else."""
        found = self.atoms[first:after]
        is_full = len(reference.prefix) > 0 and not found[0].isdigit()
        begin, end = self._list_around(first, after)
        announcing, is_free_left, is_other_thing = self._left_of(begin)
        if is_other_thing and not is_full:
            return None
        is_tail = after == first + 1 and found[0] in reference.tails
        goes_on = is_tail and self._goes_on(reference, first)
        if is_tail and not announcing and not goes_on:
            return None
        expected = found if is_tail else reference.atoms if is_full else reference.atoms[len(reference.prefix) :]
        is_regrouped = list(expected) != found
        squashed = "".join(expected)
        digits = "".join(filter(str.isdigit, squashed))
        has_letters = is_full or not "".join(found).isdigit()
        is_whole = (is_free_left or goes_on or (has_letters and self._is_slash(first))) and self._is_free_right(
            end - (after - first), end
        )
        strength = Strength.PART
        if is_whole and is_regrouped and len(squashed) < _REGROUPED_LENGTH:
            strength = Strength.SHORT if len(digits) >= _REGROUPED_DIGITS else Strength.PART
        elif is_whole:
            is_telling = _is_telling([*filter(str.isdigit, found)], is_full=is_full, is_announced=announcing != "")
            strength = Strength.WHOLE if is_telling and not is_tail else Strength.SHORT
        return Found(self.spans[first][0], self.spans[after - 1][1], strength)

    def find(self, reference: Reference) -> tuple[Found, ...]:
        """All places that hold the number, the longest where they overlap, in the order of the text."""
        keys = set(reference.sought)
        hits = [
            hit for first, after, squashed in self.windows() if squashed in keys and (hit := self.hit(reference, first, after))
        ]
        hits.sort(key=lambda hit: (-hit.strength, hit.start - hit.end, hit.start))
        kept: list[Found] = []
        for hit in hits:
            if not any(hit.overlaps(other) for other in kept):
                kept.append(hit)
        return tuple(sorted(kept, key=lambda hit: hit.start))

    def near_number(self, reference: Reference) -> Near | None:
        """Tell how nearly the text holds the number. Another digit is another invoice, and nothing near it."""
        lookalikes, found = self.lookalikes, None
        for key, as_read in reference.misread if lookalikes else ():
            length = len(key)
            if as_read in self._as_read:
                return Near.MISREAD
            for window in lookalikes.get(length, ()):
                if OSA.distance(key, window, score_cutoff=1) == 1 and sorted(key) == sorted(window):
                    return Near.SWAPPED
            for window in (*lookalikes.get(length - 1, ()), *lookalikes.get(length + 1, ())):
                if found is None and OSA.distance(key, window, score_cutoff=1) == 1:
                    found = Near.MISTYPED
        return Near.CUT if self._ends_within(reference) or self._holds_end(reference) else found

    def _ends_within(self, reference: Reference) -> bool:
        """Tell whether the text ends in the middle of the number: a bank cuts what does not fit."""
        return bool(self._tails) and any(
            key.startswith(tail) and _LEAST_LEFT * len(key) <= len(tail) < len(key)
            for tail in self._tails
            for key in reference.keys
        )

    def _holds_end(self, reference: Reference) -> bool:
        """Tell whether its end stands there alone: "250116" for 20250116. Another invoice's is as long as this one's."""
        return bool(self._all_digits) and any(
            _LEAST_LEFT * len(key) <= length < len(key) and key[-length:] in windows
            for key in reference.keys
            for length, windows in self._all_digits.items()
        )

    @cached_property
    def _tails(self) -> list[str]:
        """What the text ends with and could be the beginning of a number, squashed."""
        count, tails = len(self.atoms), []
        if not count or self.spans[-1][1] < len(self.written.rstrip()):
            return []
        squashed = ""
        for first in reversed(range(max(0, count - _LONGEST_WINDOW), count)):
            squashed = self.atoms[first] + squashed
            if self.joints[first] in {FREE, SPACE} and sum(map(str.isdigit, squashed)) >= FEWEST_DIGITS:
                tails.append(squashed)
            if self.joints[first] == FREE:
                break
        return tails

    def other_number(self, reference: Reference, own: Sequence[Found]) -> str | None:
        """Return what reads as the number of ANOTHER invoice, or None.

        That is: the same form with other digits, or any number that "Rechnung" announces. `own`: where the text holds this one.
        """
        if not own and reference.prefix:
            letters = reference.letters
            for window in self.lookalikes.get(len(reference.squashed), ()):
                rest = window[len(letters) :]
                if window.startswith(letters) and rest.isdigit() and rest != reference.core:
                    return window
        runs = reference.digits
        lengths, digits = [*map(len, runs)], "".join(runs)
        for group in self._digit_groups:
            is_alike = len(runs) > 1 and group.lengths == lengths
            # who counts on does not begin quite otherwise: that is a customer's number, or the payer's own
            is_alike |= group.lengths == [len(digits)] and digits.startswith(group.beginning)
            if group.is_announced or is_alike:
                here = Found(group.start, group.end, Strength.PART)
                if not any(here.overlaps(hit) for hit in own):
                    return self.written[group.start : group.end]
        return None

    @cached_property
    def _digit_groups(self) -> list[_DigitGroup]:
        """Runs like 2026-0042 that may be an invoice's number: announced as one, or whole, long and no date."""
        groups: list[_DigitGroup] = []
        first, count = 0, len(self.atoms)
        while first < count:
            after = first + 1
            if not self.atoms[first].isdigit():
                first = after
                continue
            while after < count and self.joints[after] == SOFT and self.atoms[after].isdigit():
                after += 1
            parts = self.atoms[first:after]
            digits, written = "".join(parts), self.written[self.spans[first][0] : self.spans[after - 1][1]]
            word, is_free, is_other_thing = self._left_of(first)
            is_announced = word != "" and word not in _PAYERS_OWN
            is_long = len(digits) >= _ENOUGH_DIGITS
            is_shaped = len(digits) >= _SHAPED_DIGITS and not _DAY_AND_MONTH.fullmatch(written)
            is_number = is_announced or (is_free and self._is_free_right(first, after) and (is_long or is_shaped))
            if is_number and not is_other_thing and len(digits) >= _ANNOUNCED_DIGITS and not _is_date(parts):
                start, end = self.spans[first][0], self.spans[after - 1][1]
                beginning = digits[: len(digits) // _OF_BEGINNING]
                groups.append(_DigitGroup(start, end, [len(part) for part in parts], beginning, is_announced, is_long))
            first = after
        return groups

    def _left_of(self, first: int) -> tuple[str, bool, bool]:
        """What stands before a window: (the invoice word that announces it or "", its left end is free, it is no invoice's)."""
        if first not in self._lefts:
            self._lefts[first] = self._read_backwards(first)
        return self._lefts[first]

    def _read_backwards(self, first: int) -> tuple[str, bool, bool]:
        announcing = ""
        position = first
        while position > 0 and self.joints[position] != FREE:
            word = self.atoms[position - 1]
            if word in INVOICE_WORDS:
                announcing = word
            elif word not in _NUMBER_WORDS:
                break
            position -= 1
        # "Abr.Nr 2024/104": after an invoice word and a space it begins anew, whatever stands before that word
        is_free = self.joints[position] in {FREE, SPACE} or (position < first and self.joints[first] == SPACE)
        if is_free and self.joints[position] == SPACE and position == first:
            # "2026 0042" for the number 0042-…: spaces inside a longer run of digits are no end
            is_free = not (
                self.atoms[first].isdigit()
                and self.atoms[first - 1].isdigit()
                and len(self.atoms[first]) < _ENOUGH_DIGITS
                and not self._is_between_tokens(first)
            )
        is_other_thing = (
            not announcing and position > 0 and self.joints[position] != FREE and self.atoms[position - 1] in _OTHER_THINGS
        )
        return announcing, is_free, is_other_thing

    def _is_between_tokens(self, first: int) -> bool:
        """Tell whether a number with its own separators begins behind one that is glued to letters: "K6952 062-2024"."""
        return self.joints[first - 1] == GLUED and self.joints[first + 1] == SOFT

    def _goes_on(self, reference: Reference, first: int) -> bool:
        """Tell whether digits go on a list whose first number alone is written whole, in the same form: "24-0153, 0164"."""
        form = reference.atoms[len(reference.prefix) : -1]
        head = first
        while head and self.atoms[head - 1].isdigit() and len(self.atoms[head - 1]) == len(self.atoms[first]):
            if not _NEXT.fullmatch(self.written[self.spans[head - 1][1] : self.spans[head][0]]):
                break
            head -= 1
        return 0 < len(form) <= head < first and tuple(self.atoms[head - len(form) : head]) == form

    def _list_around(self, first: int, after: int) -> tuple[int, int]:
        """Widen a window to the list it is a part of: neighbours of its form, "25-0042 25-0043" or "25-0042/25-0043"."""
        size = after - first
        if size == 1 or SPACE in self.joints[first + 1 : after]:
            return first, after
        begin, end = first, after
        while begin >= size and self._is_next_in_list(begin - size, begin, size):
            begin -= size
        while end + size <= len(self.atoms) and self._is_next_in_list(end - size, end, size):
            end += size
        is_customers = self._left_of(begin)[2]  # "Kundennr. 12-3456 25-0042" is none
        return (first, after) if is_customers else (begin, end)

    def _is_next_in_list(self, first: int, other: int, size: int) -> bool:
        """Tell whether two neighbouring windows are written alike, and apart from each other otherwise than in themselves."""
        inner = self._gaps(first, first + size)
        ours, theirs = self.atoms[first : first + size], self.atoms[other : other + size]
        is_alike = all(one.isdigit() == two.isdigit() for one, two in zip(ours, theirs, strict=True))
        # the count goes from 25-999 to 25-1000
        is_alike = (
            is_alike and list(map(len, ours[:-1])) == list(map(len, theirs[:-1])) and abs(len(ours[-1]) - len(theirs[-1])) <= 1
        )
        is_apart = self.joints[other] in {SPACE, SOFT} and self._gaps(other - 1, other + 1)[0] not in inner
        return is_alike and is_apart and self._gaps(other, other + size) == inner

    def _gaps(self, first: int, after: int) -> list[str]:
        """What is written between the atoms of a window."""
        return [self.written[left[1] : right[0]] for left, right in pairwise(self.spans[first:after])]

    def _is_slash(self, first: int) -> bool:
        return self.joints[first] == SOFT and self.written[self.spans[first - 1][1] : self.spans[first][0]] == "/"

    def _is_free_right(self, first: int, after: int) -> bool:
        joint = self.joints[after]
        if joint == FREE:
            return True
        following = self.atoms[after]
        if joint == SPACE:
            has_spaces = SPACE in self.joints[first + 1 : after] and self.atoms[after - 1].isdigit()
            return not (has_spaces and following.isdigit() and len(following) < _ENOUGH_DIGITS)
        gap = self.written[self.spans[after - 1][1] : self.spans[after][0]]
        if gap == "/" and _WRITTEN_DATE.match(self.written, self.spans[after][0]):  # "Rech.Nr.4711/18.04.2026"
            return True
        return joint == SOFT and gap in {"/", "."} and not following.isdigit() and len(following) > 1


@lru_cache(maxsize=4096)
def _joint(gap: str) -> str:
    """What stands between two runs: nothing, a soft sign, a space, or an end."""
    if not gap:
        return GLUED
    if all(sign in _SOFT for sign in gap):
        return SOFT
    # "RE: 42" reads on after the colon; a comma, plus or bracket starts something new
    is_space = len(gap) <= _SPACES_INSIDE and all(sign.isspace() or sign in _SOFT or sign == ":" for sign in gap)
    return SPACE if is_space else FREE


def _is_telling(runs: list[str], *, is_full: bool, is_announced: bool) -> bool:
    """Tell whether a whole token, given as its runs of digits, is rare enough to name one invoice."""
    digits = "".join(runs)
    if len(digits) < _ANNOUNCED_DIGITS or _is_year(digits):
        return False
    if is_full or is_announced:
        return True
    return len(digits) >= _ENOUGH_DIGITS and not _is_date(runs)


def _is_year(digits: str) -> bool:
    return len(digits) == len("2026") and digits[:2] in {"19", "20"}


_YEAR, _MONTH, _DAY = r"(?:19|20)\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DATE_FORMS = (
    (_YEAR,), (_YEAR, _MONTH), (_MONTH, _YEAR), (_DAY, _MONTH, r"\d\d"), (_YEAR, _MONTH, _DAY), (_DAY, _MONTH, _YEAR),
)  # fmt: skip
_DATE = re.compile("|".join(apart.join(form) for form in _DATE_FORMS for apart in ("", "-")))


def _is_date(runs: list[str]) -> bool:
    """Tell whether runs of digits may be a day or month: 2026, 202611, 11/2026, 12.11.26, 20261112; nobody writes 2026/1112."""
    return _DATE.fullmatch("-".join(runs)) is not None
