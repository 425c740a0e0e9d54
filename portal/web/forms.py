"""What every form needs: showing beside a field why a service refused it."""

from __future__ import annotations

from flask_babel import gettext
from wtforms import Field

from portal.errors import PortalError


def refuse(field: Field, problem: PortalError) -> None:
    """Put the problem's sentence, in the person's language, beside the field."""
    field.errors = [*field.errors, gettext(problem.message)]
