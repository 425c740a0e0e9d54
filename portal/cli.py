"""The command line: `./dev flask COMMAND`. Each command opens one door and calls services, like a view does."""

from __future__ import annotations

import sys

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from portal import demo, migrating
from portal.ports import Ports
from portal.services import auditing, authenticating, running, syncing
from portal.services.auditing import Origin, acting


def register(app: Flask) -> None:
    """Add our commands to Flask's."""
    app.cli.add_command(db_upgrade)
    app.cli.add_command(demo_seed)
    app.cli.add_command(first_admin)
    app.cli.add_command(sync)
    app.cli.add_command(match)
    app.cli.add_command(audit)


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
        runs = syncing.request_all(session, syncing.connections(session, connection_id), now=ports.clock.now())
    click.echo("\n".join(f"run {run.id} ({run.kind})" for run in runs) or "no active connection")


@click.command("match")
@click.argument("client_id")
def match(client_id: str) -> None:
    """Ask for a matching of a client."""
    ports = _ports()
    with _as_operator(ports), ports.database.write() as session:
        run = running.request(session, client_id=client_id, kind="matching", trigger="admin", now=ports.clock.now())
    click.echo(f"run {run.id}")


audit = AppGroup("audit", help="The append-only record of what happened.")


@audit.command("verify")
def audit_verify() -> None:
    """Check every chain of audit events; exit status 1 when one is broken."""
    ports = _ports()
    with ports.database.read() as session:
        faults = auditing.broken_links(session, key=ports.settings.secret_key)
    click.echo("\n".join(faults) or "every chain is whole")
    sys.exit(bool(faults))


def _as_operator(ports: Ports):  # type: ignore[no-untyped-def]  # noqa: ANN202
    """Whoever has the machine's shell."""
    return acting(Origin("system:cli"), key=ports.settings.secret_key)
