"""Pages of receipts; for clients, staff and admins alike, each sees what is his."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from wtforms.fields.choices import SelectChoice

from portal.errors import Rejected
from portal.models import Transaction
from portal.services import finding
from portal.services.clients import listing
from portal.services.clients.listing import Filters
from portal.services.connections import syncing
from portal.services.receipts import missing as missing_receipts
from portal.services.receipts import receipt_pages, uploading
from portal.services.review import deciding
from portal.web.access import actor, ports, signed_in, staff
from portal.web.forms import ResyncForm, refuse
from portal.web.htmx import notice
from portal.web.missing import place
from portal.web.receipts.forms import UploadForm

blueprint = Blueprint("receipts", __name__)

ACCEPTED = ".pdf,.jpg,.jpeg,.png,.tif,.tiff,.webp,.xml"


@blueprint.get("/receipts")
@signed_in
def index() -> ResponseReturnValue:
    """The list."""
    filters = Filters(
        client_id=request.args.get("client", ""),
        state=request.args.get("state", ""),
        direction=request.args.get("direction", ""),
        words=request.args.get("q", "")[:100],
        page=max(1, request.args.get("page", 1, type=int)),
    )
    with ports().database.read() as session:
        if filters.client_id:
            finding.client(session, actor(), filters.client_id)
        page = receipt_pages.index(session, actor(), filters, now=ports().clock.now())
    return render_template("receipts/page.html", page=page, filters=filters, PAGE_SIZE=listing.PAGE_SIZE)


@blueprint.get("/receipts/missing")
@signed_in
def missing() -> ResponseReturnValue:
    """Transactions without a receipt, with everything that can be done about one in its row."""
    with ports().database.read() as session:
        found = missing_receipts.index(session, actor(), place.filters())
    return render_template("receipts/missing.html", found=found)


@blueprint.get("/receipts/upload")
@signed_in
def before_uploading() -> ResponseReturnValue:
    """The form for a receipt that is brought by hand."""
    given = request.args
    return _upload_page(UploadForm(formdata=None, client=given.get("client", ""), transaction=given.get("transaction", "")))


@blueprint.post("/receipts/upload")
@signed_in
def upload() -> ResponseReturnValue:
    """Keep the file as a receipt in review."""
    form = UploadForm()
    _offer(form)
    if form.validate_on_submit():
        try:
            receipt_id = uploading.upload(
                ports(), actor(), client_id=form.client.data, file_name=form.file.data.filename or "",
                content=form.file.data.read(), facts=form.facts, transaction_id=form.transaction.data or "",
            )  # fmt: skip
        except Rejected as problem:
            refuse(form.file, problem)
        else:
            _tell(receipt_id, has_transaction=bool(form.transaction.data))
            own_page = url_for("receipts.show", receipt_id=receipt_id)
            return redirect(place.back(form.client.data) if "list" in request.args else own_page, 303)
    return _upload_page(form), 422


def _tell(receipt_id: str, *, has_transaction: bool) -> None:
    """What has become of the file."""
    with ports().database.read() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
    if receipt.state == "assigned":
        notice(_("The receipt is here and assigned to its transaction."))
    elif has_transaction:
        notice(_("The receipt is here. That transaction has a receipt meanwhile, so your tax office looks at it."))
    else:
        notice(_("The receipt is here. We look for its transaction now."))


def _upload_page(form: UploadForm) -> str:
    transaction = _offer(form)
    from_list = {**place.place(), "list": "1"} if "list" in request.args else {}
    return render_template("receipts/upload.html", form=form, accepted=ACCEPTED, transaction=transaction, from_list=from_list)


def _offer(form: UploadForm) -> Transaction | None:
    """The companies to choose from; with a transaction only its own. Returns that transaction."""
    with ports().database.read() as session:
        clients = finding.clients(session, actor())
        wanted = form.transaction.data
        transaction = finding.transaction(session, actor(), wanted) if wanted else None
    if transaction:
        clients = [client for client in clients if client.id == transaction.client_id]
    form.client.choices = [SelectChoice(client.id, client.name) for client in clients]
    return transaction


@blueprint.get("/receipts/<id:receipt_id>")
@signed_in
def show(receipt_id: str) -> ResponseReturnValue:
    """One receipt: its document, what we know, where it stands and why."""
    with ports().database.read() as session:
        page = receipt_pages.one(session, actor(), receipt_id, now=ports().clock.now())
    return render_template("receipts/receipt.html", page=page, resync=ResyncForm(formdata=None))


@blueprint.post("/receipts/<id:receipt_id>/runs")
@staff
def resync(receipt_id: str) -> ResponseReturnValue:
    """Fetch this receipt from the bank again: facts and files."""
    reason, now = ResyncForm.chosen(), ports().clock.now()
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        run = syncing.request_receipt(session, receipt, reason=reason, trigger=actor().role, now=now)
    deciding.start(ports(), run)
    notice(_("The receipt is being fetched again. What has changed shows here in a moment."))
    return redirect(url_for("receipts.show", receipt_id=receipt_id), 303)
