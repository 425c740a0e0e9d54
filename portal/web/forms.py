"""What several forms need: showing beside a field why a service refused it, and asking why the bank is to be asked again."""

from __future__ import annotations

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import Field, SelectField
from wtforms.fields.choices import SelectChoice

from portal.errors import PortalError, Rejected
from portal.services.connections.syncing import Reason

ONE_TIME = {"autocomplete": "one-time-code", "inputmode": "numeric", "autocapitalize": "none", "spellcheck": "false"}
RESYNC_WORDS = {
    Reason.DOCUMENT_MISSING: _("A document is missing"),
    Reason.DOCUMENT_WRONG: _("A document or its facts are wrong"),
    Reason.CLIENT_ASKED: _("The client asked for it"),
    Reason.AFTER_OUTAGE: _("After a disturbance"),
    Reason.CHECK: _("To be on the safe side"),
}


class ResyncForm(FlaskForm):
    """Why something is to be fetched again."""

    reason = SelectField(_("Reason"), choices=[SelectChoice(reason.value, word) for reason, word in RESYNC_WORDS.items()])

    @classmethod
    def chosen(cls) -> Reason:
        """What was sent. Errors: Rejected where that is none of the choices."""
        form = cls()
        if not form.validate():
            raise Rejected("Please choose why it is to be fetched again.")
        return Reason(form.reason.data)


def refuse(field: Field, problem: PortalError) -> None:
    """Put the problem's sentence, in the person's language, beside the field."""
    field.errors = [*field.errors, gettext(problem.message)]
