"""The whole story, walked as people would: over HTTP, page by page, form by form. `./dev demo --check` runs it.

A new client connects, receipts come in, the bank connects, receipts find their transactions, staff decide one, undo it and
decide again, the client sees what became of it, the admin syncs again, and the record of it all is whole. The pages are
driven; the figures are read from the database beside them and must agree.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import httpx2
import pyotp
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.db import Database
from portal.demo import CLIENTS, PASSWORD
from portal.models import Assignment, Candidate, Client, Connection, Document, Preview, Receipt, Run, SkippedInvoice, Transaction
from portal.settings import Settings

PATIENCE = 180.0  #: seconds for work in the background
CLIENT, STAFF, ADMIN = "amelia.north@northlight.example", "mara.klein@kanzlei.example", "admin@kanzlei.example"
Found = TypeVar("Found")


class Failed(Exception):
    """The story stops here; the message says what was expected."""


# --- a browser without a window --------------------------------------------------------------------------------


@dataclass
class Form:
    """What sending it would send."""

    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    choices: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  #: radio buttons: value and what stands beside it
    has_button: bool = False


class Page(HTMLParser):
    """A page as its reader needs it: where it is, its words, links, pictures and forms."""

    def __init__(self, answer: httpx2.Response) -> None:
        super().__init__()
        self.url, self.status, self.answer = str(answer.url), answer.status_code, answer
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.forms: list[Form] = []
        self.is_polling = False
        self._words: list[str] = []
        self._in_form = False
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.feed(answer.text)

    @property
    def words(self) -> str:
        """Everything that is written on it."""
        return " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect."""
        given = {name: value or "" for name, value in attrs}
        self.is_polling |= "hx-get" in given and "load" in given.get("hx-trigger", "")
        if tag == "a" and "href" in given:
            self.links.append(urljoin(self.url, given["href"]))
        elif tag == "img":
            self.pictures.append(urljoin(self.url, given.get("src", "")))
        elif tag == "form":
            self.forms.append(Form(urljoin(self.url, given.get("action", "")) or self.url, given.get("method", "get").lower()))
            self._in_form = True
        elif self._in_form and tag == "button" and "disabled" not in given:
            self.forms[-1].has_button = True
        elif self._in_form and given.get("name"):
            self._field(tag, given)

    def handle_endtag(self, tag: str) -> None:
        """A form's end."""
        if tag == "form":
            self._in_form = False

    def handle_data(self, data: str) -> None:
        """Words; the first ones after a radio button are its label."""
        self._words.append(data)
        if self._in_form and data.strip():
            for options in self.forms[-1].choices.values():
                if options and not options[-1][1]:
                    options[-1] = (options[-1][0], data.strip())

    def _field(self, tag: str, given: dict[str, str]) -> None:
        fields, name, kind = self.forms[-1].fields, given["name"], given.get("type", "text")
        if tag == "input" and kind == "radio":
            self.forms[-1].choices.setdefault(name, []).append((given.get("value", ""), ""))
        if tag == "input" and kind in {"checkbox", "radio"}:
            if "checked" in given:
                fields.setdefault(name, []).append(given.get("value", "on"))
        elif tag == "input" and kind != "submit":
            fields[name] = [given.get("value", "")]
        elif tag in {"textarea", "select"}:
            fields.setdefault(name, [""])

    def link(self, pattern: str) -> str:
        """The first link to an address that ends like this."""
        return _first(
            (link for link in self.links if re.search(f"{pattern}$", urlsplit(link).path)), f"a link to {pattern}", self
        )

    def form(self, pattern: str) -> Form:
        """The first form that goes to an address that ends like this."""
        return _first(
            (form for form in self.forms if re.search(f"{pattern}$", urlsplit(form.action).path)), f"a form to {pattern}", self
        )


def _first(found: Iterable[Found], what: str, page: Page) -> Found:
    for item in found:
        return item
    raise Failed(f"{page.url} ({page.status}) has not {what}. It says: {page.words[:400]}")


