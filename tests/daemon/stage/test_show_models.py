"""Models of every family named on a running show: each draws diffusers' picture, and the output misses nothing."""

import json
import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
from control_show import Picture, control_show, difference, show_values
from family_pipelines import draw_picture, fresh_noise, loaded_pipeline
from feed import Feed
from memory_group import MemoryGroup, make_memory_group
from pythonosc.udp_client import SimpleUDPClient
from received_ticks import shown_periods
from show import Show, until
from tiny_folders import SIDE, add_hole, write_family_folder

from daemon.models.adoption import Adoption, adopt
from pipeline.accelerators.candidates import Candidate
from pipeline.accelerators.engines import Preparation
from pipeline.families.family_table import FAMILIES
from pipeline.memory_need import memory_need
from pipeline.models import load_model
from pipeline.prepared_engines import model_shapes
from presets.model_store import FOLDER_VARIABLE
from presets.vocabulary import Vocabulary, write_vocabulary

START = 240.0
"""Most seconds for the start of a renderer on a busy machine."""

FOLDERS = ("sd3", "stable-diffusion", "sdxl", "flux", "flux2", "sana", "z-image")
"""Folders of the families, in the order in which they play. `bench --only models` makes ten changes."""

TEXTS = "neon tunnel", "ink, paper and smoke"
STEPS, SEED, GUIDANCE = 4, 7, 2.5

VOCABULARY = Vocabulary(
    {"styles": ("halftone", "neon"), "palettes": ("fire",), "motifs": ("tunnel",)},
    ("in",),
    synonyms={"comic": "halftone"},
)
"""Words of the model with a name."""

GROWTH = 1.2
"""Most memory of stage and renderer at a later visit of a model, as a factor of that at its first one."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {family: write_family_folder(family, root / family) for family in FOLDERS}


@pytest.fixture(scope="module")
def feed() -> Iterator[Feed]:
    feed = Feed(SIDE)
    yield feed
    feed.close()


@pytest.fixture(scope="module")
def group() -> Iterator[MemoryGroup | None]:
    """The control group of the show; None where there can be none."""
    group = make_memory_group()
    yield group
    if group is not None:
        group.remove()


@pytest.fixture(scope="module")
def store(perflow_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The store of named models, with one that is named velvet and has words of its own."""
    folder = tmp_path_factory.mktemp("named")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(folder))
        write_vocabulary(VOCABULARY, adopt(Adoption(perflow_folder, "velvet"), folder, lambda text: None))
        yield folder


@pytest.fixture(scope="module")
def show(
    folders: dict[str, Path],
    feed: Feed,
    group: MemoryGroup | None,
    store: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Show]:
    """A show that starts with a model of another family than the shipped one."""
    look = f"model: {folders[FOLDERS[0]]}\naccelerator: eager\nwidth: {SIDE}\nheight: {SIDE}\n"
    look += f"steps: {STEPS}\nseed: {SEED}\n"
    with ExitStack() as running:
        with group.starting() if group else nullcontext():
            folder = tmp_path_factory.mktemp("show") / "show"
            show = running.enter_context(control_show(folder, feed, look, forked=False))  # a process of the group
        yield show


@contextmanager
def moving_faders(show: Show, guidance: float) -> Iterator[None]:
    """Move two faders sixty times a second by OSC, and set strength 1 and a guidance at the end."""
    over = threading.Event()
    osc = SimpleUDPClient("127.0.0.1", show.osc_port)

    def move() -> None:
        for number in count():
            if over.wait(1 / 60):
                return
            osc.send_message("/strength", 0.5 + number % 40 / 100)
            osc.send_message("/guidance", 1.5 + number % 10 / 5)

    thread = threading.Thread(target=move)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        last = {"/strength": 1.0, "/guidance": guidance}
        for address, value in last.items():  # by the same way as those that may still wait
            osc.send_message(address, value)
        until(lambda: last.items() <= show_values(show).items())


@contextmanager
def slow_renderer(show: Show) -> Iterator[None]:
    """Draw five pictures a second, so that the next renderer has a processor to start on."""
    show.set(max_rate=5)
    try:
        yield
    finally:
        show.set(max_rate=0)


