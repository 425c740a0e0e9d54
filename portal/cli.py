"""The command line: `./dev flask COMMAND`. Each command opens one door and calls services, like a view does."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from portal import demo, matching_files, migrating
from portal.errors import PortalError
from portal.models import Connection, Role
from portal.ports import Ports
from portal.services import auditing, running
from portal.services.auditing import Origin, acting
from portal.services.clients import engaging
from portal.services.connections import syncing
from portal.services.payments import paying
from portal.services.people import admitting, authenticating


def register(app: Flask) -> None:
    """Add our commands to Flask's."""
    app.cli.add_command(db_upgrade)
    app.cli.add_command(demo_seed)
    app.cli.add_command(demo_desk)
    app.cli.add_command(first_admin)
    app.cli.add_command(sync)
    app.cli.add_command(match)
    app.cli.add_command(matching)
    app.cli.add_command(audit)
    app.cli.add_command(client)
    app.cli.add_command(user)


def _ports() -> Ports:
    ports: Ports = current_app.extensions["ports"]
    return ports


@click.command("db-upgrade")
def db_upgrade() -> None:
    """Bring the database to the newest schema."""
    migrating.upgrade(_ports().database)
    click.echo(f"database at revision {migrating.current(_ports().database)}")


@click.command("demo-seed")
def demo_seed() -> None:
    """Fill an empty installation with the demo's story; refuses anything but the simulator."""
    for line in demo.seed(_ports()):
        click.echo(line)


@click.command("demo-desk")
def demo_desk() -> None:
    """Wait until the demo's first client is imported, and let its staff work at the desk for a moment."""
    try:
        for line in demo.work_at_desk(_ports()):
            click.echo(line)
    except demo.Unfinished as problem:
        raise click.ClickException(problem.message) from None


@click.command("first-admin")
def first_admin() -> None:
    """Print the one-time code with which the first admin signs up; refused once there is an admin."""
    ports = _ports()
    with _as_operator(ports), ports.database.write() as session:
        code = authenticating.first_admin_code(session, now=ports.clock.now())
    click.echo(f"{ports.settings.public_url}/first-admin\nOne-time code (24 hours): {code}")


@click.command("sync")
@click.argument("connection_id")
def sync(connection_id: str) -> None:
    """Ask for a run of a connection; the ticker hands it to a worker."""
    ports = _ports()
    with _as_operator(ports), ports.database.write() as session:
        connection = session.get(Connection, connection_id)
        if connection is None:
            raise click.ClickException("There is no such connection.")
        try:
            run = syncing.request(session, connection, trigger="admin", now=ports.clock.now())
        except PortalError as problem:
            raise click.ClickException(problem.message) from None
    click.echo(f"run {run.id} ({run.kind})")


@click.command("match")
@click.argument("client_id")
def match(client_id: str) -> None:
    """Ask for a matching of a client."""
    ports = _ports()
    with _as_operator(ports), ports.database.write() as session:
        run = running.request(session, client_id=client_id, kind="matching", trigger="admin", now=ports.clock.now())
    click.echo(f"run {run.id}")


matching = AppGroup("matching", help="The matcher on files of your own.")

_FILE = click.Path(path_type=Path)


@matching.command("evaluate")
@click.option("--receipts", type=_FILE, required=True, help="One JSON object a line, see docs/matching.md.")
@click.option("--transactions", type=_FILE, required=True, help="The same of the bank's lines.")
@click.option("--out", type=_FILE, required=True, help="Where the decisions go, one a line.")
@click.option("--labels", type=_FILE, help="What is right: prints how often the decisions are.")
def matching_evaluate(receipts: Path, transactions: Path, out: Path, labels: Path | None) -> None:
    """Decide on the receipts of a file by the lines of another; nothing in the portal is read or changed."""
    try:
        outcome = matching_files.evaluate(receipts, transactions, out, labels)
    except PortalError as problem:
        raise click.ClickException(problem.message) from None
    click.echo("\n".join(outcome.lines()))


