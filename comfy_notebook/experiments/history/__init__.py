"""Every run on this machine, from any notebook: recorded as it happens, found again, shown without its server.

``recording`` is told of runs by the runner; ``store`` keeps them in SQLite by the ``schema``; ``search`` reads what is
asked for; ``history`` and ``records`` are what a user holds.
"""
