"""How it works, and whom to ask."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from portal.web.access import signed_in

blueprint = Blueprint("help", __name__)


@blueprint.get("/help")
@signed_in
def index() -> ResponseReturnValue:
    """Questions and answers, contact."""
    return render_template("help/page.html")
