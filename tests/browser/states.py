"""The states of pages that are looked at: who opens which address, and what happens there first.

Beside the test firm's clients, whose books are in order, stand people and companies whose pages are unusual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from portal import e_invoice
from portal.crypto import digest
from portal.models import Client, Connection, PaymentBatch, Preview, Receipt, Role, User
from portal.qonto.oauth import SCOPES, TokenSet
from portal.services.connections import connecting, syncing, token_keeping
from portal.services.finding import Actor
from portal.services.review import comparing, splitting
from portal.services.review.splitting import Found
from portal.simulator import einvoices
from portal.simulator.papers import Line, Paper, Party
from tests import factories
from tests.browser.sites import Cookies, Site
from tests.factories import Books

NO_PAGE = {
    "static", "auth.home", "auth.look", "documents.download", "documents.page", "documents.preview", "connections.progress", "health.healthz",
    "health.readyz", "firm.show_logo", "payments.progress", "payments.check_iban",
}  # fmt: skip
#: bytes, redirects, fragments, machine answers
REFUSED = {"auth.first_admin": 404, "connections.callback": 400}  #: what these answer when they are opened just so
VIEWERS = {
    "auth.sign_in": "nobody", "auth.first_admin": "nobody", "auth.second_factor": "halfway", "auth.enrolment": "enrolling",
    "review": "staff", "copies": "staff", "parts": "staff", "collective": "staff", "clients": "staff", "admin": "admin",
}  # fmt: skip
#: of an endpoint or its blueprint; everything else is the client's
OWN_PAGES = ("/receipts", "/finances/accounts", "/profile/connections")


@dataclass(frozen=True)
class State:
    """A page as somebody sees it. `status`: what opening it answers; `does` brings it into its state."""

    who: str
    path: str
    status: int = 200
    does: Callable[[Page], None] | None = None


# --- people --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class People:
    """What everybody's browser keeps, and the clients whose connections are not in order."""

    cookies: dict[str, Cookies]
    troubled: tuple[Client, Connection, Connection]
    busy: tuple[Client, Connection, Connection]
    awaited: tuple[Client, Connection]
    choosing: tuple[Client, Connection]
    guessing: Client
    unseen: dict[str, Receipt]


def people(site: Site, *, now: datetime) -> People:
    """Everybody who looks at something."""
    world = site.world
    with site.writing() as session:
        _e_invoices(site, session, now)
        _payments(site, session, now)
        _together(site, session, now)
        newcomer = factories.user(session, "nele@kanzlei.example", "Nele Neu", Role.STAFF, now=now)
        enrolling = factories.user(session, "nils@kanzlei.example", "Nils Neu", Role.STAFF, now=now)
        factories.saved_view(session, world.staff, "Nicht mehr meine", now=now, client=world.theirs.client.id)
        lonely = factories.user(session, "karla@lindner.example", "Karla Lindner", Role.CLIENT, now=now)
        _, unconnected = _company(session, "10051", now)
        company, troubled = _company(session, "10052", now)
        in_trouble = company, *_troubled(session, company, now)
        company, busy = _company(session, "10053", now, has_years=False)
        at_work = company, *_busy(session, company, now)
        company, awaited = _company(session, "10054", now)
        to_confirm = company, _awaited(session, company, now)
        company, choosing = _company(session, "10055", now)
        to_choose = company, _choosing(session, company, now)
        guessed, guessing = _company(session, "10056", now)
        _guessing(session, guessed, now)
        company, opaque = _company(session, "10057", now)
        unseen = _unseen(site, session, company, now)
        idle = factories.user(session, "ida@kanzlei.example", "Ida Ohnearbeit", Role.STAFF, now=now)
        factories.member(session, idle, company, "staff")
        for _ in range(syncing.PRESSES):
            factories.run(
                session, world.ours.client, "bank", now=now, over=world.ours.bank, trigger="client", created_at=now, new=0
            )
    signed_in = {
        "client": world.ours.owner, "leaving": world.ours.owner, "staff": world.staff, "admin": world.admin, "newcomer": newcomer,
        "lonely": lonely, "unconnected": unconnected, "troubled": troubled, "busy": busy,
        "awaited": awaited, "choosing": choosing, "guessing": guessing,
        "opaque": opaque, "idle": idle,
    }  # fmt: skip
    cookies = {name: site.cookies(person) for name, person in signed_in.items()}
    halfway = {"halfway": world.staff, "enrolling": enrolling}
    cookies |= {name: site.cookies(person, is_half=True) for name, person in halfway.items()}
    return People({"nobody": [], **cookies}, in_trouble, at_work, to_confirm, to_choose, guessed, unseen)


