"""Unsafe settings stop the start with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal.settings import BadSetting, Settings
from portal.storage import Storage

SAFE = {
    "PUBLIC_URL": "https://portal.kanzlei.example",
    "SECRET_KEY": "s" * 48,
    "TOKEN_KEYS": "k" * 43,
    "QONTO_CLIENT_SECRET": "c" * 20,
    "FIRM_NAME": "Kanzlei am Hafen",
    "FIRM_CONTACT_EMAIL": "post@kanzlei.example",
    "FIRM_ACCOUNTANT_EMAIL": "qonto@kanzlei.example",
}
LOCAL = {"QONTO_API_URL": "http://127.0.0.1:5051", "QONTO_OAUTH_URL": "http://127.0.0.1:5051"}


def settings(tmp_path: Path, **given: str) -> Settings:
    return Settings.from_env({**SAFE, "DATA_DIR": str(tmp_path), **given})


def test_a_production_environment_is_accepted(tmp_path: Path) -> None:
    assert not settings(tmp_path).is_simulator


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"SECRET_KEY": "short"}, "SECRET_KEY"),
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"TOKEN_KEYS": ""}, "TOKEN_KEYS"),
        ({"PUBLIC_URL": "http://portal.kanzlei.example"}, "PUBLIC_URL"),
        ({"QONTO_API_URL": "http://thirdparty.qonto.com"}, "QONTO_API_URL"),
        ({"QONTO_OAUTH_URL": "http://oauth.qonto.com"}, "QONTO_OAUTH_URL"),
        ({"QONTO_FILE_ORIGINS": "http://files.example"}, "QONTO_FILE_ORIGINS"),
        ({"QONTO_FILE_ORIGINS": "https://127.0.0.1:5051"}, "QONTO_FILE_ORIGINS"),
        ({"FIRM_NAME": ""}, "FIRM_NAME"),
        ({"FIRM_CONTACT_EMAIL": None}, "FIRM_CONTACT_EMAIL"),
        ({"FIRM_ACCOUNTANT_EMAIL": None}, "FIRM_ACCOUNTANT_EMAIL"),
        ({"CLOCK_OFFSET_FILE": "offset"}, "CLOCK_OFFSET_FILE"),
        ({"SECRET_KEY_FILE": "/nowhere/secret", "SECRET_KEY": None}, "SECRET_KEY_FILE"),
    ],
)
def test_unsafe_is_refused(given: dict[str, str | None], name: str, tmp_path: Path) -> None:
    environment = {**SAFE, "DATA_DIR": str(tmp_path), **given}
    with pytest.raises(BadSetting, match=name):
        Settings.from_env({key: value for key, value in environment.items() if value is not None})


def test_secrets_are_made_on_loopback_only_and_for_us_alone(tmp_path: Path) -> None:
    environment = {"DATA_DIR": str(tmp_path), "PUBLIC_URL": "http://127.0.0.1:5050", **LOCAL}
    made = Settings.from_env(environment)
    assert Settings.from_env(environment).secret_key == made.secret_key
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "token_keys").stat().st_mode & 0o777 == 0o600
    with pytest.raises(BadSetting):
        Settings.from_env({"DATA_DIR": str(tmp_path / "other"), "PUBLIC_URL": "https://portal.kanzlei.example"})


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    shown = repr(settings(tmp_path, QONTO_STAGING_TOKEN="staging-staging"))
    secrets = (SAFE["SECRET_KEY"], SAFE["TOKEN_KEYS"], SAFE["QONTO_CLIENT_SECRET"], "staging-staging")
    assert not [secret for secret in secrets if secret in shown]


@pytest.mark.parametrize("url", ["", "documents", "http://files.example", "file://elsewhere/documents"])
def test_documents_live_in_a_folder_or_a_bucket(url: str) -> None:
    with pytest.raises(BadSetting, match="DOCUMENTS_URL"):
        Storage(url)
