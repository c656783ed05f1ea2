"""From a run's files to the small, self-contained things that a notebook shows; nothing here knows HTML.

A file is fetched, decoded and made small on a few threads (``pipeline``), as early as a node has reported it. What
is made of a content is kept (``memory``), and a last, quick step decides what of it fits the notebook (``budget``).
"""