def _e_invoices(site: Site, session: Session, now: datetime) -> None:
    """One beside its page, which says something else; one that nobody could read without us."""
    ours = site.world.ours
    paper = Paper(
        title="Rechnung", number="RE-2026-1002", seller=Party("Holzhandel Weber GmbH", "Am Kai 3", "20457", "Hamburg", "DE123456789"),
        buyer=Party(ours.client.name, "Gasse 1", "22767", "Hamburg"), issued_on=now.date(), due_on=now.date(),
        lines=(Line("Eiche, gehobelt, 27 mm", 3, 12345), Line("Anfahrt", 1, 4900)),
    )  # fmt: skip
    told = e_invoice.read(einvoices.ubl(paper)).stored()
    session.get_one(Preview, ours.preview.id).e_invoice = told
    document = factories.document(
        session, site.ports.storage, ours.receipts["no_transaction"], einvoices.ubl(paper), now=now, media_type="application/xml",
        file_name="Rechnung.xml",
    )  # fmt: skip
    session.add(
        Preview(
            client_id=document.client_id, sha256=document.sha256, media_type=document.media_type, state="ready", page_keys=[],
            words=[], e_invoice=told, made_at=now,
        )
    )  # fmt: skip


def _payments(site: Site, session: Session, now: datetime) -> None:
    """The owner has a second factor, and his payments connection has tokens: for a bank that cannot be reached."""
    ours = site.world.ours
    session.get_one(User, ours.owner.id).totp_sealed = ours.owner.totp_sealed = "sealed"
    tokens = TokenSet("token", "renewal", 3600, SCOPES["payments"])
    token_keeping.store(session, session.get_one(Connection, ours.payments.id), tokens, keyring=site.ports.keyring, now=now)
    results = session.get_one(PaymentBatch, ours.batches["to_change"].id).payments[0]
    results.payee_result, results.payee_name = "close_match", "Holzhandel Beispiel GmbH & Co. KG"


def _together(site: Site, session: Session, now: datetime) -> None:
    """The file of an assigned receipt holds another invoice, and its second page came by itself."""
    ours, staff = site.world.ours, Actor(site.world.staff.id, Role.STAFF)
    whole = session.get_one(Receipt, ours.receipts["assigned"].id)
    found = Found("RE-2026-1005", 4711, now.date(), "Holzhandel Weber GmbH")
    made, _ = splitting.split(session, staff, whole.id, found, seen_version=whole.version, now=now)
    page = factories.receipt(session, session.get_one(Connection, ours.documents.id), 12, now=now, number=None)
    document = factories.document(session, site.ports.storage, page, factories.pdf("Seite 2"), now=now, file_name="Seite 2.pdf")
    factories.preview(session, site.ports.storage, document, now=now)
    versions = {"seen_version": page.version, "other_version": whole.version}
    comparing.merge(session, staff, page.id, whole.id, **versions, now=now)
    ours.receipts |= {"split_off": made, "merged": page}


