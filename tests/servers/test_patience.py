import pytest

from comfy_notebook.servers import patience
from comfy_notebook.servers.patience import Patience, overdue, retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "Fri, 31 Dec 1999 23:59:49 GMT"}, 10.0),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "Sat, 01 Jan 2000 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 -0000", "date": "Fri, 31 Dec 1999 23:59:49 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "²"}, None),
        ({}, None),
    ],
)
def test_what_a_server_asks_for_is_read(headers, seconds):
    assert retry_after(headers) == seconds


def test_pauses_grow_and_end(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])
    attempts, pauses = Patience(10.0), []
    while (pause := attempts.pause()) is not None:
        pauses.append(pause)
        now[0] += pause
    assert 5 < len(pauses) < 20
    assert pauses[0] <= 0.1
    assert max(pauses) <= 2.0
    assert sum(pauses) < 10.0


def test_a_pause_that_a_server_asks_for_is_kept_unless_it_is_too_long():
    attempts = Patience(10.0)
    assert attempts.pause(5.0) == 5.0
    assert attempts.pause(50.0) is None
    assert attempts.pause(0.0) > 0.05
    assert Patience(0.0).pause() is None


def test_slow_is_measured_by_size(monkeypatch):
    monkeypatch.setattr(patience.time, "monotonic", lambda: 200.0)
    assert overdue(0.0, 0)
    assert not overdue(0.0, 2_000_000)
