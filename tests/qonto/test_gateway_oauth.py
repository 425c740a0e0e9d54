"""The token endpoint: what we send, and what each of its answers means."""

from __future__ import annotations

import base64
import hashlib
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from portal.db import Database
from portal.errors import ConsentEnded, QontoError, RateLimited, Unavailable
from portal.qonto.oauth import SCOPES, OAuth, TokenSet, new_verifier
from tests.qonto.wire import Answer, Scripted, raw_server, settings

TOKEN: dict[str, Any] = {
    "access_token": "at_1", "refresh_token": "rt_2", "token_type": "bearer", "expires_in": 3600,
    "scope": "offline_access supplier_invoice.read",
}  # fmt: skip


def oauth(tmp_path: Path, *answers: Answer, **values: Any) -> tuple[OAuth, Scripted]:
    bank = Scripted(*answers)
    return OAuth(settings(tmp_path, **values), transport=bank.transport), bank


def test_the_consent_page_is_asked_with_pkce(tmp_path: Path) -> None:
    verifier = new_verifier()
    address = urlsplit(oauth(tmp_path, Answer({}))[0].authorization(state="s" * 43, verifier=verifier, kind="bank"))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert address.path == "/oauth2/auth"
    assert parse_qs(address.query) == {
        "response_type": ["code"], "client_id": ["belegfluss"], "state": ["s" * 43], "scope": ["offline_access organization.read"],
        "redirect_uri": ["http://127.0.0.1:5050/connections/qonto/callback"], "code_challenge": [challenge],
        "code_challenge_method": ["S256"],
    }  # fmt: skip
    assert 43 <= len(verifier) <= 128
    assert verifier != new_verifier()


def test_the_scopes_are_no_more_than_needed() -> None:
    assert SCOPES["documents"] == ("offline_access", "client_invoices.read", "supplier_invoice.read", "attachment.read")
    assert not any("write" in scope or "payment" in scope for kind in ("documents", "bank") for scope in SCOPES[kind])
    assert "organization.read" not in SCOPES["documents"]


def test_a_code_becomes_tokens(tmp_path: Path) -> None:
    door, bank = oauth(tmp_path, Answer(TOKEN))
    tokens = door.exchange(code="c1", verifier="v" * 64)
    assert tokens == TokenSet("at_1", "rt_2", 3600, ("offline_access", "supplier_invoice.read"))
    assert bank.calls[0].form == {
        "grant_type": "authorization_code", "code": "c1", "code_verifier": "v" * 64, "client_id": "belegfluss",
        "client_secret": "secret", "redirect_uri": "http://127.0.0.1:5050/connections/qonto/callback",
    }  # fmt: skip
    assert (bank.calls[0].method, bank.calls[0].path) == ("POST", "/oauth2/token")
    assert "authorization" not in bank.calls[0].headers
    assert "at_1" not in repr(tokens)
    assert "rt_2" not in repr(tokens)


def test_a_refresh_sends_the_old_token(tmp_path: Path) -> None:
    door, bank = oauth(tmp_path, Answer(TOKEN), qonto_staging_token="gate")
    assert door.refresh("rt_1").refresh_token == "rt_2"
    assert bank.calls[0].form == {
        "grant_type": "refresh_token", "refresh_token": "rt_1", "client_id": "belegfluss", "client_secret": "secret",
    }  # fmt: skip
    assert bank.calls[0].headers["x-qonto-staging-token"] == "gate"


def test_an_app_without_a_secret_sends_none(tmp_path: Path) -> None:
    door, bank = oauth(tmp_path, Answer(TOKEN), qonto_client_secret="")
    door.refresh("rt_1")
    assert "client_secret" not in bank.calls[0].form
    assert bank.calls[0].form["client_id"] == "belegfluss"


@pytest.mark.parametrize(
    ("change", "lifetime", "refresh_token"),
    [({"refresh_token": None}, 3600, "rt_1"), ({"refresh_token": 5}, 3600, "rt_1"), ({"expires_in": "soon"}, 3600, "rt_2"),
     ({"expires_in": None}, 3600, "rt_2"), ({"expires_in": -1}, 3600, "rt_2"), ({"expires_in": 60, "expires_at": "x"}, 60, "rt_2"),
     ({"scope": None}, 3600, "rt_2")],
)  # fmt: skip
def test_a_malformed_answer_costs_no_token(tmp_path: Path, change: dict[str, Any], lifetime: int, refresh_token: str) -> None:
    tokens = oauth(tmp_path, Answer({**TOKEN, **change}))[0].refresh("rt_1")
    assert (tokens.access_token, tokens.expires_in, tokens.refresh_token) == ("at_1", lifetime, refresh_token)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (Answer({"error": "invalid_grant", "error_description": "used"}, 400), ConsentEnded, "invalid_grant"),
        (Answer({"error": "invalid_client"}, 401), QontoError, "invalid_client"),
        (Answer({"error": "invalid_request"}, 400), Unavailable, "invalid_request"),
        (Answer({"error": "invalid_grant"}, 503), Unavailable, "server_error"),
        (Answer(b"<html>", 503), Unavailable, "server_error"),
        (Answer(b"<html>", 200), Unavailable, "not_json"),
        (Answer(b"<html>", 403), Unavailable, "not_json"),
        (Answer(b"", 302, {"Location": "https://elsewhere.example"}), Unavailable, "not_json"),
        (Answer({}, 429, {"Retry-After": "9"}), RateLimited, "rate_limited"),
        (Answer({"access_token": ""}), Unavailable, "token_schema"),
        (Answer(["at"]), Unavailable, "token_schema"),
        (Answer({"error": "invalid_grant"}), Unavailable, "token_schema"),
        (Answer({**TOKEN, "padding": "x" * 300_000}), Unavailable, "too_large"),
        (Answer(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), Unavailable, "not_json"),
    ],
)  # fmt: skip
def test_what_a_refusal_means(tmp_path: Path, answer: Answer, kind: type[QontoError], code: str) -> None:
    door, bank = oauth(tmp_path, answer)
    with pytest.raises(kind) as caught:
        door.refresh("rt_secret")
    assert (caught.value.code, len(bank.calls)) == (code, 1)
    assert caught.value.permanent is (kind in {ConsentEnded, QontoError})
    assert "rt_secret" not in f"{caught.value!r}{caught.value.__cause__!r}"


def test_a_token_is_revoked(tmp_path: Path) -> None:
    door, bank = oauth(tmp_path, Answer(b""))
    door.revoke("rt_1")
    assert (bank.calls[0].path, bank.calls[0].form) == (
        "/oauth2/revoke", {"token": "rt_1", "client_id": "belegfluss", "client_secret": "secret"},
    )  # fmt: skip


def test_a_failed_revocation_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        oauth(tmp_path, Answer(b"", 500))[0].revoke("rt_1")


def test_a_dripping_token_endpoint_is_cut(tmp_path: Path) -> None:
    def answer(connection: Any, _: bytes) -> None:
        for _second in range(30):
            connection.sendall(b"H" if _second == 0 else b" ")
            time.sleep(0.1)

    with raw_server(answer) as (url, seen), pytest.raises(Unavailable) as caught:
        OAuth(settings(tmp_path, url)).refresh("rt_1")
    assert (caught.value.code, len(seen)) == ("deadline", 1)


def test_no_token_call_inside_a_transaction(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    door, bank = oauth(tmp_path, Answer(TOKEN))
    with database.read(), pytest.raises(RuntimeError, match="open database transaction"):
        door.refresh("rt_1")
    assert bank.calls == []
    database.engine.dispose()