def _company(session: Session, number: str, now: datetime, *, has_years: bool = True) -> tuple[Client, User]:
    company = factories.client(
        session, number, f"Vermögensverwaltungsgesellschaft Nr. {number} mbH", now=now, years=(now.year,) if has_years else ()
    )
    owner = factories.user(session, f"owner@{number}.example", f"Inhaber {number}", Role.CLIENT, now=now)
    factories.member(session, owner, company, "client")
    return company, owner


def _troubled(session: Session, company: Client, now: datetime) -> tuple[Connection, Connection]:
    """A consent that ended, and a sync that has not come through for days."""
    documents = factories.connection(session, company, "documents", now=now, state="action_needed", reason="invalid_grant")
    bank = factories.connection(session, company, "bank", now=now, last_success_at=now - timedelta(hours=30))
    factories.bank_account(session, company, bank, now=now)
    factories.run(
        session, company, "bank", now=now, over=bank, state="waiting", reason="timeout", failures=3, finished_at=None,
        next_attempt_at=now + timedelta(hours=1), request_id="4bf92f3577b34da6a3ce929d0e0e4736",
    )  # fmt: skip
    return documents, bank


def _busy(session: Session, company: Client, now: datetime) -> tuple[Connection, Connection]:
    """A first import that goes on (for so long that it is rarely polled), and a connection that the client ended."""
    documents = factories.connection(session, company, "documents", now=now, last_success_at=None, synced_until=None)
    factories.run(
        session, company, "documents", now=now, over=documents, state="leased", seen=214, total=600, finished_at=None,
        lease_token="0" * 32, lease_until=now + timedelta(days=1), created_at=now - timedelta(minutes=20),
    )  # fmt: skip
    return documents, factories.connection(session, company, "bank", now=now, state="disconnected")


def _guessing(session: Session, company: Client, now: datetime) -> None:
    """Transactions that most likely need no receipt."""
    account = factories.bank_account(session, company, factories.connection(session, company, "bank", now=now), now=now)
    for number, values in enumerate(
        ({"operation_type": "qonto_fee"}, {"counterparty": "Finanzamt Hamburg-Nord"}, {"remittance": "Gehalt 10/2026"}, {})
    ):
        factories.transaction(session, account, f"guess-{number}", 1000 + number, now=now, **values)


def _unseen(site: Site, session: Session, company: Client, now: datetime) -> dict[str, Receipt]:
    """Receipts without a picture, of which none waits for review; a file that got lost; and rows that nobody foresaw."""
    over, made = factories.connection(session, company, "documents", now=now), {}
    for number, name in enumerate(("broken", "encrypted", "lost", "unforeseen"), start=1):
        made[name] = receipt = factories.receipt(
            session, over, number, now=now, state="set_aside", set_aside_reason="paid_in_cash", review_reason=None,
            in_review_since=None,
        )  # fmt: skip
        document = factories.document(session, site.ports.storage, receipt, factories.pdf(receipt.label), now=now)
        preview = Preview(
            client_id=company.id, sha256=document.sha256, media_type=document.media_type, state="impossible",
            reason="encrypted" if name == "encrypted" else "broken", page_keys=[], words=[], made_at=now,
        )  # fmt: skip
        session.add(preview)
        if name == "lost":
            document.sha256 = preview.sha256 = digest(receipt.id)
        if name == "unforeseen":
            preview.e_invoice = {"nobody": "foresaw this"}
    return made


def _awaited(session: Session, company: Client, now: datetime) -> Connection:
    """The bank waits for a yes on the phone; beside its account an offline one and one that the Qonto user may not read."""
    bank = factories.connection(session, company, "bank", now=now)
    factories.bank_account(
        session, company, bank, now=now, label="Laufendes Konto", holder="Vermögensverwaltung", ledger_number="1800"
    )
    factories.bank_account(session, company, bank, now=now, number=2, name="Rücklagen", refusal="forbidden")
    factories.bank_account(
        session, company, bank, now=now, number=3, name="Tagesgeld", connection_id=None, qonto_id=None, is_chosen=False, iban=None
    )
    factories.run(
        session, company, "bank", now=now, over=bank, state="waiting", reason="sca_required", finished_at=None,
        next_attempt_at=now + timedelta(hours=1),
    )  # fmt: skip
    return bank


