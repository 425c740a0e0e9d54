"""The whole story, walked as people would: over HTTP, page by page, form by form. `./dev demo --check` runs it.

A new client connects, receipts come in, the bank connects, receipts find their transactions, staff decide one, undo it and
decide again, the client sees what became of it, the bank tells of a change by itself, the admin syncs again, and the
record of it all is whole. The pages are driven; the figures are read from the database beside them and must agree.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import httpx2
import pyotp
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.browsing import NotThere, Page, Person, first
from portal.db import Database
from portal.demo import CLIENTS, PASSWORD
from portal.models import (
    Assignment,
    BankAccount,
    Candidate,
    Client,
    Connection,
    Document,
    Note,
    Payment,
    Preview,
    Receipt,
    Run,
    SkippedInvoice,
    Transaction,
)
from portal.settings import Settings

PATIENCE = 180.0  #: seconds for work in the background
EXECUTED = select(Payment.id).where(Payment.state == "executed")
PAYER = "jonas.brandt@brandt.example"
CLIENT, STAFF, ADMIN = "amelia.north@northlight.example", "mara.klein@kanzlei.example", "admin@kanzlei.example"
Found = TypeVar("Found")


class Failed(Exception):
    """The story stops here; the message says what was expected."""


# --- the story -------------------------------------------------------------------------------------------------


class Story:
    """The steps, in order; each tells one line with its figures."""

    def __init__(self, settings: Settings, secrets: dict[str, str]) -> None:
        self.settings, self.secrets = settings, secrets
        self.database = Database(settings.database_url)
        self.client = self._read(lambda session: session.scalars(select(Client).where(Client.number == CLIENTS[1][0])).one())

    def walk(self) -> None:
        """From the first sign-in to the audit chain."""
        owner = self._sign_in(CLIENT)
        documents = self._connect(owner, "documents", "Active")
        self._import(owner, documents)
        self._receipts(owner)
        bank = self._connect(owner, "bank", "Connected")
        self._bank(owner, bank)
        self._matching()
        self._confirm(owner, bank)
        known = self._book(bank)
        receipt_id = self._review(owner)
        self._hear(known)
        self._resync(documents)
        self._pay()
        self._colleagues()
        self._fence(owner, receipt_id)
        self._audit()

    def _sign_in(self, email: str) -> Person:
        """With the password, and a code of the second factor where one is asked for."""
        person = Person(self.settings.public_url)
        page = person.get("/")
        page = person.send(page.form("/sign-in"), email=email, password=PASSWORD)
        if secret := self.secrets.get(email, ""):
            page = person.send(page.form("/second-factor"), code=pyotp.TOTP(secret).now())
        if "/sign-in" in page.url:
            raise Failed(f"{email} could not sign in: {page.words[:300]}")
        return person

    def _connect(self, owner: Person, kind: str, word: str) -> str:
        page = owner.get(owner.get("/profile").link("/profile/connections"))
        page = owner.get(page.link(f"/connections/{kind}/connect"))
        page = owner.send(page.form(f"/connections/{kind}/connect"))
        if not page.url.startswith(self.settings.oauth_origin):
            raise Failed(f"Connect led to {page.url} instead of the bank's consent page")
        form = page.form("/oauth2/auth")
        firms = form.choices.get("organization_id", [])
        ours = [value for value, name in firms if name.split()[:1] == self.client.name.split()[:1]] or [firms[-1][0]]
        page = owner.send(form, organization_id=ours[0], decision="allow")
        if kind == "bank":
            owner.send(page.form("/connections/[0-9a-f-]{36}/accounts"))
            page = owner.get("/profile/connections")
        if "/profile/connections" not in page.url or word not in page.words:
            raise Failed(f"after the consent {page.url} does not say {word}: {page.words[:400]}")
        connection = self._read(
            lambda session: session.scalars(
                select(Connection).where(Connection.client_id == self.client.id, Connection.kind == kind)
            ).one()
        )
        tell("connect", f"Profile settings → Accounting connections → Connect → consent → {kind}: {word}")
        return connection.id

    def _import(self, owner: Person, connection_id: str) -> None:
        polls = self._watch(owner, connection_id)
        run = self._last_run(connection_id)
        skipped = sum(run.skipped.values())
        listed = self._count(SkippedInvoice, SkippedInvoice.connection_id == connection_id)
        require(run.new > 0, "the first import brought nothing")
        require(
            run.seen == run.new + run.updated + run.unchanged + skipped, f"{run.seen} seen are not the sum of what became of them"
        )
        require(listed == skipped, f"{listed} skipped invoices are listed, {skipped} were counted")
        page = owner.get(f"/connections/{connection_id}")
        require(str(skipped) in page.words, f"the history does not tell of {skipped} skipped invoices")
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(run.skipped.items()))
        tell(
            "import",
            f"{run.seen} invoices seen, {run.new} imported, {skipped} skipped ({reasons}); progress polled {polls} times",
        )

    def _receipts(self, owner: Person) -> None:
        mine = Receipt.client_id == self.client.id
        complete = self._count(Receipt, mine, Receipt.document_state == "complete")
        documents = self._read(
            lambda session: list(session.scalars(select(Document).where(Document.client_id == self.client.id)))
        )
        require(bool(documents), "no document came with the receipts")
        checked = documents[:5]
        for document in checked:
            answer = owner.get(f"/documents/{document.id}").answer
            require(
                hashlib.sha256(answer.content).hexdigest() == document.sha256, f"{document.file_name} came back with other bytes"
            )
            require(answer.headers["content-disposition"].startswith("attachment"), "a document was not sent as a download")
        owner.get(owner.get("/receipts").link("/receipts/[0-9a-f-]{36}"))
        tell("receipts", f"{complete} with their files, {len(documents)} documents; {len(checked)} downloaded, byte for byte")

    def _bank(self, owner: Person, connection_id: str) -> None:
        self._watch(owner, connection_id)
        transactions = self._count(Transaction, Transaction.client_id == self.client.id)
        require(transactions > 0, "the bank connection brought no transaction")
        owner.get("/finances/accounts")
        tell("bank", f"{transactions} booked transactions")

    def _confirm(self, owner: Person, connection_id: str) -> None:
        """The bank wants a yes on the phone in the middle of a sync; the run waits for it and goes on."""
        bank = self.settings.qonto_api_url
        account = self._read(
            lambda session: session.scalars(
                select(BankAccount).where(BankAccount.connection_id == connection_id, BankAccount.is_chosen)
            ).all()
        )[-1]
        fault = {"fault": "sca_required", "args": {"bank_account_id": account.qonto_id}}
        httpx2.post(f"{bank}/_control/faults", json=fault).raise_for_status()
        owner.send(owner.get("/finances/accounts").form("/runs"), account=account.id)
        asked = f"/connections/{connection_id}/confirmation"
        self._wait(lambda _session: "Ask again" in owner.get(asked).words, "the bank's question did not reach the client")
        phone = Person(bank)
        phone.send(phone.get("/phone").form("/phone"), decision="allow")
        self._wait(lambda _session: self._last_run(connection_id).state == "done", "the sync did not go on after the yes")
        httpx2.delete(f"{bank}/_control/faults").raise_for_status()
        require("Confirmed." in owner.get(asked).words, "the page does not tell that it is confirmed")
        tell("confirm", "the bank asked for a yes on the phone; the sync of one account waited and went on")

    def _matching(self) -> None:
        self._settle()
        states = self._states()
        total = self._count(Receipt, Receipt.client_id == self.client.id)
        require(sum(states.values()) == total, f"{total} receipts, but the states add up to {states}")
        require(states.get("assigned", 0) > 0, f"nothing was assigned: {states}")
        tell("matching", f"{total} receipts = {' + '.join(f'{count} {state}' for state, count in sorted(states.items()))}")

    def _review(self, owner: Person) -> str:
        staff = self.staff = self._sign_in(STAFF)
        receipt_id = self._wait(self._one_to_review, "no receipt in review has both candidates and a picture")
        page = self._desk(staff, receipt_id)
        picture = first((link for link in page.pictures if link.endswith("/pages/1.webp")), "a picture of the document", page)
        answer = staff.get(picture).answer
        require(answer.headers["content-type"] == "image/webp" and answer.content[8:12] == b"WEBP", "the preview is no picture")
        page = self._assign(staff, page, receipt_id)
        page = staff.get(f"/receipts/{receipt_id}")
        staff.send(page.form(f"/receipts/{receipt_id}/assignment/withdrawal"))
        require(self._state(receipt_id) == "in_review", "the undo did not bring the receipt back")
        self._wait(lambda session: self._has_candidates(session, receipt_id), "no candidates came back after the undo")
        self._assign(staff, self._desk(staff, receipt_id), receipt_id)
        seen = owner.get(f"/receipts/{receipt_id}").words
        require("Assigned by hand" in seen, f"the client does not see why the receipt is assigned: {seen[:400]}")
        tell(
            "review",
            f"picture of {len(answer.content) // 1024} kB, assigned, undone, assigned again; the client sees state and reason",
        )
        return receipt_id

    def _desk(self, staff: Person, receipt_id: str) -> Page:
        return staff.get(f"/review?client={self.client.id}&item={receipt_id}")

    def _assign(self, staff: Person, page: Page, receipt_id: str) -> Page:
        page = staff.send(page.form(f"/receipts/{receipt_id}/assignment"))
        require(self._state(receipt_id) == "assigned", f"the receipt was not assigned: {page.words[:300]}")
        return page

    def _resync(self, connection_id: str) -> None:
        admin = self._sign_in(ADMIN)
        before, receipts = self._last_run(connection_id), self._count(Receipt, Receipt.client_id == self.client.id)
        admin.send(admin.get(f"/admin/clients/{self.client.id}/runs").form(f"/admin/clients/{self.client.id}/runs"))
        self._settle()
        run = self._last_run(connection_id)
        require(run.id != before.id, "the admin's Resync made no run")
        after = self._count(Receipt, Receipt.client_id == self.client.id)
        require(after == receipts + run.new, f"{receipts} receipts became {after} with {run.new} new ones")
        tell("resync", f"{run.seen} invoices seen again, {run.new} new, {run.unchanged} unchanged, none twice")

    def _book(self, connection_id: str) -> int:
        """Something is booked at the bank; how many transactions were here before."""
        known = self._count(Transaction, Transaction.client_id == self.client.id)
        organization = self._read(lambda session: session.get_one(Connection, connection_id).organization_id)
        told = {"organization": organization, "transaction": {"amount_cents": 1740, "side": "debit", "label": "Wochenmarkt"}}
        httpx2.post(f"{self.settings.qonto_api_url}/_control/transactions", json=told).raise_for_status()
        return known

    def _hear(self, known: int) -> None:
        """Nobody presses anything here."""
        mine = Transaction.client_id == self.client.id
        self._wait(lambda _session: self._count(Transaction, mine) == known + 1, "the bank's message brought nothing")
        self._settle()
        tell("webhook", "a transaction booked at the bank is here, by itself")

    def _fence(self, owner: Person, receipt_id: str) -> None:
        foreign = self._read(
            lambda session: session.scalars(select(Receipt.id).where(Receipt.client_id != self.client.id).limit(1)).first()
        )
        if foreign:
            owner.get(f"/receipts/{foreign}", status=404)
        owner.get("/review", status=403)
        Person(self.settings.public_url).get(f"/receipts/{receipt_id}").form("/sign-in")
        tell("fences", "another client's receipt: 404; the desk for a client: 403; without sign-in: the door")

    def _audit(self) -> None:
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "audit", "verify"]
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 -- fixed words
        require(told.returncode == 0, f"the audit chain is broken: {told.stdout}{told.stderr[-500:]}")
        tell("audit", told.stdout.strip().splitlines()[-1])

    # --- looking --------------------------------------------------------------------------------------------------

    def _pay(self) -> None:
        """The first client, who may pay: from the form to the executed payment, with his yes on the phone."""
        payer = self._sign_in(PAYER)
        page = payer.get(payer.get("/payments").link("/payments/new"))
        page = payer.send(
            page.form("/payments/new"), creditor="Werkzeug Nord GmbH", iban="DE06000000007700012345", amount="12,34",
            remittance="RE 2026-1234",
        )  # fmt: skip
        order = page.url
        later = datetime.now(UTC) + timedelta(seconds=30)  # the one of this half minute was used to sign in
        payer.send(page.form("/approval"), code=pyotp.TOTP(self.secrets[PAYER]).at(later))
        phone = Person(self.settings.qonto_api_url)
        self._wait(lambda _session: bool(phone.get("/phone").forms), "no request for the payment reached the phone")
        phone.send(phone.get("/phone").form("/phone"), decision="allow")
        self._wait(lambda session: session.scalar(EXECUTED), "the payment was not executed")
        require("abgeschlossen" in payer.get(order).words.lower(), "the client does not see that the payment was executed")
        tell("payment", "prepared, payee checked, approved, confirmed on the phone, executed once")

    def _colleagues(self) -> None:
        """What the first client's people left at the desk by themselves (`portal.demo.work_at_desk`)."""
        self._wait(lambda session: session.scalar(select(Note.id)), "nobody noted anything at the first client's desk")
        page = self.staff.get("/review?who=mine")
        require("Ist das die zweite Rate?" in page.words, f"what was given to Mara is not hers: {page.words[:400]}")
        for reason, told in (("later", "Gutschrift angekündigt"), ("duplicate_suspected", "nebeneinander")):
            page = self.staff.get(f"/review?reason={reason}")
            require(told in page.words, f"the queue of {reason} does not say {told}: {page.words[:400]}")
        tell("colleagues", "one receipt given to Mara, one noted about, one put off, one that came twice")

    def _watch(self, owner: Person, connection_id: str) -> int:
        """Poll the card as the page does, until it stops asking."""
        until, polls = time.monotonic() + PATIENCE, 0
        while owner.get(f"/connections/{connection_id}/progress", is_fragment=True).is_polling:
            polls += 1
            if time.monotonic() > until:
                raise Failed(f"the run did not end within {PATIENCE:.0f} s: {self._open_runs()}")
            time.sleep(0.5)
        run = self._last_run(connection_id)
        require(run.state == "done", f"the run of {run.kind} is {run.state}: {run.reason}")
        return polls

    def _settle(self) -> None:
        """Until nothing is left to do for the client; pictures may take longer, nobody waits for all of them."""
        self._wait(lambda _session: not self._open_runs(), "work in the background did not end")

    def _open_runs(self) -> Sequence[tuple[str, str, str]]:
        wanted = select(Run.kind, Run.state, Run.reason).where(
            Run.client_id == self.client.id, Run.state.in_(("due", "leased", "waiting"))
        )
        return self._read(lambda session: [(kind, state, reason) for kind, state, reason in session.execute(wanted)])

    def _last_run(self, connection_id: str) -> Run:
        wanted = select(Run).where(Run.connection_id == connection_id).order_by(Run.created_at.desc(), Run.id.desc()).limit(1)
        return self._read(lambda session: session.scalars(wanted).one())

    def _one_to_review(self, session: Session) -> str | None:
        wanted = (
            select(Receipt.id)
            .join(Document, Document.receipt_id == Receipt.id)
            .join(Preview, (Preview.client_id == Receipt.client_id) & (Preview.sha256 == Document.sha256))
            .where(Receipt.client_id == self.client.id, Receipt.state == "in_review", Preview.state == "ready")
            .order_by(Receipt.sequence)
        )
        return next((receipt_id for receipt_id in session.scalars(wanted) if self._has_candidates(session, receipt_id)), None)

    def _has_candidates(self, session: Session, receipt_id: str) -> bool:
        """At least one whose transactions nobody else has."""
        taken = set(session.scalars(select(Assignment.transaction_id).where(Assignment.withdrawn_at.is_(None))))
        proposed = session.scalars(select(Candidate.allocations).where(Candidate.receipt_id == receipt_id))
        return any(taken.isdisjoint(part["transaction"] for part in allocations) for allocations in proposed)

    def _state(self, receipt_id: str) -> str:
        return self._read(lambda session: session.get_one(Receipt, receipt_id).state)

    def _states(self) -> dict[str, int]:
        wanted = select(Receipt.state, func.count()).where(Receipt.client_id == self.client.id).group_by(Receipt.state)
        return self._read(lambda session: {state: count for state, count in session.execute(wanted)})

    def _count(self, model: type, *conditions: object) -> int:
        return self._read(lambda session: session.scalar(select(func.count()).select_from(model).where(*conditions)) or 0)  # type: ignore[arg-type]

    def _read(self, look: Callable[[Session], Found]) -> Found:
        with self.database.read() as session:
            return look(session)

    def _wait(self, look: Callable[[Session], Found | None], failure: str) -> Found:
        until = time.monotonic() + PATIENCE
        while not (found := self._read(look)):
            if time.monotonic() > until:
                raise Failed(f"{failure} within {PATIENCE:.0f} s; still open: {self._open_runs()}; receipts: {self._states()}")
            time.sleep(0.3)
        return found


def require(is_so: bool, otherwise: str) -> None:  # noqa: FBT001 -- reads as a sentence
    """Or the story stops."""
    if not is_so:
        raise Failed(otherwise)


def tell(step: str, what: str) -> None:
    """One line."""
    print(f"{step:<11} {what}", flush=True)  # noqa: T201 -- this is what the program is for


def main() -> int:
    """Exit status 0 when the whole story came true. `BELEGFLUSS_TOTP`: the demo people's secrets, `e-mail=secret …`."""
    begun = time.monotonic()
    secrets = dict(pair.split("=", 1) for pair in os.environ.get("BELEGFLUSS_TOTP", "").split())
    try:
        Story(Settings.from_env(), secrets).walk()
    except (Failed, NotThere) as failure:
        tell("FAILED", str(failure))
        return 1
    tell("passed", f"the whole story in {time.monotonic() - begun:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
