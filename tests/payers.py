"""A client who pays: payments switched on, connected, prepared, approved, allowed on the phone."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import select, update

from portal.domain.payments import orders
from portal.models import Client, Membership, Payment, PaymentBatch, PaymentRules
from portal.services.finding import Actor
from portal.services.payments import paying, preparing
from portal.services.payments.preparing import Wanted
from tests.bank import Bank
from tests.story import Story
from tests.web.visitor import fresh_code, totp_of


def iban(number: int) -> str:
    """A German one with right check digits and the simulator's bank code."""
    tail = f"{number:018d}"
    return f"DE{98 - int(tail + '131400') % 97:02d}{tail}"


PAYEE = iban(7700012345)
CLOSE, NO_MATCH, NOT_POSSIBLE = "DE91000000000000009001", "DE64000000000000009002", "DE37000000000000009003"
UNREACHABLE, DECLINED, INVALID = "DE10000000000000009004", "DE80000000000000009005", "DE53000000000000009006"
BILL = Wanted("Werkzeug Prüfung GmbH", PAYEE, 12_34, "RE 2026-7")


def bill(cents: int = 12_34, payee: str = PAYEE, text: str = "RE 2026-7") -> Wanted:
    """A payment that somebody wants to make."""
    return replace(BILL, amount_cents=cents, iban=payee, remittance=text)


@dataclass
class Payer:
    """The owner of a story's client, with everything that paying needs."""

    story: Story

    @classmethod
    def of(cls, story: Story, **rules: Any) -> Payer:
        """Switch on, admit, connect; asks for an `acting` around it."""
        given = {
            "is_on": True, "limit_cents": 500_000, "day_limit_cents": 2_000_000, "four_eyes_above_cents": None, **rules,
        }  # fmt: skip
        with story.ports.database.write() as session:
            paying.change_rules(session, session.get_one(Client, story.client.id), now=story.clock.now(), **given)
            session.execute(update(Membership).where(Membership.user_id == story.owner.id).values(may_pay=True))
        totp_of(story.ports, story.owner)
        story.connect("payments")
        story.work("payments")
        return cls(story)

    @property
    def actor(self) -> Actor:
        return self.story.actor

    @property
    def bank(self) -> Bank:
        return self.story.bank

    def code(self) -> str:
        """What his authenticator app shows."""
        return fresh_code(self.story.ports, self.story.owner)

    def account(self) -> str:
        """The first account that can pay."""
        return preparing.accounts(self.story.ports.qonto, self.story.connection("payments").id)[0].id

    def prepare(
        self, *wanted: Wanted, form_key: str = "", execute_on: date | None = None, actor: Actor | None = None
    ) -> PaymentBatch:
        """An order with checked payees."""
        batch_id = preparing.prepare(
            self.story.ports, actor or self.actor, self.story.client.id, form_key=form_key or str(uuid.uuid4()),
            account_id=self.account(), execute_on=execute_on, wanted=wanted or [BILL],
        )  # fmt: skip
        return self.batch(batch_id)

    def prepare_invoices(self, *ids: str) -> PaymentBatch:
        """Of the open supplier invoices those named."""
        return self.prepare(*(offer.wanted for offer in self.offers() if offer.invoice.id in ids and offer.wanted))

    def offers(self) -> list[preparing.Offer]:
        """The open invoices."""
        ports = self.story.ports
        rows = preparing.invoices(ports.qonto, self.story.connection("payments").id)
        with ports.database.read() as session:
            return preparing.offers(session, self.story.client.id, rows)

    def approve(self, batch: PaymentBatch, *, seen: str = "", accepted: Iterable[str] | None = None) -> None:
        """Press Approve, with every payee taken for right."""
        ports = self.story.ports
        with ports.database.write() as session:
            row = session.get_one(PaymentBatch, batch.id)
            ticked = [payment.id for payment in row.payments] if accepted is None else list(accepted)
            paying.approve(
                session, self.actor, row, seen=seen or orders.digest(paying.order_of(batch)), accepted=ticked,
                key=ports.settings.secret_key, now=ports.clock.now(),
            )  # fmt: skip

    def work(self) -> None:
        """Whatever is due."""
        self.story.work("payments")

    def decide(self, decision: str = "allow") -> int:
        """On the phone; how many waited."""
        waiting = [one for one in self.bank.ask("sca")["sessions"] if one["result"] == "waiting"]
        for one in waiting:
            self.bank.tell(f"sca/{one['sca_session_token']}", decision=decision)
        return len(waiting)

    def settle(self, seconds: Sequence[float] = (4, 4, 4, 4, 20, 60)) -> None:
        """Time passes, and a worker looks each time."""
        for pause in seconds:
            self.bank.move(seconds=pause)
            self.work()

    def pay(self, *wanted: Wanted, before: Callable[[], object] = lambda: None) -> PaymentBatch:
        """All of it; `before`: between preparing and approving."""
        batch = self.prepare(*wanted)
        before()
        self.approve(batch)
        self.work()
        self.decide()
        self.settle()
        return self.batch(batch.id)

    def batch(self, batch_id: str) -> PaymentBatch:
        """As it is stored now."""
        return self.story.rows(select(PaymentBatch).where(PaymentBatch.id == batch_id))[0]

    def rules(self) -> PaymentRules:
        return self.story.rows(select(PaymentRules))[0]

    def payments(self) -> list[Payment]:
        return self.story.rows(select(Payment).order_by(Payment.id))

    def executions(self) -> list[dict[str, Any]]:
        """Every transfer that the bank ever made."""
        return list(self.bank.ask("executions")["executions"])
