"""How it works, and whom to ask."""

from __future__ import annotations

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.services.clients import help_pages, welcoming
from portal.web.access import actor, ports, signed_in
from portal.web.htmx import fragment, notice

blueprint = Blueprint("help", __name__)


@blueprint.get("/help")
@signed_in
def index() -> ResponseReturnValue:
    """Questions and answers with the person's own dates, contact."""
    with ports().database.read() as session:
        page = help_pages.index(session, actor(), now=ports().clock.now())
    return render_template("help/page.html", page=page)


@blueprint.post("/help/votes")
@signed_in
def vote() -> ResponseReturnValue:
    """Whether an entry was an answer."""
    entry, is_helpful = request.form.get("entry", ""), request.form.get("is_helpful") == "1"
    with ports().database.write() as session:
        welcoming.vote(session, user_id=current_user.id, entry=entry, is_helpful=is_helpful, now=ports().clock.now())
    notice(_("Thank you for telling us."))
    return fragment("help/_vote.html", page=f"{url_for('help.index')}#{entry}", entry=entry, voted=is_helpful)
