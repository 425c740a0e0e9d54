"""Forms on the way to the bank."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import DateField
from wtforms.validators import Optional


class StartForm(FlaskForm):
    """From when transactions are wanted; of a bank connection."""

    start_on = DateField(_("Transactions from"), validators=[Optional()])