def _choosing(session: Session, company: Client, now: datetime) -> Connection:
    """Back from the bank: nothing has been chosen yet, one account is closed, one has no IBAN."""
    bank = factories.connection(session, company, "bank", now=now, last_success_at=None)
    for number, values in enumerate(({}, {"iban": None, "balance_cents": None}, {"is_active": False}), start=1):
        factories.bank_account(
            session, company, bank, now=now, number=number, name=("Geschäftskonto", "Team", "Altes Konto")[number - 1],
            **{"is_chosen": False, "synced_until": None, "covered_until": None, **values},
        )  # fmt: skip
    return bank


# --- pages ---------------------------------------------------------------------------------------------------------


def pages(site: Site) -> Iterator[State]:
    """Every GET route that is a page; one that needs something unknown fails here."""
    ours = site.world.ours
    adapter = site.app.url_map.bind("127.0.0.1")
    known = {
        "client_id": ours.client.id, "connection_id": ours.documents.id, "receipt_id": ours.receipts["open"].id,
        "document_id": ours.document.id, "kind": "documents", "account_id": ours.account.id, "bank_id": ours.bank.id, "statement_id": ours.statement.id,
        "transaction_id": ours.transactions[0].id, "other_id": ours.receipts["income"].id,
        "batch_id": ours.batches["prepared"].id,
    }  # fmt: skip
    for rule in site.app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and rule.endpoint not in NO_PAGE:
            path = adapter.build(rule.endpoint, {name: known[name] for name in rule.arguments})
            who = VIEWERS.get(rule.endpoint, VIEWERS.get(rule.endpoint.partition(".")[0], "client"))
            yield State(who, path, REFUSED.get(rule.endpoint, 200))


def faces(site: Site, known: People) -> Iterator[State]:
    """What pages look like in states that are not the usual one."""
    ours = site.world.ours
    for name, receipt in ours.receipts.items():
        if name != "open":
            yield State("client", f"/receipts/{receipt.id}")
            yield State("staff", f"/review?item={receipt.id}")
    yield from _desk(ours)
    for other in ("assigned", "set_aside", "income"):
        yield State("staff", f"/receipts/{ours.receipts['open'].id}/copies/{ours.receipts[other].id}")
    yield from _apart(ours)
    yield State("staff", f"/receipts/{ours.receipts['set_aside'].id}")
    yield State("staff", "/review/together", does=unfold("main details"))
    yield State("staff", "/review/together", does=sent("main form", 200, button="[formaction]"))
    yield from _paying(ours)
    yield State("admin", f"/clients/{ours.client.id}", does=unfold("#payment-rules"))
    yield State("staff", f"/profile/connections?client={ours.client.id}")
    yield State("client", "/receipts?q=nothing-has-this-name")
    yield State("client", f"/finances/statements/{ours.statement.id}", does=unfold("main details"))
    yield State("client", f"/receipts/upload?transaction={ours.transactions[0].id}")
    yield State("client", "/receipts/missing?state=all")
    yield State("client", "/receipts/missing?state=lost")
    yield State("guessing", f"/clients/{known.guessing.id}/missing/guesses")
    yield State("guessing", "/receipts/missing")
    yield State("admin", f"/review?client={known.guessing.id}")
    yield State("client", f"/transactions/{ours.transactions[3].id}/explanation")
    yield State("client", f"/transactions/{ours.transactions[2].id}/explanation")
    yield State("client", f"/transactions/{ours.transactions[2].id}/own-receipt")
    yield State("staff", f"/receipts/missing?state=not_needed&client={ours.client.id}")
    yield State("staff", f"/receipts/missing/print?state=all&client={ours.client.id}")
    yield State("client", "/receipts/missing/print?q=nothing-has-this-name")
    yield State("staff", "/review/done?pane=to-check")
    yield State("staff", f"/connections/{ours.bank.id}")
    yield State("client", f"/connections/{ours.bank.id}")
    yield State("client", f"/clients/{ours.client.id}/connections/bank/connect")
    yield State("client", f"/clients/{ours.client.id}/accounts/new?q=qon")
    yield State("client", f"/clients/{ours.client.id}/accounts/new?q=sparkasse")
    yield State("choosing", f"/connections/{known.choosing[1].id}/accounts")
    yield State("choosing", f"/connections/{known.choosing[1].id}/accounts", does=choose_too_early)
    yield State("awaited", f"/connections/{known.awaited[1].id}")
    yield State("staff", f"/finances/accounts/{ours.account.id}")
    yield State("admin", f"/clients/{ours.client.id}")
    for who in ("lonely", "unconnected", "troubled", "busy", "awaited", "choosing"):
        for path in OWN_PAGES:
            yield State(who, path)
    for who, (company, documents, bank) in (("troubled", known.troubled), ("busy", known.busy)):
        yield State("admin", f"/clients/{company.id}")
        yield State("admin", f"/profile/connections?client={company.id}")
        yield State("admin", f"/review?client={company.id}")
        yield State(who, f"/connections/{documents.id}")
        yield State(who, f"/connections/{bank.id}")
    for path in ("/review", "/review/done", "/review/done?pane=to-check", "/receipts/missing", "/clients", *OWN_PAGES):
        yield State("newcomer", path)
    yield from _unshown(known.unseen)
    yield from _opened(site)
    yield from _refused(site)
    yield from _endings(site, known)


