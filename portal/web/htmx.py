"""Fragments for htmx, whole pages for everybody else, and short notices for both."""

from __future__ import annotations

import json

from flask import Flask, Response, flash, g, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_htmx import HTMX

htmx = HTMX()


def register(app: Flask) -> None:
    """Know htmx requests; send the notices of a fragment with it."""
    htmx.init_app(app)
    app.after_request(_attach_notices)


def is_htmx() -> bool:
    """Whether htmx asks, for a fragment or for a whole page."""
    return bool(htmx)


def is_fragment_request() -> bool:
    """Whether htmx wants a part of the page; boosted links and its restored history want the whole one."""
    return is_htmx() and not htmx.boosted and not htmx.history_restore_request


def fragment(template: str, *, page: str, **context: object) -> ResponseReturnValue:
    """The rendered partial for htmx; a redirect to the page that includes it for any other browser."""
    if is_fragment_request():
        return render_template(template, **context)
    return redirect(page, 303)


def notice(text: str) -> None:
    """Tell the person in one sentence what happened: in the next page, or beside the fragment."""
    if is_fragment_request():
        g.setdefault("notices", []).append(str(text))
    else:
        flash(str(text))


def _attach_notices(response: Response) -> Response:
    """The page's script writes them into `#notices`. htmx does not see a redirect's headers: there they wait for the page."""
    texts = g.pop("notices", [])
    if texts and 300 <= response.status_code < 400:  # noqa: PLR2004 -- redirects
        for text in texts:
            flash(text)
    elif texts:
        response.headers["HX-Trigger"] = json.dumps({"notice": {"texts": texts}})
    return response
