"""Where a file and a receipt are not one to one: a file that holds another invoice, a receipt that is a part of another."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.errors import Conflict, Rejected
from portal.services import finding
from portal.services.review import deciding, splitting
from portal.services.review.searching import MOST_LETTERS
from portal.services.review.splitting import Found
from portal.web.access import actor, ports, staff
from portal.web.forms import refuse
from portal.web.htmx import notice
from portal.web.review.forms import CorrectionForm, seen_version
from portal.web.review.views import beaten, filters_of, go_on, to_desk

blueprint = Blueprint("parts", __name__)
blueprint.register_error_handler(Conflict, beaten)


@blueprint.get("/receipts/<id:receipt_id>/parts")
@staff
def show(receipt_id: str) -> ResponseReturnValue:
    """The file beside both questions: does it hold another invoice, does this belong to another receipt?"""
    with ports().database.read() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
    known = {"counterparty": receipt.counterparty, "issued_on": receipt.issued_on, "seen_version": receipt.version}
    return _page(receipt_id, CorrectionForm(None, data=known))


@blueprint.post("/receipts/<id:receipt_id>/parts")
@staff
def split(receipt_id: str) -> ResponseReturnValue:
    """Make a receipt of the other invoice; the desk goes on with it."""
    form, filters = CorrectionForm(), filters_of(request.form, reason="queue_reason")
    if not form.validate_on_submit():
        return _page(receipt_id, form), 422
    found = Found(form.number.data, form.amount_cents.data, form.issued_on.data, form.counterparty.data)
    try:
        with ports().database.write() as session:
            made, run = splitting.split(
                session, actor(), receipt_id, found, seen_version=form.seen_version.data, now=ports().clock.now()
            )
            notice(_("%(receipt)s is the other invoice of this file. Its transaction is being looked for.", receipt=made.label))
    except Rejected as problem:
        refuse(form.number, problem)
        return _page(receipt_id, form), problem.status
    deciding.start(ports(), run)
    return to_desk(replace(filters, receipt_id=made.id))


@blueprint.post("/receipts/<id:receipt_id>/split/withdrawal")
@staff
def undo(receipt_id: str) -> ResponseReturnValue:
    """The file does not hold this further invoice after all; the desk goes on with the first one."""
    seen = seen_version()
    with ports().database.write() as session:
        receipt, run = splitting.undo(session, actor(), receipt_id, seen_version=seen, now=ports().clock.now())
        notice(_("%(receipt)s is set aside: its file holds no further invoice.", receipt=receipt.label))
    deciding.start(ports(), run)
    return go_on(receipt.split_from or "")


def _page(receipt_id: str, form: CorrectionForm) -> str:
    query = request.args.get("q", "").strip()[:MOST_LETTERS]
    with ports().database.read() as session:
        page = splitting.page(session, actor(), receipt_id, query=query)
    filters = filters_of(request.form, reason="queue_reason") if request.method == "POST" else filters_of(request.args)
    return render_template("review/parts.html", page=page, form=form, filters=filters, query=query)
