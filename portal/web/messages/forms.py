"""The one form of a conversation."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import HiddenField, TextAreaField


class MessageForm(FlaskForm):
    """A message; `topic`, `receipt` and `transaction` say what it is about."""

    text = TextAreaField(_("Your message"))
    topic = HiddenField()
    receipt = HiddenField()
    transaction = HiddenField()
