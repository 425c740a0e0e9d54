"""Files that clients of the API bring: what they are is told by their bytes, whatever their name says."""

from __future__ import annotations

import uuid

from flask import Blueprint, Response, request

from portal.simulator.clock import stamp
from portal.simulator.context import answer_once, known, needs, organization, world
from portal.simulator.errors import refuse
from portal.simulator.files import Attachment
from portal.simulator.names import Row

blueprint = Blueprint("uploads", __name__, url_prefix="/v2")
LARGEST = 15_000_000  #: bytes
MOST = 5  #: files at a movement
_BEGINNINGS = ((b"%PDF-", "application/pdf"), (b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))


def _taken() -> Attachment:
    """The file of the request, kept. Errors: 400 with a pointer to it."""
    file = request.files.get("file")
    if file is None:
        raise refuse(400, "bad_request", "file is missing", pointer="/file")
    content = file.read()
    if len(content) > LARGEST:
        raise refuse(400, "file_too_big", "The file is larger than 15 MB", pointer="/file")
    kind = next((kind for beginning, kind in _BEGINNINGS if content.startswith(beginning)), None)
    if kind is None:
        raise refuse(400, "invalid_file_type", "Only PDF, JPEG and PNG files are taken", pointer="/file")
    name = (file.filename or "file").replace("/", "_")
    created_at = stamp(world().clock.now())
    attachment = Attachment(str(uuid.uuid4()), organization().id, name, kind, created_at, lambda: content)
    world().files.add(attachment)
    return attachment


@blueprint.post("/attachments")
@needs("attachment.write")
def upload() -> Response:
    """Keep a file; the answer is its id alone."""

    def write() -> Row:
        return {"attachment": {"id": _taken().id}}

    return answer_once(write)


@blueprint.post("/transactions/<transaction_id>/attachments")
@needs("attachment.write")
def upload_to_transaction(transaction_id: str) -> Response:
    """Keep a file at a movement."""

    def write() -> Row:
        row = known(organization().row("transactions", transaction_id))
        if len(row["attachment_ids"]) >= MOST:
            raise refuse(422, "invalid", f"A transaction has at most {MOST} attachments")
        attachment, now = _taken(), world().clock.now()
        row.update(attachment_ids=[*row["attachment_ids"], attachment.id], updated_at=stamp(now))
        world().hooks.changed(organization().id, "transactions", row)
        return {"attachment": {"id": attachment.id}}

    return answer_once(write)
