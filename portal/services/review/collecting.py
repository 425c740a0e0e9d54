"""A collective payment by hand: which of the client's receipts one transaction paid together, and what they come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session

from portal.domain import shares
from portal.domain.matching import ReasonCode
from portal.domain.names import SIMILAR, is_processor, parse_name, similarity
from portal.domain.references import parse_reference
from portal.domain.remittance import Found, RemittanceText
from portal.errors import NotFound, Rejected
from portal.models import Assignment, AuditEvent, BankAccount, Candidate, Client, Receipt, Transaction
from portal.services import finding
from portal.services.assignments import assigning
from portal.services.assignments.assigning import Difference
from portal.services.finding import Actor
from portal.services.review import looking_back, searching
from portal.services.review.searching import MOST_CHOSEN, MOST_FOUND, MOST_LETTERS

LOOKED_THROUGH = 2000  #: receipts in review, the newest; others are found by a search
IN_A_QUESTION = 500  #: receipts whose proposals are looked at, at once

_SUMS = frozenset(
    {ReasonCode.SUM_EQUAL, ReasonCode.SUM_LESS_DISCOUNT, ReasonCode.LESS_FEE, ReasonCode.PAYOUT, ReasonCode.COLLECTED}
)
_SEEN_OF = (Receipt.id, Receipt.number, Receipt.counterparty, Receipt.iban, Receipt.amount_cents, Receipt.direction)


@dataclass(frozen=True, slots=True)
class FoundReceipt:
    """A receipt in review that the transaction may have paid."""

    receipt: Receipt
    cents: int  #: what it takes of the transaction; negative for a credit note that was netted
    is_chosen: bool
    is_named: bool  #: its number stands in the remittance information
    is_of_party: bool  #: the same other side as the transaction's, or as the receipt's that one comes from


@dataclass(frozen=True, slots=True)
class Sum:
    """The chosen receipts beside what is open of the transaction. Cents, in its currency."""

    count: int
    cents: int
    difference_cents: int
    """Transaction less receipts."""
    choices: tuple[Difference, ...]
    """What the difference may be, the likeliest first; () if there is none."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What stands on the page: the transaction, and the receipts beside it: the chosen ones first."""

    transaction: Transaction
    account: BankAccount
    client: Client
    open_cents: int
    used: Sequence[tuple[Receipt, int]]  #: what is assigned to it already, with the part that each takes
    marks: Sequence[tuple[int, int]]  #: spans of the remittance information that hold numbers of the receipts beside it
    came_from: Receipt | None
    query: str
    rows: Sequence[FoundReceipt]
    has_more: bool
    sum: Sum | None
    gone: Sequence[tuple[Receipt, tuple[AuditEvent, str] | None]]
    """Chosen before, and changed since: with what somebody did last about it, and who."""

    @property
    def signed_cents(self) -> int:
        """What is open, as the account feels it."""
        return self.open_cents if self.transaction.side == "credit" else -self.open_cents


@dataclass(frozen=True, slots=True)
class _Seen:
    """A receipt as far as its place in the list depends on it."""

    id: str
    cents: int
    hits: tuple[Found, ...]
    is_of_party: bool


