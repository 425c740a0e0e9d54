"""The demo's story, told through services only: a firm, three people, two clients.

The first client is connected already (by walking through the simulator's consent page as a browser would) and may pay, so
that the desk has work; the second waits for its owner to press Connect. Running it again changes nothing that exists; a
simulator that was restarted has forgotten its tokens, so the connections are renewed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import select

from portal.browsing import Person
from portal.errors import PortalError
from portal.models import BankAccount, Client, Connection, Document, Membership, Note, Receipt, Role, Run, User
from portal.ports import Ports
from portal.services.accounts import choosing
from portal.services.auditing import Origin, Tag, acting, record
from portal.services.clients import engaging
from portal.services.connections import connecting
from portal.services.finding import Actor
from portal.services.messages import messaging
from portal.services.messages.messaging import Topic
from portal.services.payments import paying
from portal.services.people import admitting, authenticating
from portal.services.receipts import missing, uploading
from portal.services.receipts.uploading import Facts
from portal.services.review import asking, noting, putting_off
from portal.settings import BadSetting

PASSWORD = "belegfluss-demo-2026"  # noqa: S105 -- of made-up people, and only where the bank is the simulator
PEOPLE = (
    ("admin@kanzlei.example", "Dr. Katrin Elbtor", Role.ADMIN, "de"),
    ("mara.klein@kanzlei.example", "Mara Klein", Role.STAFF, "de"),
    ("jonas.brandt@brandt.example", "Jonas Brandt", Role.CLIENT, "de"),
    ("amelia.north@northlight.example", "Amelia North", Role.CLIENT, "en"),
)
PATIENCE = 900.0  #: seconds that the first import and its matching may take; on two busy cores they take some 30
PAYERS = ("jonas.brandt@brandt.example",)  #: who may pay, with a second factor
CLIENTS = (
    ("10042", "Tischlerei Brandt & Söhne GmbH", "jonas.brandt@brandt.example"),
    ("10043", "Northlight Studio GmbH", "amelia.north@northlight.example"),
)


class Unfinished(PortalError):
    """What the demo waits for has not come about; the message says where to look."""


def seed(ports: Ports, *, is_connected: bool = True) -> Iterator[str]:
    """Seed and tell the log-ins, line by line. Only with the simulator: there is no default account anywhere else."""
    if not ports.settings.is_simulator:
        raise BadSetting("The demo needs the Qonto simulator: QONTO_API_URL must be a loopback address.")
    with acting(Origin("system:demo"), key=ports.settings.secret_key):
        secrets = _people(ports)
        _clients(ports)
        if is_connected:
            for kind in connecting.CONNECTABLE:
                _connect(ports, CLIENTS[0][2], kind)
    for email, name, role, language in PEOPLE:
        second = f"  TOTP secret {secrets[email]}" if email in secrets else ""
        yield f"  {role:<6} {language}  {email:<34} password {PASSWORD}{second}  ({name})"


def work_at_desk(ports: Ports, *, patience: float = PATIENCE) -> Iterator[str]:
    """Once the first client is imported and matched, its people leave traces at the desk; told line by line. Only once.

    The owner uploads a file that is here already, the admin gives a receipt to Mara, Mara notes something, puts one off
    and asks for one that is missing.
    Errors: Unfinished if the import takes longer than `patience` (seconds).
    """
    number, _, owner_email = CLIENTS[0]
    with ports.database.read() as session:
        client = session.scalars(select(Client).where(Client.number == number)).one()
        people = {user.email: user for user in session.scalars(select(User))}
    mara, admin, owner = people[PEOPLE[1][0]], people[PEOPLE[0][0]], people[owner_email]
    given_up_at = time.monotonic() + patience
    while not _is_matched(ports, client.id):
        if time.monotonic() >= given_up_at:
            raise Unfinished(
                f"After {patience:.0f} seconds {client.name} is still not imported and matched, so nobody has worked at the"
                " desk. The logs of the workers and the ticker say why; `flask --app wsgi demo-desk` tries again."
            )
        time.sleep(1)
    with ports.database.read() as session:
        if session.scalar(select(Note.id).where(Note.client_id == client.id).limit(1)):
            return
        ready = (
            select(Receipt)
            .where(Receipt.client_id == client.id, Receipt.state == "in_review", Receipt.best_score.is_not(None))
            .order_by(Receipt.best_score.desc(), Receipt.sequence)
        )
        first, second, third = session.scalars(ready.limit(3))
        document = session.scalars(select(Document).where(Document.receipt_id == second.id).limit(1)).one()
    now, today = ports.clock.now(), ports.clock.today()
    key = ports.settings.secret_key
    with acting(Origin(owner.id), key=key):
        uploading.upload(
            ports, Actor(owner.id, Role.CLIENT), client_id=client.id, file_name=document.file_name,
            content=ports.storage.get(client.id, document.sha256),
            facts=Facts(second.direction, second.amount_cents, number=second.number, counterparty=second.counterparty),
        )  # fmt: skip
        yield f"{owner.name} uploads {document.file_name} once more"
    with acting(Origin(admin.id), key=key), ports.database.write() as session:
        receipt = session.get_one(Receipt, first.id)
        asking.ask(
            session, Actor(admin.id, Role.ADMIN), receipt=receipt, colleague_id=mara.id, note="Ist das die zweite Rate?",
            seen_version=receipt.version, now=now,
        )  # fmt: skip
        yield f"{admin.name} gives {receipt.label} to {mara.name}"
    with acting(Origin(mara.id), key=key), ports.database.write() as session:
        receipt, later = session.get_one(Receipt, second.id), session.get_one(Receipt, third.id)
        noting.write(session, Actor(mara.id, Role.STAFF), receipt=receipt, text="Der Lieferant ruft am Montag zurück.", now=now)
        putting_off.put_off(
            session, receipt=later, until=today + putting_off.USUAL, note="Gutschrift angekündigt", seen_version=later.version,
            now=now,
        )  # fmt: skip
        yield f"{mara.name} notes something about {receipt.label} and puts {later.label} off"
        staff, open_lines = Actor(mara.id, Role.STAFF), missing.Filters(client_id=client.id)
        lines = [
            row.transaction
            for row in missing.index(session, staff, open_lines).page.rows
            if row.guess is None and row.transaction.side == "debit"
        ]
        for line in lines[:1]:
            messaging.write(
                session, staff, client_id=client.id, receipt_id=None, transaction_id=line.id, topic=Topic.TRANSACTION, now=now,
                text="Für diese Abbuchung fehlt uns noch die Rechnung. Haben Sie sie vorliegen?",
            )  # fmt: skip
            yield f"{mara.name} asks for the receipt of {line.counterparty}"


def _is_matched(ports: Ports, client_id: str) -> bool:
    """Whether documents and transactions are here, and nothing is left to do but pictures and mails."""
    kinds = {"documents", "bank", "matching"}
    with ports.database.read() as session:
        runs = session.execute(select(Run.kind, Run.state).where(Run.client_id == client_id, Run.kind.in_(kinds))).all()
    is_busy = any(state in {"due", "leased", "waiting"} for _, state in runs)
    return not is_busy and {kind for kind, state in runs if state == "done"} == kinds


def _people(ports: Ports) -> dict[str, str]:
    """Create who is missing; the TOTP secrets of staff, admins and payers."""
    secrets = {}
    now = ports.clock.now()
    with ports.database.write() as session:
        for email, name, role, language in PEOPLE:
            user = session.scalar(select(User).where(User.email == email))
            if user is None:
                user = authenticating.create_user(
                    session, email=email, name=name, role=role, password=PASSWORD, language=language, now=now
                )
            if role is not Role.CLIENT or email in PAYERS:
                secrets[email] = authenticating.demo_totp(session, user, keyring=ports.keyring, now=now)
    return secrets


def _clients(ports: Ports) -> None:
    now = ports.clock.now()
    with ports.database.write() as session:
        users = {user.email: user for user in session.scalars(select(User))}
        for number, name, owner in CLIENTS:
            if session.scalar(select(Client.id).where(Client.number == number)):
                continue
            client = Client(number=number, name=name, created_at=now)
            session.add(client)
            session.flush()
            record(session, Tag.CLIENT_CREATED, subject=f"client:{client.id}", at=now, client_id=client.id, number=number)
            for email, kind in ((owner, "client"), ("mara.klein@kanzlei.example", "staff")):
                session.add(
                    Membership(
                        user_id=users[email].id, client_id=client.id, kind=kind, has_financial_accounting=True, may_pay=False
                    )
                )
                record(
                    session, Tag.MEMBERSHIP_GRANTED, subject=f"client:{client.id}", at=now, client_id=client.id,
                    user=users[email].id, kind=kind,
                )  # fmt: skip
            today = ports.clock.today()
            for year in (today.year - 1, today.year):
                engaging.commission(session, client_id=client.id, tax_year=year, on=today.replace(month=1, day=1), now=now)
            if owner in PAYERS:
                paying.change_rules(
                    session, client, is_on=True, limit_cents=paying.LIMIT_CENTS, day_limit_cents=paying.DAY_LIMIT_CENTS,
                    four_eyes_above_cents=None, now=now,
                )  # fmt: skip
                admitting.change_payer(session, client, users[owner].id, may_pay=True, now=now)


def _connect(ports: Ports, email: str, kind: str) -> None:
    """Walk to the consent page and back, as the owner's browser would; not when the consent still works."""
    with ports.database.read() as session:
        user = session.scalars(select(User).where(User.email == email)).one()
        client = session.scalars(select(Client).where(Client.name == CLIENTS[0][1])).one()
        connection = session.scalar(select(Connection).where(Connection.client_id == client.id, Connection.kind == kind))
    if connection is not None and connection.state == "active" and _works(ports, connection):
        return
    with ports.database.write() as session:
        address = connecting.begin(ports, session, user_id=user.id, client=client, kind=kind)
    back = allow(address)
    result = connecting.complete(
        ports, actor=Actor(user.id, Role(user.role)), state=back["state"], code=back.get("code", ""), error=back.get("error", "")
    )
    if result.ending is not connecting.Ending.CONNECTED:
        raise BadSetting(f"The demo could not connect its first client ({result.ending}). Start again with --fresh.")
    if not result.run_id:
        _choose(ports, result.connection_id)


def _choose(ports: Ports, connection_id: str) -> None:
    """Every account that is open, since the start of the 90 days."""
    with ports.database.write() as session:
        connection = session.get_one(Connection, connection_id)
        held = select(BankAccount).where(BankAccount.connection_id == connection_id, BankAccount.is_active)
        chosen = {account.id: choosing.Details() for account in session.scalars(held)}
        choosing.choose(session, connection, chosen, now=ports.clock.now())


def _works(ports: Ports, connection: Connection) -> bool:
    try:
        ports.qonto.supplier_invoices(connection.id, page=1) if connection.kind == "documents" else ports.qonto.organization(
            connection.id
        )
    except PortalError:
        return False
    return True


def allow(address: str) -> dict[str, str]:
    """Open the simulator's consent page, tick nothing off, press Allow; the query of the address one is sent back to."""
    browser = Person(address)
    back = browser.leave(browser.get(address).form("/oauth2/auth"), decision="allow")
    return {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
