"""Finances → Accounts: what is connected, what came in over it, how to add more."""

from __future__ import annotations

from sqlalchemy import delete, update

from portal.clock import FixedClock
from portal.models import (
    Assignment,
    BankAccount,
    Candidate,
    Connection,
    Consent,
    Explanation,
    Run,
    ScaSession,
    Statement,
    Transaction,
)
from portal.ports import Ports
from tests import factories
from tests.factories import World
from tests.web.visitor import Visit

PATH = "/finances/accounts"


def test_each_account_tells_what_came_in(world: World, visit: Visit) -> None:
    words = visit(world.ours.owner).page(PATH).words
    for told in ("1 account", "Hauptkonto", "DE00 0000 0000 0000 1004 21", "Connected", "€12,345.67", "complete until"):
        assert told in words
    row = words.split("Hauptkonto")[1]
    assert "4 since" in row  # transactions
    assert "missing ones? Hauptkonto" in words
    assert "no transactions. The bank connection reaches back 90 days at most." in words
    assert " 2 €12,345.67" in words  # of them lack a receipt; one has its own, one needs none


def test_its_labels_are_those_that_people_were_told(world: World, visit: Visit) -> None:
    visitor = visit(world.ours.owner)
    page, more = visitor.page(PATH), f"/clients/{world.ours.client.id}/accounts/new"
    for label in ("Finances", "Accounts", "Add account", "Sync transactions"):
        assert label in page.words
    assert more in page.links
    found = visitor.page(f"{more}?q=Qonto")
    for label in ("Add account", "Bank account", "Connect new account", "Connect Bank"):
        assert label in found.words
    assert f"/clients/{world.ours.client.id}/connections/bank/connect" in found.links


def test_sync_transactions_starts_a_run_and_leads_to_the_card(world: World, visit: Visit) -> None:
    visitor, path = visit(world.ours.owner), f"/connections/{world.ours.bank.id}/runs"
    page = visitor.follow(visitor.send(visitor.page(PATH), path, account=world.ours.account.id))
    assert "The sync has been started." in page.words
    assert "disabled" in visitor.get(PATH).text.split(f'action="{path}"')[1].split("</form>")[0]


def test_a_closed_account_says_so(world: World, visit: Visit, ports: Ports) -> None:
    with ports.database.write() as session:
        session.execute(update(BankAccount).values(is_active=False, iban=None))
    assert "Closed at Qonto" in visit(world.ours.owner).page(PATH).words


def test_without_an_account_there_is_one_next_step(world: World, visit: Visit, ports: Ports) -> None:
    with ports.database.write() as session:
        for table in (Candidate, Assignment, Explanation, Transaction, Statement, BankAccount):
            session.execute(delete(table).where(table.client_id == world.ours.client.id))
        for table in (Consent, ScaSession, Run):
            session.execute(delete(table).where(table.connection_id == world.ours.bank.id))
        session.execute(delete(Connection).where(Connection.id == world.ours.bank.id))
    own = visit(world.ours.owner).page(PATH)
    assert "No account is connected yet" in own.words
    assert f"/clients/{world.ours.client.id}/accounts/new" in own.links
    firm = visit(world.staff).page(PATH)
    assert f"Only {world.ours.client.name} can connect its bank." in firm.words
    assert not [link for link in firm.links if link.endswith("/connect")]


def test_somebody_with_two_companies_chooses(world: World, visit: Visit, ports: Ports, clock: FixedClock) -> None:
    with ports.database.write() as session:
        factories.member(session, world.ours.owner, world.theirs.client, "client")
    visitor = visit(world.ours.owner)
    page = visitor.page(f"{PATH}?client={world.theirs.client.id}")
    assert page.form(PATH).fields["client"] == world.theirs.client.id
    assert "DE00 0000 0000 0000 1004 31" in page.words
