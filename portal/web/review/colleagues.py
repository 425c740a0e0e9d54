"""What the firm's people say to each other about a receipt: who is to look at it, and internal notes."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.errors import Conflict, Rejected
from portal.services import finding
from portal.services.review import asking, noting
from portal.web.access import actor, ports, staff
from portal.web.htmx import notice
from portal.web.review.forms import AskForm, NoteForm, seen_version
from portal.web.review.views import beaten, go_on

blueprint = Blueprint("colleagues", __name__)
blueprint.register_error_handler(Conflict, beaten)


@blueprint.post("/receipts/<id:receipt_id>/colleague")
@staff
def ask(receipt_id: str) -> ResponseReturnValue:
    """Give this receipt to a colleague, or take it oneself."""
    form = AskForm()
    if not form.validate_on_submit():
        raise Rejected("Choose a colleague, and write 200 characters at most.")
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        colleague = asking.ask(
            session, actor(), receipt=receipt, colleague_id=form.colleague.data, note=form.note.data or "",
            seen_version=form.seen_version.data, now=ports().clock.now(),
        )  # fmt: skip
        is_own = colleague.id == current_user.id
        if is_own:
            notice(_("You look after %(receipt)s.", receipt=receipt.label))
        else:
            notice(_("%(receipt)s is with %(name)s now.", receipt=receipt.label, name=colleague.name))
    return go_on(receipt_id if is_own else "")


@blueprint.post("/receipts/<id:receipt_id>/colleague/withdrawal")
@staff
def take_back(receipt_id: str) -> ResponseReturnValue:
    """Nobody in particular is to look at it."""
    seen = seen_version()
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        asking.take_back(session, receipt=receipt, seen_version=seen, now=ports().clock.now())
        notice(_("%(receipt)s is with nobody in particular again.", receipt=receipt.label))
    return go_on(receipt_id)


@blueprint.post("/receipts/<id:receipt_id>/notes")
@staff
def write(receipt_id: str) -> ResponseReturnValue:
    """Note something for the firm's people."""
    form = NoteForm()
    form.validate_on_submit()
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        noting.write(session, actor(), receipt=receipt, text=form.text.data or "", now=ports().clock.now())
    notice(_("Noted."))
    return _back(receipt_id)


@blueprint.post("/receipts/<id:receipt_id>/notes/<id:note_id>/withdrawal")
@staff
def take_note_back(receipt_id: str, note_id: str) -> ResponseReturnValue:
    """One's own note is not shown any more."""
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        noting.take_back(session, actor(), receipt=receipt, note_id=note_id, now=ports().clock.now())
    notice(_("The note is taken back."))
    return _back(receipt_id)


def _back(receipt_id: str) -> ResponseReturnValue:
    """To the desk if its form was sent (it names the receipt one goes on with), else to the receipt's own page."""
    return go_on(receipt_id) if "item" in request.form else redirect(url_for("receipts.show", receipt_id=receipt_id), 303)
