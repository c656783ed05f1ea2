"""The language of searches, and when."""
# Moments are those of the machine that the tests run on.
# ruff: noqa: DTZ001, DTZ005, DTZ011

import time
from datetime import date, datetime, timedelta

import pytest
from graphs import sampled
from past import DAY, fill

from comfy_notebook import ComfyKit, HistoryError, history
from comfy_notebook.experiments.history.moments import since, until
from comfy_notebook.experiments.history.search import parameter_names
from comfy_notebook.experiments.history.store import default_store


@pytest.fixture(scope="module")
def lived(tmp_path_factory, embedded_comfyui):
    """A folder with the history of a few runs."""
    folder = tmp_path_factory.mktemp("lived")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMFY_NOTEBOOK_DATA", str(folder))
        kit = ComfyKit(embedded_comfyui)
        workflow = sampled(steps=2)
        seeds = iter(range(1, 100))
        for prompt, values in [
            ("a red fox in the snow", {}),
            ("a snowy owl", {"steps": 1}),
            ("狐狸在雪地里", {"steps": 3}),
            ('say "hello", Émile', {"6.text": 'say "hello", Émile'}),
            ("a fox", {"nope": 1}),
        ]:
            kit.run(workflow, {"seed": next(seeds)} | ({"prompt": prompt} if "6.text" not in values else {}) | values)
        history[0].star().tag("Good", "to print")
        default_store().flush()
        yield folder
        default_store().close()


@pytest.fixture
def found(lived, monkeypatch):
    """What a search finds, by seed."""
    monkeypatch.setenv("COMFY_NOTEBOOK_DATA", str(lived))
    return lambda query, **how: [record.params["seed"] for record in history.search(query, **how)]


@pytest.mark.parametrize(
    ("query", "seeds"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("fox", [1, 5]),
        ("FOX snow", [1]),
        ("snow", [1, 2]),
        ('"snow"', [1]),
        ('"in the snow"', [1]),
        ('"the in snow"', []),
        ("-fox", [2, 3, 4]),
        ("snow -owl", [1]),
        ('-"in the snow" snow', [2]),
        ("prompt:fox", [1, 5]),
        ("prompt:euler", []),
        ("euler", [1, 2, 3, 4]),  # the last one's workflow never was ready
        ("emile", [4]),
        ("狐狸", [3]),
        ("雪地", [3]),
        ("prompt:雪 prompt:狐", [3]),
        ("雪狐", []),
        ('"say \\"hello\\""', [4]),
        ("*nowy", [2]),
        ("s*wy", [2]),
        ("status:failed", [5]),
        ("-status:failed", [1, 2, 3, 4]),
        ("status:completed fox", [1]),
        ("error:parameter", [5]),
        ("parameter", [5]),
        ("-error:parameter", [1, 2, 3, 4]),
        ("workflow:the", [1, 2, 3, 4, 5]),
        ("server:127.0.0.1", [1, 2, 3, 4, 5]),
        ("server:gpu-box", []),
        ("tag:good", [1]),
        ('tag:"to print"', [1]),
        ("tag:go*", [1]),
        ("-tag:good", [2, 3, 4, 5]),
        ("starred:yes", [1]),
        ("starred:no", [2, 3, 4, 5]),
        ("seed:3", [3]),
        ("seed:2..4", [2, 3, 4]),
        ("seed:>=4", [4, 5]),
        ("seed:<2", [1]),
        ("seed:..2", [1, 2]),
        ("seed:4..", [4, 5]),
        ("steps:1", [2]),
        ("steps:2", [1, 4]),  # the workflow's own
        ("steps:>1", [1, 3, 4]),
        ("-steps:2", [2, 3, 5]),
        ("cfg:7", [1, 2, 3, 4]),
        ("cfg:7.0", [1, 2, 3, 4]),
        ("sampler_name:euler", [1, 2, 3, 4]),
        ("sampler_name:EULER", [1, 2, 3, 4]),
        ("sampler_name:eul", []),
        ("ckpt_name:tiny*", [1, 2, 3, 4]),
        ("nope:1", [5]),
        ("fox --limit 1", [5]),
        ("--since yesterday fox", [1, 5]),
        ('fox --until "2 days ago"', []),
        ("100%", []),
        ("' OR 1=1 --since today", []),
    ],
)
def test_a_search_finds(found, query, seeds):
    assert found(query) == seeds


