"""What happens while nobody asks: the diary, and the letter about a transfer that settled."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any

import pytest

from portal.simulator.diary import Diary
from tests.simulator.payer import TRANSFERS, Payer

START = datetime(2026, 11, 27, tzinfo=UTC)


def test_steps_happen_once_in_order_at_their_own_moment() -> None:
    diary, seen = Diary(), list[tuple[str, datetime]]()

    def step(name: str, *, then: str = "") -> Any:
        def happen(due: datetime) -> None:
            seen.append((name, due))
            if then:
                diary.note(due + timedelta(seconds=1), step(then))

        return happen

    for seconds, name, then in ((5, "late", ""), (1, "early", "after"), (1, "second", ""), (60, "not yet", "")):
        diary.note(START + timedelta(seconds=seconds), step(name, then=then))
    diary.catch_up(START)
    assert seen == []
    for _ in range(2):
        diary.catch_up(START + timedelta(seconds=30))
        assert [(name, (due - START).seconds) for name, due in seen] == [("early", 1), ("second", 1), ("after", 2), ("late", 5)]


@pytest.fixture
def letters() -> Any:
    """Where webhooks arrive: the address, and what came."""
    came: Queue[dict[str, Any]] = Queue()

    class Box(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Box)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook", came
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_call_that_hangs_over_a_reset_reaches_no_other_world(payer: Payer) -> None:
    """It neither pays there nor stands in the log."""
    body = payer.order("1.00", payer.trusted())
    payer.bank.fault("hang", times=1, seconds=0.5, match={"method": "POST", "path": TRANSFERS})
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(payer.send, TRANSFERS, body)
        while payer.bank.app.extensions["simulator"].faults.shown["faults"][0]["remaining"]:
            time.sleep(0.01)  # until it was struck, and waits
        payer.bank.tell("reset", seed=1)
        with pytest.raises(ConnectionError):
            hanging.result(timeout=10)
    assert payer.bank.log() == []
    assert payer.bank.ask("executions")["executions"] == []


def test_a_settled_transfer_is_told_though_nobody_asks(payer: Payer, letters: tuple[str, Queue[dict[str, Any]]]) -> None:
    address, came = letters
    assert payer.send("/v2/webhook_subscriptions", {"callback_url": address, "types": ["v1/transactions"]}).status_code == 201
    payer.pay("14.14")
    payer.bank.app.extensions["simulator"].clock.advance(6)  # time alone: no call comes in
    event = came.get(timeout=10)
    assert (event["type"], event["data"]["amount_cents"], event["data"]["reference"]) == ("v1/transactions", 1414, "RE 4711")
