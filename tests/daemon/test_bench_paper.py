"""The paper's evaluation: every measurement run for real at a tiny size, and its contenders held against each other."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from daemon.bench import tables
from daemon.bench.catalogue import MEASUREMENTS
from daemon.bench.paper import comparison, contender, duel, field, measure_pictures, rival
from daemon.bench.paper.architectures import ARCHITECTURES
from daemon.bench.paper.contender import handlers
from daemon.bench.paper.drawer import Drawer, Pixels, Subject
from daemon.bench.paper.duel import Look
from daemon.bench.paper.loops import DiffusersPipeline, VanillaLoop
from daemon.bench.paper.random_model import write_random_model
from daemon.bench.paper.rival import StreamDiffusionRival
from daemon.bench.paper.streamed import Stream
from daemon.bench.results import NotMeasured, Plan, Results, Target
from daemon.bench.subject import Subject as About
from io_bridges.card import draw_card
from pipeline.models import load_model
from presets.errors import StreamflowError
from presets.parameters import Parameters

SIDE = 64
CASES = [*product(("text", "image"), (1.0, 2.0))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PeRFlow network of nothing, as ``--architecture`` writes it."""
    made = tmp_path_factory.mktemp("architecture") / "model"
    write_random_model(ARCHITECTURES["tiny-perflow"], made)
    return made


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Inside:
    """The requests of a `Child`, answered by the same handlers in this process: starting one takes seconds."""

    asked: list[str]

    def __init__(self, module: str, folder: Path) -> None:
        assert module == "paper.contender"
        self._handlers = handlers()

    def __enter__(self) -> "Inside":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def ask(self, request: dict[str, Any], seconds: float = 0.0) -> dict[str, Any]:
        given = json.loads(json.dumps(request))
        try:
            answer = self._handlers[given.pop("do")](**given)
        except StreamflowError as error:
            raise NotMeasured(str(error)) from error
        return json.loads(json.dumps(answer))  # type: ignore[no-any-return]


