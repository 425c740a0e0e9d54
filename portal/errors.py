"""Every error that crosses a room's door.

The message of a `PortalError` is fit for the user (an English msgid, translated at the edge); what helps us goes into the log.
`permanent` is the only thing a retry reads: False means that doing the same again later may work.
"""

from __future__ import annotations


class PortalError(Exception):
    """Something went wrong that we foresaw. `message` is an English msgid a user may read."""

    status = 500

    def __init__(self, message: str, *, permanent: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent


class Rejected(PortalError):
    """The input breaks a rule; the message says which."""

    status = 422


class NotFound(PortalError):
    """No such record, or none that this actor may see: the two look the same."""

    status = 404

    def __init__(self, message: str = "We could not find this page.") -> None:
        super().__init__(message)


class NotAllowed(PortalError):
    """The actor is known and may not do this."""

    status = 403


class Conflict(PortalError):
    """Somebody else was faster."""

    status = 409


class Stale(Conflict):
    """The record changed after the page was made; carries who and when where known."""


class AlreadyAssigned(Conflict):
    """The receipt or the transaction is already used up by another assignment."""


class Fenced(PortalError):
    """This worker lost its lease: another one owns the run now. It stops without writing."""

    def __init__(self) -> None:
        super().__init__("Another worker has taken over this run.")


class QontoError(PortalError):
    """The bank did not do what we asked.

    `status_code` is the HTTP status (0 without an answer), `code` the bank's or our reason code, `request_id` the bank's id.
    """

    status = 502

    def __init__(
        self, message: str, *, status_code: int = 0, code: str = "", request_id: str = "", permanent: bool = True
    ) -> None:
        super().__init__(message, permanent=permanent)
        self.status_code = status_code
        self.code = code
        self.request_id = request_id


class ConsentEnded(QontoError):
    """The consent is gone for good (revoked, expired, 401 after a fresh token): the client must connect again."""


class ScopeMissing(QontoError):
    """403: the consent does not cover this call, or the plan or role does not allow it. `code` tells which."""


class ScaRequired(QontoError):
    """428: the bank wants its user to confirm in its app. `token` asks how far that is; empty: he has no device for it."""

    def __init__(self, token: str, *, status_code: int = 428, request_id: str = "") -> None:
        super().__init__(
            "Qonto asks for a confirmation in its app.", status_code=status_code, request_id=request_id,
            code="sca_required" if token else "sca_not_enrolled",
        )  # fmt: skip
        self.token = token


class RateLimited(QontoError):
    """429. `retry_after` in seconds, None when the bank did not say."""

    def __init__(self, *, retry_after: float | None, request_id: str = "") -> None:
        super().__init__(
            "Qonto asks us to slow down. We try again by ourselves.",
            status_code=429,
            code="rate_limited",
            request_id=request_id,
            permanent=False,
        )
        self.retry_after = retry_after


class Unavailable(QontoError):
    """No answer, a 5xx, a cut or unreadable answer: trying again later may work.

    `code` tells which: timeout, deadline, network, tls and others.
    """

    def __init__(self, code: str, *, status_code: int = 0, request_id: str = "") -> None:
        super().__init__(
            "Qonto cannot be reached at the moment. We try again by ourselves.",
            status_code=status_code,
            code=code,
            request_id=request_id,
            permanent=False,
        )


class OutcomeUnknown(QontoError):
    """A change was sent and no answer came back: only asking the bank can tell whether it happened."""


class UnexpectedPayload(QontoError):
    """A required field of one row is missing or of the wrong kind. `field` names it; the row is set aside, others go on."""

    def __init__(self, field: str) -> None:
        super().__init__("Qonto sent an answer that we could not read.", code="schema", permanent=False)
        self.field = field


class StorageError(PortalError):
    """The document store failed."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message, permanent=permanent)


class DocumentMissing(StorageError):
    """A row names bytes that the store does not have."""


class DocumentCorrupt(StorageError):
    """The stored bytes do not have the hash that their name promises."""

    def __init__(self, expected_sha256: str) -> None:
        super().__init__(
            "This document was damaged in our storage. What came from Qonto is fetched again, anything else please upload again.",
            permanent=True,
        )
        self.expected_sha256 = expected_sha256
