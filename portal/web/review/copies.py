"""Two receipts that may be one, next to each other; a person says whether both count."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.errors import Conflict, Rejected
from portal.services.review import comparing, deciding
from portal.web.access import actor, ports, staff
from portal.web.htmx import notice
from portal.web.review.forms import MergeForm, seen_version
from portal.web.review.views import beaten, filters_of, to_desk

blueprint = Blueprint("copies", __name__)
blueprint.register_error_handler(Conflict, beaten)


@blueprint.get("/receipts/<id:receipt_id>/copies/<id:other_id>")
@staff
def show(receipt_id: str, other_id: str) -> ResponseReturnValue:
    """Pictures, facts with what differs, where each stands, and what to do about it."""
    with ports().database.read() as session:
        page = comparing.compare(session, actor(), receipt_id, other_id)
    return render_template("review/copies.html", page=page, filters=filters_of(request.args))


@blueprint.post("/receipts/<id:receipt_id>/copies/<id:other_id>/distinction")
@staff
def keep_both(receipt_id: str, other_id: str) -> ResponseReturnValue:
    """Both count."""
    seen, now = seen_version(), ports().clock.now()
    with ports().database.write() as session:
        receipt, run = comparing.keep_both(session, actor(), receipt_id, other_id, seen_version=seen, now=now)
        notice(_("Both receipts are kept. %(receipt)s goes back to matching.", receipt=receipt.label))
    deciding.start(ports(), run)
    return _to_desk(receipt_id)


@blueprint.post("/receipts/<id:receipt_id>/copies/<id:other_id>/set-aside")
@staff
def set_aside(receipt_id: str, other_id: str) -> ResponseReturnValue:
    """The first is the other one once more."""
    seen, now = seen_version(), ports().clock.now()
    with ports().database.write() as session:
        receipt, other, run = comparing.set_aside(session, actor(), receipt_id, other_id, seen_version=seen, now=now)
        notice(_("%(receipt)s set aside as a duplicate of %(other)s.", receipt=receipt.label, other=other.label))
    deciding.start(ports(), run)
    return _to_desk("" if current_user.goes_on else receipt_id)


@blueprint.post("/receipts/<id:receipt_id>/copies/<id:other_id>/merger")
@staff
def merge(receipt_id: str, other_id: str) -> ResponseReturnValue:
    """The first is a part of the other one."""
    form, now = MergeForm(), ports().clock.now()
    if not form.validate_on_submit():
        raise Rejected("This page is out of date. Please open the receipt again.")
    with ports().database.write() as session:
        receipt, other, run = comparing.merge(
            session, actor(), receipt_id, other_id, seen_version=form.seen_version.data, other_version=form.other_version.data,
            now=now,
        )  # fmt: skip
        notice(_("%(receipt)s belongs to %(other)s now.", receipt=receipt.label, other=other.label))
    deciding.start(ports(), run)
    return _to_desk("" if current_user.goes_on else receipt_id)


def _to_desk(receipt_id: str = "") -> ResponseReturnValue:
    """The queue that one came from."""
    return to_desk(replace(filters_of(request.form, reason="queue_reason"), receipt_id=receipt_id))