def open_page(
    session: Session, actor: Actor, transaction_id: str, *, query: str = "", chosen: Sequence[str] | None = None,
    came_from: str = "", seen: Sequence[tuple[str, int]] = (),
) -> Collection:  # fmt: skip
    """The transaction with the receipts that it may have paid: named in its text, of its party, then by the nearest amount.

    `chosen`: ids, of which those that cannot be had any more are dropped; None: `came_from` and the set that the matcher
    proposed, if any. `seen`: what was chosen in which version; what has changed since is told. Errors: NotFound.
    """
    transaction = finding.transaction(session, actor, transaction_id)
    origin = finding.receipt(session, actor, came_from) if came_from else None
    if origin and origin.client_id != transaction.client_id:
        raise NotFound
    open_cents, query = assigning.open_cents(session, transaction), " ".join(query.split())[:MOST_LETTERS]
    pool = _pool(session, transaction, origin, query)
    if chosen is None:
        chosen = [*([origin.id] if origin else []), *_proposed(session, transaction, pool)]
    ids = list(dict.fromkeys(one for one in chosen if finding.is_id(one)))[:MOST_CHOSEN]
    ticked = _ticked(session, transaction, origin, ids)
    told = sum_of(open_cents, [one.cents for one in ticked])
    missing = told.difference_cents if told and told.difference_cents > 0 else open_cents
    others = [one for one in pool if one.id not in {each.id for each in ticked}]
    others.sort(key=lambda one: (not one.hits, not one.is_of_party, abs(missing - abs(one.cents)), one.id))
    shown = [*ticked, *others[:MOST_FOUND]]
    receipts = {one.id: one for one in session.scalars(select(Receipt).where(Receipt.id.in_([one.id for one in shown])))}
    rows = [
        FoundReceipt(receipts[one.id], one.cents, place < len(ticked), bool(one.hits), one.is_of_party)
        for place, one in enumerate(shown)
    ]
    return Collection(
        transaction, session.get_one(BankAccount, transaction.bank_account_id), session.get_one(Client, transaction.client_id),
        open_cents, _used(session, transaction), _marks(shown), origin, query, rows, len(others) > MOST_FOUND, told,
        _gone(session, actor, seen),
    )  # fmt: skip


def share_of(transaction: Transaction, receipt: Receipt) -> int:
    """What the receipt takes of the transaction: its amount, negative for a credit note netted among invoices.

    Errors: NotFound for another client's; Rejected where the two cannot belong together.
    """
    if receipt.client_id != transaction.client_id:
        raise NotFound
    if not receipt.amount_cents or receipt.currency != transaction.currency:
        raise Rejected("A receipt in another currency, or without an amount, cannot be added up with others.")
    cents = _signed(transaction, receipt.direction, receipt.amount_cents)
    if cents is None:
        raise Rejected("This receipt's money goes the other way.")
    return cents


def sum_of(open_cents: int, parts: Sequence[int]) -> Sum | None:
    """What the chosen ones come to; None without any."""
    if not parts:
        return None
    difference = open_cents - sum(parts)
    return Sum(len(parts), sum(parts), difference, searching.choices_of(difference) if sum(parts) > 0 else ())


def parts_of(open_cents: int, parts: Sequence[int], difference: Difference | None) -> list[int]:
    """What each of the chosen receipts is given.

    Without a named difference what it is worth; the rest of the transaction stays open for other receipts. With one all that is
    open, shared out in proportion.

    Errors: Rejected where the sum does not fit and nothing says why.
    """
    told = sum_of(open_cents, parts)
    if told is None:
        raise Rejected("Choose at least one receipt.")
    if told.cents <= 0:
        raise Rejected("The credit notes are worth as much as the invoices, or more. Please choose an invoice too.")
    if difference is None:
        if told.difference_cents < 0:
            raise Rejected("The receipts are worth more than is open. Please leave one out, or say what the difference is.")
        return list(parts)
    if difference not in told.choices:
        raise Rejected("This does not explain the difference. Please choose another reason.")
    given = shares.scaled(parts, open_cents)
    if given is None:
        raise Rejected("So large a difference cannot be shared out among these receipts.")
    return given


def _signed(transaction: Transaction, direction: str, cents: int) -> int | None:
    """As `share_of`; None for what is neither paid by the transaction nor netted in it."""
    is_own = direction == ("expense" if transaction.side == "debit" else "income")
    if is_own:
        return cents  # a credit note is negative already
    return -cents if cents < 0 else None


def _may_be_paid(transaction: Transaction) -> Select[*tuple[Any, ...]]:
    """The client's receipts in review that the transaction pays, or that may be netted in it."""
    own = "expense" if transaction.side == "debit" else "income"
    return select(*_SEEN_OF).where(
        Receipt.client_id == transaction.client_id, Receipt.state == "in_review", Receipt.currency == transaction.currency,
        or_(and_(Receipt.direction == own, Receipt.amount_cents != 0), Receipt.amount_cents < 0),
    )  # fmt: skip