def _apart(ours: Books) -> Iterator[State]:
    """Splitting a file, merging receipts, and what both leave."""
    first, other = ours.receipts["open"], ours.receipts["income"]
    yield State("staff", f"/receipts/{first.id}/parts?q=weber")
    yield State("staff", f"/receipts/{first.id}/parts?q=nothing-has-this-name")
    yield State("staff", f"/receipts/{first.id}/parts", does=sent("#split", 422))
    yield State("staff", f"/receipts/{ours.receipts['merged'].id}/parts")
    yield State("staff", f"/receipts/{first.id}/copies/{other.id}?pane=merge", does=unfold("#merge-2"))
    yield State("staff", f"/receipts/{ours.receipts['split_off'].id}/copies/{ours.receipts['assigned'].id}")
    yield State("staff", f"/receipts/{ours.receipts['split_off'].id}")
    yield State("staff", f"/receipts/{ours.receipts['assigned'].id}", does=unfold(".bf-paper-column details"))


def _unshown(receipts: dict[str, Receipt]) -> Iterator[State]:
    """Nothing to review, nothing to see, nothing to have; and nothing that anybody foresaw."""
    yield State("idle", "/review")
    for name in ("broken", "encrypted"):
        yield State("opaque", f"/receipts/{receipts[name].id}", does=download)
        yield State("idle", f"/review?pane=receipt&item={receipts[name].id}", does=download)
    yield State("idle", f"/review?pane=receipt&item={receipts['lost'].id}", does=ask_for_what_is_lost)
    yield State("opaque", f"/receipts/{receipts['lost'].id}")
    yield State("opaque", f"/receipts/{receipts['unforeseen'].id}", 500)


def _paying(ours: Books) -> Iterator[State]:
    for batch in ours.batches.values():
        yield State("client", f"/payments/{batch.id}")
    for name in ("draft", "prepared", "confirming", "refused"):
        yield State("staff", f"/payments/{ours.batches[name].id}")
    yield State("staff", f"/payments?client={ours.client.id}")
    yield State("client", f"/payments/{ours.batches['prepared'].id}", does=sent("main form[action$='/approval']", 422))
    yield State("client", f"/clients/{ours.client.id}/connections/payments/connect")
    yield State("client", f"/connections/{ours.payments.id}/disconnection")


