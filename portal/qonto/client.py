"""Qonto's API, one method per endpoint. Answers become frozen rows, failures become our errors; nothing else comes out."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx2
import stamina
import structlog

from portal.errors import OutcomeUnknown, QontoError, RateLimited, Unavailable, UnexpectedPayload
from portal.qonto import fields, payment_schema, schema
from portal.qonto.budget import Budget
from portal.qonto.errors import Code, refusal
from portal.qonto.files import FileStore
from portal.qonto.tokens import OneToken, TokenStore
from portal.qonto.transport import GuardedTransport, Transport, new_client, read_limited, time_limit, translated
from portal.settings import Settings, Timing

__all__ = ["File", "OneToken", "Page", "Qonto", "all_pages"]

log = structlog.get_logger()

Row = TypeVar("Row")

PER_PAGE = 100  #: always sent: the documented defaults differ from the real ones (qonto-api.md §3)
MAX_ANSWER = 20 * 1024 * 1024  #: after unpacking
MAX_PAGES = 10_000
ATTACHMENT_LIFE = timedelta(days=90)  #: credit notes are listed again for so long, see `Qonto.credit_notes`
LONGEST_PAUSE = 120.0  #: a worker waits so long for the bank's 429; longer and it lets go of the run
PATIENCE_OF_A_PERSON = 10.0
SILENT_PAUSES = (30.0, 60.0, 120.0)  #: after a 429 that does not say how long, in units of the first retry step
FILE_TRIES = 3
#: after these the bank has certainly not done what it was asked
CLEAR_REFUSALS = frozenset((400, 401, 403, 404, 412, 422, 428, 429))


#: list → key of a single row, and how it is read
ONE_OF: dict[str, tuple[str, Callable[[fields.Json], Any]]] = {
    "supplier_invoices": ("supplier_invoice", schema.supplier_invoice),
    "client_invoices": ("client_invoice", schema.client_invoice),
    "credit_notes": ("credit_note", schema.credit_note),
}


#: way of an order → its address, and the key of what the answer holds
ORDERS = {
    "transfer": ("/v2/sepa/transfers", "transfer"),
    "bulk": ("/v2/sepa/bulk_transfers", "bulk_transfer"),
    "request": ("/v2/requests/multi_transfers", "request_multi_transfer"),
}


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list. `unreadable` names the rows that had to be set aside: (id where it could be read, field)."""

    rows: tuple[Row, ...]
    page: int
    total_count: int
    unreadable: tuple[tuple[str | None, str], ...] = ()
    ids: tuple[str, ...] = ()  #: of all its rows, the unreadable ones included where they have one
    has_more: bool = False  #: as the answer says it; a hint, see `all_pages`


@dataclass(frozen=True, slots=True)
class File:
    """A downloaded file under the name that its uploader gave it (not fit for a file system)."""

    content: bytes = field(repr=False)
    file_name: str


def all_pages(fetch: Callable[[int], Page[Row]]) -> Iterator[Page[Row]]:
    """Every page of a list, in order, whatever its `meta` claims.

    A full page is followed by a further one even where the answer denies it; a page past the end may be refused with 422; a page
    that repeats an earlier one ends the list. If the total changed on the way, rows may have moved between pages: the list is
    read once more, and pages that held nothing new are left out. Errors: Unavailable(count_mismatch) after the last page when
    fewer rows came than were announced.
    """
    walk = _Walk()
    yield from walk.pages(fetch)
    if walk.has_moved:
        log.info("repaged", announced=walk.announced)
        yield from walk.pages(fetch)
    if walk.count < walk.announced:
        log.warning("count_mismatch", seen=walk.count, announced=walk.announced)
        raise Unavailable(Code.COUNT_MISMATCH)


