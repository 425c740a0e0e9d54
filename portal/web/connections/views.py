"""Connect, see how it goes, sync, disconnect."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.errors import Rejected
from portal.models import Role
from portal.services import finding
from portal.services.accounts import choosing
from portal.services.connections import confirming, connecting, connection_pages, syncing
from portal.services.review import deciding
from portal.web import sessions
from portal.web.access import actor, for_clients, ports, signed_in
from portal.web.connections.forms import StartForm
from portal.web.forms import ResyncForm, refuse
from portal.web.htmx import fragment, is_fragment_request, notice

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
    return _scope(client_id, kind, StartForm(formdata=None, start_on=choosing.new_window(ports().clock.today()).first))


@blueprint.post("/clients/<id:client_id>/connections/<kind>/connect")
@for_clients
def connect(client_id: str, kind: str) -> ResponseReturnValue:
    """Begin: off to the bank's consent page. The start date is kept for the choice of accounts on the way back."""
    form = StartForm()
    find = {"bank": finding.books_of, "payments": finding.payer}.get(kind, finding.client)
    try:
        if not form.validate():
            raise Rejected("Enter a day, for example 2026-09-01.")
        choosing.check_start(choosing.new_window(ports().clock.today()), form.start_on.data)
    except Rejected as problem:
        refuse(form.start_on, problem)
        return _scope(client_id, kind, form), 422
    with ports().database.write() as session:
        address = connecting.begin(
            ports(), session, user_id=current_user.id, client=find(session, actor(), client_id), kind=kind,
            browser=sessions.own_hash(), start_on=form.start_on.data,
        )  # fmt: skip
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
    if result.ending is connecting.Ending.CONNECTED and not result.run_id:
        notice(_("Qonto is connected. Now choose the accounts that are to be read."))
        return redirect(url_for("accounts.choice", bank_id=result.connection_id), 303)
    if result.ending is connecting.Ending.CONNECTED and result.kind == "payments":
        notice(_("Qonto is connected. You can prepare payments now."))
        return redirect(url_for("payments.index", client=result.client_id), 303)
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
        connection = finding.own_connection(session, actor(), connection_id)
        only = choosing.tick(session, connection, request.form.getlist("account")) if "boxes" in request.form else []
        run = syncing.request(session, connection, trigger=actor().role, now=ports().clock.now(), reason=reason, only=only)
    deciding.start(ports(), run)
    notice(_("The sync has been started."))
    return progress(connection_id)


@blueprint.post("/connections/<id:connection_id>/pause")
@signed_in
def pause(connection_id: str) -> ResponseReturnValue:
    """No sync until it is resumed."""
    with ports().database.write() as session:
        syncing.pause(session, finding.own_connection(session, actor(), connection_id), now=ports().clock.now())
    notice(_("The connection is paused. The consent stands, and everything that came in stays."))
    return progress(connection_id)


@blueprint.post("/connections/<id:connection_id>/resumption")
@signed_in
def resume(connection_id: str) -> ResponseReturnValue:
    """Go on, with a sync at once."""
    now = ports().clock.now()
    with ports().database.write() as session:
        run = syncing.resume(session, finding.own_connection(session, actor(), connection_id), trigger=actor().role, now=now)
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


@blueprint.get("/connections/<id:bank_id>/confirmation")
@for_clients
def confirmation(bank_id: str) -> ResponseReturnValue:
    """The bank waits for a yes in its app; the page looks at how far that is until it is over."""
    return _confirmation(bank_id)


@blueprint.post("/connections/<id:bank_id>/confirmation")
@for_clients
def ask_again(bank_id: str) -> ResponseReturnValue:
    """Another message on the phone."""
    with ports().database.write() as session:
        run = confirming.ask_again(session, finding.own_connection(session, actor(), bank_id), now=ports().clock.now())
    deciding.start(ports(), run)
    return _confirmation(bank_id)


@blueprint.post("/connections/<id:bank_id>/confirmation/end")
@for_clients
def cancel_confirmation(bank_id: str) -> ResponseReturnValue:
    """Not now."""
    with ports().database.write() as session:
        confirming.cancel(session, finding.own_connection(session, actor(), bank_id), now=ports().clock.now())
    notice(_("The sync has stopped. What came in stays."))
    return redirect(url_for("finances.accounts"), 303)


def _scope(client_id: str, kind: str, form: StartForm) -> str:
    with ports().database.read() as session:
        page = connection_pages.before_connecting(session, actor(), client_id, kind)
    return render_template("connections/connect.html", page=page, form=form)


def _confirmation(bank_id: str) -> ResponseReturnValue:
    with ports().database.read() as session:
        page = connection_pages.confirmation(session, actor(), bank_id, now=ports().clock.now())
    here = url_for("connections.confirmation", bank_id=bank_id)
    if request.method == "GET" and not is_fragment_request():
        return render_template("connections/confirmation.html", page=page)
    return fragment("connections/_confirmation.html", page=here, found=page)
