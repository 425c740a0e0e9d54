"""The card's word, line and button for each state of consent and sync (S-51, S-52)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.domain.connection_state import Button, ConsentState, Facts, SyncLine, Word, shown

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "consent", "run_state", "failures", "silent_hours", "word", "badge", "line", "button"),
    [
        ("documents", None, None, 0, None, Word.NOT_CONNECTED, "off", SyncLine.NEVER, Button.CONNECT),
        ("documents", "connecting", None, 0, None, Word.CONNECTING, "wait", SyncLine.NEVER, Button.CONNECT),
        ("documents", "active", "leased", 0, None, Word.ACTIVE, "ok", SyncLine.RUNNING, Button.SYNC),
        ("documents", "active", "done", 0, 5, Word.ACTIVE, "ok", SyncLine.WELL, Button.SYNC),
        ("bank", "active", "done", 0, 5, Word.CONNECTED, "ok", SyncLine.WELL, Button.SYNC),
        ("documents", "active", "waiting", 1, 5, Word.ACTIVE, "ok", SyncLine.WELL, Button.SYNC),
        ("documents", "active", "waiting", 2, 5, Word.ACTIVE, "ok", SyncLine.DELAYED, Button.SYNC),
        ("documents", "active", "waiting", 4, 27, Word.ERROR, "error", SyncLine.DELAYED, Button.SYNC),
        ("documents", "active", "done", 0, 27, Word.ERROR, "error", SyncLine.DELAYED, Button.SYNC),
        ("documents", "active", "needs_person", 0, 5, Word.ERROR, "error", SyncLine.STOPPED, Button.SYNC),
        ("documents", "action_needed", "needs_person", 0, 5, Word.ACTION_NEEDED, "warn", SyncLine.WELL, Button.RECONNECT),
        ("documents", "disconnected", "done", 0, 5, Word.DISCONNECTED, "off", SyncLine.WELL, Button.RECONNECT),
    ],
)
def test_card(
    kind: str, consent: str | None, run_state: str | None, failures: int, silent_hours: int | None, word: Word, badge: str,
    line: SyncLine, button: Button,
) -> None:  # fmt: skip
    last = NOW - timedelta(hours=silent_hours) if silent_hours else None
    facts = Facts(kind, ConsentState(consent) if consent else None, run_state, failures, NOW - timedelta(hours=1), last)
    card = shown(facts, now=NOW)
    assert (card.word, card.kind, card.sync, card.button) == (word, badge, line, button)


def test_a_paused_one_says_so_and_offers_to_go_on() -> None:
    facts = Facts("documents", ConsentState.ACTIVE, "done", 0, NOW, NOW - timedelta(days=9), is_paused=True)
    card = shown(facts, now=NOW)
    assert (card.word, card.kind, card.button) == (Word.PAUSED, "off", Button.RESUME)
    gone = Facts("documents", ConsentState.ACTION_NEEDED, "done", 0, NOW, NOW, is_paused=True)
    assert shown(gone, now=NOW).word is Word.ACTION_NEEDED


@pytest.mark.parametrize("consent", [None, *ConsentState])
@pytest.mark.parametrize("run_state", [None, "due", "leased", "waiting", "done", "needs_person"])
def test_every_state_has_a_card(consent: ConsentState | None, run_state: str | None) -> None:
    assert shown(Facts("documents", consent, run_state, 0, None, None), now=NOW)
