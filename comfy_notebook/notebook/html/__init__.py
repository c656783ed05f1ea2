"""Results as static HTML: no script, no ids, nothing fetched, everything escaped that is not our own markup.

What survives where is measured: an untrusted notebook loses the style sheet, so layout stands in ``style``
attributes and ``width``, and the style sheet only adds colour and comfort.
"""
