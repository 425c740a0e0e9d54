"""Who may pay: what stands in the way of somebody, each with who can remove it (L-08, L-09, L-59 … L-63)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

NEEDED = ("payment.write",)  #: without it the bank takes no transfer
TO_REQUEST = ("request_transfers.write",)  #: and without this no request


class Gate(StrEnum):
    """What stands in the way; templates word it."""

    OFF = "off"  #: the firm has switched payments off
    PLAN = "plan"  #: payments are part of a larger plan
    NOT_CONNECTED = "not_connected"
    ACTION_NEEDED = "action_needed"  #: the consent has ended
    SCOPE = "scope"  #: the consent does not cover payments
    NOT_YOURS = "not_yours"  #: somebody else of the company has connected: only his phone can confirm
    SECOND_FACTOR = "second_factor"  #: who releases money has a second factor


class Owner(StrEnum):
    """Whom to turn to."""

    YOU = "you"
    OFFICE = "office"
    BANK = "bank"  #: its support, or the company's own administrator there


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a person and the payments connection of his company."""

    is_in_plan: bool
    connection_state: str | None
    scopes: Sequence[str]
    is_connector: bool  #: he has connected
    has_second_factor: bool
    is_on: bool = True  #: payments are switched on


def to_prepare(standing: Standing) -> list[Gate]:
    """What keeps anybody from preparing a payment."""
    if not standing.is_on:
        return [Gate.OFF]
    gates = [] if standing.is_in_plan else [Gate.PLAN]
    if standing.connection_state in {None, "disconnected", "connecting"}:
        return [*gates, Gate.NOT_CONNECTED]
    if standing.connection_state != "active":
        return [*gates, Gate.ACTION_NEEDED]
    return [*gates, *([] if set(NEEDED) <= set(standing.scopes) else [Gate.SCOPE])]


def to_request(standing: Standing) -> list[Gate]:
    """What keeps the firm from laying one into the bank's app, where its user releases it."""
    found = to_prepare(standing)
    return found or ([] if set(TO_REQUEST) <= set(standing.scopes) else [Gate.SCOPE])


def to_approve(standing: Standing) -> list[Gate]:
    """What keeps a person from approving one, beside that."""
    checks = ((standing.is_connector, Gate.NOT_YOURS), (standing.has_second_factor, Gate.SECOND_FACTOR))
    found = to_prepare(standing)
    return found or [gate for is_open, gate in checks if not is_open]


#: the bank's words for why it refused, and ours for what the person reads (L-59 … L-62)
REFUSALS = {
    "insufficient_funds": "funds",
    "spend_limit_exceeded": "spend_limit",
    "debit_blocked": "debit_block",
    "forbidden": "permission",
    "scope_missing": "scope",
    "attachment_required": "attachment",
    "beneficiary_bic_invalid": "payee_bank",
    "invalid": "payee_iban",
    "invalid_vop_proof_token": "payee_check_old",
    "vop_proof_token_missing": "payee_check_old",
    "sca_not_enrolled": "no_device",
    "sca_denied": "sca_denied",
    "sca_expired": "sca_expired",
    "not_arrived": "not_arrived",
    "invoice_changed": "invoice_changed",
    "consent_ended": "consent_ended",
    "payments_off": "payments_off",
    "declined_in_app": "declined_in_app",
    "changed": "changed",
    "past": "past",
}
OWNERS = {
    "funds": Owner.YOU, "spend_limit": Owner.BANK, "debit_block": Owner.BANK, "permission": Owner.BANK, "scope": Owner.YOU,
    "attachment": Owner.YOU, "payee_bank": Owner.YOU, "payee_iban": Owner.YOU, "payee_check_old": Owner.YOU,
    "no_device": Owner.BANK, "sca_denied": Owner.YOU, "sca_expired": Owner.YOU, "not_arrived": Owner.OFFICE,
    "invoice_changed": Owner.YOU, "consent_ended": Owner.YOU, "payments_off": Owner.OFFICE, "declined_in_app": Owner.YOU,
    "changed": Owner.OFFICE, "past": Owner.YOU,
    "other": Owner.BANK,
}  # fmt: skip


def cause(code: str) -> str:
    """The cause of a refusal in our words; `other` for a word of the bank that we do not know."""
    return REFUSALS.get(code, "other")


def owner(of: str) -> Owner:
    """Whom to turn to about a cause."""
    return OWNERS[of]


def needs_second_person(*, total_cents: int, above_cents: int | None, is_one_person: bool, was_lost: bool) -> bool:
    """Whether who approves must be another person than who prepared.

    Four eyes above a limit where the client wants that and has them: in a company of one his showing again who he is takes their
    place. A payment whose first attempt was lost is never released by one person alone (E03).
    """
    return was_lost or (above_cents is not None and total_cents > above_cents and not is_one_person)
