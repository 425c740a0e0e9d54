"""The client's bank accounts."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from portal.services import connection_pages
from portal.web.access import actor, ports, signed_in

blueprint = Blueprint("finances", __name__)


@blueprint.get("/finances/accounts")
@signed_in
def accounts() -> ResponseReturnValue:
    """The accounts, what came in over them, and how to connect more."""
    with ports().database.read() as session:
        page = connection_pages.index(session, actor(), now=ports().clock.now(), client_id=request.args.get("client", ""))
    return render_template("finances/accounts.html", page=page)
