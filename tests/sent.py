"""What a server was sent, as it tells itself, past our client."""

import time

import httpx

# no certificates, as loading them takes long; no kept connections, as servers are restarted
OUTSIDE = httpx.Client(
    timeout=30,
    verify=False,  # noqa: S501 - plain HTTP
    trust_env=False,
    limits=httpx.Limits(max_keepalive_connections=0),
)


def runs(url):
    """Return (ids of runs that are over, ids of those that are not)."""
    queue = OUTSIDE.get(f"{url}/queue").json()
    left = {item[1] for item in [*queue["queue_running"], *queue["queue_pending"]]}
    return {*OUTSIDE.get(f"{url}/history").json()}, left


def submitted(url):
    """Return the ids of all runs that a server was ever sent."""
    over, left = runs(url)
    return over | left


def settle(url, seconds=60):
    """End what a test left on a server, so that the next one finds it idle."""
    deadline = time.monotonic() + seconds
    while OUTSIDE.get(f"{url}/prompt").json()["exec_info"]["queue_remaining"]:
        assert time.monotonic() < deadline, f"{url} is still at work"
        OUTSIDE.post(f"{url}/queue", json={"clear": True})
        OUTSIDE.post(f"{url}/interrupt", json={})
        time.sleep(0.02)
