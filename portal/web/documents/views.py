"""Stored bytes go out as a download that can do nothing; pages go out as pictures we made."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from portal.errors import DocumentCorrupt, DocumentMissing, NotFound
from portal.services.documents import documenting
from portal.web.access import actor, ports, signed_in

blueprint = Blueprint("documents", __name__)


@blueprint.get("/documents/<id:document_id>")
@signed_in
def download(document_id: str) -> ResponseReturnValue:
    """The original, byte for byte."""
    with ports().database.write() as session:
        document = documenting.for_download(session, actor(), document_id, now=ports().clock.now())
    try:
        content = ports().storage.get(document.client_id, document.sha256)
    except (DocumentMissing, DocumentCorrupt):
        with ports().database.write() as session:
            documenting.note_damage(session, client_id=document.client_id, sha256=document.sha256, now=ports().clock.now())
        raise
    response = Response(content, mimetype=document.media_type)
    response.headers.set("Content-Disposition", "attachment", filename=document.file_name)
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


@blueprint.get("/documents/<id:document_id>/pages/<int:number>.webp")
@signed_in
def page(document_id: str, number: int) -> ResponseReturnValue:
    """The picture of a page; the address changes with the bytes, so it may be kept for an hour."""
    with ports().database.read() as session:
        document, preview = documenting.previewed(session, actor(), document_id)
    if preview is None or not 1 <= number <= len(preview.page_keys):
        raise NotFound
    response = Response(ports().storage.get(document.client_id, preview.page_keys[number - 1]), mimetype="image/webp")
    response.headers["Cache-Control"] = "private, max-age=3600, immutable"
    return response


@blueprint.get("/documents/<id:document_id>/preview")
@signed_in
def preview(document_id: str) -> ResponseReturnValue:
    """The preview alone, polled while it is being made: ever more slowly, and not for ever."""
    looks = request.args.get("looks", "")
    with ports().database.read() as session:
        seen = documenting.seen(session, actor(), document_id)
    return render_template(
        "documents/_preview.html", document=seen.document, preview=seen.preview, highlights=seen.highlights,
        e_invoice=seen.e_invoice, looks=int(looks) if looks.isascii() and looks.isdecimal() and len(looks) < 3 else 0,  # noqa: PLR2004
    )  # fmt: skip
