"""The life of payments: transfers, bulks and requests, from the order to the booked movement."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from portal.simulator import payables, rows
from portal.simulator.clock import stamp
from portal.simulator.keys import KeptAnswers
from portal.simulator.names import Row
from portal.simulator.orders import Order, Payee
from portal.simulator.payees import DECLINED, Proofs

if TYPE_CHECKING:
    from portal.simulator.state import Organization, World

#: after the transfer was made, or on the morning of its day
PROCESSED_AFTER = timedelta(seconds=2)
SETTLED_AFTER = timedelta(seconds=6)
BULK_WORKED_AFTER = timedelta(seconds=2)


@dataclass(slots=True)
class Origin:
    """What a transfer goes back to: the call, and the bulk or request it was part of."""

    route: str  #: transfers, bulk_transfers or multi_transfers
    initiator_id: str
    key: str  #: the idempotency key
    part_of: str | None = None
    client_transfer_id: str | None = None


@dataclass(slots=True)
class _Made:
    """A transfer that exists: its row, and what the row does not tell."""

    known: Organization
    row: Row
    order: Order
    origin: Origin
    claim: payables.Claim | None = None
    processed_at: datetime | None = None
    times_booked: int = 0


@dataclass(slots=True)
class _Asked:
    """A request that waits for somebody in the bank's app."""

    known: Organization
    row: Row
    orders: list[Order]
    origin: Origin


