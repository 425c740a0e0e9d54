"""Clients: who they are, which tax years are open, how their connections do."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from portal.services import client_pages, listing
from portal.web.access import actor, ports, staff

blueprint = Blueprint("clients", __name__)


@blueprint.get("/clients")
@staff
def index() -> ResponseReturnValue:
    """The actor's clients."""
    with ports().database.read() as session:
        rows = listing.overview(session, actor(), now=ports().clock.now())
    return render_template("clients/page.html", rows=rows)


@blueprint.get("/clients/<id:client_id>")
@staff
def show(client_id: str) -> ResponseReturnValue:
    """One client: engagements, connections, counts."""
    with ports().database.read() as session:
        page = client_pages.one(session, actor(), client_id, now=ports().clock.now())
    return render_template("clients/client.html", page=page)
