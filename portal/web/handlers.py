"""Errors become answers here and nowhere else: a status, a sentence, and the request's number for whoever is asked for help."""

from __future__ import annotations

import math

import structlog
from flask import Flask, Response, g, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from portal.errors import PortalError
from portal.models import AuditEvent
from portal.web.access import came_from
from portal.web.htmx import is_fragment_request, notice

log = structlog.get_logger()

WORDS = {
    400: (_("This did not work"), _("Your browser sent something that we could not read. Nothing was changed.")),
    401: (_("Please sign in"), _("You are not signed in any more. Nothing was changed. Please sign in and try again.")),
    403: (_("Not allowed"), _("You may not do this. Nothing was changed.")),
    404: (_("Not found"), _("We could not find this page.")),
    405: (_("This did not work"), _("This address cannot be used like that. Nothing was changed.")),
    409: (_("Changed in the meantime"), _("Somebody else was faster. Please look at the page again.")),
    413: (_("Too large"), _("This is larger than we can take: 25 MB at most. Nothing was changed.")),
    422: (_("Please check what you entered"), _("Something you entered is not right. Nothing was changed.")),
    429: (_("Please wait a moment"), _("Too many requests. Please wait a moment and try again.")),
    500: (_("Something went wrong"), _("This is our fault, not yours. Please try again. If it stays, tell us the number below.")),
    502: (_("Qonto does not answer"), _("Qonto cannot be reached at the moment. We try again by ourselves.")),
    503: (_("Briefly unavailable"), _("The portal cannot be reached at the moment. Please try again in a minute.")),
}
RETRY_AFTER = 60  #: seconds, where an error does not say
WRITTEN = ("text", "note", "purpose", "why_none")  #: fields of forms that hold somebody's own sentences
LATE = {400, 401}  #: statuses of a change whose session, or the page that it came from, is over
SHOWN_IN_PLACE = {409, 422}  #: statuses whose answers htmx puts into the page (`htmx-config` in base.html)


def register(app: Flask) -> None:
    """Foreseen errors, HTTP's own, and (through Flask's 500) everything that nobody foresaw."""
    app.register_error_handler(PortalError, answer)
    app.register_error_handler(CSRFError, _forged)
    app.register_error_handler(HTTPException, _http)


def answer(error: PortalError, *, change: tuple[AuditEvent, str] | None = None) -> ResponseReturnValue:
    """A foreseen error. `change`: what somebody else did meanwhile, and who."""
    if error.status >= 500:  # noqa: PLR2004
        log.warning("request_failed", error=type(error).__name__, code=getattr(error, "code", ""))
    return _answer(error.status, gettext(error.message), getattr(error, "retry_after", None), change)


def _forged(_error: CSRFError) -> ResponseReturnValue:
    return _answer(400, gettext("This page was open for too long. Nothing was changed. Please reload it and try again."))


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.response is not None:
        return error
    answer = _answer(error.code if error.code in WORDS or error.code < 500 else 500)  # noqa: PLR2004
    if "Allow" in (given := dict(error.get_headers())):
        answer.headers["Allow"] = given["Allow"]
    return answer


def _written() -> list[str]:
    """What somebody has written and sent too late: shown to him once more, so that it need not be written again."""
    try:
        return [text for name in WRITTEN for text in request.form.getlist(name) if text.strip()]
    except HTTPException:  # larger than we read
        return []


def _answer(
    status: int, message: str | None = None, retry_after: float | None = None, change: tuple[AuditEvent, str] | None = None
) -> Response:
    """The page, or the fragment that htmx shows among the notices, so that what the person was doing stays in place."""
    title, usual = WORDS.get(status, WORDS[400])
    said = {
        "status": status,
        "title": title,
        "message": message or usual,
        "request_id": g.get("request_id", ""),
        "change": change,
        "written": _written() if status in LATE else [],
        "came_from": came_from() if status in LATE else "",
    }
    template = "errors/_error.html" if is_fragment_request() else "errors/error.html"
    try:
        response = make_response(render_template(template, **said), status)
    except Exception:  # the request's edge: without a database the page's frame cannot be made, the sentence can
        log.exception("error_page_failed")
        response = make_response(
            f"{said['message']}\n{said['request_id']}\n", status, {"Content-Type": "text/plain; charset=utf-8"}
        )
    if is_fragment_request() and status in SHOWN_IN_PLACE:
        response.headers["HX-Retarget"], response.headers["HX-Reswap"] = "#notices", "innerHTML"
    elif is_fragment_request():
        notice(f"{said['message']} ({said['request_id']})")
    if status == 429:  # noqa: PLR2004
        response.headers["Retry-After"] = str(math.ceil(retry_after or RETRY_AFTER))
    return response