class Payments:
    """All of it. What has to happen later stands in the world's diary."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.answers, self.proofs = KeptAnswers(), Proofs()
        self._made: dict[str, _Made] = {}
        self._asked: dict[str, _Asked] = {}

    # --- beneficiaries -------------------------------------------------------------------------------------------

    def beneficiary(self, known: Organization, payee: Payee, at: datetime, *, status: str = "validated") -> Row:
        """The beneficiary of this IBAN, made if there is none, renamed if it was called something else."""
        if payee.beneficiary_id is not None:
            return known.tables["beneficiaries"][payee.beneficiary_id]
        row = next((row for row in known.rows("beneficiaries") if row["iban"] == payee.iban), None)
        if row is None:
            row = rows.beneficiary(str(uuid.uuid4()), at, {"status": status})
            known.tables["beneficiaries"][row["id"]] = row
        given = {name: getattr(payee, name) for name in ("name", "iban", "bic", "email", "activity_tag")}
        changed = {name: value for name, value in given.items() if value is not None and row[name] != value}
        if changed:
            row.update(changed, updated_at=stamp(at))
        return row

    # --- single transfers ----------------------------------------------------------------------------------------

    def transfer(self, known: Organization, order: Order, origin: Origin, at: datetime) -> Row:
        """Make a transfer. It begins its life now, or on the morning (UTC) of a later day."""
        row = rows.transfer(
            str(uuid.uuid4()),
            at,
            {
                "initiator_id": origin.initiator_id, "bank_account_id": order.account["id"], "amount_cents": order.cents,
                "beneficiary_id": self.beneficiary(known, order.payee, at)["id"], "reference": order.reference,
                "note": order.note, "scheduled_date": str(order.due_on),
            },
        )  # fmt: skip
        made = _Made(known, row, order, origin)
        if self._world.settings["transfers_pay_invoices"]:
            made.claim = payables.claim(known, row, order.payee.iban, order.attachment_ids, at)
        known.tables["transfers"][row["id"]] = row
        self._made[row["id"]] = made
        start = max(at, datetime.combine(order.due_on, time(), UTC))
        self._world.diary.note(start + PROCESSED_AFTER, lambda due: self._process(made, due))
        return row

    def _process(self, made: _Made, due: datetime) -> None:
        if made.row["status"] != "pending":
            return
        made.processed_at = due
        made.row.update(status="processing", processed_at=stamp(due), updated_at=stamp(due))
        self._world.diary.note(due + SETTLED_AFTER - PROCESSED_AFTER, lambda later: self._settle(made, later))

    def _settle(self, made: _Made, due: datetime) -> None:
        """The money leaves, unless the payee's bank or an empty account is in the way."""
        reason = "beneficiary_bic_invalid" if made.order.payee.iban == DECLINED else None
        if reason is None and (problem := made.order.objection()) is not None:
            reason = problem[1]
        if reason is not None:
            made.row.update(status="declined", declined_reason=reason, updated_at=stamp(due))
            if made.claim is not None:
                made.claim.let_go(due)
            return
        movement = self._book(made, due)
        made.row.update(
            status="settled", completed_at=stamp(due), transaction_id=movement["id"], updated_at=stamp(due)
        )  # fmt: skip
        if made.claim is not None:
            made.claim.paid(due)

    def _book(self, made: _Made, due: datetime) -> Row:
        known, order, payee = made.known, made.order, made.order.payee
        number = len(known.tables["transactions"]) + 1
        movement = rows.transaction(
            str(uuid.uuid4()),
            due,
            {
                "transaction_id": f"{known.slug}-transaction-{number}", "amount_cents": order.cents,
                "side": "debit", "label": payee.name, "operation_type": "transfer", "status": "completed",
                "bank_account_id": order.account["id"], "reference": order.reference, "note": order.note,
                "attachment_ids": list(order.attachment_ids), "initiator_id": made.origin.initiator_id,
                "emitted_at": stamp(made.processed_at or due), "created_at": stamp(made.processed_at or due),
                "settled_at": stamp(due),
                "transfer": {
                    "counterparty_account_number": payee.iban, "counterparty_account_number_format": "IBAN",
                    "counterparty_bank_identifier": payee.bic or "TESTDE88XXX", "counterparty_bank_identifier_format": "BIC",
                },
            },
        )  # fmt: skip
        known.put_transaction(movement)
        order.account["updated_at"] = stamp(due)
        made.times_booked += 1
        self._world.hooks.changed(known.id, "transactions", movement)
        return movement

    def cancel(self, row: Row, at: datetime) -> bool:
        """Stop a transfer that has not left yet; whether that was still possible."""
        if row["status"] != "pending":
            return False
        row.update(status="canceled", updated_at=stamp(at))
        if (claim := self._made[row["id"]].claim) is not None:
            claim.let_go(at)
        return True

    # --- bulks ---------------------------------------------------------------------------------------------------

    def bulk(self, known: Organization, orders: list[Order], origin: Origin, at: datetime) -> Row:
        """Take in a bulk; its transfers are made two seconds later."""
        row = rows.bulk_transfer(
            str(uuid.uuid4()), at, origin.initiator_id, [order.client_transfer_id or "" for order in orders]
        )  # fmt: skip
        known.tables["bulk_transfers"][row["id"]] = row
        self._world.diary.note(at + BULK_WORKED_AFTER, lambda due: self._work_through(known, row, orders, origin, due))
        return row

    def _work_through(self, known: Organization, row: Row, orders: list[Order], origin: Origin, due: datetime) -> None:
        """Make the transfers; one that the bank will not make fails alone."""
        for order, result in zip(orders, row["results"], strict=True):
            if (problem := order.objection()) is not None:
                _, code, detail = problem
                result.update(status="failed", errors=[{"code": code, "detail": detail}])
                continue
            mine = Origin(origin.route, origin.initiator_id, origin.key, row["id"], order.client_transfer_id)
            result.update(status="completed", transfer_id=self.transfer(known, order, mine, due)["id"])
        failed = sum(result["status"] == "failed" for result in row["results"])
        row.update(completed_count=len(orders) - failed, failed_count=failed, pending_count=0, updated_at=stamp(due))

    # --- requests ------------------------------------------------------------------------------------------------

    def request(self, known: Organization, orders: list[Order], note: str, origin: Origin, at: datetime) -> Row:
        """Lay transfers before whoever may release them in the bank's app."""
        entries = [(order.payee.name, order.cents, order.reference) for order in orders]
        row = rows.multi_transfer_request(str(uuid.uuid4()), at, origin.initiator_id, note, str(orders[0].due_on), entries)
        known.tables["requests"][row["id"]] = row
        self._asked[row["id"]] = _Asked(known, row, orders, origin)
        return row

    def decide(self, request_id: str, decision: str, at: datetime) -> Row | None:
        """What the releasing user pressed: the request's row, or None when there is none. A second time changes nothing.

        A transfer that the bank will not do is made and then declined: nobody is there to hear a refusal.
        """
        asked = self._asked.get(request_id)
        if asked is None or asked.row["status"] != "pending":
            return asked.row if asked else None
        owner = next(member["id"] for member in asked.known.memberships if member["role"] == "owner")
        is_approved = decision == "approve"
        asked.row.update(status="approved" if is_approved else "declined", approver_id=owner, processed_at=stamp(at))
        for order in asked.orders if is_approved else ():
            origin = Origin(asked.origin.route, asked.origin.initiator_id, asked.origin.key, request_id)
            self.transfer(asked.known, order, origin, at)
        return asked.row

    def undecided(self) -> list[tuple[str, Row]]:
        """Company and request, for the app on the phone."""
        return [(asked.known.legal_name, asked.row) for asked in self._asked.values() if asked.row["status"] == "pending"]

    # --- what was done -------------------------------------------------------------------------------------------

    def executions(self, organization_id: str | None) -> Row:
        """Every transfer that was ever made, oldest first, and how often each payment was made and booked.

        A payment is what a person would call the same one: company, payee's IBAN, amount and reference.
        """
        told, counted = [], dict[tuple[str, str, int, str], Row]()
        for made in self._made.values():
            if organization_id not in {None, made.known.id}:
                continue
            row, origin, iban = made.row, made.origin, made.order.payee.iban
            same = {
                "organization_id": made.known.id,
                "iban": iban,
                "amount_cents": row["amount_cents"],
                "reference": row["reference"],
            }
            told.append(
                {
                    "transfer_id": row["id"], **same, "route": origin.route, "part_of": origin.part_of,
                    "client_transfer_id": origin.client_transfer_id, "idempotency_key": origin.key, "status": row["status"],
                    "transaction_id": row["transaction_id"], "times_booked": made.times_booked, "created_at": row["created_at"],
                }
            )  # fmt: skip
            place = (made.known.id, iban, row["amount_cents"], row["reference"])
            payment = counted.setdefault(place, {**same, "created": 0, "booked": 0})
            payment["created"] += 1
            payment["booked"] += made.times_booked
        return {"executions": told, "payments": list(counted.values())}
