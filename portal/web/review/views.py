"""The desk: queue, receipt, candidates; assign in one click, undo in one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.errors import Rejected
from portal.services import assigning, deciding, finding, measuring, reviewing
from portal.services.reviewing import Filters
from portal.web.access import actor, ports, staff
from portal.web.htmx import is_fragment_request, notice
from portal.web.review.forms import SET_ASIDE_WORDS, AssignForm, LinesForm, SetAsideForm, WithdrawForm

blueprint = Blueprint("review", __name__)


@blueprint.get("/review")
@staff
def desk() -> ResponseReturnValue:
    """The whole desk, or only its inside for an htmx navigation."""
    filters = _filters(request.args)
    return _desk(replace(filters, search=request.args.get("q"), lines=tuple(request.args.getlist("line"))))


@blueprint.get("/review/done")
@staff
def done() -> ResponseReturnValue:
    """What people decided lately, with undo; or what clients assigned and nobody has checked yet."""
    is_to_check = request.args.get("pane") == "to-check"
    with ports().database.read() as session:
        waiting = reviewing.to_check(session, actor())
        rows = reviewing.done(session, actor(), limit=100, only=waiting if is_to_check else None)
    return render_template("review/done.html", rows=rows, is_to_check=is_to_check, waiting=len(waiting))


@blueprint.get("/review/quality")
@staff
def quality() -> ResponseReturnValue:
    """How well do we match? From the firm's own decisions."""
    with ports().database.read() as session:
        page = measuring.quality(session, actor(), today=ports().clock.today())
    return render_template("review/quality.html", page=page)


@blueprint.post("/receipts/<id:receipt_id>/assignment/check")
@staff
def confirm(receipt_id: str) -> ResponseReturnValue:
    """A client's assignment is right."""
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        assigning.confirm(session, receipt=receipt, now=ports().clock.now())
        notice(_("%(receipt)s is checked.", receipt=receipt.label))
    return redirect(url_for("review.done", pane="to-check"), 303)


@blueprint.post("/receipts/<id:receipt_id>/assignment")
@staff
def assign(receipt_id: str) -> ResponseReturnValue:
    """Assign the receipt to a candidate's transactions."""
    form = AssignForm()
    if not form.validate_on_submit():
        raise Rejected("Choose the transaction that this receipt belongs to.")
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        deciding.assign_candidate(
            session, receipt, candidate_id=form.candidate.data, seen_version=form.seen_version.data, now=ports().clock.now()
        )
        notice(_("%(receipt)s assigned.", receipt=receipt.label))
    return _next()


@blueprint.post("/receipts/<id:receipt_id>/assignment/transactions")
@staff
def assign_lines(receipt_id: str) -> ResponseReturnValue:
    """Assign the transactions that a person found and chose."""
    form = LinesForm()
    if not form.validate_on_submit():
        raise Rejected("Choose the transaction that this receipt belongs to.")
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        deciding.assign_lines(
            session, receipt, lines=request.form.getlist("line"),
            difference=assigning.Difference(form.difference.data) if form.difference.data else None,
            seen_version=form.seen_version.data, now=ports().clock.now(),
        )  # fmt: skip
        notice(_("%(receipt)s assigned.", receipt=receipt.label))
    return _next()


@blueprint.post("/receipts/<id:receipt_id>/assignment/withdrawal")
@staff
def withdraw(receipt_id: str) -> ResponseReturnValue:
    """Undo: the receipt is open again, both steps stay in its history."""
    form = WithdrawForm()
    if not form.validate_on_submit():
        raise Rejected("This page is out of date. Please open the receipt again.")
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        run = deciding.withdraw(session, receipt, seen_version=form.seen_version.data, now=ports().clock.now())
        notice(_("%(receipt)s is in review again.", receipt=receipt.label))
    deciding.start(ports(), run)
    return _next(receipt_id)


@blueprint.post("/receipts/<id:receipt_id>/set-aside")
@staff
def set_aside(receipt_id: str) -> ResponseReturnValue:
    """No transaction is expected for this receipt."""
    form = SetAsideForm()
    if not form.validate_on_submit():
        raise Rejected("Choose why no transaction is expected.")
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        assigning.set_aside(
            session, receipt=receipt, reason=assigning.SetAsideReason(form.reason.data),
            seen_version=form.seen_version.data, now=ports().clock.now(),
        )  # fmt: skip
        notice(_("%(receipt)s set aside.", receipt=receipt.label))
    return _next()


@blueprint.post("/receipts/<id:receipt_id>/reopening")
@staff
def reopen(receipt_id: str) -> ResponseReturnValue:
    """Take a set-aside receipt back into review."""
    form = WithdrawForm()
    if not form.validate_on_submit():
        raise Rejected("This page is out of date. Please open the receipt again.")
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        run = deciding.reopen(session, receipt, seen_version=form.seen_version.data, now=ports().clock.now())
        notice(_("%(receipt)s is in review again.", receipt=receipt.label))
    deciding.start(ports(), run)
    return _next(receipt_id)


def _filters(values: Mapping[str, str], *, reason: str = "reason") -> Filters:
    get = values.get
    return Filters(client_id=get("client", ""), reason=get(reason, ""), sort=get("sort", "ready"), receipt_id=get("item", ""))


def _next(receipt_id: str = "") -> ResponseReturnValue:
    """After a decision: the named receipt, else the one the form says to go on with; as a fragment or by redirect."""
    filters = _filters(request.form, reason="queue_reason")  # `reason` is why a receipt is set aside
    receipt_id = receipt_id or filters.receipt_id
    if is_fragment_request():
        return _desk(Filters(filters.client_id, filters.reason, filters.sort, receipt_id))
    given = {"client": filters.client_id, "reason": filters.reason, "sort": filters.sort, "item": receipt_id}
    return redirect(url_for("review.desk", **{name: value for name, value in given.items() if value}), 303)  # type: ignore[arg-type]


def _desk(filters: Filters) -> ResponseReturnValue:
    with ports().database.read() as session:
        if filters.client_id:
            finding.client(session, actor(), filters.client_id)
        page = reviewing.desk(session, actor(), filters, now=ports().clock.now())
    template = "review/_desk.html" if is_fragment_request() else "review/page.html"
    return render_template(template, desk=page, set_aside_words=SET_ASIDE_WORDS)
