"""Who somebody is: users, passwords, second factors, the first admin's code, and when a session is over.

Whatever evaluates a secret takes `ports`: a password takes 0.1 s to check, and no transaction is open meanwhile.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import os
import secrets
from datetime import datetime, timedelta

import pyotp
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.clock import Clock
from portal.crypto import CannotOpen, KeyRing, digest, place_of
from portal.db import new_id
from portal.errors import Conflict, NotFound, Rejected
from portal.models import OneTimeCode, Role, User, UserSession
from portal.ports import Ports
from portal.services.auditing import Tag, becoming, record
from portal.services.people import hashing, throttling
from portal.services.people.throttling import Limit, counted

FIRST_ADMIN = "first_admin"
CODE_LIFE = timedelta(hours=24)
LANGUAGES = ("de", "en")
THEMES = ("auto", "light", "dark")

IDLE = {Role.CLIENT: timedelta(hours=2), Role.STAFF: timedelta(minutes=30), Role.ADMIN: timedelta(minutes=30)}
LONGEST_IDLE = max(IDLE.values())  #: also of sessions that nobody has signed in to
ABSOLUTE = timedelta(hours=12)  #: from the sign-in (ASVS V7.3.2)

ISSUER = "Belegfluss"
STEP = 30  #: seconds a TOTP code lasts (RFC 6238)
DEVICES = Clock()  #: people's phones live in real time, whatever day is simulated
SECRET_BYTES = 20  #: RFC 4226: as long as the output of SHA-1


class WrongCredentials(Rejected):
    """Unknown address, wrong password or deactivated user: nobody outside can tell which."""

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is not right.")


class WrongPassword(Rejected):
    """Who is signed in does not know the password."""

    def __init__(self) -> None:
        super().__init__("Your current password is not right.")


class WrongCode(Rejected):
    """Not the code of these 90 seconds, or used before."""

    def __init__(self) -> None:
        super().__init__("This code is not right. Wait for the next one and try again.")


# Users


def create_user(
    session: Session, *, email: str, name: str, role: Role, password: str, now: datetime, language: str = "de"
) -> User:
    """A person who may sign in. Errors: Rejected for a weak password, an unlikely address, no name; Conflict when it exists."""
    email, name = normalized(email), name.strip()
    if not 3 <= len(email) <= 254 or "@" not in email[1:-1] or any(c.isspace() or not c.isprintable() for c in email):  # noqa: PLR2004 -- RFC 5321
        raise Rejected("Enter an e-mail address like name@example.com.")
    _check_name(name)
    hashing.check(password)
    if session.scalar(select(User.id).where(User.email == email)):
        raise Conflict("There is a user with this e-mail address already.")
    user = User(
        id=new_id(), email=email, name=name, role=role.value, password_hash=hashing.hashed(password),
        language=language if language in LANGUAGES else "de", totp_sealed=None, created_at=now, last_seen_at=None,
    )  # fmt: skip
    session.add(user)
    session.flush()
    record(session, Tag.USER_CREATED, subject=f"user:{user.id}", at=now, role=user.role)
    return user


def change_profile(
    session: Session, user_id: str, *, now: datetime, name: str | None = None, language: str | None = None,
    theme: str | None = None, has_shortcuts: bool | None = None, goes_on: bool | None = None,
    has_digest: bool | None = None,
) -> None:  # fmt: skip
    """Change what a person may change about himself; None leaves it. Errors: Rejected."""
    user = session.get_one(User, user_id)
    if name is not None:
        _check_name(name.strip())
    if language not in {None, *LANGUAGES} or theme not in {None, *THEMES}:
        raise Rejected("Choose one of the offered values.")
    wanted = {
        "name": name and name.strip(), "language": language, "theme": theme, "has_shortcuts": has_shortcuts, "goes_on": goes_on,
        "has_digest": has_digest,
    }  # fmt: skip
    changed = [field for field, value in wanted.items() if value is not None and value != getattr(user, field)]
    for field in changed:
        setattr(user, field, wanted[field])
    if changed:
        record(session, Tag.USER_CHANGED, subject=f"user:{user.id}", at=now, fields=changed)


def confirm(ports: Ports, *, user_id: str, password: str, address: str) -> None:
    """Show once more that it is really this user, before something that cannot be taken back.

    Errors: WrongPassword, counted and recorded.
    """
    with ports.database.read() as session:
        user = session.get_one(User, user_id)
    with counted(ports, _sign_in_limits(user.email, address)):
        if not hashing.is_right(user.password_hash, password):
            now = ports.clock.now()
            with ports.database.write() as session:
                record(session, Tag.USER_SIGN_IN_FAILED, subject=f"user:{user_id}", at=now, reason="confirmation")
            raise WrongPassword


def change_password(ports: Ports, *, user_id: str, old: str, new: str, address: str, keep_session: str) -> None:
    """Change it and end every other session of this user; `keep_session` is the hash of the one that asks.

    Errors: WrongPassword for a wrong current one (counted like a sign-in), Rejected for a weak new one.
    """
    confirm(ports, user_id=user_id, password=old, address=address)
    hashing.check(new)
    password_hash, now = hashing.hashed(new), ports.clock.now()
    with ports.database.write() as session:
        session.execute(update(User).where(User.id == user_id).values(password_hash=password_hash))
        end_sessions(session, user_id, except_hash=keep_session)
        record(session, Tag.USER_PASSWORD_CHANGED, subject=f"user:{user_id}", at=now)


def normalized(email: str) -> str:
    """E-mail addresses are compared in lower case."""
    return email.strip().lower()


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= 100:  # noqa: PLR2004 -- what the pages have room for
        raise Rejected("Enter your name, at most 100 characters.")


# Signing in


def sign_in(ports: Ports, *, email: str, password: str, address: str) -> User:
    """The user whose password this is; a second factor may still be due. Errors: WrongCredentials, TooManyAttempts.

    Known and unknown addresses take the same steps: one hash is checked, one event recorded.
    """
    email = normalized(email)
    with counted(ports, _sign_in_limits(email, address)):
        with ports.database.read() as session:
            user = session.scalar(select(User).where(User.email == email))
        is_right = hashing.is_right(user.password_hash if user else hashing.dummy_hash(), password)
        now = ports.clock.now()
        if user is None or not is_right or not user.is_active:
            with ports.database.write() as session:
                subject = f"user:{user.id}" if user else "user:unknown"
                record(session, Tag.USER_SIGN_IN_FAILED, subject=subject, at=now, reason="credentials")
            raise WrongCredentials
    fresh_hash = hashing.hashed(password) if hashing.is_outdated(user.password_hash) else None
    if fresh_hash or not user.needs_second_factor:
        with ports.database.write() as session:
            if fresh_hash:
                unchanged = (User.id == user.id, User.password_hash == user.password_hash)
                session.execute(update(User).where(*unchanged).values(password_hash=fresh_hash))
            if not user.needs_second_factor:
                with becoming(user.id):
                    record(session, Tag.USER_SIGNED_IN, subject=f"user:{user.id}", at=now, has_second_factor=False)
    return user


def note_sign_out(session: Session, user_id: str, *, now: datetime) -> None:
    """Somebody left."""
    record(session, Tag.USER_SIGNED_OUT, subject=f"user:{user_id}", at=now)


def _sign_in_limits(email: str, address: str) -> list[Limit]:
    """Per account, per address, and all together (warehouse's numbers)."""
    window = timedelta(minutes=5)
    return [
        Limit(f"login:account:{digest(email)}", 10, window),
        Limit(f"login:ip:{_network(address)}", 10, window),
        Limit("login:all", 1000, window),
    ]


def _network(address: str) -> str:
    """One IPv6 customer has 2^64 addresses: all of them count as one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network(f"{parsed}/64", strict=False)) if parsed.version == 6 else str(parsed)  # noqa: PLR2004 -- IPv6


# The second factor


def new_totp(ports: Ports, user_id: str) -> str:
    """A fresh secret, sealed for this user's row; nothing is stored until a code of it has been shown."""
    return ports.keyring.seal(base64.b32encode(os.urandom(SECRET_BYTES)).decode(), place=_totp_place(user_id))


def totp_secret(ports: Ports, user_id: str, sealed: str) -> str:
    """The secret in base32, for the enrolment page. Errors: Rejected when it was not sealed for this user."""
    try:
        return ports.keyring.open(sealed, place=_totp_place(user_id))
    except CannotOpen:
        raise Rejected("This page is out of date. Please open it again.") from None


def totp_address(secret: str, email: str) -> str:
    """The `otpauth:` address that authenticator apps open."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def enrol(ports: Ports, *, user_id: str, sealed: str, code: str) -> None:
    """Take the secret as second factor, proven by a code of it. Errors: WrongCode, Conflict when there is a factor already."""
    secret = totp_secret(ports, user_id, sealed)
    with counted(ports, _code_limits(user_id)):
        now = ports.clock.now()
        step = _step_of(secret, code, DEVICES.now())
        if step is None:
            raise WrongCode
        with ports.database.write() as session:
            taken = session.execute(
                update(User).where(User.id == user_id, User.totp_sealed.is_(None)).values(totp_sealed=sealed, totp_last_step=step)
            )
            if not taken.rowcount:  # type: ignore[attr-defined]
                raise Conflict("You have a second factor already.")
            record(session, Tag.USER_SECOND_FACTOR_ENROLLED, subject=f"user:{user_id}", at=now)
            record(session, Tag.USER_SIGNED_IN, subject=f"user:{user_id}", at=now, has_second_factor=True)


def show_second_factor(ports: Ports, *, user_id: str, code: str, is_sign_in: bool = True) -> None:
    """Check the code; each works once, however many requests show it at the same time. Errors: WrongCode, TooManyAttempts.

    `is_sign_in` False: somebody who is signed in shows once more that it is he.
    """
    with counted(ports, _code_limits(user_id)):
        now = ports.clock.now()
        with ports.database.read() as session:
            user = session.get_one(User, user_id)
        step = _step_of(totp_secret(ports, user_id, user.totp_sealed), code, DEVICES.now()) if user.totp_sealed else None
        with ports.database.write() as session:
            is_ours = step is not None and _take_step(session, user_id, step)
            if is_ours and is_sign_in:
                record(session, Tag.USER_SIGNED_IN, subject=f"user:{user_id}", at=now, has_second_factor=True)
            elif not is_ours:
                record(session, Tag.USER_SECOND_FACTOR_FAILED, subject=f"user:{user_id}", at=now)
        if not is_ours:
            raise WrongCode


def demo_totp(session: Session, user: User, *, keyring: KeyRing, now: datetime) -> str:
    """The made-up user's secret in base32, set on the first call; the demo prints it."""
    if user.totp_sealed:
        return keyring.open(user.totp_sealed, place=_totp_place(user.id))
    secret = base64.b32encode(os.urandom(SECRET_BYTES)).decode()
    user.totp_sealed = keyring.seal(secret, place=_totp_place(user.id))
    record(session, Tag.USER_SECOND_FACTOR_ENROLLED, subject=f"user:{user.id}", at=now)
    return secret


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """Which 30-second step the code belongs to: this one, the one before (slow fingers) or the next (a fast clock)."""
    digits = "".join(code.split())
    current = int(now.timestamp()) // STEP
    totp = pyotp.TOTP(secret)
    for step in (current, current - 1, current + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), digits.encode()):
            return step
    return None


