"""Forms of a client's page."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import IntegerField, SelectMultipleField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired
from wtforms.widgets import CheckboxInput, ListWidget

from portal.services.clients.engaging import RETURNS

WORDS = {"income": _("Income tax"), "corporate": _("Corporate tax"), "trade": _("Trade tax"), "vat": _("VAT")}


class EngagementForm(FlaskForm):
    """A tax year that the firm is commissioned to do, and its returns."""

    tax_year = IntegerField(_("Tax year"), validators=[InputRequired(_("Enter the year, for example 2026."))])
    returns = SelectMultipleField(
        _("Tax returns"), choices=[SelectChoice(code, word) for code, word in WORDS.items()], default=list(RETURNS),
        option_widget=CheckboxInput(), widget=ListWidget(prefix_label=False),
    )  # fmt: skip