def _pool(session: Session, transaction: Transaction, origin: Receipt | None, query: str) -> list[_Seen]:
    """The newest of them; with a search those that it finds."""
    wanted = _may_be_paid(transaction).order_by(Receipt.issued_on.desc().nulls_last(), Receipt.sequence.desc())
    if query:
        wanted = wanted.where(or_(*searching.receipts_meant(query)))
    return _seen(transaction, origin, session.execute(wanted.limit(LOOKED_THROUGH)))


def _ticked(session: Session, transaction: Transaction, origin: Receipt | None, ids: Sequence[str]) -> list[_Seen]:
    """Those of the chosen that can be had, in the order of the choice."""
    if not ids:
        return []
    found = _seen(transaction, origin, session.execute(_may_be_paid(transaction).where(Receipt.id.in_(ids))))
    return sorted(found, key=lambda one: ids.index(one.id))


def _seen(transaction: Transaction, origin: Receipt | None, rows: Iterable[Any]) -> list[_Seen]:
    text = RemittanceText(transaction.remittance or "")
    written = {squashed for _, _, squashed in text.windows()}
    parties = [parse_name(name) for name in {transaction.counterparty, origin.counterparty if origin else None} if name]
    ibans = {iban for iban in (transaction.counterparty_iban, origin.iban if origin else None) if iban}
    seen = []
    for receipt_id, number, counterparty, iban, amount_cents, direction in rows:
        reference = parse_reference(number)
        is_written = reference is not None and not written.isdisjoint(reference.keys)
        name = parse_name(counterparty)
        seen.append(
            _Seen(
                receipt_id, _signed(transaction, direction, amount_cents) or 0,
                text.find(reference) if reference and is_written else (),
                iban in ibans or any(similarity(name, party) >= SIMILAR for party in parties),
            )
        )  # fmt: skip
    return seen


def _proposed(session: Session, transaction: Transaction, pool: Sequence[_Seen]) -> list[str]:
    """The receipts of the set that the matcher found for this transaction. Nothing names those of a payout."""
    is_payout = is_processor(transaction.counterparty)
    near = [one.id for one in pool if is_payout or one.hits or one.is_of_party]
    in_set = {
        candidate.receipt_id
        for start in range(0, len(near), IN_A_QUESTION)
        for candidate in session.scalars(
            select(Candidate).where(
                Candidate.client_id == transaction.client_id, Candidate.receipt_id.in_(near[start : start + IN_A_QUESTION])
            )
        )
        if _is_of_set(candidate, transaction.id)
    }
    return [receipt_id for receipt_id in near if receipt_id in in_set]


def _is_of_set(candidate: Candidate, transaction_id: str) -> bool:
    is_sum = any(reason["code"] in _SUMS and reason["is_for"] for reason in candidate.reasons)
    return is_sum and [part["transaction"] for part in candidate.allocations] == [transaction_id]


def _used(session: Session, transaction: Transaction) -> list[tuple[Receipt, int]]:
    query = (
        select(Receipt, Assignment.amount_cents)
        .join(Assignment, Assignment.receipt_id == Receipt.id)
        .where(Assignment.transaction_id == transaction.id, Assignment.withdrawn_at.is_(None))
        .order_by(Receipt.sequence)
    )
    return [(receipt, cents) for receipt, cents in session.execute(query)]


def _marks(shown: Sequence[_Seen]) -> list[tuple[int, int]]:
    """Where the text holds their numbers: of two that overlap the first."""
    marks: list[tuple[int, int]] = []
    for start, end in sorted({(hit.start, hit.end) for one in shown for hit in one.hits}):
        if not marks or start >= marks[-1][1]:
            marks.append((start, end))
    return marks


def _gone(session: Session, actor: Actor, seen: Sequence[tuple[str, int]]) -> list[tuple[Receipt, tuple[AuditEvent, str] | None]]:
    receipts = [(finding.receipt(session, actor, receipt_id), version) for receipt_id, version in seen]
    return [
        (receipt, looking_back.last_change(session, actor, receipt.id))
        for receipt, version in receipts
        if receipt.state != "in_review" or receipt.version != version
    ]
