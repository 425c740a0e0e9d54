"""Own receipts (Eigenbelege): where no receipt can be had, the client states what a payment was for, and signs in for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from portal import own_receipt
from portal.clock import berlin_day
from portal.errors import AlreadyAssigned, Rejected
from portal.media import Media
from portal.models import BankAccount, Client, User
from portal.ports import Ports
from portal.services import finding
from portal.services.assignments import assigning
from portal.services.finding import Actor
from portal.services.receipts import uploading
from portal.services.receipts.uploading import Facts, Paper

LONGEST = 500  #: characters of each of the two answers


@dataclass(frozen=True, slots=True)
class Statement:
    """What the client states. Cents of the transaction's currency."""

    payee: str
    amount_cents: int
    paid_on: date
    purpose: str
    why_none: str


def write(ports: Ports, actor: Actor, *, transaction_id: str, stated: Statement) -> str:
    """Write an own receipt for a transaction and assign it; its id. A client's is marked for the firm to check, like his uploads.

    Errors: Rejected for what cannot be; NotFound; AlreadyAssigned when a receipt has come meanwhile.
    """
    now = ports.clock.now()
    with ports.database.read() as session:
        transaction = finding.transaction(session, actor, transaction_id)
        client = session.get_one(Client, transaction.client_id)
        account = session.get_one(BankAccount, transaction.bank_account_id)
        author = session.get_one(User, actor.user_id)
        room = assigning.open_cents(session, transaction)
    if room <= 0 or transaction.status != "booked":
        raise AlreadyAssigned("This transaction has a receipt meanwhile. An own receipt is not needed any more.")
    if own_receipt.unwritable(f"{stated.payee}{stated.purpose}{stated.why_none}"):
        raise Rejected("An own receipt can only be written in Latin letters.")
    if not 0 < stated.amount_cents <= room:
        raise Rejected("An own receipt cannot be about more than was paid.")
    if stated.paid_on > berlin_day(now):
        raise Rejected("This day has not come yet.")
    content = own_receipt.written(
        own_receipt.Told(
            client=client.name, client_number=client.number, payee=stated.payee, amount_cents=stated.amount_cents,
            currency=transaction.currency, paid_on=stated.paid_on, purpose=stated.purpose, why_none=stated.why_none,
            is_income=transaction.side == "credit", account=f"{account.title} {account.short_iban}".strip(),
            booked_on=transaction.booked_on, transaction_cents=transaction.amount_cents, remittance=transaction.remittance or "",
            author=author.name, author_email=author.email, written_at=now,
        )
    )  # fmt: skip
    return uploading.keep(
        ports, actor, client_id=client.id, paper=Paper(content, Media.PDF, f"Eigenbeleg {transaction.booked_on}.pdf"),
        facts=Facts(
            direction="income" if transaction.side == "credit" else "expense", amount_cents=stated.amount_cents,
            currency=transaction.currency, issued_on=stated.paid_on, counterparty=stated.payee,
        ),
        transaction_id=transaction.id, is_own=True,
    )  # fmt: skip