@pytest.fixture
def plan(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    for module in (duel, field, measure_pictures):
        monkeypatch.setattr(module, "Child", Inside)
    monkeypatch.setattr(contender, "CARDS", 8)
    about = About(
        model=str(folder), name="tiny", size=SIDE, steps=(2,), accelerators=("eager",), largest=SIDE, pictures=3
    )
    return Plan(tmp_path, seconds=0.01, pairs=2, subject=about)


def measured(name: str, plan: Plan) -> Results:
    """As the command keeps it."""
    results = Results({})
    measure = next(each.measure for each in MEASUREMENTS if each.name == name)
    for finding in measure(plan, lambda text: None):
        results.add(name, finding)
    return results


def pictures(drawer: Drawer, look: Parameters, seeds: range) -> list[Pixels]:
    """One of each seed, whenever they come out."""
    drawer.begin(look)
    drawn: list[Pixels] = []
    for seed in seeds:
        drawn += drawer.draw(draw_card(11 * seed, SIDE, SIDE).copy(), seed)
    return drawn


@pytest.mark.parametrize("model", ["shipped", "perflow"])
def test_the_vanilla_loop_diffusers_and_the_stream_draw_the_same(model: str, folder: Path) -> None:
    subject = Subject("shipped" if model == "shipped" else str(folder), SIDE, SIDE, "float32", 2)
    vanilla, diffusers = VanillaLoop(subject), DiffusersPipeline(subject)
    streams = [Stream(subject, "eager", **settings) for settings in ({}, {"alone": True}, {"one_call": False})]
    for mode, guidance in CASES:
        look = Parameters(mode=mode, strength=0.95, steps=2, guidance=guidance, prompt="fire")
        expected = pictures(vanilla, look, range(2))
        other = pictures(vanilla, look.model_copy(update={"guidance": 3.0}), range(2))
        assert np.abs(expected[0].astype(int) - expected[1]).max() > 10, "sources and seeds are seen"
        if model == "shipped":  # random weights hardly hear their words
            assert np.abs(expected[0].astype(int) - other[0]).max() > 10, "guidance is heard"
        found = [pictures(diffusers, look, range(2)), *(pictures(stream, look, range(3))[:2] for stream in streams)]
        for drawn in found:
            for one, picture in zip(expected, drawn, strict=True):
                assert np.abs(one.astype(int) - picture).max() <= 1, "but for the rounding to 8 bits"


@pytest.mark.parametrize(("one_call", "sizes"), [(True, [2]), (False, [1, 1])])
def test_one_call_or_one_for_each_timestep_is_what_the_network_gets(one_call: bool, sizes: list[int]) -> None:
    stream = Stream(Subject("shipped", SIDE, SIDE, "float32", 2), "eager", one_call=one_call)
    stream.begin(Parameters(mode="text", steps=2))
    card = draw_card(0, SIDE, SIDE).copy()
    stream.draw(card, 0)
    called: list[int] = []
    whole = torch.nn.Module.__call__

    def watched(module: torch.nn.Module, *given: Any, **settings: Any) -> Any:
        if type(module).__name__ == "UNet2DConditionModel":
            called.append(len(given[0]))
        return whole(module, *given, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Module, "__call__", watched)
        stream.draw(card, 1)  # one picture at its second step, one at its first
    assert called == sizes


def test_pictures_that_begin_together_come_out_together() -> None:
    stream = Stream(Subject("shipped", SIDE, SIDE, "float32", 2), "eager", buffer=2)
    stream.begin(Parameters(mode="text", steps=2))
    card = draw_card(0, SIDE, SIDE).copy()
    assert [len(stream.draw(card, seed)) for seed in range(8)] == [0, 0, 0, 2, 0, 2, 0, 2]


def test_table_1_holds_every_gain_against_the_vanilla_loop(plan: Plan) -> None:
    plan = replace(plan, subject=replace(plan.subject, full_autoencoder=True))
    rows = measured("table1", plan).rows
    names = list(dict.fromkeys(row["axes"]["contender"] for row in rows))
    streamed = ["vanilla loop + tiny autoencoder", "+ stream batch (eager)"]
    assert names == ["vanilla loop", "diffusers pipeline", "StreamDiffusion's pipeline", *streamed]
    looks = {(row["axes"]["mode"], row["axes"]["guidance"]) for row in rows}
    assert looks == set(CASES)
    for row in rows:
        if "missing" in row:
            assert row["axes"]["contender"] == field.RIVAL
            assert rival.INSTALL in row["missing"]
            continue
        assert row["fps"] > 0 < row["peak_memory_mib"]
        assert row["precision"] == "float32"
        assert row["ratio"] == 1.0 if row["axes"]["contender"] == "vanilla loop" else row["base_fps"] > 0
        full = row["axes"]["contender"] in ("vanilla loop", "diffusers pipeline", field.RIVAL)
        assert row["autoencoder"] == ("AutoencoderKL" if full else "AutoencoderTiny")
    assert len({row["configuration"] for row in rows}) == len(rows)
    # What is known is not measured again, and nobody is built for it.
    known = {row["configuration"] for row in rows if "missing" not in row}
    again = measured("table1", replace(plan, known=frozenset(known))).rows
    assert [row["axes"]["contender"] for row in again] == ([field.RIVAL] if rival.missing() else [])
    but_one = frozenset(name for name in known if "diffusers" not in name)
    again = [row for row in measured("table1", replace(plan, known=but_one)).rows if "missing" not in row]
    assert {row["axes"]["contender"] for row in again} == {"diffusers pipeline"}


def test_the_shipped_autoencoder_is_tiny_already_and_the_row_says_so(plan: Plan) -> None:
    rows = measured("table1", replace(plan, quick=True)).rows
    assert {row["axes"]["mode"] for row in rows} == {"image"}
    assert "tiny already" in next(row["missing"] for row in rows if "tiny autoencoder" in row["configuration"])


def test_the_ablation_takes_one_part_at_a_time_out_of_the_whole(plan: Plan) -> None:
    plan = replace(plan, pairs=1)
    results = measured("ablation", plan)
    rows = {row["axes"]["contender"]: row for row in results.rows if row["axes"]["panel"] == "parts"}
    assert rows["without the accelerator (eager)"]["accelerator"] == "eager"
    assert rows["without the tiny autoencoder"]["autoencoder"] == "AutoencoderKL"
    assert {"without the stream batch", "without one call for all timesteps"} < rows.keys()
    guided = [row["axes"]["guidance_kind"] for row in results.rows if row["axes"]["panel"] == "guidance"]
    assert guided == ["full", "onetime_negative", "self_negative", "free"]
    assert [target.name for target in results.targets] == ["the accelerator over eager torch, the same stream"]


def test_the_other_measurements_have_a_row_for_each_of_their_axes(plan: Plan) -> None:
    rows = {name: measured(name, plan).rows for name in ("sizes", "latency", "forward", "decode", "rivals")}
    assert [(row["axes"]["size"], row["axes"]["mode"]) for row in rows["sizes"]] == [(64, "text"), (64, "image")] * 2
    assert len(rows["latency"]) == 3
    for row in rows["latency"]:
        assert 0 < row["latency_p50_ms"] <= row["latency_p99_ms"]
        assert row["fps"] > 0
    assert [row["ratio"] for row in rows["forward"]][:2] == [1.0, 1.0]
    assert rows["forward"][0]["axes"]["contender"] == "eager, one call for each distinct timestep"
    assert [row["axes"]["pictures"] for row in rows["decode"]] == [1, 2, 4, 8]
    assert any(row["axes"].get("base") == "diffusers pipeline" for row in rows["rivals"] if "axes" in row)
    for name in rows:
        known = replace(plan, known=frozenset(row["configuration"] for row in rows[name]))
        assert all("missing" in row for row in measured(name, known).rows)


def test_the_tiny_autoencoder_is_measured_beside_the_full_one(plan: Plan) -> None:
    (row,) = measured("autoencoder", plan).rows
    assert {"tiny_encode_ms", "tiny_decode_ms", "full_encode_ms", "full_decode_ms", "ratio"} < row.keys()


def test_the_stream_is_compared_with_diffusers_picture_for_picture(plan: Plan) -> None:
    shipped = replace(plan.subject, model="shipped", name="shipped", steps=(2,), accelerators=("eager",))
    results = measured("quality", replace(plan, subject=shipped))
    assert len(results.rows) == 4
    for row in results.rows:
        assert row["pictures"] == 3
        assert row["psnr_worst_db"] > 50 > row["another_prompt_psnr_db"] > 5
        assert row["ssim_worst"] > 0.999


def test_a_contender_that_can_not_be_built_is_a_row_and_the_next_is_measured(plan: Plan) -> None:
    here = field.look_around(plan)
    broken = duel.Contender("broken", "stream", {"accelerator": "no such"})
    other = here.stream("eager", "works")
    question = comparison.Comparison(field.VANILLA, [broken, other], [Look(1, "text")], SIDE)
    rows = [row for row in comparison.compared(plan, here, question, lambda text: None) if not isinstance(row, Target)]
    assert [row["axes"]["contender"] for row in rows] == ["vanilla loop", "broken", "works"]
    assert "no such" in rows[1]["missing"]
    assert rows[2]["fps"] > 0
    assert "not measured: There is no accelerator" in tables.line(rows[1])
    page = tables.markdown(document([{"measurement": "table1"} | row for row in rows]))
    assert "## table1" in page
    assert "| configuration | fps | ratio | MiB | figures |" in page


def test_a_precision_that_an_accelerator_does_not_compute_in_is_not_compared(plan: Plan) -> None:
    here = field.look_around(plan)
    twice = here.in_its_own_precision("eager", "twice")
    question = comparison.Comparison(field.VANILLA, [twice], [Look(1, "text")], SIDE)
    rows = [*comparison.compared(plan, here, question, lambda text: None)]
    assert isinstance(rows[1], dict)
    assert "by itself it takes float32" in rows[1]["missing"]
    assert comparison._other_device("cuda:0", "cuda") == ""
    assert "on cpu here, and the others on cuda" in comparison._other_device("cpu", "cuda")


def test_streamdiffusion_is_fed_the_same_network_steps_and_batch() -> None:
    pytest.importorskip("streamdiffusion", reason=rival.INSTALL)
    drawer = StreamDiffusionRival(Subject("shipped", SIDE, SIDE, "float32", 2))
    for mode, guidance in CASES:
        called: list[int] = []
        network = drawer._torch.unet
        hook = network.register_forward_pre_hook(lambda module, given, called=called: called.append(len(given[0])))
        drawn = pictures(drawer, Parameters(mode=mode, steps=2, guidance=guidance), range(4))
        hook.remove()
        assert len(drawn) == 3
        assert called == [2 if guidance == 1.0 else 4] * 4
        assert all(picture.shape == (SIDE, SIDE, 3) for picture in drawn)


def test_the_true_architecture_is_as_large_as_the_published_one(folder: Path) -> None:
    import diffusers
    import transformers

    told = ARCHITECTURES["sd15-perflow"]
    with torch.device("meta"):
        networks: dict[int, Any] = {
            859_520_964: diffusers.UNet2DConditionModel(**told.unet),
            83_653_863: diffusers.AutoencoderKL(**told.full_autoencoder),
            2_445_063: diffusers.AutoencoderTiny(**told.autoencoder),
            123_060_480: transformers.CLIPTextModel(transformers.CLIPTextConfig(**told.text_encoder)),
        }
    for weights, network in networks.items():
        assert sum(each.numel() for each in network.parameters()) == weights
    # A small one takes the ordinary way of every model, PeRFlow's solver included, and is the same every time.
    model = load_model(folder)
    assert model.classes["scheduler"] == "PeRFlowScheduler"
    assert model.schedule(4, 1.0).timestep.tolist() == [1000, 750, 500, 250]
    assert model.conditioning.embeds == (12, 16)


def document(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "device": "a processor",
        "date": "2026-11-25T00:00:00",
        "cores": 2,
        "memory_gib": 1,
        "system": "",
        "versions": {},
        "command": "",
        "load_before": [0],
        "rows": rows,
        "targets": [],
        "failures": [],
    }
