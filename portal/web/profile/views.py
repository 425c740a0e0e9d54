"""Profile settings: name, language, appearance, password."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale
from flask_babel import gettext as _
from flask_login import current_user

from portal.errors import Rejected
from portal.services.people import authenticating
from portal.web import sessions
from portal.web.access import ports, public, safe_next, signed_in
from portal.web.edge import address
from portal.web.forms import refuse
from portal.web.htmx import notice
from portal.web.profile.forms import PasswordForm, ProfileForm

blueprint = Blueprint("profile", __name__)


@blueprint.get("/profile")
@signed_in
def show() -> ResponseReturnValue:
    """The settings of the person who is signed in."""
    return _page()


@blueprint.post("/profile")
@signed_in
def change() -> ResponseReturnValue:
    """Change them."""
    form = ProfileForm()
    if form.validate_on_submit():
        try:
            with ports().database.write() as transaction:
                authenticating.change_profile(
                    transaction, current_user.id, now=ports().clock.now(), name=form.name.data, language=form.language.data,
                    theme=form.theme.data, has_shortcuts=form.has_shortcuts.data, goes_on=form.goes_on.data,
                    has_digest=form.has_digest.data,
                )  # fmt: skip
        except Rejected as problem:
            refuse(form.name, problem)
        else:
            with force_locale(form.language.data):
                notice(_("Your settings have been saved."))
            return redirect(url_for("profile.show"), 303)
    return _page(form=form), 422


@blueprint.post("/profile/password")
@signed_in
def change_password() -> ResponseReturnValue:
    """Change the password; every other session of this person ends, this one goes on under a new id."""
    form = PasswordForm()
    if form.validate_on_submit():
        try:
            authenticating.change_password(
                ports(), user_id=current_user.id, old=form.old.data, new=form.new.data, address=address(),
                keep_session=sessions.own_hash(),
            )  # fmt: skip
        except Rejected as problem:
            refuse(form.old if isinstance(problem, authenticating.WrongPassword) else form.new, problem)
        else:
            sessions.renew()
            notice(_("Your password has been changed. You have been signed out everywhere else."))
            return redirect(url_for("profile.show"), 303)
    return _page(password_form=form), 422


@blueprint.post("/language")
@public
def language() -> ResponseReturnValue:
    """Change the language, before signing in too, and stay on the page."""
    wanted = request.form.get("language", "")
    if wanted not in authenticating.LANGUAGES:
        raise Rejected("Choose one of the offered values.")
    if current_user.is_authenticated:
        with ports().database.write() as transaction:
            authenticating.change_profile(transaction, current_user.id, now=ports().clock.now(), language=wanted)
    else:
        session["language"] = wanted
    return redirect(safe_next(request.form.get("next")) or "/", 303)


def _page(*, form: ProfileForm | None = None, password_form: PasswordForm | None = None) -> str:
    """Only one of the two forms was sent: the other one starts from what is stored."""
    return render_template(
        "profile/page.html",
        form=form or ProfileForm(formdata=None, obj=current_user),
        password_form=password_form or PasswordForm(formdata=None),
    )
