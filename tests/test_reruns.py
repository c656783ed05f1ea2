"""What made a file runs again, from the file alone."""

import pytest
from graphs import SAVERS, loaded, picture, saving

from comfy_notebook import ComfyKit


@pytest.fixture
def kit(comfyui):
    return ComfyKit(comfyui)


@pytest.mark.parametrize("saver", SAVERS)
def test_a_saved_file_runs_again_and_gives_the_same_graph(kit, tmp_path, saver):
    made = kit.run(saving(saver, SAVERS[saver])).raise_for_status()
    file = made.media[0].save(tmp_path)
    for source in (file, file.read_bytes(), made.media[0], str(made.media[0])):
        again = kit.run(source).raise_for_status()
        assert again.workflow == made.workflow
        assert len(again.media) == len(made.media)


def test_a_result_and_a_picture_opened_with_pillow_run_again(kit):
    made = kit.run(picture(), {"width": 48})
    for source in (made, made.images[0].pil()):
        assert kit.run(source).raise_for_status().workflow == made.workflow


def test_one_runs_output_feeds_the_next_whose_file_runs_again(kit):
    made = kit.run(loaded(), {"photo": kit.run(picture()).images[0]})
    again = kit.run(made.images[0])
    assert again.workflow == made.workflow
    assert again.images[0].pil().tobytes() == made.images[0].pil().tobytes()


def test_a_file_runs_again_with_other_values(kit):
    made = kit.run(picture(), {"width": 48})
    assert kit.run(made.images[0], {"EmptyImage.width": 40}).images[0].pil().size == (40, 16)