def test_the_arguments_go_before_the_query(found):
    assert found("fox --since today", since=timedelta(0)) == []
    assert found("fox", until=datetime.now()) == [1, 5]
    assert found("", limit=2) == [4, 5]
    assert found("", limit=None) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("status:done", "There are completed, failed, cancelled, running, unfinished"),
        ("stepz:4", "Did you mean steps"),
        ("color:red", "The fields are prompt, status"),
        ("starred:perhaps", "yes or no"),
        ("steps:>many", "no number"),
        ('fox "snow', "cannot be read as a search"),
        ("--sinse today", "--since, --until and --limit"),
        ("--since someday", "2026-11-20"),
        ("--since 2026-02-31", "no time"),
        ("--since", "cannot be read"),
        ("--limit 0", "no number of runs"),
    ],
)
def test_what_cannot_be_searched_for_is_told_with_what_can(found, query, said):
    with pytest.raises(HistoryError) as raised:
        found(query)
    assert said in str(raised.value)


def test_the_names_of_all_parameters_are_known(kit):
    workflow = sampled(steps=1)
    workflow["3"]["_meta"]["title"] = "Sampler, $a_number.seed, $steps"
    kit.run(workflow, {"a_number": 3, "prompt": "x"})
    assert {"seed", "steps", "prompt", "cfg", "ckpt_name"} <= set(parameter_names(default_store()))
    assert [record.seeds for record in history.search("a_number:3 seed:3")] == [{"a_number": 3}]


def test_an_empty_history_finds_nothing(data_folder):
    assert history.search("cfg:7 fox") == []
    assert not data_folder.exists()


TODAY = date.today()
MIDNIGHT = datetime.combine(TODAY, datetime.min.time()).timestamp()
NEXT = datetime.combine(TODAY + timedelta(days=1), datetime.min.time()).timestamp()
NOON = datetime(2026, 11, 20, 12).timestamp()


@pytest.mark.parametrize(
    ("moment", "begins", "ends"),
    [
        ("today", MIDNIGHT, NEXT),
        ("Yesterday", datetime.combine(TODAY - timedelta(days=1), datetime.min.time()).timestamp(), MIDNIGHT),
        ("2026-11-20", datetime(2026, 11, 20).timestamp(), datetime(2026, 11, 21).timestamp()),
        ("2026-12", datetime(2026, 12, 1).timestamp(), datetime(2027, 1, 1).timestamp()),
        ("2026-11-20T12:00", NOON, NOON),
        ("2026-11-20 12:00", NOON, NOON),
        (date(2026, 11, 20), datetime(2026, 11, 20).timestamp(), datetime(2026, 11, 21).timestamp()),
        (datetime(2026, 11, 20, 12), NOON, NOON),
        ("00:00", MIDNIGHT, MIDNIGHT),
        (f"{TODAY:%A}", MIDNIGHT, NEXT),
    ],
)
def test_a_moment_begins_and_ends(moment, begins, ends):
    assert (since(moment), until(moment)) == (begins, ends)


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("3d", 3 * DAY),
        ("2 hours", 7200),
        ("90 min ago", 5400),
        ("1 week", 7 * DAY),
        (timedelta(hours=1), 3600),
        ("now", 0),
    ],
)
def test_a_time_ago(moment, seconds):
    assert since(moment) == pytest.approx(time.time() - seconds, abs=5)


def test_a_long_past_is_searched_quickly(data_folder):
    fill(data_folder / "history.sqlite", 20_000)
    list(history.search("", limit=1))
    for query in ("fox", "prompt:fox status:failed", "cfg:7 dragon", "steps:>58 -owl", "workflow:nothing", "nothing"):
        began = time.perf_counter()
        history.search(query)
        assert time.perf_counter() - began < 0.5, query  # a fifth of what 100,000 may take, on a machine at work
