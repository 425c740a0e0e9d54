"""Forms of the profile settings."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import BooleanField, PasswordField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length

LANGUAGES = [SelectChoice("de", "Deutsch"), SelectChoice("en", "English")]
THEMES = [SelectChoice("auto", _("As on this device")), SelectChoice("light", _("Light")), SelectChoice("dark", _("Dark"))]


class ProfileForm(FlaskForm):
    """How the portal speaks to somebody and looks."""

    name = StringField(_("Your name"), validators=[InputRequired(), Length(max=100)], render_kw={"autocomplete": "name"})
    language = SelectField(_("Language"), choices=LANGUAGES)
    theme = SelectField(_("Appearance"), choices=THEMES)
    has_shortcuts = BooleanField(_("Single-key shortcuts on the review desk"))
    goes_on = BooleanField(_("Go on to the next receipt after a decision"))
    has_digest = BooleanField(_("Digest by e-mail"))


class PasswordForm(FlaskForm):
    """A new password, by whoever knows the current one."""

    old = PasswordField(
        _("Current password"), validators=[InputRequired(), Length(max=1024)], render_kw={"autocomplete": "current-password"}
    )
    new = PasswordField(
        _("New password"), validators=[InputRequired(), Length(max=1024)], render_kw={"autocomplete": "new-password"}
    )
