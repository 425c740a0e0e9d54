"""Who is paid: IBANs, what the payee's bank says about a name, and the proof that somebody asked it."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from portal.simulator.errors import ApiError
from portal.simulator.names import Row

#: payees that answer in a way of their own, whatever name is given (simulator contract §6)
CLOSE_MATCH = "DE91000000000000009001"
NO_MATCH = "DE64000000000000009002"
NOT_POSSIBLE = "DE37000000000000009003"
UNREACHABLE = "DE10000000000000009004"
DECLINED = "DE80000000000000009005"
INVALID = "DE53000000000000009006"

PROOF_LIFE = timedelta(hours=23)
HOLDER = "Holzhandel Beispiel GmbH & Co. KG"  #: whom a close match names
BANK_IS_SILENT = "BAD_REQUEST_ERROR_RESPONDING_BANK_NOT_AVAILABLE"
BANK_IS_BROKEN = "INTERNAL_SERVER_ERROR_4XX_RESPONDING_BANK"
_RESULTS = {CLOSE_MATCH: "CLOSE_MATCH", NO_MATCH: "NO_MATCH", NOT_POSSIBLE: "NOT_POSSIBLE"}


def plain_iban(text: str) -> str:
    """Without spaces, in capitals."""
    return "".join(text.split()).upper()


def is_iban(text: str) -> bool:
    """Whether a plain IBAN has the right shape and check digits (ISO 13616)."""
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", text):
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def result_of(iban: str) -> Row | None:
    """What the payee's bank says about the name; None when it does not answer."""
    if iban == UNREACHABLE:
        return None
    return as_result(_RESULTS.get(iban, "MATCH"))


def as_result(word: str) -> Row:
    """A result in the API's words; a close match names the holder of the account."""
    result: Row = {"match_result": f"MATCH_RESULT_{word}"}
    return {**result, "matched_name": HOLDER} if word == "CLOSE_MATCH" else result


def without_result(status: int, code: str, proof: str) -> ApiError:
    """The payee's bank did not answer; a transfer may be made all the same, so the refusal carries a proof."""
    error: dict[str, Any] = {
        "code": code, "detail": "The bank of the payee could not be asked", "meta": {"proof_token": {"token": proof}},
    }  # fmt: skip
    return ApiError(status, {"errors": [error]})


@dataclass(frozen=True, slots=True)
class _Proof:
    organization_id: str
    ibans: frozenset[str]
    is_bulk: bool
    issued_at: datetime


class Proofs:
    """Proof tokens: each for one IBAN, or for exactly one set of them."""

    def __init__(self) -> None:
        self._issued: dict[str, _Proof] = {}

    def issue(self, organization_id: str, ibans: frozenset[str], now: datetime, *, is_bulk: bool) -> str:
        """A token for these IBANs."""
        token = f"vop_{secrets.token_urlsafe(24)}"
        self._issued[token] = _Proof(organization_id, ibans, is_bulk, now)
        return token

    def prove(self, token: str, organization_id: str, ibans: frozenset[str], now: datetime, *, is_bulk: bool) -> bool:
        """Whether this token was given to this company for just these IBANs, and not too long ago."""
        proof = self._issued.get(token)
        return (
            proof is not None
            and (proof.organization_id, proof.ibans, proof.is_bulk) == (organization_id, ibans, is_bulk)
            and now - proof.issued_at < PROOF_LIFE
        )
