"""Pages for people: what this is, the story, the log, and the phone on which payments would be confirmed."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from portal.simulator.context import world

blueprint = Blueprint("people", __name__)


def german_is_wanted() -> bool:
    """By the browser's languages; German when it says nothing."""
    return request.accept_languages.best_match(["de", "en"], default="de") == "de"


@blueprint.get("/")
def home() -> str:
    """What this is, whom it plays, what was asked lately."""
    counted = [
        (organization, {name: len(organization.rows(name)) for name in organization.tables})
        for organization in world().organizations
    ]
    return render_template(
        "home.html", german=german_is_wanted(), organizations=counted, entries=world().log.newest(30), seed=world().seed
    )


@blueprint.get("/phone")
def phone() -> str:
    """Sessions that wait for the user's yes; none, as no money moves here."""
    return render_template("phone.html", german=german_is_wanted())
