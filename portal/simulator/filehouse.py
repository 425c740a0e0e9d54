"""Where files are fetched: signed addresses outside the API. Errors are XML, as of an object store."""

from __future__ import annotations

from flask import Blueprint, Response, request

from portal.simulator.context import call, world
from portal.simulator.faults_files import REPLACEMENTS, changed, huge

blueprint = Blueprint("files", __name__, url_prefix="/files")


@blueprint.get("/<attachment_id>/<_name>")
def fetch(attachment_id: str, _name: str) -> Response:
    """The bytes, to anybody with a fresh address and without a bearer token."""
    here, files = call(), world().files
    if request.headers.get("Authorization") and world().settings["files_refuse_bearer"]:
        return _refused(400, "InvalidArgument", "Only one auth mechanism allowed")
    if here.fault("url_expired") is not None:
        return _refused(403, "AccessDenied", "Request has expired")
    attachment = files.find(attachment_id)
    reason = files.refusal(attachment_id, request.args.to_dict(), world().clock.now())
    if attachment is None or reason:
        return _refused(403, "AccessDenied", reason or "NoSuchKey")
    content = files.content(attachment)
    if here.fault("changed_file") is not None:
        content = changed(content)
    for name, make in REPLACEMENTS.items():
        if (args := here.fault(name)) is not None:
            content = make(args)
    answer = Response(content, content_type=attachment.content_type)
    if (args := here.fault("huge")) is not None:
        size = int(args.get("bytes", 2 * 10**9))
        answer = Response(huge(size), content_type=attachment.content_type, headers={"Content-Length": str(size)})
    if (args := here.fault("short_file")) is not None:
        size = int(args.get("size", len(content) // 2))
        length = str(len(content) if size else 0)
        answer = Response(iter((content[:size],)), content_type=attachment.content_type, headers={"Content-Length": length})
    return answer


def _refused(status: int, code: str, message: str) -> Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(text, status, content_type="application/xml")
