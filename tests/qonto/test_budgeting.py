"""The shared budget: bursts, rates, pauses; several processes draw from one row. On both databases."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from portal.clock import FixedClock
from portal.db import Database
from portal.errors import RateLimited
from portal.models import RequestBudget
from portal.qonto.budget import Unlimited
from portal.services.connections.budgeting import CALLS, SharedBudget, new_budget
from portal.settings import Settings


class Simulated:
    """Time that passes only by waiting; notes when each call went out."""

    def __init__(self, database: Database, clock: FixedClock, *, rate: float = 12.0, burst: float = 800.0) -> None:
        self.database, self.clock, self.rate, self.burst = database, clock, rate, burst
        self.started, self.went_out = clock.now(), list[float]()

    def budget(self) -> SharedBudget:
        """As another process has one."""
        return SharedBudget(self.database, rate=self.rate, burst=self.burst, clock=self.clock, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.clock.move(seconds=seconds)

    def call(self, budget: SharedBudget, times: int = 1) -> None:
        for _ in range(times):
            budget.take(patience=120)
            self.went_out.append((self.clock.now() - self.started).total_seconds())

    def most_within(self, seconds: float) -> int:
        moments = self.went_out
        return max(sum(1 for other in moments if moment <= other < moment + seconds) for moment in moments)


def test_a_burst_then_the_rate(database: Database, clock: FixedClock) -> None:
    world = Simulated(database, clock, rate=12, burst=80)
    budgets = [world.budget() for _ in range(4)]
    for budget, _ in zip(itertools.cycle(budgets), range(200), strict=False):
        world.call(budget)
    assert world.went_out[79] == 0
    assert world.went_out[80] > 0
    assert abs(world.went_out[-1] - 120 / 12) < 0.5
    assert world.most_within(10) <= 80 + 120 + 4


def test_turns_taken_in_advance_count(database: Database, clock: FixedClock) -> None:
    """Many processes that hold some turns each never exceed the burst together."""
    world = Simulated(database, clock, rate=1, burst=100)
    budgets = [world.budget() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda budget: [budget.take(patience=0) for _ in range(20)], budgets))
    with database.read() as session:
        assert 0 <= session.get_one(RequestBudget, CALLS).tokens <= 40


def test_impatience_is_told_how_long_it_would_take(database: Database, clock: FixedClock) -> None:
    world = Simulated(database, clock, rate=1, burst=5)
    budget = world.budget()
    world.call(budget, 5)
    with pytest.raises(RateLimited) as caught:
        budget.take(patience=0.5)
    assert caught.value.retry_after == pytest.approx(1.0)
    assert caught.value.status_code == 0
    world.call(budget)
    assert world.went_out[-1] == pytest.approx(1.0)


def test_a_pause_holds_everybody(database: Database, clock: FixedClock) -> None:
    world = Simulated(database, clock)
    one, other = world.budget(), world.budget()
    world.call(other, 3)
    one.pause(30)
    one.pause(10)
    world.call(one)
    assert world.went_out[-1] == pytest.approx(30)
    one.pause(300)
    with pytest.raises(RateLimited) as caught:
        world.budget().take(patience=120)
    assert caught.value.retry_after == pytest.approx(300, abs=1)


def test_a_pause_that_begins_while_one_waits(database: Database, clock: FixedClock) -> None:
    world = Simulated(database, clock, rate=0.1, burst=1)
    budget, other = world.budget(), world.budget()
    world.call(budget)
    sleep = world.sleep

    def meets_a_429(seconds: float) -> None:
        budget._sleep = sleep
        sleep(seconds)
        other.pause(60)

    budget._sleep = meets_a_429
    world.call(budget)
    assert world.went_out[-1] == pytest.approx(10 + 60)


def test_answers_401_are_rationed(database: Database, clock: FixedClock) -> None:
    """B09: the bank throttles everybody after 200 of them in an hour."""
    world = Simulated(database, clock)
    budget = world.budget()
    answers = 0
    while clock.now() < world.started + timedelta(hours=1):
        try:
            budget.take(patience=120)
        except RateLimited as error:
            clock.move(seconds=error.retry_after or 1)
            continue
        budget.note_unauthorized()
        answers += 1
    assert 50 <= answers <= 100


def test_a_clock_that_goes_back_gives_nothing(database: Database, clock: FixedClock) -> None:
    world = Simulated(database, clock, rate=1, burst=5)
    budget = world.budget()
    world.call(budget, 5)
    clock.move(hours=-1)
    with pytest.raises(RateLimited):
        budget.take(patience=0)


def test_a_rate_of_zero_lifts_it(database: Database, settings: Settings) -> None:
    assert isinstance(new_budget(replace(settings, request_rate=0), database), Unlimited)
    limited = new_budget(replace(settings, request_rate=12.0), database)
    assert isinstance(limited, SharedBudget)
    limited.take(patience=0)
