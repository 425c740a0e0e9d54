"""Forms of the doors."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired, Length

from portal.web.forms import ONE_TIME

ADDRESS = {"autocomplete": "username", "type": "email", "autocapitalize": "none", "spellcheck": "false"}


class SignInForm(FlaskForm):
    """Who, and the password."""

    email = StringField(_("E-mail address"), validators=[InputRequired(), Length(max=254)], render_kw=ADDRESS)
    password = PasswordField(
        _("Password"), validators=[InputRequired(), Length(max=1024)], render_kw={"autocomplete": "current-password"}
    )
    next = HiddenField()


class CodeForm(FlaskForm):
    """Six digits from the authenticator app."""

    code = StringField(_("Six-digit code"), validators=[InputRequired(), Length(max=20)], render_kw=ONE_TIME)
    next = HiddenField()


class FirstAdminForm(FlaskForm):
    """The one-time code of the command line, and who the first admin is."""

    code = StringField(
        _("One-time code"),
        validators=[InputRequired(), Length(max=100)],
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    name = StringField(_("Your name"), validators=[InputRequired(), Length(max=100)], render_kw={"autocomplete": "name"})
    email = StringField(_("E-mail address"), validators=[InputRequired(), Length(max=254)], render_kw=ADDRESS)
    password = PasswordField(
        _("New password"), validators=[InputRequired(), Length(max=1024)], render_kw={"autocomplete": "new-password"}
    )
