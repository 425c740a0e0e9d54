"""What surrounds the sync: the client's invitation of the firm to its Qonto account, and votes on the help."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.db import new_id
from portal.errors import NotAllowed, Rejected
from portal.models import Client, HelpVote, Role
from portal.services import finding
from portal.services.auditing import Tag, record
from portal.services.finding import Actor


class Access(StrEnum):
    """Whether the firm has a user of its own in the client's Qonto account."""

    OPEN = "open"
    LATER = "later"  #: the client does not want to now; the card stays folded
    CLAIMED = "claimed"  #: the client says that it sent the invitation
    CONFIRMED = "confirmed"  #: the firm has seen it


ENTRIES = ("period", "which", "how-often", "why-not-matched", "what-to-do", "consent", "access")
_MAY_SAY = {Role.CLIENT: {Access.OPEN, Access.LATER, Access.CLAIMED}}


def change_access(session: Session, actor: Actor, *, client_id: str, state: str, now: datetime) -> Client:
    """Note how far the invitation is. A client says done or not now, only the firm confirms. Errors: Rejected, NotAllowed."""
    client = finding.client(session, actor, client_id)
    if state not in set(Access):
        raise Rejected("Choose one of the offered values.")
    if Access(state) not in _MAY_SAY.get(actor.role, set(Access)):
        raise NotAllowed("Only the tax office can confirm this.")
    if client.accountant_access != state:
        client.accountant_access = state
        record(session, Tag.ACCESS_CHANGED, subject=f"client:{client.id}", at=now, client_id=client.id, state=state)
    return client


def vote(session: Session, *, user_id: str, entry: str, is_helpful: bool, now: datetime) -> None:
    """Whether an entry of the help was an answer; a further vote of the same person replaces the first."""
    if entry not in ENTRIES:
        raise Rejected("Choose one of the offered values.")
    held = session.scalar(select(HelpVote).where(HelpVote.entry == entry, HelpVote.user_id == user_id))
    if held is None:
        held = HelpVote(id=new_id(), entry=entry, user_id=user_id)
        session.add(held)
    held.is_helpful, held.at = is_helpful, now


def votes_of(session: Session, user_id: str) -> dict[str, bool]:
    """Entry → this person's vote."""
    query = select(HelpVote.entry, HelpVote.is_helpful).where(HelpVote.user_id == user_id)
    return {entry: is_helpful for entry, is_helpful in session.execute(query)}


def tally(session: Session) -> dict[str, tuple[int, int]]:
    """Entry → how many said yes, how many said no; for the admin."""
    yes = func.count().filter(HelpVote.is_helpful)
    query = select(HelpVote.entry, yes, func.count() - yes).group_by(HelpVote.entry)
    found = {entry: (helpful, useless) for entry, helpful, useless in session.execute(query)}
    return {entry: found.get(entry, (0, 0)) for entry in ENTRIES}
