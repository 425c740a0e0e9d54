"""Invoice numbers, taken apart for finding them in texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

ATOM = re.compile(r"[^\W\d_]+|\d+")
"""A run of letters, or of digits."""
FEWEST_DIGITS = 3
"""With fewer a number is not looked for in texts."""
TYPO_LENGTH = 6
"""A number is long enough for a typing error to show."""
_ALL_DIGITS = 7
"""Some write the digits alone of a number with letters between: 4530007 for 4XP53PVD-0007."""
_YEAR_BEFORE = re.compile(r"(?:20)?[12]\d(?=\d{4})")
_READ_FOR = str.maketrans("OILSZB", "011528")
"""Letters that a machine reads where a digit is printed."""


@dataclass(frozen=True)
class Reference:
    """An invoice number taken apart.

    `atoms`: its runs of letters and of digits, upper case. `prefix`: the letters before the first digits.
    `squashed`: all atoms in a row; `core`: the same without the prefix, as payers like to write it.
    `keys`: the squashed strings under which a text may hold it; empty when it is too short to look for.
    `tails`: its last digits where others or the year stand before them, and the same without leading zeros, none if there are
    too few: "RE 0142" and "RE 142" for RE-2026-0142, "RE 06142" for 2606142.
    """

    written: str
    atoms: tuple[str, ...]
    prefix: tuple[str, ...]
    squashed: str
    core: str
    keys: tuple[str, ...]
    tails: tuple[str, ...]

    @property
    def sought(self) -> tuple[str, ...]:
        """What to look for in a text: its keys and its tails."""
        return (*self.keys, *self.tails)

    @cached_property
    def letters(self) -> str:
        """The prefix in one piece."""
        return "".join(self.prefix)

    @cached_property
    def misread(self) -> list[tuple[str, str]]:
        """Its keys that are long enough for a typing error to show, each with a digit for every letter that is read for one."""
        return [(key, as_digits(key)) for key in self.keys if len(key) >= TYPO_LENGTH]

    @cached_property
    def digits(self) -> list[str]:
        """Its runs of digits."""
        return [*filter(str.isdigit, self.atoms)]


def parse_reference(number: str | None) -> Reference | None:
    """Take an invoice number apart; None when there is none or it holds no digit."""
    atoms = tuple(atom.upper() for atom in ATOM.findall(number or ""))
    first_digits = next((place for place, atom in enumerate(atoms) if atom.isdigit()), None)
    if first_digits is None:
        return None
    squashed, core = "".join(atoms), "".join(atoms[first_digits:])
    digits = "".join(filter(str.isdigit, core))
    written = (squashed, core, digits) if len(digits) >= _ALL_DIGITS else (squashed, core)
    keys = tuple(key for key in dict.fromkeys(written) if sum(map(str.isdigit, key)) >= FEWEST_DIGITS)
    last = atoms[-1] if atoms[-1].isdigit() else ""
    year = _YEAR_BEFORE.match(last)
    ends = (last, last[year.end() :]) if year else (last,)
    tails = tuple(
        tail
        for tail in dict.fromkeys((*ends, *(end.lstrip("0") for end in ends)))
        if len(tail) >= FEWEST_DIGITS and tail not in keys
    )
    return Reference((number or "").strip(), atoms, atoms[:first_digits], squashed, core, keys, tails)


def as_digits(squashed: str) -> str:
    """Put a digit for each letter that a machine reads where one is printed."""
    return squashed.translate(_READ_FOR)
