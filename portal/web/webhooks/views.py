"""The one address that a machine calls: no session, no form; the signature is the proof."""

from __future__ import annotations

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from portal.errors import PortalError
from portal.services.auditing import Origin, acting
from portal.services.connections import hearing
from portal.web.access import ports, public

blueprint = Blueprint("webhooks", __name__)

LARGEST = 256 * 1024


@blueprint.post("/webhooks/qonto/<id:subscription_id>")
@public
def hear(subscription_id: str) -> ResponseReturnValue:
    """Take an event and answer at once; the work is a run."""
    request.max_content_length = LARGEST
    signature = request.headers.get("X-Qonto-Signature", "")
    with acting(Origin("system:webhook"), key=ports().settings.secret_key):
        try:
            hearing.hear(ports(), subscription_id, signature=signature, body=request.get_data())
        except PortalError as error:  # nobody reads a page here
            return Response(status=error.status)
    return Response(status=204)
