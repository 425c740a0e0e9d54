"""Write to each other, see what waits for an answer."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.errors import Rejected
from portal.models import Role
from portal.services import finding
from portal.services.messages import message_pages, messaging
from portal.services.messages.messaging import Topic
from portal.web.access import actor, ports, signed_in
from portal.web.forms import refuse
from portal.web.htmx import notice
from portal.web.messages.forms import MessageForm

blueprint = Blueprint("messages", __name__)


@blueprint.get("/messages")
@signed_in
def index() -> ResponseReturnValue:
    """The firm's inbox; a client goes to the conversation."""
    topic = request.args.get("topic", "")
    with ports().database.read() as session:
        if actor().role is Role.CLIENT:
            client = finding.first_client(session, actor())
            if client is not None:
                return redirect(url_for("messages.show", client_id=client.id, topic=topic or None), 303)
        rows = messaging.inbox(session, actor(), topic=topic if topic in set(Topic) else "")
    return render_template("messages/inbox.html", rows=rows, topic=topic)


@blueprint.get("/clients/<id:client_id>/messages")
@signed_in
def show(client_id: str) -> ResponseReturnValue:
    """What was written, and a place to write. `receipt`, `transaction` and `topic` in the address say about what."""
    asked = {name: request.args.get(name, "") for name in ("topic", "receipt", "transaction")}
    form = MessageForm(formdata=None, **asked)
    if asked["transaction"] and actor().role is not Role.CLIENT:
        form.text.data = _("Please send us the receipt for this payment.")
    return _page(client_id, form)


@blueprint.post("/clients/<id:client_id>/messages")
@signed_in
def write(client_id: str) -> ResponseReturnValue:
    """Write to the other side; what it wrote before counts as read."""
    form = MessageForm()
    topic = Topic.BETA if form.topic.data == Topic.BETA else Topic.GENERAL
    topic = Topic.RECEIPT if form.receipt.data else Topic.TRANSACTION if form.transaction.data else topic
    if form.validate_on_submit():
        now = ports().clock.now()
        try:
            with ports().database.write() as session:
                messaging.write(
                    session, actor(), client_id=client_id, text=form.text.data or "", topic=topic, receipt_id=form.receipt.data,
                    transaction_id=form.transaction.data, now=now,
                )  # fmt: skip
                messaging.mark_read(session, actor(), client_id, now=now)
        except Rejected as problem:
            refuse(form.text, problem)
        else:
            notice(_("Your message has been sent."))
            return redirect(url_for("messages.show", client_id=client_id), 303)
    return _page(client_id, form), 422


@blueprint.post("/clients/<id:client_id>/messages/reading")
@signed_in
def read(client_id: str) -> ResponseReturnValue:
    """The conversation was opened."""
    with ports().database.write() as session:
        messaging.mark_read(session, actor(), client_id, now=ports().clock.now())
    return redirect(url_for("messages.show", client_id=client_id), 303)


def _page(client_id: str, form: MessageForm) -> str:
    with ports().database.read() as session:
        page = message_pages.conversation(
            session, actor(), client_id, receipt_id=form.receipt.data or "", transaction_id=form.transaction.data or ""
        )
    return render_template("messages/conversation.html", page=page, form=form)
