"""What is proposed for a receipt in review: its candidates with their transactions, and the surest pairs of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import and_, bindparam, not_, or_, select
from sqlalchemy.orm import Session

from portal.domain.matching import ReasonCode
from portal.domain.references import parse_reference
from portal.domain.remittance import RemittanceText
from portal.models import Assignment, BankAccount, Candidate, Client, Receipt, Transaction
from portal.services import finding
from portal.services.finding import Actor
from portal.services.people.staffing import IS_ASKED
from portal.services.review.queueing import IS_PUT_OFF, OF_CLIENTS

CANDIDATES = select(Candidate).where(Candidate.receipt_id == bindparam("receipt")).order_by(Candidate.rank)
TRANSACTIONS = (
    select(Transaction, BankAccount, Receipt.sequence, Assignment.amount_cents)
    .join(BankAccount, BankAccount.id == Transaction.bank_account_id)
    .outerjoin(Assignment, and_(Assignment.transaction_id == Transaction.id, Assignment.withdrawn_at.is_(None)))
    .outerjoin(Receipt, Receipt.id == Assignment.receipt_id)
    .where(
        Transaction.id.in_(bindparam("transactions", expanding=True)),
        Transaction.client_id.in_(bindparam("clients", expanding=True)),
    )
)
BULK_SIZE = 50  #: pairs that one page can assign together
TICKED_FROM = 0.9  #: score from which a pair is ticked before a person looked
SUREST = (
    select(Receipt, Candidate)
    .join(Candidate, and_(Candidate.receipt_id == Receipt.id, Candidate.rank == 1, Candidate.grade.in_(("sure", "likely"))))
    .where(
        OF_CLIENTS, Receipt.state == "in_review", Receipt.document_state == "complete", Receipt.duplicate_of.is_(None),
        Receipt.review_reason.not_in(("several_equal", "source_changed", "manual_unlink", "duplicate_suspected")),
        not_(IS_PUT_OFF), or_(Receipt.asked_id.is_(None), Receipt.asked_id == bindparam("me"), not_(IS_ASKED)),
    )
    .order_by(Candidate.score.desc(), Receipt.id)
    .limit(BULK_SIZE)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A transaction as a candidate card shows it."""

    transaction: Transaction
    account: BankAccount
    amount_cents: int
    marks: tuple[tuple[int, int], ...]  #: spans of the remittance text that hold the receipt's number
    used_by: str | None  #: label of another receipt this transaction is assigned to
    free_cents: int  #: what of the transaction is not assigned by now

    @property
    def seen_cents(self) -> int:
        """Signed as the account feels it; the whole transaction where nothing of it is left to assign."""
        cents = self.amount_cents or self.transaction.amount_cents
        return cents if self.transaction.side == "credit" else -cents


@dataclass(frozen=True, slots=True)
class CandidateCard:
    """A proposal with what speaks for and against it."""

    candidate: Candidate
    lines: tuple[Line, ...]

    @property
    def value(self) -> str:
        """What the Assign form sends."""
        return self.candidate.id

    @property
    def seen_cents(self) -> int:
        """What the transactions are worth together."""
        return sum(line.seen_cents for line in self.lines)

    @property
    def is_declined(self) -> bool:
        """Whether somebody has said before that it is wrong."""
        return any(reason["code"] == ReasonCode.DECLINED for reason in self.candidate.reasons)

    def is_worth(self, receipt: Receipt) -> bool:
        """Whether the amounts are equal to the cent."""
        is_same_currency = {line.transaction.currency for line in self.lines} == {receipt.currency}
        return is_same_currency and abs(self.seen_cents) == abs(receipt.amount_cents or 0)

    def is_larger_than(self, receipt: Receipt) -> bool:
        """Whether it is one transaction of which more is left than the receipt takes: it may have paid others too."""
        if len(self.lines) > 1 or self.lines[0].transaction.status != "booked":
            return False
        is_same_currency = self.lines[0].transaction.currency == receipt.currency
        return is_same_currency and self.lines[0].free_cents > abs(receipt.amount_cents or 0) > 0

    @property
    def is_open(self) -> bool:
        """Whether it can be assigned: every transaction still has what it would take. Others may have been faster."""
        return all(line.amount_cents and line.amount_cents <= line.free_cents for line in self.lines)


