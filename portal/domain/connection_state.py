"""A connection's two axes, consent and sync, folded into what its card says: one word, one sentence, one button."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

#: reasons of a run that the bank lets go on only with its user's yes
CONFIRMATIONS = frozenset(("sca_required", "sca_denied", "sca_expired", "sca_not_enrolled"))
ALARM_AFTER = timedelta(hours=26)  #: a daily run and two hours of patience


class ConsentState(StrEnum):
    """The state of the permission, as stored on the connection."""

    CONNECTING = "connecting"
    ACTIVE = "active"
    ACTION_NEEDED = "action_needed"
    DISCONNECTED = "disconnected"


class Word(StrEnum):
    """The status word of the card; templates print it in German and English."""

    NOT_CONNECTED = "not_connected"
    CONNECTING = "connecting"
    ACTIVE = "active"  #: of the documents connection; other kinds say "connected"
    CONNECTED = "connected"
    CONFIRM = "confirm"  #: the bank wants a yes in its app
    ACTION_NEEDED = "action_needed"
    ERROR = "error"
    PAUSED = "paused"
    DISCONNECTED = "disconnected"


class Button(StrEnum):
    """The one right button."""

    CONNECT = "connect"
    RECONNECT = "reconnect"
    SYNC = "sync"
    RESUME = "resume"
    CHOOSE = "choose"  #: the accounts that are to be read
    CONFIRM = "confirm"
    PAY = "pay"  #: nothing to sync: there is a page for it


class SyncLine(StrEnum):
    """The line beside the word: how the import goes."""

    NEVER = "never"
    RUNNING = "running"
    WELL = "well"
    DELAYED = "delayed"
    CONFIRM = "confirm"
    STOPPED = "stopped"  #: by something that trying again at once does not help, while the consent stands


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a connection. `run_state` is its newest run's; None where there never was one."""

    kind: str
    consent: ConsentState | None
    run_state: str | None
    run_failures: int
    connected_at: datetime | None
    last_success_at: datetime | None
    is_paused: bool = False
    run_reason: str = ""
    has_accounts: bool = True  #: of a bank connection: some have been chosen


@dataclass(frozen=True, slots=True)
class Shown:
    """What the card shows."""

    word: Word
    kind: str  #: the badge's colour class: ok, wait, warn, error, off
    sync: SyncLine
    button: Button


def shown(facts: Facts, *, now: datetime) -> Shown:
    """Fold the axes; exhaustive over both."""
    sync = _sync_line(facts, now)
    match facts.consent:
        case None:
            return Shown(Word.NOT_CONNECTED, "off", SyncLine.NEVER, Button.CONNECT)
        case ConsentState.CONNECTING:
            return Shown(Word.CONNECTING, "wait", sync, Button.CONNECT)
        case ConsentState.DISCONNECTED:
            return Shown(Word.DISCONNECTED, "off", sync, Button.RECONNECT)
        case ConsentState.ACTION_NEEDED:
            return Shown(Word.ACTION_NEEDED, "warn", sync, Button.RECONNECT)
        case ConsentState.ACTIVE if facts.is_paused:
            return Shown(Word.PAUSED, "off", sync, Button.RESUME)
        case ConsentState.ACTIVE if facts.kind == "payments":
            return Shown(Word.CONNECTED, "ok", SyncLine.NEVER, Button.PAY)
        case ConsentState.ACTIVE if not facts.has_accounts:
            return Shown(Word.CONNECTED, "wait", sync, Button.CHOOSE)
        case ConsentState.ACTIVE if sync is SyncLine.CONFIRM:
            is_awaited = facts.run_state != "needs_person"
            return Shown(Word.CONFIRM, "warn", sync, Button.CONFIRM if is_awaited else Button.SYNC)
        case ConsentState.ACTIVE:
            if sync is SyncLine.STOPPED or (sync is SyncLine.DELAYED and _silent_for(facts, now) > ALARM_AFTER):
                return Shown(Word.ERROR, "error", sync, Button.SYNC)
            word = Word.ACTIVE if facts.kind == "documents" else Word.CONNECTED
            return Shown(word, "ok", sync, Button.SYNC)


def _sync_line(facts: Facts, now: datetime) -> SyncLine:
    if facts.run_reason in CONFIRMATIONS and facts.run_state != "done":
        return SyncLine.CONFIRM
    if facts.run_state in {"due", "leased"}:
        return SyncLine.RUNNING
    if facts.run_state == "needs_person" and facts.consent is ConsentState.ACTIVE:
        return SyncLine.STOPPED
    if facts.run_state == "waiting" and facts.run_failures > 1:
        return SyncLine.DELAYED
    if facts.consent is ConsentState.ACTIVE and _silent_for(facts, now) > ALARM_AFTER:
        return SyncLine.DELAYED
    return SyncLine.WELL if facts.last_success_at else SyncLine.NEVER


def _silent_for(facts: Facts, now: datetime) -> timedelta:
    since = facts.last_success_at or facts.connected_at
    return now - since if since else timedelta()
