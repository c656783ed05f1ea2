"""Hostile content as text in a terminal, and as HTML that has to be saved and sent."""

import unicodedata

import hostile
import pytest


@pytest.mark.parametrize("name", hostile.INJECTIONS)
def test_a_terminal_is_sent_no_commands(name):
    for view, (_, text) in hostile.views(name).items():
        sent = {mark for mark in text if unicodedata.category(mark) == "Cc"}
        assert (view, sent - {"\n", "\t"}) == (view, set())


def test_text_that_is_no_unicode_can_be_saved_and_sent():
    at = hostile.At("surrogate", "half a pair: \ud83d.")
    for shown in (hostile.result(at), hostile.workflow(at)):
        assert hostile.html(shown).encode()
        assert hostile.text(shown).encode()