class _Walk:
    """One or two passes over a list."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._nameless = 0  #: rows without a readable id, of the current pass
        self._yielded = 0
        self.announced = 0
        self.has_moved = False

    @property
    def count(self) -> int:
        """Different rows seen."""
        return len(self._ids) + self._nameless

    def pages(self, fetch: Callable[[int], Page[Row]]) -> Iterator[Page[Row]]:
        """One pass. Pages of a second pass are numbered on, so that no caller counts the total twice."""
        totals, contents = set(), set()
        self._nameless = 0
        for number in range(1, MAX_PAGES + 1):
            try:
                page = fetch(number)
            except QontoError as error:
                if number > 1 and error.status_code == httpx2.codes.UNPROCESSABLE_CONTENT:
                    break
                raise
            size = len(page.rows) + len(page.unreadable)
            if size or number == 1:
                self.announced = page.total_count
            if not size or (page.ids and page.ids in contents):
                break
            contents.add(page.ids)
            totals.add(page.total_count)
            is_new = not self._ids.issuperset(page.ids) or number == 1 == self._yielded + 1
            self._ids.update(page.ids)
            self._nameless += size - len(page.ids)
            if is_new:
                self._yielded += 1
                yield replace(page, page=self._yielded)
            if not page.has_more and size < PER_PAGE:
                break
        self.has_moved = len(totals) > 1


class Qonto:
    """The API over the tokens of connections. Thread safe; one for the process.

    Errors of every method: ConsentEnded, ScopeMissing, RateLimited, Unavailable, and QontoError with the bank's code for
    other refusals. Calls that only read are repeated by themselves where that may help, up to four times in a minute.
    """

    def __init__(
        self, settings: Settings, tokens: TokenStore, budget: Budget, *, transport: httpx2.BaseTransport | None = None
    ) -> None:
        self._settings, self._tokens, self._budget = settings, tokens, budget
        self._is_waited_for = False
        self._sent_along: dict[str, str] = {}  #: headers of certain calls
        self._before_sending: Callable[[], None] = lambda: None
        timing = settings.timing
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        if settings.qonto_staging_token:
            headers["X-Qonto-Staging-Token"] = settings.qonto_staging_token
        self._http = new_client(
            GuardedTransport(transport or Transport()),
            base_url=settings.qonto_api_url,
            headers=headers,
            timeout=httpx2.Timeout(timing.read_timeout, connect=timing.connect_timeout),
        )
        self._files = FileStore(settings, transport=transport)

    def over(self, tokens: TokenStore | None = None) -> Qonto:
        """The same API for a person who waits: ten seconds, then an error. With `tokens`: over these instead."""
        other = copy(self)
        other._tokens, other._is_waited_for = tokens or self._tokens, True  # noqa: SLF001 -- our own copy
        return other

    def confirmed(self, token: str) -> Qonto:
        """The same API for calls that the user has confirmed at the bank. `token`: of the confirmation; empty: there is none."""
        other = copy(self)
        other._sent_along = {"X-Qonto-Sca-Session-Token": token} if token else {}  # noqa: SLF001 -- our own copy
        return other

    def guarded(self, before_sending: Callable[[], None]) -> Qonto:
        """The same API for calls that may come too late: the check runs once token and turn are there, and raises then."""
        other = copy(self)
        other._before_sending = before_sending  # noqa: SLF001 -- our own copy
        return other

    def close(self) -> None:
        """Close the connections that are kept for further calls."""
        self._http.close()
        self._files.close()

    def organization(self, connection_id: str) -> schema.Organization:
        """Whose consent this is, with its Qonto accounts (closed ones included)."""
        answer = self._get(connection_id, "/v2/organization", {})
        return schema.organization(_object(answer, "organization"))

    def supplier_invoices(
        self, connection_id: str, *, updated_from: datetime | None = None, page: int
    ) -> Page[schema.SupplierInvoice]:
        """Documents of the supplier invoice list, oldest first; with `updated_from` those that changed since."""
        return self._invoices(connection_id, "supplier_invoices", schema.supplier_invoice, "updated_at", updated_from, page)

    def client_invoices(
        self, connection_id: str, *, updated_from: datetime | None = None, page: int
    ) -> Page[schema.ClientInvoice]:
        """Invoices to customers, oldest first; with `updated_from` those that changed since."""
        return self._invoices(connection_id, "client_invoices", schema.client_invoice, "updated_at", updated_from, page)

    def credit_notes(self, connection_id: str, *, updated_from: datetime | None = None, page: int) -> Page[schema.CreditNote]:
        """Credit notes to customers, oldest first.

        They can only be filtered by creation, and their file may come later: with `updated_from` the ones created in the 90 days
        before it are listed again.
        """
        since = updated_from - ATTACHMENT_LIFE if updated_from else None
        return self._invoices(connection_id, "credit_notes", schema.credit_note, "created_at", since, page)

    def invoice(self, connection_id: str, name: str, qonto_id: str) -> Any:
        """One row of the list of this name (supplier_invoices, client_invoices, credit_notes), as it is now."""
        key, read = ONE_OF[name]
        answer = self._get(connection_id, f"/v2/{name}/{quote(qonto_id, safe='')}", {})
        return read(_object(answer, key))

    def transactions(
        self, connection_id: str, *, bank_account_id: str, updated_from: datetime | None = None,
        settled_from: datetime | None = None, page: int,
    ) -> Page[schema.Transaction]:  # fmt: skip
        """Movements of one account, oldest first: booked since `settled_from`, or changed since `updated_from`.

        Booked rows that were reversed or declined later are among them, however long ago: we may not have heard of it yet.
        Pending ones are never listed: they change when they are booked. Errors: also ScaRequired.
        """
        query: dict[str, Any] = {"bank_account_id": bank_account_id, "sort_by": "emitted_at:asc"}
        query["status[]"] = ["completed", "declined", "reversed"]
        if updated_from:
            query["updated_at_from"] = _spelled(updated_from)
        if settled_from:
            query["settled_at_from"] = _spelled(settled_from)
        return self._page(connection_id, "/v2/transactions", "transactions", query, schema.transaction, page)

    def sca_result(self, connection_id: str, token: str) -> str:
        """How far a confirmation is: waiting, allow or deny. One that the bank does not know any more is a deny."""
        try:
            answer = self._get(connection_id, f"/v2/sca_sessions/{quote(token, safe='')}", {})
        except QontoError as error:
            if error.status_code in {httpx2.codes.NOT_FOUND, httpx2.codes.PRECONDITION_FAILED}:
                return "deny"
            raise
        return str(answer.get("result")) if answer.get("result") in {"waiting", "allow"} else "deny"

    def webhook_addresses(self, connection_id: str) -> dict[str, str]:
        """Subscriptions that the bank knows: address → its id."""
        answer = self._get(connection_id, "/v2/webhook_subscriptions", {"per_page": PER_PAGE})
        listed = answer.get("subscriptions")
        rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
        return {str(row.get("callback_url")): qonto_id for row in rows if (qonto_id := _id_of(row))}

    def subscribe(self, connection_id: str, *, address: str, event: str, secret: str) -> str:
        """Have events of one type sent to this address, signed with the secret. Returns the bank's id."""
        body = {"callback_url": address, "types": [event], "secret": secret}
        answer = self._once(connection_id, "POST", "/v2/webhook_subscriptions", body)
        if not (qonto_id := _id_of(answer)):
            raise UnexpectedPayload("id")
        return qonto_id

    def unsubscribe(self, connection_id: str, subscription_id: str) -> None:
        """No more events; one that is gone already is fine."""
        try:
            self._once(connection_id, "DELETE", f"/v2/webhook_subscriptions/{quote(subscription_id, safe='')}")
        except QontoError as error:
            if error.status_code != httpx2.codes.NOT_FOUND:
                raise

    # --- payments --------------------------------------------------------------------------------------------

    def payable_invoices(self, connection_id: str, *, page: int) -> Page[schema.PayableInvoice]:
        """Supplier invoices that are not paid yet, oldest first."""
        query = {"sort_by": "created_at:asc", "filter[status][]": list(schema.OPEN_STATUSES)}
        return self._page(connection_id, "/v2/supplier_invoices", "supplier_invoices", query, schema.payable_invoice, page)

    def check_payees(self, connection_id: str, payees: Sequence[tuple[str, str]]) -> payment_schema.PayeeChecks:
        """Ask the payees' banks whether name and IBAN belong together: pairs of name and IBAN, up to 400.

        Nothing happens by it, but the bank counts how often it is asked. Errors: Unavailable and QontoError where it cannot tell.
        """
        if len(payees) == 1:
            ((name, iban),) = payees
            answer = self._once(connection_id, "POST", "/v2/sepa/verify_payee", {"iban": iban, "beneficiary_name": name})
            return payment_schema.payee_check(answer)
        asked = [{"id": str(number), "iban": iban, "beneficiary_name": name} for number, (name, iban) in enumerate(payees)]
        return payment_schema.payee_checks(
            self._once(connection_id, "POST", "/v2/sepa/bulk_verify_payee", {"requests": asked}), len(payees)
        )

    def order(
        self, connection_id: str, way: str, body: dict[str, Any], *, key: str, sca_token: str = ""
    ) -> payment_schema.Ordered:
        """Order a transfer, a bulk or a request, once, under this idempotency key.

        The same key must only ever come with the same body, and not later than half an hour after the first call that may have
        got through, see `guarded`. Errors: OutcomeUnknown when only asking can tell whether it happened; ScaRequired,
        RateLimited, ConsentEnded and QontoError when it certainly did not.
        """
        path, name = ORDERS[way]
        headers = {"X-Qonto-Idempotency-Key": key}
        if self._settings.qonto_staging_token:  # the bank's sandbox knows no phones
            headers["X-Qonto-2fa-Preference"] = "mock"
        calling = self.confirmed(sca_token)
        calling._sent_along = {**calling._sent_along, **headers}  # noqa: SLF001 -- our own copy
        try:
            return payment_schema.ordered(_object(calling._once(connection_id, "POST", path, body), name))  # noqa: SLF001 -- as above
        except (Unavailable, UnexpectedPayload) as error:
            raise OutcomeUnknown(
                "Nobody knows yet whether Qonto has this order.", status_code=error.status_code, code=error.code,
                request_id=error.request_id, permanent=False,
            ) from error  # fmt: skip
        except QontoError as error:
            if error.status_code and error.status_code not in CLEAR_REFUSALS:
                raise OutcomeUnknown(
                    "Nobody knows yet whether Qonto has this order.", status_code=error.status_code, code=error.code,
                    request_id=error.request_id, permanent=False,
                ) from error  # fmt: skip
            raise

    def transfers(
        self, connection_id: str, *, ids: Sequence[str] = (), updated_from: datetime | None = None, page: int
    ) -> Page[payment_schema.Transfer]:
        """Transfers: those with these ids (up to 100), else those that changed since."""
        query: dict[str, Any] = {"sort_by": "created_at:asc"}
        if ids:
            query["ids[]"] = list(ids)
        if updated_from:
            query["updated_at_from"] = _spelled(updated_from)
        return self._page(connection_id, "/v2/sepa/transfers", "transfers", query, payment_schema.transfer, page)

    def bulk_transfer(self, connection_id: str, qonto_id: str) -> payment_schema.Bulk:
        """How far a bulk is."""
        answer = self._get(connection_id, f"/v2/sepa/bulk_transfers/{quote(qonto_id, safe='')}", {})
        return payment_schema.bulk(_object(answer, "bulk_transfer"))

    def bulk_transfers(self, connection_id: str, *, page: int) -> Page[payment_schema.Bulk]:
        """Bulks, those that changed last first."""
        return self._page(connection_id, "/v2/sepa/bulk_transfers", "bulk_transfers", {}, payment_schema.bulk, page)

    def transfer_requests(self, connection_id: str, *, created_from: datetime, page: int) -> Page[payment_schema.TransferRequest]:
        """What lies, or lay, in the bank's app to be released."""
        query = {"created_at_from": _spelled(created_from), "request_type[]": ["multi_transfer"]}
        return self._page(connection_id, "/v2/requests", "requests", query, payment_schema.transfer_request, page)

    def cancel_transfer(self, connection_id: str, qonto_id: str) -> None:
        """Stop a transfer that has not left yet. Errors: QontoError(422) when it has."""
        self._once(connection_id, "POST", f"/v2/sepa/transfers/{quote(qonto_id, safe='')}/cancel")

    def fetch(self, connection_id: str, attachment_id: str) -> File:
        """Download a file. Further codes: gone, too_big, empty, short_file, address_refused, url_expired."""
        for _ in range(FILE_TRIES):
            attachment = self._attachment(connection_id, attachment_id)
            content = self._repeating(partial(self._download, attachment))
            if content is not None:
                return File(content, attachment.file_name)
        raise QontoError("Qonto's link to this file had expired.", code=Code.URL_EXPIRED, permanent=False)

    def _download(self, attachment: schema.Attachment, patience: _Patience) -> bytes | None:
        with time_limit(patience.left):
            return self._files.download(attachment)

    # --- lists -----------------------------------------------------------------------------------------------

    def _attachment(self, connection_id: str, attachment_id: str) -> schema.Attachment:
        try:
            answer = self._get(connection_id, f"/v2/attachments/{quote(attachment_id, safe='')}", {})
        except QontoError as error:
            if error.status_code == httpx2.codes.NOT_FOUND:
                raise QontoError(
                    "Qonto no longer has this file.", status_code=404, code=Code.GONE, request_id=error.request_id
                ) from error
            raise
        return schema.attachment(_object(answer, "attachment"))

    def _invoices(  # noqa: PLR0913 -- what the three lists differ in
        self, connection_id: str, name: str, read: Callable[[fields.Json], Row], column: str, since: datetime | None, page: int
    ) -> Page[Row]:
        # Sorted by creation, which never changes: a row that changes while we page does not move others across pages.
        query: dict[str, Any] = {"sort_by": "created_at:asc"}
        if since:
            query[f"filter[{column}_from]"] = _spelled(since)
        return self._page(connection_id, f"/v2/{name}", name, query, read, page)

    def _page(  # noqa: PLR0913 -- what the four lists differ in
        self, connection_id: str, path: str, name: str, query: dict[str, Any], read: Callable[[fields.Json], Row], number: int
    ) -> Page[Row]:
        answer = self._get(connection_id, path, {**query, "page": number, "per_page": PER_PAGE})
        listed = answer.get(name)
        if not isinstance(listed, list):
            raise UnexpectedPayload(name)
        rows, unreadable, ids = [], [], []
        for entry in listed:
            try:
                row = entry if isinstance(entry, dict) else {}
                rows.append(read(row))
            except UnexpectedPayload as error:
                unreadable.append((_id_of(row), error.field))
            if qonto_id := _id_of(row):
                ids.append(qonto_id)
        meta = answer.get("meta")
        meta = meta if isinstance(meta, dict) else {}
        return Page(
            tuple(rows), number, _count(meta, "total_count"), tuple(unreadable), tuple(ids),
            has_more=number < _count(meta, "total_pages"),
        )  # fmt: skip

    # --- calls -----------------------------------------------------------------------------------------------

    def _get(self, connection_id: str, path: str, query: dict[str, Any]) -> dict[str, Any]:
        """One logical call: its tries, its token, its budget. Returns the JSON object of the answer."""
        answer: dict[str, Any] = self._repeating(partial(self._authorized, connection_id, "GET", path, query))
        return answer

    def _once(self, connection_id: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call that changes something, or is counted: not repeated, as nobody knows what a lost answer has done."""
        patience = _Patience(self._settings.timing, self._budget, is_waited_for=self._is_waited_for)
        return self._authorized(connection_id, method, path, body or {}, patience)

    def _repeating(self, call: Callable[[_Patience], Any]) -> Any:
        patience = _Patience(self._settings.timing, self._budget, is_waited_for=self._is_waited_for)
        for attempt in stamina.retry_context(on=patience.wait_after, attempts=patience.tries, timeout=None):
            with attempt:
                return call(patience)
        raise AssertionError("stamina gives the last error")

    def _authorized(
        self, connection_id: str, method: str, path: str, given: dict[str, Any], patience: _Patience
    ) -> dict[str, Any]:
        """Send, `given` as the query of a GET, else as the body. A first 401 is answered with another token, a second ends it."""
        with patience.standing_still():
            token = self._tokens.access_token(connection_id)
        for is_last in (False, True):
            with patience.standing_still():
                self._budget.take(patience=PATIENCE_OF_A_PERSON if self._is_waited_for else LONGEST_PAUSE)
            self._before_sending()
            with time_limit(patience.left):
                status, headers, body = self._send(method, path, given, token)
            if status != httpx2.codes.UNAUTHORIZED:
                break
            self._budget.note_unauthorized()
            if is_last:
                self._tokens.give_up(connection_id, code=Code.UNAUTHORIZED)
            with patience.standing_still():
                token = self._tokens.renewed(connection_id, refused=token)
        if not httpx2.codes.is_success(status):
            raise refusal(status, headers, body)
        return _json(headers, body) if status != httpx2.codes.NO_CONTENT else {}

    def _send(self, method: str, path: str, given: dict[str, Any], token: str) -> tuple[int, httpx2.Headers, bytes]:
        sent: dict[str, Any] = {"params": given} if method == "GET" else {"json": given or None}
        with (
            translated(),
            self._http.stream(method, path, headers={"Authorization": f"Bearer {token}", **self._sent_along}, **sent) as response,
        ):
            return response.status_code, response.headers, read_limited(response, MAX_ANSWER)


class _Patience:
    """How often and how long one call is repeated; what stamina asks after each failure."""

    def __init__(self, timing: Timing, budget: Budget, *, is_waited_for: bool) -> None:
        self._steps = timing.call_retries[:1] if is_waited_for else timing.call_retries
        self._unit = timing.call_retries[0] if timing.call_retries else 0.0
        self._limit = PATIENCE_OF_A_PERSON if is_waited_for else timing.call_deadline
        self._least = min(timing.read_timeout, self._limit / 2)  #: a try with less time would only be cut
        self._budget, self._is_waited_for = budget, is_waited_for
        self._started = time.monotonic()
        self._failures = 0
        self.tries = 1 + len(self._steps)

    @property
    def left(self) -> float:
        """Seconds that the next try may take."""
        return max(self._started + self._limit - time.monotonic(), 0.0)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Waiting for a token or a turn is not the bank's time."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._started += time.monotonic() - started

    def wait_after(self, error: Exception) -> float | bool:
        """Seconds until the next try; False where another would not help."""
        self._failures += 1
        if isinstance(error, RateLimited):
            return self._wait_for_turn(error)
        if not isinstance(error, QontoError) or error.permanent or isinstance(error, UnexpectedPayload):
            return False
        if self._failures > len(self._steps):
            return False
        step = self._steps[self._failures - 1]
        wait = random.uniform(step / 2, step)  # noqa: S311 -- spreads calls, hides nothing
        return wait if self.left - wait >= self._least else False

    def _wait_for_turn(self, error: RateLimited) -> float | bool:
        """After a 429 everybody waits; this call too, unless that takes too long. The wait does not use up its time."""
        silent = SILENT_PAUSES[min(self._failures, len(SILENT_PAUSES)) - 1] * self._unit
        pause = silent if error.retry_after is None else error.retry_after
        if error.status_code:  # our own budget's refusal is no answer of the bank
            self._budget.pause(pause)
        if self._is_waited_for or pause > LONGEST_PAUSE or self._failures > len(self._steps):
            return False
        pause *= random.uniform(1.0, 1.1)  # noqa: S311 -- as above
        self._started += pause
        return pause


def _json(headers: httpx2.Headers, body: bytes) -> dict[str, Any]:
    """The object of a successful answer; a page of HTML with status 200 is none (qonto-api.md §1)."""
    request_id = headers.get("x-request-id", "")
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (media_type == "application/json" or media_type.endswith("+json")):
        log.warning("answer_not_json", media_type=media_type[:100], size=len(body))
        raise Unavailable(Code.NOT_JSON, status_code=200, request_id=request_id)
    try:
        parsed = fields.parse(body)
    except (ValueError, RecursionError) as error:
        raise Unavailable(Code.BAD_JSON, status_code=200, request_id=request_id) from error
    if not isinstance(parsed, dict):
        raise Unavailable(Code.SCHEMA, status_code=200, request_id=request_id)
    return parsed


def _object(answer: dict[str, Any], name: str) -> dict[str, Any]:
    found = answer.get(name)
    if not isinstance(found, dict):
        raise UnexpectedPayload(name)
    return found


def _id_of(row: dict[str, Any]) -> str | None:
    found = row.get("id")
    return found if isinstance(found, str) and found else None


def _count(meta: dict[str, Any], name: str) -> int:
    found = meta.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0


def _spelled(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