def _take_step(session: Session, user_id: str, step: int) -> bool:
    """Use the step up; only one of all that try at the same time gets True."""
    taken = session.execute(update(User).where(User.id == user_id, User.totp_last_step < step).values(totp_last_step=step))
    return bool(taken.rowcount)  # type: ignore[attr-defined]


def _code_limits(user_id: str) -> list[Limit]:
    """A code has a million values and three of them are right: 50 tries a day find one in 18 years on average."""
    key = f"totp:{user_id}"
    return [Limit(key, 5, timedelta(minutes=5)), Limit(key, 20, timedelta(hours=1)), Limit(key, 50, timedelta(days=1))]


def _totp_place(user_id: str) -> str:
    return place_of("user_account", "totp_sealed", "", user_id)


# The first admin


def first_admin_code(session: Session, *, now: datetime) -> str:
    """A one-time code, good for 24 hours; an older one ends. Errors: Conflict once there is an admin."""
    if has_admin(session):
        raise Conflict("There is an admin already.")
    code = secrets.token_urlsafe(32)
    session.execute(
        update(OneTimeCode).where(OneTimeCode.purpose == FIRST_ADMIN, OneTimeCode.expires_at > now).values(expires_at=now)
    )
    session.add(
        OneTimeCode(
            id=new_id(), purpose=FIRST_ADMIN, code_hash=digest(code), created_at=now, expires_at=now + CODE_LIFE, used_at=None
        )
    )
    record(session, Tag.CODE_ISSUED, subject="installation", at=now, purpose=FIRST_ADMIN)
    return code