audit = AppGroup("audit", help="The append-only record of what happened.")


@audit.command("verify")
def audit_verify() -> None:
    """Check every chain of audit events; exit status 1 when one is broken."""
    ports = _ports()
    with ports.database.read() as session:
        faults = auditing.broken_links(session, key=ports.settings.secret_key)
    click.echo("\n".join(faults) or "every chain is whole")
    sys.exit(bool(faults))


client = AppGroup("client", help="The firm's clients.")


@client.command("add")
@click.argument("number")
@click.argument("name")
def client_add(number: str, name: str) -> None:
    """Take a company into the portal under the firm's own client number."""
    ports = _ports()
    with _as_operator(ports), ports.database.write() as session:
        admitting.add_client(session, number=number, name=name, now=ports.clock.now())
    click.echo(f"client {number} added")


@client.command("commission")
@click.argument("number")
@click.argument("tax_year", type=int)
def client_commission(number: str, tax_year: int) -> None:
    """Note that the firm is commissioned to do this tax year: documents are imported from its first day on."""
    ports = _ports()
    with _as_operator(ports), ports.database.write() as session:
        found = admitting.client_by_number(session, number)
        today: date = ports.clock.today()
        engaging.commission(session, client_id=found.id, tax_year=tax_year, on=today, now=ports.clock.now())
    click.echo(f"tax year {tax_year} of client {number} commissioned")


@client.command("payments")
@click.argument("number")
@click.option("--on/--off", "is_on", required=True)
@click.option("--limit", default=paying.LIMIT_CENTS // 100, show_default=True, help="Of one payment, in euros.")
@click.option(
    "--day-limit", default=paying.DAY_LIMIT_CENTS // 100, show_default=True, help="Of what is approved in a day, in euros."
)
@click.option("--two-above", type=int, help="Two persons are needed above, in euros; left out: one suffices.")
def client_payments(number: str, *, is_on: bool, limit: int, day_limit: int, two_above: int | None) -> None:
    """Switch payments on or off for a client, and bound them."""
    ports = _ports()
    with _as_operator(ports), ports.database.write() as session:
        paying.change_rules(
            session, admitting.client_by_number(session, number), is_on=is_on, limit_cents=limit * 100,
            day_limit_cents=day_limit * 100, four_eyes_above_cents=None if two_above is None else two_above * 100,
            now=ports.clock.now(),
        )  # fmt: skip
    click.echo(f"payments of client {number} switched {'on' if is_on else 'off'}")


user = AppGroup("user", help="People who sign in.")


@user.command("add")
@click.argument("email")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--client", "numbers", multiple=True, help="Number of a client this person may see; may be repeated.")
@click.option("--language", type=click.Choice(["de", "en"]), default="de")
def user_add(email: str, name: str, role: str, numbers: tuple[str, ...], language: str) -> None:
    """Add a person; prints a password once, to be changed under Profile settings."""
    ports = _ports()
    password = secrets.token_urlsafe(18)
    with _as_operator(ports), ports.database.write() as session:
        now = ports.clock.now()
        person = authenticating.create_user(
            session, email=email, name=name, role=Role(role), password=password, language=language, now=now
        )
        for number in numbers:
            found = admitting.client_by_number(session, number)
            admitting.grant(session, user=person, client=found, kind="client" if role == Role.CLIENT else "staff", now=now)
    click.echo(f"{ports.settings.public_url}/sign-in\n{email}  password {password}")


@contextmanager
def _as_operator(ports: Ports) -> Iterator[None]:
    """Whoever has the machine's shell; what goes wrong is one sentence, not a stack trace."""
    with acting(Origin("system:cli"), key=ports.settings.secret_key):
        try:
            yield
        except PortalError as error:
            raise click.ClickException(error.message) from error
