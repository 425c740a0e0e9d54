"""Pages of receipts; for clients, staff and admins alike, each sees what is his."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from portal.services import finding, listing, receipt_pages
from portal.services.listing import Filters
from portal.web.access import actor, ports, signed_in

blueprint = Blueprint("receipts", __name__)


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


@blueprint.get("/receipts/<id:receipt_id>")
@signed_in
def show(receipt_id: str) -> ResponseReturnValue:
    """One receipt: its document, what we know, where it stands and why."""
    with ports().database.read() as session:
        page = receipt_pages.one(session, actor(), receipt_id)
    return render_template("receipts/receipt.html", page=page)