class Person:
    """Somebody at a browser.

    Cookies are kept by hand: a `__Host-` cookie is Secure, and on loopback browsers send it over http all the same.
    """

    def __init__(self, home: str) -> None:
        self.home = home
        self._client = httpx2.Client(timeout=30, follow_redirects=False, headers={"Accept-Language": "en"})
        self._cookies: dict[str, dict[str, str]] = {}

    def get(self, address: str, *, is_fragment: bool = False, status: int = 200) -> Page:
        """Open an address, wherever it leads."""
        return self._go("GET", urljoin(self.home, address), {}, {"HX-Request": "true"} if is_fragment else {}, status)

    def send(self, form: Form, **fields: str) -> Page:
        """Fill in a form and press its button."""
        return self._go("POST", form.action, {**form.fields, **{name: [value] for name, value in fields.items()}}, {}, 200)

    def sign_in(self, email: str, secret: str = "") -> Page:
        """With the password, and a code of the second factor where one is asked for."""
        page = self.get("/")
        page = self.send(page.form("/sign-in"), email=email, password=PASSWORD)
        if secret:
            page = self.send(page.form("/second-factor"), code=pyotp.TOTP(secret).now())
        if "/sign-in" in page.url:
            raise Failed(f"{email} could not sign in: {page.words[:300]}")
        return page

    def _go(self, method: str, url: str, fields: dict[str, list[str]], headers: dict[str, str], status: int) -> Page:
        for _ in range(10):
            origin = urlsplit(url).netloc
            jar = self._cookies.setdefault(origin, {})
            sent = {**headers, **({"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())} if jar else {})}
            if method == "POST":
                sent["Origin"] = f"{urlsplit(url).scheme}://{origin}"
            self._client.cookies.clear()
            answer = self._client.request(method, url, data=fields or None, headers=sent)
            for line in answer.headers.get_list("set-cookie"):
                for name, morsel in SimpleCookie(line).items():
                    jar[name] = morsel.value
            if answer.status_code not in {301, 302, 303, 307, 308}:
                break
            url, method, fields, headers = urljoin(url, answer.headers["location"]), "GET", {}, {}
        page = Page(answer)
        if page.status != status:
            raise Failed(f"{method} {url}: {page.status} instead of {status}. {page.words[:400]}")
        return page


# --- the story -------------------------------------------------------------------------------------------------


class Story:
    """The steps, in order; each tells one line with its figures."""

    def __init__(self, settings: Settings, secrets: dict[str, str]) -> None:
        self.settings, self.secrets = settings, secrets
        self.database = Database(settings.database_url)
        self.client = self._read(lambda session: session.scalars(select(Client).where(Client.number == CLIENTS[1][0])).one())

    def walk(self) -> None:
        """From the first sign-in to the audit chain."""
        owner = Person(self.settings.public_url)
        owner.sign_in(CLIENT)
        documents = self._connect(owner, "documents", "Active")
        self._import(owner, documents)
        self._receipts(owner)
        bank = self._connect(owner, "bank", "Connected")
        self._bank(owner, bank)
        self._matching()
        receipt_id = self._review(owner)
        self._resync(documents)
        self._fence(owner, receipt_id)
        self._audit()

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

    def _matching(self) -> None:
        self._settle()
        states = self._states()
        total = self._count(Receipt, Receipt.client_id == self.client.id)
        require(sum(states.values()) == total, f"{total} receipts, but the states add up to {states}")
        require(states.get("assigned", 0) > 0, f"nothing was assigned: {states}")
        tell("matching", f"{total} receipts = {' + '.join(f'{count} {state}' for state, count in sorted(states.items()))}")

    def _review(self, owner: Person) -> str:
        staff = Person(self.settings.public_url)
        staff.sign_in(STAFF, self.secrets[STAFF])
        receipt_id = self._wait(self._one_to_review, "no receipt in review has both candidates and a picture")
        page = self._desk(staff, receipt_id)
        picture = _first((link for link in page.pictures if link.endswith("/pages/1.webp")), "a picture of the document", page)
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
        admin = Person(self.settings.public_url)
        admin.sign_in(ADMIN, self.secrets[ADMIN])
        before, receipts = self._last_run(connection_id), self._count(Receipt, Receipt.client_id == self.client.id)
        admin.send(admin.get("/admin").form(f"/admin/clients/{self.client.id}/runs"))
        self._settle()
        run = self._last_run(connection_id)
        require(run.id != before.id, "the admin's Resync made no run")
        after = self._count(Receipt, Receipt.client_id == self.client.id)
        require(after == receipts + run.new, f"{receipts} receipts became {after} with {run.new} new ones")
        tell("resync", f"{run.seen} invoices seen again, {run.new} new, {run.unchanged} unchanged, none twice")

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
    except Failed as failure:
        tell("FAILED", str(failure))
        return 1
    tell("passed", f"the whole story in {time.monotonic() - begun:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
