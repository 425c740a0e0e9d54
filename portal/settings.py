"""Settings: read once from the environment, frozen, refused when unsafe.

Any secret `X` may stand in the file that `X_FILE` names. A bad setting stops the start with a sentence that says what to change.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class BadSetting(Exception):
    """A setting is missing or unsafe; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Firm:
    """The tax firm whose portal this is, as its clients see it. The stand-ins are only accepted on loopback."""

    name: str = "Muster Steuerberatung"
    contact_email: str = "kontakt@firm.example"
    contact_phone: str = ""
    accountant_email: str = "qonto@firm.example"  #: whom clients invite to their Qonto account
    booking_url: str = ""
    logo: Path | None = None  #: a small picture (SVG, PNG, WebP) in place of our own sign; read when the portal starts


@dataclass(frozen=True, slots=True)
class Timing:
    """How long waits are, in seconds; chaos runs scale them all."""

    lease: float = 60.0
    lease_renewal: float = 15.0
    tick: float = 5.0
    retry_steps: tuple[float, ...] = (300.0, 900.0, 3600.0, 14400.0)
    call_retries: tuple[float, ...] = (1.0, 4.0, 15.0)
    refresh_lease: float = 20.0
    refresh_wait: float = 25.0
    connect_timeout: float = 5.0
    read_timeout: float = 20.0
    call_deadline: float = 60.0
    token_timeout: float = 15.0

    def scaled(self, factor: float) -> Timing:
        """The same waits, divided; HTTP limits stay, a slow machine needs them."""
        return Timing(
            lease=self.lease / factor,
            lease_renewal=self.lease_renewal / factor,
            tick=self.tick / factor,
            retry_steps=tuple(step / factor for step in self.retry_steps),
            call_retries=tuple(step / factor for step in self.call_retries),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that differs between installations."""

    public_url: str
    data_dir: Path
    database_url: str
    redis_url: str
    documents_url: str
    mail_url: str
    secret_key: str = field(repr=False)
    token_keys: tuple[str, ...] = field(repr=False)  #: base64 keys of 32 bytes; the first one writes
    qonto_api_url: str
    qonto_oauth_url: str
    qonto_file_origins: tuple[str, ...]
    qonto_client_id: str
    qonto_client_secret: str = field(repr=False)
    qonto_staging_token: str = field(default="", repr=False)
    qonto_app_url: str = "https://app.qonto.com"  #: where people look at their lists themselves
    webhook_url: str = ""  #: under which the bank can reach us; empty: it is asked to tell nothing
    clock_offset_file: Path | None = None
    firm: Firm = Firm()
    timing: Timing = Timing()
    request_rate: float = 12.0  #: calls a second to the bank, all workers together (faults.md R3)
    request_burst: float = (
        780.0  #: with ten seconds of the rate 900: calls that were let go at different moments may arrive together
    )
    is_beta: bool = True

    def __post_init__(self) -> None:
        if len(self.secret_key) < 32:  # noqa: PLR2004 -- 32 characters of base64/hex are the least that can hold 128 bits
            raise BadSetting("SECRET_KEY is too short: use at least 32 random characters.")
        if not self.token_keys:
            raise BadSetting("TOKEN_KEYS is empty: at least one key is needed.")
        for name in ("public_url", "qonto_api_url", "qonto_oauth_url"):
            address = urlsplit(getattr(self, name))
            if address.scheme != "https" and address.hostname not in LOOPBACK:
                raise BadSetting(f"{name.upper()} must begin with https:// unless it is a loopback address.")
        if urlsplit(self.public_url).hostname not in LOOPBACK:
            self._refuse_stand_ins()
        if not self.is_simulator:
            self._refuse_simulation()

    def _refuse_stand_ins(self) -> None:
        for name in ("name", "contact_email", "accountant_email"):
            if getattr(self.firm, name) in {"", getattr(Firm(), name)}:
                raise BadSetting(f"FIRM_{name.upper()} is missing: the clients see it.")

    def _refuse_simulation(self) -> None:
        if self.clock_offset_file:
            raise BadSetting("CLOCK_OFFSET_FILE is only accepted with the simulator on loopback.")
        for origin in self.qonto_file_origins:
            if not origin.startswith("https://") or urlsplit(origin).hostname in LOOPBACK:
                raise BadSetting("QONTO_FILE_ORIGINS must be https:// addresses outside this machine.")

    @property
    def is_simulator(self) -> bool:
        """Whether the bank is our stand-in: only its address tells."""
        return urlsplit(self.qonto_api_url).hostname in LOOPBACK

    @property
    def oauth_origin(self) -> str:
        """Scheme and host of the consent page, for the CSP's form-action."""
        parts = urlsplit(self.qonto_oauth_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def redirect_uri(self) -> str:
        """The one callback address for all kinds of connections."""
        return f"{self.public_url}/connections/qonto/callback"

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read the environment; on loopback missing secrets are created (0600) in DATA_DIR."""
        data_dir = Path(env.get("DATA_DIR", "var")).resolve()
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        public_url = env.get("PUBLIC_URL", "http://127.0.0.1:5050").rstrip("/")
        is_local = urlsplit(public_url).hostname in LOOPBACK
        api = env.get("QONTO_API_URL", "https://thirdparty.qonto.com").rstrip("/")
        oauth = env.get("QONTO_OAUTH_URL", "https://oauth.qonto.com").rstrip("/")
        files = env.get("QONTO_FILE_ORIGINS", "https://qonto.s3.eu-central-1.amazonaws.com")
        offset_file = env.get("CLOCK_OFFSET_FILE")
        scale = float(env.get("TIMING_SCALE", "1"))
        firm = Firm()
        return cls(
            public_url=public_url,
            data_dir=data_dir,
            database_url=env.get("DATABASE_URL", f"sqlite:///{data_dir / 'belegfluss.db'}"),
            redis_url=env.get("REDIS_URL", ""),
            documents_url=env.get("DOCUMENTS_URL", f"file://{data_dir / 'documents'}"),
            mail_url=env.get("MAIL_URL", f"file://{data_dir / 'mail'}"),
            secret_key=_secret(env, "SECRET_KEY", data_dir if is_local else None, secrets.token_urlsafe(48)),
            token_keys=tuple(_secret(env, "TOKEN_KEYS", data_dir if is_local else None, _new_key()).split()),
            qonto_api_url=api,
            qonto_oauth_url=oauth,
            qonto_file_origins=tuple(origin.rstrip("/") for origin in files.replace(",", " ").split()),
            qonto_client_id=env.get("QONTO_CLIENT_ID", "belegfluss"),
            qonto_client_secret=_secret(env, "QONTO_CLIENT_SECRET", None, ""),
            qonto_staging_token=_secret(env, "QONTO_STAGING_TOKEN", None, ""),
            qonto_app_url=env.get("QONTO_APP_URL", "https://app.qonto.com").rstrip("/"),
            webhook_url=env.get("WEBHOOK_URL", "" if is_local else public_url).rstrip("/"),
            clock_offset_file=Path(offset_file) if offset_file else None,
            firm=Firm(
                name=env.get("FIRM_NAME", firm.name),
                contact_email=env.get("FIRM_CONTACT_EMAIL", firm.contact_email),
                contact_phone=env.get("FIRM_CONTACT_PHONE", firm.contact_phone),
                accountant_email=env.get("FIRM_ACCOUNTANT_EMAIL", firm.accountant_email),
                booking_url=env.get("FIRM_BOOKING_URL", firm.booking_url),
                logo=Path(env["FIRM_LOGO"]) if env.get("FIRM_LOGO") else None,
            ),
            timing=Timing() if scale == 1 else Timing().scaled(scale),
            request_rate=float(env.get("REQUEST_RATE", "12")),
            request_burst=float(env.get("REQUEST_BURST", "780")),
            is_beta=env.get("BETA", "1") not in {"0", "false", "no", ""},
        )


def _new_key() -> str:
    """A fresh 256-bit key, URL-safe base64."""
    return secrets.token_urlsafe(32)


def _secret(env: Mapping[str, str], name: str, create_in: Path | None, fresh: str) -> str:
    """`NAME`, else the content of `NAME_FILE`, else (on loopback) a file made on first use."""
    if name in env:
        return env[name]
    path = Path(env[f"{name}_FILE"]) if f"{name}_FILE" in env else None
    if path is None and create_in is not None:
        path = create_in / name.lower()
    if path is None:
        return ""
    if create_in is not None and not path.exists():
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(descriptor, "w") as file:
                file.write(fresh)
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        raise BadSetting(f"{name}_FILE names {path}, which does not exist.") from None
