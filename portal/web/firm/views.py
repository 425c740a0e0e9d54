"""The firm's own sign, also for those who have not signed in yet."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, current_app, url_for
from flask.typing import ResponseReturnValue

from portal import logo
from portal.errors import NotFound
from portal.logo import Logo
from portal.settings import Settings
from portal.web.access import public
from portal.web.edge import YEAR

blueprint = Blueprint("firm", __name__)
KEY = "firm_logo"


def register(app: Flask, settings: Settings) -> None:
    """Read the sign, and give its address to the templates. Errors: BadSetting."""
    sign = logo.read(settings.firm.logo) if settings.firm.logo else None
    app.extensions[KEY] = sign
    app.jinja_env.globals["firm_logo"] = lambda: url_for("firm.show_logo", digest=sign.digest) if sign else ""


@blueprint.get("/firm/logo/<digest>")
@public
def show_logo(digest: str) -> ResponseReturnValue:
    """The picture. Its address tells its content, so it may be kept for a year; an old address is not found."""
    sign: Logo | None = current_app.extensions[KEY]
    if sign is None or digest != sign.digest:
        raise NotFound
    answer = Response(sign.content, mimetype=sign.media_type)
    answer.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    return answer