def has_admin(session: Session) -> bool:
    """Whether the installation has been taken into use."""
    return session.scalar(select(func.count()).select_from(User).where(User.role == Role.ADMIN.value)) != 0


def sign_up_first_admin(session: Session, *, code: str, email: str, name: str, password: str, now: datetime) -> User:
    """Make the first admin; uses the code up. Errors: NotFound once there is an admin, Rejected for a wrong or old code."""
    if has_admin(session):
        raise NotFound
    taken = session.execute(
        update(OneTimeCode)
        .where(
            OneTimeCode.code_hash == digest(code.strip()), OneTimeCode.purpose == FIRST_ADMIN, OneTimeCode.used_at.is_(None),
            OneTimeCode.expires_at > now,
        )
        .values(used_at=now)
    )  # fmt: skip
    if not taken.rowcount:  # type: ignore[attr-defined]
        raise Rejected("This code is not right, was used before or is older than 24 hours.")
    record(session, Tag.CODE_USED, subject="installation", at=now, purpose=FIRST_ADMIN)
    try:
        return create_user(session, email=email, name=name, role=Role.ADMIN, password=password, now=now)
    except IntegrityError:
        raise Conflict("There is a user with this e-mail address already.") from None


# Sessions


def is_alive(row: UserSession, user: User | None, *, now: datetime) -> bool:
    """Whether a session still counts: not idle too long, not too old, and its user is still the same and active."""
    if row.user_id is not None and (user is None or not user.is_active):
        return False
    idle = IDLE[Role(user.role)] if user else LONGEST_IDLE
    return now - row.seen_at <= idle and now - row.created_at <= ABSOLUTE


def ends(role: Role, *, seen_at: datetime, created_at: datetime) -> tuple[datetime, datetime]:
    """When a session ends if nothing more comes of it, and when it ends in any case."""
    last = created_at + ABSOLUTE
    return min(seen_at + IDLE[role], last), last


def end_sessions(session: Session, user_id: str, *, except_hash: str = "") -> int:
    """End a user's sessions at once; how many there were."""
    ended = session.execute(delete(UserSession).where(UserSession.user_id == user_id, UserSession.id_hash != except_hash))
    return int(ended.rowcount)  # type: ignore[attr-defined]


def forget_expired_sessions(session: Session, *, now: datetime) -> None:
    """Remove the rows of sessions that are over, and of tries nobody counts any more."""
    too_old = or_(UserSession.created_at < now - ABSOLUTE, UserSession.seen_at < now - LONGEST_IDLE)
    session.execute(delete(UserSession).where(too_old))
    throttling.forget_old(session, now=now)
