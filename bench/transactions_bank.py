"""A bank with many booked movements, as a process of its own: `python -m bench.transactions_bank --rows 100000 …`.

It is the Qonto simulator, whose main account holds them, all others none. Only the pages of that account's transactions are
ready before it begins to listen: the simulator sorts the whole list anew for each page, which no bank does, and here it would
take longer than everything that is measured.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from portal.simulator import create_simulator
from portal.simulator.clock import stamp
from portal.simulator.rows import set_balance, transaction
from portal.simulator.server import listen
from portal.simulator.state import Organization
from tests.bank_process import ORGANIZATION

PER_PAGE = 100
DAYS = 80  #: within the reach of a bank connection
OPENING_CENTS = 1_000_000


def movements(account: str, count: int, *, now: datetime) -> Iterator[dict[str, Any]]:
    """Rows as the bank sends them, oldest first, from `DAYS` ago to an hour ago. The same for the same day and count."""
    rng, balance = random.Random(1), OPENING_CENTS
    for number in range(count):
        settled = now - timedelta(days=DAYS * (1 - number / count), hours=1)
        cents, side = rng.randint(1, 500_000), "credit" if balance < OPENING_CENTS else "debit"
        balance += cents if side == "credit" else -cents
        given = {
            "amount_cents": cents, "side": side, "label": f"Lieferant {rng.randrange(500)} GmbH", "bank_account_id": account,
            "reference": f"Rechnung RE-{rng.randrange(10**6):06} vom {settled:%d.%m.%Y}", "settled_at": stamp(settled),
            "emitted_at": stamp(settled), "settled_balance_cents": balance, "settled_balance": balance / 100,
        }  # fmt: skip
        yield transaction(str(uuid.UUID(int=rng.getrandbits(128))), settled, given)


def pages(rows: list[dict[str, Any]]) -> list[bytes]:
    """Answers to `GET /v2/transactions`, page by page, and an empty one for whoever asks past the last."""
    count = max(1, -(-len(rows) // PER_PAGE))
    made = []
    for page in range(1, count + 2):
        shown = [{name: row[name] for name in row if name != "labels"} for row in rows[(page - 1) * PER_PAGE : page * PER_PAGE]]
        meta = {
            "current_page": page, "next_page": page + 1 if page < count else None, "prev_page": page - 1 or None,
            "total_pages": count, "total_count": len(rows), "per_page": PER_PAGE,
        }  # fmt: skip
        made.append(json.dumps({"transactions": shown, "meta": meta}).encode())
    return made


class Ready:
    """Hands out the ready pages; whatever else is asked, the simulator answers."""

    def __init__(self, inner: Callable[..., Iterable[bytes]], known: Organization, count: int) -> None:
        self._inner, self._account = inner, known.main_account["id"]
        for row in known.tables["transactions"].values():
            known.hidden.add(row["id"])
        for account in known.accounts.values():
            set_balance(account, 0, 0)
        rows = list(movements(self._account, count, now=datetime.now(UTC)))
        balance = rows[-1]["settled_balance_cents"]
        set_balance(known.main_account, balance, balance)
        self._pages = pages(rows)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """As WSGI asks."""
        query = parse_qs(environ.get("QUERY_STRING", ""))
        if environ["PATH_INFO"] != "/v2/transactions" or query.get("bank_account_id") != [self._account]:
            return self._inner(environ, start_response)
        body = self._pages[int(query["page"][0]) - 1]
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def main() -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--client-redirect", required=True)
    parser.add_argument("--rows", type=int, required=True)
    options = parser.parse_args()
    app = create_simulator(client_redirects=[options.client_redirect])
    known = next(one for one in app.extensions["simulator"].organizations if one.slug == ORGANIZATION)
    server = listen(Ready(app.wsgi_app, known, options.rows), options.port)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"Qonto simulator on http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
