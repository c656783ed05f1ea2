"""What tests of servers share."""

import pytest
from proxy import Proxy


@pytest.fixture
def proxy(embedded_comfyui):
    with Proxy(embedded_comfyui) as made:
        yield made
