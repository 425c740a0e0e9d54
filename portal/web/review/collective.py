"""A payment for several receipts: they are chosen beside it, added up, and assigned in one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import AnyOf, Optional

from portal.errors import Conflict, Rejected
from portal.services import finding
from portal.services.assignments.assigning import Difference
from portal.services.review import collecting, deciding
from portal.services.review.searching import MOST_CHOSEN
from portal.web.access import actor, ports, staff
from portal.web.htmx import is_fragment_request, notice
from portal.web.review.views import filters_of, tell_once, to_desk

blueprint = Blueprint("collective", __name__)


class CollectiveForm(FlaskForm):
    """What the transaction and the chosen receipts differ by."""

    difference = StringField(validators=[Optional(), AnyOf(list(Difference))])


@blueprint.get("/review/transactions/<id:transaction_id>")
@staff
def show(transaction_id: str) -> ResponseReturnValue:
    """The transaction beside the receipts that it may have paid; `ticked`: the form was sent, so that none ticked means none."""
    asked = request.args
    return _page(transaction_id, query=asked.get("q", ""), chosen=asked.getlist("receipt") if "ticked" in asked else None)


@blueprint.post("/review/transactions/<id:transaction_id>/assignments")
@staff
def assign(transaction_id: str) -> ResponseReturnValue:
    """Assign all chosen receipts, or none; what was chosen stays so."""
    form, seen = CollectiveForm(), _seen()
    if not form.validate_on_submit():
        raise Rejected("This page is out of date. Please open it again.")
    difference = Difference(form.difference.data) if form.difference.data else None
    try:
        with ports().database.write() as session:
            transaction = finding.transaction(session, actor(), transaction_id)
            chosen = [(finding.receipt(session, actor(), receipt_id), version) for receipt_id, version in seen]
            deciding.assign_receipts(session, transaction, chosen, difference=difference, now=ports().clock.now())
            tell_once(session)
            notice(ngettext("%(num)d receipt assigned.", "%(num)d receipts assigned.", len(chosen)))
    except (Conflict, Rejected) as problem:
        ids = [receipt_id for receipt_id, _ in seen]
        page = _page(transaction_id, query=request.form.get("q", ""), chosen=ids, seen=seen, problem=gettext(problem.message))
        return page, problem.status
    filters = filters_of(request.form, reason="queue_reason")
    return to_desk(replace(filters, receipt_id="") if current_user.goes_on else filters)


def _seen() -> list[tuple[str, int]]:
    """The chosen receipts, each with the version that the page spoke of. Errors: Rejected."""
    seen = []
    for value in request.form.getlist("receipt")[: MOST_CHOSEN + 1]:  # one too many is refused
        match value.split(" "):
            case [receipt_id, version] if version.isascii() and version.isdecimal() and len(version) < 10:  # noqa: PLR2004
                seen.append((receipt_id, int(version)))
            case _:
                raise Rejected("This page is out of date. Please open it again.")
    return seen


def _page(
    transaction_id: str, *, query: str, chosen: Sequence[str] | None, seen: Sequence[tuple[str, int]] = (),
    problem: str = "",
) -> str:  # fmt: skip
    filters = filters_of(request.form, reason="queue_reason") if problem else filters_of(request.args)
    with ports().database.read() as session:
        page = collecting.open_page(
            session, actor(), transaction_id, query=query, chosen=chosen, came_from=filters.receipt_id, seen=seen
        )
    template = "review/_collective.html" if is_fragment_request() else "review/collective.html"
    return render_template(template, page=page, filters=filters, problem=problem, difference=request.form.get("difference", ""))