@dataclass(frozen=True, slots=True)
class Pair:
    """A receipt and the transactions that a person may assign to it together with other pairs."""

    receipt: Receipt
    client: Client
    card: CandidateCard

    @property
    def is_ticked(self) -> bool:
        """Whether it is sure enough to be ticked before a person looked."""
        return self.card.candidate.score >= TICKED_FROM

    @property
    def points(self) -> int:
        """Whole percentage points from the score, as it is shown, to the one from which pairs are ticked; negative below it."""
        return int(self.card.candidate.score * 100) - round(TICKED_FROM * 100)  # as `percent` of the web rounds

    @property
    def value(self) -> str:
        """What its checkbox sends: receipt, candidate, and the version that was seen."""
        return f"{self.receipt.id} {self.card.candidate.id} {self.receipt.version}"


def cards(session: Session, receipt: Receipt) -> list[CandidateCard]:
    """The receipt's candidates, each with its transactions: what can be assigned by now, best first; then what is used up."""
    candidates = list(session.scalars(CANDIDATES, {"receipt": receipt.id}))
    shown = _cards(session, [(candidate, receipt) for candidate in candidates], [receipt.client_id])
    return sorted(shown, key=lambda card: not card.is_open)


def _cards(session: Session, found: Sequence[tuple[Candidate, Receipt]], clients: Sequence[str]) -> list[CandidateCard]:
    """In their order; without those whose transactions are gone."""
    wanted = {part["transaction"] for candidate, _ in found for part in candidate.allocations}
    lines: dict[str, tuple[Transaction, BankAccount]] = {}
    users: dict[str, str] = {}
    used: Counter[str] = Counter()
    asked = {"transactions": list(wanted), "clients": list(clients)}
    for transaction, account, user, cents in session.execute(TRANSACTIONS, asked):
        lines[transaction.id] = (transaction, account)
        if user is not None:
            users[transaction.id] = f"R-{user}"
            used[transaction.id] += cents

    def line(receipt: Receipt, part: Mapping[str, Any]) -> Line:
        transaction, account = lines[part["transaction"]]
        return Line(
            transaction, account, part["amount_cents"], _marks(receipt, transaction),
            users.get(transaction.id), transaction.amount_cents - used[transaction.id],
        )  # fmt: skip

    return [
        CandidateCard(candidate, tuple(line(receipt, part) for part in candidate.allocations))
        for candidate, receipt in found
        if all(part["transaction"] in lines for part in candidate.allocations)
    ]


def surest(session: Session, actor: Actor, client_id: str = "", *, today: date) -> list[Pair]:
    """Receipts whose first candidate is at least likely, worth the same, and can still be assigned; client by client.

    Those with several equal candidates, or about which something else is to be said or somebody else is asked, want a look of
    their own. At most BULK_SIZE;
    a transaction stands in one pair only.
    """
    clients = {client.id: client for client in finding.clients(session, actor) if client_id in {"", client.id}}
    found = session.execute(SUREST, {"clients": list(clients), "today": today, "me": actor.user_id}).all()
    shown = _cards(session, [(candidate, receipt) for receipt, candidate in found], list(clients))
    receipts = {receipt.id: receipt for receipt, _ in found}
    pairs, taken = [], set[str]()
    for card in shown:
        lines = {line.transaction.id for line in card.lines}
        receipt = receipts[card.candidate.receipt_id]
        if card.is_open and not card.is_declined and card.is_worth(receipt) and not lines & taken:
            taken |= lines
            pairs.append(Pair(receipt, clients[receipt.client_id], card))
    return sorted(pairs, key=lambda pair: (pair.client.name, pair.client.id))


def _marks(receipt: Receipt, transaction: Transaction) -> tuple[tuple[int, int], ...]:
    reference = parse_reference(receipt.number)
    if reference is None or not transaction.remittance:
        return ()
    return tuple((hit.start, hit.end) for hit in RemittanceText(transaction.remittance).find(reference))
