"""Belegfluss: a tax firm's portal. Here, and only here, its rooms are wired together.

The rooms are imported when they are wired, not with the package: the preview process and the simulator live in it too and
must not load the product.
"""

# ruff: noqa: PLC0415 -- see above

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from portal.ports import Ports
    from portal.settings import Settings


def create_app(settings: Settings | None = None, ports: Ports | None = None) -> Flask:
    """The web application over the given ports, else over real ones made from the settings (of the environment)."""
    from portal import cli
    from portal.settings import Settings
    from portal.web import application

    ports = ports or build_ports(settings or Settings.from_env())
    app = application.create(ports)
    cli.register(app)
    return app


def build_ports(settings: Settings) -> Ports:
    """The real doors to the outside. Nothing is opened yet: each connects on first use."""
    from portal.clock import Clock
    from portal.crypto import KeyRing
    from portal.db import Database
    from portal.mailing import Mailer
    from portal.ports import Ports
    from portal.qonto.client import Qonto
    from portal.qonto.oauth import OAuth
    from portal.queue import Queue
    from portal.services.connections.budgeting import new_budget
    from portal.services.connections.token_keeping import TokenKeeper
    from portal.storage import Storage

    clock = Clock(settings.clock_offset_file)
    database, keyring, oauth = Database(settings.database_url), KeyRing(settings.token_keys), OAuth(settings)
    tokens = TokenKeeper(database, keyring, oauth, clock, settings)
    return Ports(
        settings=settings,
        clock=clock,
        database=database,
        keyring=keyring,
        oauth=oauth,
        qonto=Qonto(settings, tokens, new_budget(settings, database)),
        storage=Storage(settings.documents_url),
        queue=Queue(settings.redis_url),
        mailer=Mailer(settings.mail_url, sender=settings.firm.contact_email),
    )