def _desk(ours: Books) -> Iterator[State]:
    """The desk with its filters, what unfolds, and its search for transactions."""
    yield State("staff", "/review?find=nothing-has-this-name&age=7")
    yield State("staff", "/review?reason=later")
    yield State("staff", "/review?pane=candidates", does=unfold("#put-off"))
    yield State("staff", "/review?pane=candidates", does=unfold("#ask"))
    yield State("staff", "/review?who=nobody")
    yield State("staff", f"/review?pane=receipt&item={ours.receipts['open'].id}", does=lambda page: page.check(".bf-zoom input"))
    yield State("staff", "/review", does=unfold("#views"))
    yield State("staff", "/review?sort=oldest", does=unfold("#views"))
    yield State("staff", "/review?sort=amount", does=save_a_used_name)
    yield State("staff", "/review?reason=duplicate_suspected")
    looked_for, (line, other, *_) = f"/review?item={ours.receipts['no_transaction'].id}&q=", ours.transactions
    yield State("staff", f"{looked_for}Holz")
    yield State("staff", f"/review?item={ours.receipts['income'].id}", does=unfold(".bf-correction"))
    yield State("staff", f"{looked_for}nothing-has-this-name")
    yield State("staff", f"{looked_for}&line={line.id}&line={other.id}")
    chosen = "".join(f"&receipt={ours.receipts[name].id}" for name in ("open", "no_transaction", "waiting"))
    yield State("staff", f"/review/transactions/{line.id}?ticked=1{chosen}")
    yield State("staff", f"/review/transactions/{line.id}?ticked=1{chosen}", does=assign_together_too_late)
    yield State("staff", f"/review/transactions/{ours.transactions[2].id}")


def _opened(site: Site) -> Iterator[State]:
    """Menus and whatever folds."""
    ours = site.world.ours
    yield State("client", "/profile", does=lambda page: page.click(".bf-menu summary"))
    yield State("staff", "/clients", does=lambda page: page.click(".bf-menu summary"))
    for why in ("idle", "whole", "ended"):
        yield State("client", "/help", does=warn(why))
    yield State("staff", f"/review?item={ours.receipts['open'].id}", does=unfold("#pane-candidates details"))
    yield State("staff", f"/review?item={ours.receipts['income'].id}", does=unfold("#keys"))
    yield State("client", f"/receipts/{ours.receipts['assigned'].id}", does=unfold("main details"))
    yield State("staff", f"/receipts/{ours.receipts['open'].id}", does=unfold("main details"))
    yield State("client", "/receipts/missing", does=lambda page: page.click(".bf-row-choice:first-child summary"))
    yield State("client", "/receipts/missing", does=lambda page: page.click(".bf-row-choice:last-child summary"))
    yield State("admin", "/admin/audit", does=unfold("tr:nth-child(-n+5) details"))


def _refused(site: Site) -> Iterator[State]:
    """What is wrong is said: in the page, in its place, or instead of the page."""
    yield State("nobody", "/sign-in", does=sent("main form[action='/sign-in']", 422))
    yield State("halfway", "/sign-in/second-factor", does=sent("main form[action='/sign-in/second-factor']", 422))
    yield State("enrolling", "/second-factor/enrolment", does=sent("main form[action='/second-factor/enrolment']", 422))
    yield State("client", "/profile", does=sent("form[action='/profile/password']", 422))
    yield State("client", f"/transactions/{site.world.ours.transactions[0].id}/explanation", does=sent("main form", 422))
    yield State("client", f"/transactions/{site.world.ours.transactions[0].id}/own-receipt", does=sent("main form", 422))
    yield State("staff", f"/review?item={site.world.ours.receipts['open'].id}", does=decide_too_late)
    yield State("client", "/finances/accounts", does=sent("main form[action$='/runs']", 429))
    yield State(
        "client", f"/finances/accounts/{site.world.ours.account.id}/deletion", does=sent("main form[action$='/deletion']", 422)
    )
    yield State(
        "client", f"/clients/{site.world.ours.client.id}/accounts/offline", does=sent("main form[action$='/offline']", 422)
    )
    yield State("client", "/review", 403)
    yield State("admin", "/no-such-page", 404)
    yield State("leaving", "/profile", does=sign_out_elsewhere)


