"""Connect, see how it goes, sync, disconnect."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.models import Role
from portal.services import connecting, connection_pages, deciding, finding, syncing
from portal.web import sessions
from portal.web.access import actor, for_clients, ports, signed_in
from portal.web.forms import ResyncForm
from portal.web.htmx import fragment, notice

blueprint = Blueprint("connections", __name__)


@blueprint.get("/profile/connections")
@signed_in
def index() -> ResponseReturnValue:
    """The cards of each company the actor belongs to."""
    with ports().database.read() as session:
        page = connection_pages.index(session, actor(), now=ports().clock.now(), client_id=request.args.get("client", ""))
    return render_template("connections/page.html", page=page)


@blueprint.get("/clients/<id:client_id>/connections/<kind>/connect")
@for_clients
def scope(client_id: str, kind: str) -> ResponseReturnValue:
    """What will be read and what not, before the journey to the bank begins."""
    with ports().database.read() as session:
        page = connection_pages.before_connecting(session, actor(), client_id, kind)
    return render_template("connections/connect.html", page=page)


@blueprint.post("/clients/<id:client_id>/connections/<kind>/connect")
@for_clients
def connect(client_id: str, kind: str) -> ResponseReturnValue:
    """Begin: off to the bank's consent page."""
    with ports().database.write() as session:
        client = finding.client(session, actor(), client_id)
        address = connecting.begin(
            ports(), session, user_id=current_user.id, client=client, kind=kind, browser=sessions.own_hash()
        )
    return redirect(address, 303)


@blueprint.get("/connections/qonto/callback")
@for_clients
def callback() -> ResponseReturnValue:
    """The way back from the bank."""
    given = request.args
    result = connecting.complete(
        ports(), actor=actor(), state=given.get("state", ""), code=given.get("code", ""), error=given.get("error", ""),
        browser=sessions.own_hash(),
    )  # fmt: skip
    if result.ending is connecting.Ending.CONNECTED:
        notice(_("Qonto is connected. The first import has started."))
        return redirect(url_for("connections.index", client=result.client_id), 303)
    status = 400 if result.ending is connecting.Ending.INVALID else 200
    elsewhere = url_for("connections.index", client=result.client_id or None)  # asking here again would show another ending
    return render_template("connections/ending.html", result=result, stay_at=elsewhere), status


@blueprint.get("/connections/<id:connection_id>")
@signed_in
def show(connection_id: str) -> ResponseReturnValue:
    """History of runs and what was not synced, with reasons."""
    with ports().database.read() as session:
        page = connection_pages.one(session, actor(), connection_id, now=ports().clock.now())
    return render_template("connections/connection.html", page=page, resync=ResyncForm(formdata=None))


@blueprint.get("/connections/<id:connection_id>/progress")
@signed_in
def progress(connection_id: str) -> ResponseReturnValue:
    """The card alone, polled while a run goes on."""
    with ports().database.read() as session:
        card = connection_pages.card(session, actor(), connection_id, now=ports().clock.now())
    page = url_for("connections.index", client=card.client.id)
    return fragment("connections/_card.html", page=page, card=card)


@blueprint.post("/connections/<id:connection_id>/runs")
@signed_in
def sync(connection_id: str) -> ResponseReturnValue:
    """Sync now: queued behind a running one, a few times an hour at most. The firm's people may say why."""
    reason = None
    if actor().role != Role.CLIENT:
        reason = ResyncForm.chosen() if request.form.get("reason") else syncing.Reason.CHECK
    with ports().database.write() as session:
        connection = finding.connection(session, actor(), connection_id)
        run = syncing.request(session, connection, trigger=actor().role, now=ports().clock.now(), reason=reason)
    deciding.start(ports(), run)
    notice(_("The sync has been started."))
    return progress(connection_id)


@blueprint.post("/connections/<id:connection_id>/pause")
@signed_in
def pause(connection_id: str) -> ResponseReturnValue:
    """No sync until it is resumed."""
    with ports().database.write() as session:
        syncing.pause(session, finding.connection(session, actor(), connection_id), now=ports().clock.now())
    notice(_("The connection is paused. The consent stands, and everything that came in stays."))
    return progress(connection_id)


@blueprint.post("/connections/<id:connection_id>/resumption")
@signed_in
def resume(connection_id: str) -> ResponseReturnValue:
    """Go on, with a sync at once."""
    now = ports().clock.now()
    with ports().database.write() as session:
        run = syncing.resume(session, finding.connection(session, actor(), connection_id), trigger=actor().role, now=now)
    deciding.start(ports(), run)
    notice(_("The connection goes on. What was missed is being fetched."))
    return progress(connection_id)


@blueprint.get("/connections/<id:connection_id>/disconnection")
@for_clients
def before_disconnecting(connection_id: str) -> ResponseReturnValue:
    """What ends and what stays."""
    with ports().database.read() as session:
        card = connection_pages.card(session, actor(), connection_id, now=ports().clock.now())
    return render_template("connections/disconnect.html", card=card)


@blueprint.post("/connections/<id:connection_id>/disconnection")
@for_clients
def disconnect(connection_id: str) -> ResponseReturnValue:
    """End the consent; documents stay."""
    connecting.disconnect(ports(), actor=actor(), connection_id=connection_id)
    notice(_("The connection has ended. What came in stays here."))
    return redirect(url_for("connections.index"), 303)