def play(show: Show, folder: Path) -> None:
    """Name a model and wait until its renderer has given a picture."""

    def plays() -> bool:
        time.sleep(0.1)
        return bool(show.status()["renderer"].get("model") == str(folder))

    show.osc.send_message("/model", str(folder))
    until(plays, START)


def steady(show: Show, feed: Feed, drawn: int = 4) -> Picture:
    """Return the picture of the still frame: once so many in a row were drawn of it, all equal."""
    wanted = show.status()["revision"]
    index, equal = 0, 0
    last: Picture | None = None
    for meta, pixels in show.frames(START):
        feed.push(feed.still)
        if meta["index"] == index or meta["revision"] < wanted:
            continue
        equal = equal + 1 if last is not None and difference(last, pixels) < 0.5 else 1
        index, last = meta["index"], pixels.copy()
        if equal >= drawn:
            return last
    raise AssertionError


def references(folder: Path, guidance: float, source: Picture) -> dict[str, Picture]:
    """Return the picture of each of `TEXTS` as the pipeline of the folder draws it. That of FLUX.2 edits the source."""
    model = load_model(folder)
    frame = {"negative": "", "steps": STEPS, "guidance": guidance} | ({"source": source} if model.sees_source else {})
    pipe = loaded_pipeline(model)
    with fresh_noise() as noise:
        return {text: draw_picture(pipe, model, noise, SEED, frame | {"text": text}) for text in TEXTS}


def levels(one: Picture, other: Picture) -> int:
    """Return the largest difference of two pictures in 8-bit levels."""
    return int(np.abs(one.astype(np.int16) - other).max())


def quiet(text: str, fraction: float) -> None:
    """Show no progress."""


def memory_of(show: Show) -> int:
    """Return the resident bytes of the stage and of its renderers."""
    stage = psutil.Process(show.process.pid)
    return sum(process.memory_info().rss for process in (stage, *stage.children(recursive=True)))


def test_every_family_has_a_folder(folders: dict[str, Path]) -> None:
    played = {load_model(folder).family.title for folder in folders.values()}
    assert played == {family.title for family in FAMILIES} - {"HunyuanImage"}, "that one is in no show yet"


@pytest.mark.timeout(900)
def test_families_follow_each_other(show: Show, feed: Feed, folders: dict[str, Path]) -> None:
    """Changes under moving frames and OSC messages. Each model draws the pictures of its own pipeline in diffusers."""
    memory = dict[str, int]()
    with show.every_tick() as ticks:
        for number, family in enumerate((*FOLDERS, FOLDERS[0])):
            guidance = 1.0 if family == "flux" else GUIDANCE  # the pipeline of schnell takes none
            expected = references(folders[family], guidance, feed.still)
            with slow_renderer(show), moving_faders(show, guidance), feed.moving():
                play(show, folders[family])
            assert levels(*expected.values()) > 10, "the prompt matters"
            for text in TEXTS[:: -1 if number % 2 else 1]:  # the one that is set, and another
                show.set(**{"prompt/1/text": text})
                assert levels(steady(show, feed), expected[text]) <= 1, (family, text)
            assert memory_of(show) < GROWTH * memory.setdefault(family, memory_of(show))
    assert show.status()["renderer"]["restarts"] == 0
    assert all(tick.index > 0 and tick.lit for tick in ticks), "neither slate nor black"
    indices = [tick.index for tick in ticks]
    assert indices == sorted(indices)
    # A busy machine misses ticks, on the way to a receiver too, and a switch must not: all but a few follow each other.
    received, shown = [after.number - tick.number for tick, after in pairwise(ticks)], shown_periods(ticks)
    for periods in (received, shown):
        assert min(periods) > 0
        assert sum(periods) < 1.05 * len(periods)