def _endings(site: Site, known: People) -> Iterator[State]:
    """Ways back from the bank, each of a journey that begins here; the other bad endings look the same."""
    ours, browser = site.world.ours, digest(known.cookies["client"][0]["value"])
    for brought in ("error=access_denied", "code=of-a-bank-that-is-away"):
        with site.writing() as session:
            address = connecting.begin(
                site.ports, session, user_id=ours.owner.id, client=ours.client, kind="documents", browser=browser
            )
        state = parse_qs(urlsplit(address).query)["state"][0]
        yield State("client", f"/connections/qonto/callback?{brought}&state={state}")


# --- what people do ------------------------------------------------------------------------------------------------


def unfold(selector: str) -> Callable[[Page], None]:
    """Open these details."""

    def does(page: Page) -> None:
        folded = page.locator(selector)
        assert folded.count(), selector
        folded.evaluate_all("all => all.forEach(one => { one.open = true })")

    return does


def warn(why: str) -> Callable[[Page], None]:
    """The dialog about the end of the session as `session.js` shows it."""

    def does(page: Page) -> None:
        page.locator("#session-end").evaluate(
            """(one, why) => {
                for (const part of one.querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(why);
                for (const time of one.querySelectorAll("time")) time.textContent = "14:35";
                one.showModal();
            }""",
            why,
        )

    return does


def sent(form: str, status: int, *, button: str = "") -> Callable[[Page], None]:
    """Send a form as it is, by its only button or the one named; what comes instead of the page has this status."""

    def does(page: Page) -> None:
        with page.expect_navigation() as seen:
            page.locator(f"{form} button[type=submit]{button}").click()
        assert seen.value.status == status, seen.value.status

    return does


def download(page: Page) -> None:
    """What cannot be shown can be had."""
    with page.expect_download() as brought:
        page.locator(".bf-preview-none .btn").click()
    assert brought.value.failure() is None


def ask_for_what_is_lost(page: Page) -> None:
    """The next sync fetches it again."""
    with page.expect_navigation() as seen:
        page.locator(".bf-files a").click()
    assert seen.value.status == 500, seen.value.status


def choose_too_early(page: Page) -> None:
    """A start that the bank does not reach."""
    page.locator("input[type=date]").first.fill("2020-01-01")
    sent("main form[action$='/accounts']", 422)(page)


def save_a_used_name(page: Page) -> None:
    """A name that a view of his has."""
    page.locator("#views > summary").click()
    page.fill("#view-name", "Älteste zuerst")
    sent("#views form[action*='/review/views?']", 422)(page)


def decide_too_late(page: Page) -> None:
    """Assign what somebody else has changed since."""
    page.locator("#assign-1 [name=seen_version]").evaluate("field => { field.value = 0 }")
    page.locator("#assign-1 button:visible, .bf-phone-assign:visible").click()
    expect(page.locator("#notices [role=alert]")).to_be_visible()


def assign_together_too_late(page: Page) -> None:
    """Somebody has changed one of the receipts since."""
    page.select_option("#difference", "discount")
    page.locator("#assign-receipts [name=receipt]").first.evaluate("field => { field.value = field.value.slice(0, -1) + '0' }")
    sent("#assign-receipts", 409)(page)


def sign_out_elsewhere(page: Page) -> None:
    """The session is over before the form is sent."""
    page.context.clear_cookies()
    sent("form[action='/profile']", 401)(page)
