"""The life of a payment order (a batch of one payment or many) and of each payment in it, as pure and complete tables.

What is not in a table is forbidden. The bank gets one call for a whole batch; from the moment it has accepted that, each payment
has a life of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from portal.domain.payments.orders import Way


class Forbidden(Exception):
    """This cannot happen to a batch or payment in this state."""


class BatchState(StrEnum):
    """How far an order is."""

    DRAFT = "draft"  #: put together; the payees have not all been checked
    PREPARED = "prepared"  #: checked; waits for an approval
    APPROVED = "approved"  #: decided; the bank has not been asked yet
    SENDING = "sending"  #: the bank may have it
    CONFIRMING = "confirming"  #: the bank has it not: it waits for a yes in its app
    UNKNOWN = "unknown"  #: the bank may have it, and repeating the call could pay twice: it is looked for in the bank's lists
    ACCEPTED = "accepted"  #: the bank has it
    REQUESTED = "requested"  #: it lies in the bank's app, to be released there
    ENDED = "ended"  #: each of its payments has come to an end
    REFUSED = "refused"  #: the bank has not taken it
    CANCELLED = "cancelled"  #: given up before the bank had it


class Event(StrEnum):
    """What can happen to a batch."""

    CHECK = "check"  #: the payees' banks have answered
    CHANGE = "change"  #: something about it was changed: no approval holds any more
    APPROVE = "approve"
    VOID = "void"  #: the approval does not hold: what would be sent is not what was approved
    SEND = "send"  #: the call is about to be made, for the first time or again
    ASK = "ask"  #: the bank wants a confirmation
    ACCEPT = "accept"  #: the bank has the order, by its answer or in its lists
    FILE = "file"  #: the bank has it as a request
    LOSE = "lose"  #: no answer, and too late to repeat the call
    REFUSE = "refuse"  #: the bank said no, its user did, or it is certain that the bank never had it
    CANCEL = "cancel"
    END = "end"


class PaymentState(StrEnum):
    """How far one payment is."""

    OPEN = "open"  #: goes with its batch
    ORDERED = "ordered"  #: the bank has it
    EXECUTED = "executed"  #: the money has left
    REFUSED = "refused"
    CANCELLED = "cancelled"


class PaymentEvent(StrEnum):
    """What can happen to one payment."""

    ORDER = "order"
    EXECUTE = "execute"
    REFUSE = "refuse"
    CANCEL = "cancel"


_B, _E = BatchState, Event
BATCH: dict[BatchState, dict[Event, BatchState]] = {
    _B.DRAFT: {_E.CHECK: _B.PREPARED, _E.CHANGE: _B.DRAFT, _E.CANCEL: _B.CANCELLED},
    _B.PREPARED: {
        _E.CHECK: _B.PREPARED, _E.CHANGE: _B.DRAFT, _E.APPROVE: _B.APPROVED, _E.CANCEL: _B.CANCELLED,
    },
    _B.APPROVED: {
        _E.CHANGE: _B.DRAFT, _E.VOID: _B.PREPARED, _E.SEND: _B.SENDING, _E.CANCEL: _B.CANCELLED, _E.REFUSE: _B.REFUSED,
    },
    _B.SENDING: {
        _E.SEND: _B.SENDING, _E.ASK: _B.CONFIRMING, _E.ACCEPT: _B.ACCEPTED, _E.FILE: _B.REQUESTED, _E.LOSE: _B.UNKNOWN,
        _E.REFUSE: _B.REFUSED,
    },
    _B.CONFIRMING: {_E.SEND: _B.SENDING, _E.CANCEL: _B.CANCELLED, _E.REFUSE: _B.REFUSED},
    _B.UNKNOWN: {_E.ACCEPT: _B.ACCEPTED, _E.FILE: _B.REQUESTED, _E.REFUSE: _B.REFUSED},
    _B.ACCEPTED: {_E.END: _B.ENDED},
    _B.REQUESTED: {_E.ACCEPT: _B.ACCEPTED, _E.END: _B.ENDED},
    _B.ENDED: {},
    _B.REFUSED: {},
    _B.CANCELLED: {},
}  # fmt: skip
_P, _Q = PaymentState, PaymentEvent
PAYMENT: dict[PaymentState, dict[PaymentEvent, PaymentState]] = {
    _P.OPEN: {_Q.ORDER: _P.ORDERED, _Q.REFUSE: _P.REFUSED, _Q.CANCEL: _P.CANCELLED},
    _P.ORDERED: {_Q.EXECUTE: _P.EXECUTED, _Q.REFUSE: _P.REFUSED, _Q.CANCEL: _P.CANCELLED},
    _P.EXECUTED: {},
    _P.REFUSED: {},
    _P.CANCELLED: {},
}

FINAL = frozenset(state for state, ways in BATCH.items() if not ways)
MOVING = frozenset((_B.APPROVED, _B.SENDING, _B.CONFIRMING, _B.UNKNOWN, _B.ACCEPTED, _B.REQUESTED))  #: a worker looks after it
AT_THE_BANK = frozenset((_B.SENDING, _B.UNKNOWN, _B.ACCEPTED, _B.REQUESTED, _B.ENDED))  #: the bank has it, or may
CHANGEABLE = frozenset(state for state, ways in BATCH.items() if _E.CHANGE in ways)
CANCELLABLE = frozenset(state for state, ways in BATCH.items() if _E.CANCEL in ways)
PAYMENT_FINAL = frozenset(state for state, ways in PAYMENT.items() if not ways)
FREE_AGAIN = frozenset((_P.REFUSED, _P.CANCELLED))  #: an invoice whose payments are all so may be paid again


def after(state: str, event: Event) -> BatchState:
    """The state that follows. Errors: Forbidden."""
    try:
        return BATCH[BatchState(state)][event]
    except KeyError:
        raise Forbidden(f"{event} of a batch that is {state}") from None


def payment_after(state: str, event: PaymentEvent) -> PaymentState:
    """The state of one payment that follows. Errors: Forbidden."""
    try:
        return PAYMENT[PaymentState(state)][event]
    except KeyError:
        raise Forbidden(f"{event} of a payment that is {state}") from None


def outcome(state: PaymentState, transfer_status: str) -> PaymentEvent | None:
    """What the bank's word about a transfer does to its payment; None: it stays as it is. An unknown word changes nothing."""
    if state is not PaymentState.ORDERED:
        return None
    return {
        "settled": PaymentEvent.EXECUTE, "declined": PaymentEvent.REFUSE, "canceled": PaymentEvent.CANCEL,
    }.get(transfer_status)  # fmt: skip


def is_over(states: Iterable[str]) -> bool:
    """Whether each payment of a batch has come to its end."""
    return all(PaymentState(state) in PAYMENT_FINAL for state in states)


def acceptance(way: Way) -> Event:
    """What an accepted call means: a request still waits for its release."""
    return Event.FILE if way is Way.REQUEST else Event.ACCEPT
