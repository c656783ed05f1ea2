"""Faults at random, a few minutes' worth of them in a few seconds; soak.py has the long one."""

import time

from .soak import report, soak

RUNS = 150


def test_a_hundred_and_fifty_runs_in_bad_weather_leave_nothing_behind(engine_trial, capsys):
    seed = time.time_ns() % 10**6
    faults, statuses, held = soak(engine_trial, RUNS, seed)
    before, after = held[0], held[-1]
    with capsys.disabled():
        print(f"\n{report(seed, faults, statuses, held)}")
    assert sum(faults.values()) > RUNS / 3
    assert statuses["completed"] > RUNS / 2
    assert after["MB"] - before["MB"] < 60
    assert after["files"] - before["files"] < 40
    assert after["tasks"] - before["tasks"] < 40
    assert after["threads"] - before["threads"] < 40