def test_model_gets_memory_to_itself(
    show: Show, feed: Feed, folders: dict[str, Path], group: MemoryGroup | None
) -> None:
    """A model that fits alone, and not beside what is on air, whose picture is held until the new one draws."""
    if group is None:
        pytest.skip("no control group can be made here")
    folder, restarts = folders["stable-diffusion"], show.status()["renderer"]["restarts"]
    add_hole(folder / "unet" / "diffusion_pytorch_model.safetensors", 31 * 10**7)
    model = load_model(folder)
    need = memory_need(model, model_shapes(model, SIDE, SIDE, 16), Candidate("eager"), Preparation(quiet, threads=1))
    # Some of what the new renderer needs is missing. The one on air, forked from loaded libraries, holds twice that.
    on_air = psutil.Process(show.status()["renderer"]["pid"]).memory_full_info().uss
    group.limit(group.used + need.main - on_air // 2)
    with show.every_tick() as ticks:
        play(show, folder)
        steady(show, feed)
    group.limit(10**12)
    said = " ".join(show.log.read_text().split())
    told = re.search(r"which yields\. The picture is held\. .* needs about ([0-9.]+) GB .* ([0-9.]+) GB are free", said)
    assert told, said
    assert float(told[1]) == pytest.approx(need.main / 1e9, abs=0.05)
    assert 0 < float(told[2]) < float(told[1])
    assert show.status()["renderer"]["restarts"] == restarts
    assert all(tick.index > 0 and tick.lit for tick in ticks), "neither slate nor black"


def test_too_large_model_is_refused(show: Show, folders: dict[str, Path]) -> None:
    """The show goes on with the renderer that it has, which must not give way to a model that can't play anyway."""
    before = show.status()["renderer"]
    large = folders["flux"].rename(folders["flux"].with_name("large"))
    add_hole(large / "transformer" / "diffusion_pytorch_model.safetensors")
    with show.every_tick() as ticks:
        show.set(model=str(large))
        refused = "needs about [0-9.]+ GB of memory, and [0-9.]+ GB are free"
        until(lambda: re.search(refused, " ".join(show.log.read_text().split())), START)
        until(lambda: show_values(show)["/model"] == before["model"])
    after = show.status()["renderer"]
    assert (after["pid"], after["restarts"]) == (before["pid"], before["restarts"])
    assert all(tick.index > 0 and tick.lit for tick in ticks), "the look on air stays"


def test_model_that_is_not_played_is_refused(show: Show, folders: dict[str, Path]) -> None:
    before = show.status()["renderer"]["model"]
    broken = folders["sana"] / "model_index.json"
    broken.write_text(broken.read_text().replace("SanaTransformer2DModel", "SanaVideoTransformer3DModel"))
    show.set(model=str(folders["sana"]))
    until(lambda: "it draws films" in " ".join(show.log.read_text().split()), START)
    assert show.status()["renderer"]["model"] == before


def play_velvet(show: Show) -> None:
    """Name the model of the store, in capitals."""
    show.osc.send_message("/model", "Velvet")
    until(lambda: show.status()["renderer"]["model"] == "Velvet", START)


def test_names_of_models(show: Show, feed: Feed, store: Path) -> None:
    """Names of what is not on the disk are refused with the command that gets it."""
    before = show.status()["renderer"]["model"]
    for name, sentence in (
        ("sd-turbo", "SD-Turbo is not on this disk yet. Get it by: streamflow-live models pull sd-turbo"),
        ("velvt", "There is no model 'velvt'; did you mean velvet?"),
        ("some-one/model", "streamflow-live models pull some-one/model"),
    ):
        show.osc.send_message("/model", name)
        until(lambda sentence=sentence: sentence in " ".join(show.log.read_text().split()), START)
        assert show.status()["renderer"]["model"] == before, "the look on air stays"
    index = show.picture(lambda meta, pixels: meta["index"] > 0)[0]["index"]
    play_velvet(show)
    with feed.moving():
        show.picture(lambda meta, pixels: meta["index"] > index and pixels.any())
    assert len(list(store.rglob("streamflow-model.json"))) == 1


def test_unknown_words_are_told(show: Show) -> None:
    """In replies, in the status, in the log and on the page, by the words of the model."""
    note = "drawn as 'halftone fire': comic → halftone; 'xyzzy' is not known"
    play_velvet(show)
    show.set(**{"prompt/1/text": "neon"})
    until(lambda: show.status()["drawn_as"] == {})
    answer = show.ask({"do": "set", "values": {"/prompt/1/text": "comic fire, xyzzy"}})
    assert note in json.dumps(answer, ensure_ascii=False)
    assert show.status()["drawn_as"] == {"/prompt/1/text": note}
    until(lambda: note in " ".join(show.log.read_text().split()))
    with urllib.request.urlopen(f"http://127.0.0.1:{show.web_port}/api/words") as reply:
        assert json.load(reply) == {kind: list(words) for kind, words in VOCABULARY.known.items()}
