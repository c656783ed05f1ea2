import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfy_notebook.notebook.media.budget import Limits, choose, left_out
from comfy_notebook.notebook.media.encoding import Encoded
from comfy_notebook.notebook.media.prepared import Prepared
from comfy_notebook.notebook.media.recipe import MARKUP_BYTES, in_bytes, in_notebook, recipe_for

LIMITS = Limits(pictures=4_000_000, video=8_000_000, audio=8_000_000, players=20_000_000)


def part(size, side=100):
    return Encoded(bytes(size), "image/webp", side, side)


def still(small, large=None, side=1000):
    return "image", Prepared(1_500_000, part(small), part(large, 500) if large else None, width=side, height=side)


def cost(*sizes):
    return sum(in_notebook(size) + MARKUP_BYTES for size in sizes)


def limits(pictures):
    return Limits(pictures, LIMITS.video, LIMITS.audio, LIMITS.players)


def spent(choices):
    return cost(*(len(p.content) for c in choices for p in (c.small, c.large) if p))


@given(st.integers(0, 10**9))
def test_what_base64_takes(count):
    assert in_notebook(in_bytes(count)) <= count
    assert in_notebook(count) >= count * 4 / 3


@given(st.integers(0, 3000), st.floats(0, 20_000), st.floats(0, 1_000))
def test_shares_never_exceed_the_budget(count, pictures_kb, picture_kb):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMFY_NOTEBOOK_PICTURES_KB", str(pictures_kb))
        patch.setenv("COMFY_NOTEBOOK_PICTURE_KB", str(picture_kb))
        recipe = recipe_for(count)
    most = in_notebook(recipe.limit) + MARKUP_BYTES if recipe.limit else 0
    assert most * count <= pictures_kb * 1000 + count * 4
    assert most <= picture_kb * 1000 + 4
    assert recipe.thumbnail_limit <= recipe.limit


def test_the_more_pictures_the_smaller_and_never_the_larger():
    recipes = [recipe_for(count) for count in range(1, 2000)]
    for before, after in itertools.pairwise(recipes):
        assert after.limit <= before.limit
        assert after.thumbnail_side <= before.thumbnail_side
    assert len(set(recipes)) < 250  # so that what is made ahead is seldom made twice
    assert len({recipe_for(count) for count in range(3, 13)}) == 1


def test_a_setting_that_is_none_is_not_used(monkeypatch, caplog):
    monkeypatch.setenv("COMFY_NOTEBOOK_THUMBNAIL_SIDE", "large")
    monkeypatch.setenv("COMFY_NOTEBOOK_THUMBNAIL_FORMAT", "xbm")
    assert recipe_for(4).thumbnail_side == 480
    assert recipe_for(4).format == "WEBP"
    assert "COMFY_NOTEBOOK_THUMBNAIL_SIDE=large is no number that it can be; 480 is used." in caplog.text
    assert "is none of avif, jpeg, jpg, png, webp" in caplog.text


def test_thumbnails_come_before_previews():
    files = [still(1000, 9000)] * 3
    choices = choose(files, limits(cost(1000, 1000, 1000, 9000)))
    assert [bool(choice.small) for choice in choices] == [True, True, True]
    assert [bool(choice.large) for choice in choices] == [True, False, False]
    line = "To keep the notebook small, 2 pictures are shown as thumbnails only."
    assert left_out(files, choices) == line


def test_what_does_not_fit_is_left_out_and_said():
    files = [still(1000)] * 3
    choices = choose(files, limits(cost(1000, 1000)))
    assert [bool(choice.small) for choice in choices] == [True, True, False]
    assert "1 picture is not shown" in left_out(files, choices)


def test_nothing_to_say():
    files = [still(1000, 2000), still(500, side=100), ("file", Prepared()), ("image", Prepared(problem="broken"))]
    assert left_out(files, choose(files, LIMITS)) == ""


def test_animations_get_what_is_left():
    original, smaller = part(100_000), part(20_000)
    moving = "image", Prepared(100_000, part(1000), moving=(original, smaller), width=100, height=100)
    for room, expected in ((120_000, original), (50_000, smaller), (5_000, part(1000))):
        files = [moving, still(1000)]
        choices = choose(files, limits(cost(1000) + in_notebook(room)))
        assert choices[0].small == expected
        assert choices[0].moves == (expected != part(1000))
        assert choices[1].small
        assert ("1 animation is shown as a still" in left_out(files, choices)) == (not choices[0].moves)


def test_players():
    def player(kind, size):
        return kind, Prepared(size, part(1000), plays_as="video/mp4")

    files = [
        player("video", 8_000_001),
        player("video", 8_000_000),
        player("audio", 8_000_000),
        player("video", 5_000_000),
        player("video", 1_000),
        ("video", Prepared(10, part(10))),
    ]
    choices = choose(files, LIMITS)
    assert [choice.plays for choice in choices] == [False, True, True, False, True, False]
    assert all(choice.small for choice in choices)
    assert left_out(files, choices) == "To keep the notebook small, 2 videos or sounds are not included."


sizes = st.integers(1, 40_000)
stills = st.builds(still, sizes, st.one_of(st.none(), sizes))
moving = st.builds(lambda s, m: ("image", Prepared(9, part(s), moving=tuple(map(part, m)))), sizes, st.lists(sizes))


@given(st.lists(stills | moving), st.integers(0, 300_000))
def test_the_budget_holds_whatever_comes(files, room):
    choices = choose(files, limits(room))
    assert spent(choices) <= room
    assert choices == choose(files, limits(room))
    left_out(files, choices)
