"""Cells in a shell, as a user runs them."""


def run(ip, cell):
    """Run a cell as a user does; return its value, or raise what it raised."""
    outcome = ip.run_cell(cell)
    outcome.raise_error()
    return outcome.result
