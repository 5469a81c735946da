"""Presets and actions of the store: loading, saving and panic."""

from pathlib import Path

import pytest
from store_answers import OSC, accepted, put, refused

from daemon.stage.parameter_store import ParameterStore
from daemon.stage.preset_saver import LoadedPreset
from io_bridges.show_control import ControlReply, Later
from presets.declaration import Effect
from presets.errors import PresetError
from presets.library import Library
from presets.parameter_table import PARAMETERS, Value


def test_preset_is_one_revision(store: ParameterStore, library: Library) -> None:
    store.apply("/negative_prompt", ["smoke"], OSC)
    store.apply("/prompt/4/text", ["left over"], OSC)
    store.apply("/freeze", [1], OSC)
    store.apply("/width", [512], OSC)
    before = store.wanted
    assert accepted(store.apply("/preset", ["ice-cells"], OSC)).value == "ice-cells"
    assert store.wanted == before + 1
    values = store.values()
    assert values == values | library.recall("ice-cells")
    assert values["/negative_prompt"] == ""
    assert values["/prompt/4/text"] == ""
    assert values["/freeze"] is True, "a preset leaves freeze and blackout alone"
    assert values["/width"] == 512, "a preset without a size leaves it alone"


def test_broken_preset_changes_nothing(store: ParameterStore, library: Library) -> None:
    accepted(store.apply("/preset", ["fire"], OSC))
    put(library, "broken", "strength: 2\nsteps: x\n")
    put(library, "outside", "seed: 1")
    before = store.snapshot()
    note = refused(store.apply("/preset", ["broken"], OSC))
    assert "broken.yaml:1:11: strength must be at most 1; 2 was given (and 1 more)" in note
    for name in (
        "nowhere",
        "",
        "../presets/outside",
        str(library.folder / "outside.yaml"),
        0.7,
        True,
        [],
        None,
        b"fire",
    ):
        refused(store.apply("/preset", [name], OSC))
    assert store.snapshot() is before


def test_preset_name_in_any_case(store: ParameterStore) -> None:
    assert store.apply("/preset", ["FIRE"], OSC) == ControlReply("/preset", True, "fire", "fire was loaded")


def test_next_and_previous(store: ParameterStore, library: Library) -> None:
    names = library.names()
    seen = []
    for _ in range(len(names) + 1):
        accepted(store.apply("/next", [], OSC))
        seen.append(store.values()["/preset"])
    assert seen == [*names, names[0]]
    accepted(store.apply("/previous", [1.0], OSC))
    assert store.values()["/preset"] == names[-1]


def test_revisions_of_preset_and_panic(store: ParameterStore) -> None:
    def stands() -> tuple[int, int, int]:
        standing = store.standing()
        assert standing.snapshot is store.snapshot()
        return standing.snapshot[0], standing.look_revision, standing.panic_revision

    assert stands() == (1, 0, 0)
    accepted(store.apply("/strength", [0.25], OSC))
    assert stands() == (2, 0, 0)
    accepted(store.apply("/preset", ["fire"], OSC))
    accepted(store.apply("/seed", [5], OSC))
    assert stands() == (4, 3, 0)
    accepted(store.apply("/save", ["mine"], OSC))
    assert stands() == (5, 3, 0), "a saved preset is not a new one"
    accepted(store.apply("/panic", [], OSC))
    assert stands() == (6, 3, 6)
    accepted(store.apply("/next", [], OSC))
    assert stands() == (7, 7, 6)


def test_preset_without_morph_leaves_it(store: ParameterStore, library: Library) -> None:
    put(library, "plain", "strength: 0.1\n")
    put(library, "slow", "strength: 0.2\nmorph: 8\n")
    accepted(store.apply("/morph", [3], OSC))
    accepted(store.apply("/preset", ["plain"], OSC))
    assert store.values()["/morph"] == 3.0
    accepted(store.apply("/panic", [], OSC))
    assert store.values()["/morph"] == 3.0
    accepted(store.apply("/preset", ["slow"], OSC))
    assert store.values()["/morph"] == 8.0
    accepted(store.apply("/save", ["mine"], OSC))
    assert library.load("mine").values["morph"] == 8.0


def test_save_writes_the_current_values(store: ParameterStore, library: Library) -> None:
    accepted(store.apply("/preset", ["fire"], OSC))
    store.apply("/strength", [0.125], OSC)
    store.apply("/width", [512], OSC)
    store.apply("/blackout", [1], OSC)
    accepted(store.apply("/save", ["mine"], OSC))
    assert store.values()["/preset"] == "mine"
    saved = library.load("mine")
    assert saved.values["strength"] == 0.125
    assert not {"width", "blackout", "preset"} & saved.values.keys()
    accepted(store.apply("/strength", [0.9], OSC))
    accepted(store.apply("/panic", [], OSC))
    assert store.values()["/strength"] == 0.125, "panic restores what was saved"


def test_save_keeps_model_and_size_of_the_file(store: ParameterStore, library: Library) -> None:
    put(library, "wide", "width: 512\n")
    store.apply("/preset", ["wide"], OSC)
    store.apply("/save", ["wider"], OSC)
    assert library.load("wider").values["width"] == 512
    assert "model" not in library.load("wider").values


def test_engine_stays_with_its_model(store: ParameterStore, library: Library) -> None:
    put(library, "plugged", "model: /models/one\nengine: one.onnx\n")
    put(library, "other", "model: /models/two\n")
    put(library, "words", "prompt: ice\n")
    accepted(store.apply("/preset", ["plugged"], OSC))
    accepted(store.apply("/preset", ["words"], OSC))
    assert store.values()["/engine"] == "one.onnx"
    accepted(store.apply("/preset", ["other"], OSC))
    assert store.values()["/model"] == "/models/two"
    assert store.values()["/engine"] == ""
    store.opened.trust({"/engine": "two.onnx"})
    accepted(store.apply("/engine", ["two.onnx"], OSC))
    accepted(store.apply("/panic", [], OSC))
    assert store.values()["/engine"] == "two.onnx", "a panic starts no renderer"
    accepted(store.apply("/save", ["mine"], OSC))
    accepted(store.apply("/preset", ["plugged"], OSC))
    accepted(store.apply("/preset", ["mine"], OSC))
    assert (store.values()["/model"], store.values()["/engine"]) == ("/models/two", "two.onnx"), (
        "the engine is saved with the model"
    )


def test_loras_stay_with_their_model(store: ParameterStore, library: Library) -> None:
    put(library, "two", "model: /models/one\nlora1: neon.safetensors\nlora2: ink.safetensors\nlora2_weight: 0.6\n")
    put(library, "one", "lora3: oil.safetensors\n")
    put(library, "words", "prompt: ice\n")
    put(library, "other", "model: /models/two\n")

    def loras() -> list[object]:
        return [store.values()[f"/lora{place}"] for place in (1, 2, 3, 4)]

    accepted(store.apply("/preset", ["two"], OSC))
    assert store.values()["/lora2_weight"] == 0.6
    accepted(store.apply("/preset", ["words"], OSC))
    assert loras() == ["neon.safetensors", "ink.safetensors", "", ""]
    assert store.values()["/lora2_weight"] == 1.0, "a weight is a part of the look"
    store.opened.trust({"/lora4": "live.safetensors"})
    accepted(store.apply("/lora4", ["live.safetensors"], OSC))
    accepted(store.apply("/panic", [], OSC))
    accepted(store.apply("/preset", ["two"], OSC))
    assert loras() == ["neon.safetensors", "ink.safetensors", "", ""]
    accepted(store.apply("/lora4", ["live.safetensors"], OSC))
    accepted(store.apply("/save", ["mine"], OSC))
    accepted(store.apply("/preset", ["one"], OSC))
    assert loras() == ["", "", "oil.safetensors", ""]
    accepted(store.apply("/preset", ["other"], OSC))
    assert loras() == ["", "", "", ""]
    accepted(store.apply("/preset", ["mine"], OSC))
    assert (store.values()["/model"], loras()) == (
        "/models/one",
        ["neon.safetensors", "ink.safetensors", "", "live.safetensors"],
    )


def test_save_refuses_invalid_names(store: ParameterStore, library: Library) -> None:
    for name in ("../x", "", "a/b", "x" * 65, "con"):
        assert "can't be a preset's name" in refused(store.apply("/save", [name], OSC))
    assert not library.folder.exists()


@pytest.mark.parametrize("address", ["/panic", "/next", "/previous"])
def test_button_release_does_nothing(store: ParameterStore, address: str) -> None:
    for released in (0, 0.0, False, "off"):
        before = store.wanted
        answer = accepted(store.apply(address, [released], OSC))
        assert "release" in answer.note
        assert store.wanted == before
    accepted(store.apply(address, [1], OSC))
    assert store.wanted == before + 1


@pytest.mark.parametrize("address", ["/save", "/prompt", "/preset"])
def test_button_state_after_a_text(store: ParameterStore, library: Library, address: str) -> None:
    put(library, "fire", "strength: 0.1\n")
    before = store.wanted
    accepted(store.apply(address, ["fire", 0], OSC))
    accepted(store.apply(address, [0.0], OSC))
    assert store.wanted == before
    refused(store.apply(address, [], OSC))
    if address != "/preset":  # which has a first preset
        refused(store.apply(address, [1.0], OSC))
    refused(store.apply(address, ["fire", 1, 1], OSC))
    if address == "/preset":
        refused(store.apply(address, ["fire", "ice"], OSC))  # the words are one name, which no preset has
    assert store.wanted == before
    accepted(store.apply(address, ["fire", 1], OSC))
    assert store.wanted == before + 1


def test_prompt_action(store: ParameterStore) -> None:
    store.apply("/prompt/1/weight", [0.3], OSC)
    store.apply("/prompt/3/text", ["smoke"], OSC)
    before = store.wanted
    accepted(store.apply("/prompt", ["ice cells"], OSC))
    revision, parameters = store.snapshot()
    assert revision == before + 1
    assert [(prompt.text, prompt.weight) for prompt in parameters.prompt] == [("ice cells", 1.0)]


def test_panic_restores_the_preset(store: ParameterStore, library: Library) -> None:
    cuts: list[int] = []
    store.on_panic = cuts.append
    store.apply("/preset", ["fire"], OSC)
    wild: dict[str, Value] = {
        "/strength": 0.01, "/seed": 77, "/prompt/1/text": "wild", "/prompt/4/text": "wilder", "/freeze": True,
        "/blackout": True, "/brightness": 0.0, "/width": 512, "/mode": "text",
    }  # fmt: skip
    for address, value in wild.items():
        accepted(store.apply(address, [value], OSC))
    before = store.wanted
    accepted(store.apply("/panic", [], OSC))
    values = store.values()
    assert values == values | library.recall("fire")
    assert (values["/freeze"], values["/blackout"], values["/brightness"]) == (False, False, 1.0)
    assert values["/width"] == 512, "panic must not start another renderer"
    assert store.wanted == before + 1
    assert cuts == [store.wanted] == [store.standing().panic_revision]
    accepted(store.apply("/panic", [], OSC))
    assert cuts == [before + 1, before + 2], "each panic cuts, also if no value changes"


def test_panic_keeps_the_size(store: ParameterStore, library: Library) -> None:
    put(library, "wide", "width: 512\n")
    store.apply("/preset", ["wide"], OSC)
    store.apply("/width", [128], OSC)
    store.apply("/panic", [], OSC)
    assert store.values()["/width"] == 128


def test_panic_without_a_preset(library: Library) -> None:
    store = ParameterStore(library, {"/strength": 0.125, "/preset": "gone"})
    store.apply("/strength", [0.9], OSC)
    store.apply("/panic", [], OSC)
    assert store.values()["/strength"] == 0.125


def test_panic_restores_the_opening_preset(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "fire.yaml"
    path.write_text("strength: 0.125\n")
    opened = library.resolve(str(path))
    store = ParameterStore(library, opened | {"/strength": 0.9})  # as in a state file after a crash
    store.apply("/panic", [], OSC)
    assert store.values()["/strength"] == 0.125


def test_panic_keeps_a_presets_own_output() -> None:
    values = LoadedPreset("dim", {"/brightness": 0.5, "/strength": 0.3, "/width": 512}).panic_values()
    assert (values["/brightness"], values["/strength"], values["/freeze"]) == (0.5, 0.3, False)
    assert "/width" not in values


def test_no_preset_has_output_values(library: Library) -> None:
    output = {
        address
        for address, parameter in PARAMETERS.items()
        if parameter.effect is Effect.OUTPUT and not parameter.in_presets
    }
    assert output
    for name in library.names():
        assert not output & library.recall(name).keys()
    put(library, "dark", "blackout: true\n")
    with pytest.raises(PresetError, match="blackout"):
        library.load("dark")


def test_look_fills_between_its_pictures(store: ParameterStore, library: Library) -> None:
    put(library, "flowing", "between: flow\n")
    put(library, "plain", "seed: 6\n")
    put(library, "wrong", "between: melt\n")
    accepted(store.apply("/preset", ["flowing"], OSC))
    assert store.values()["/between"] == "flow"
    store.apply("/between", ["blend"], OSC)
    store.apply("/panic", [], OSC)
    assert store.values()["/between"] == "flow", "panic restores the preset's own"
    accepted(store.apply("/preset", ["plain"], OSC))
    assert store.values()["/between"] == "flow", "a preset without the key leaves it alone"
    store.apply("/panic", [], OSC)
    assert store.values()["/between"] == "flow", "and so does panic then"
    accepted(store.apply("/save", ["mine"], OSC))
    assert library.load("mine").values["between"] == "flow"
    assert not store.apply("/preset", ["wrong"], OSC).accepted
    assert store.values()["/preset"] == "mine"


def test_look_opens_its_source(store: ParameterStore, library: Library) -> None:
    put(library, "clip", "source: file:clip.mp4\nseed: 5\n")
    put(library, "words", "seed: 6\n")
    asked: list[tuple[str, str]] = []

    def open_source(uri: str, sender: str, later: Later | None) -> ControlReply:
        asked.append((uri, sender))
        return ControlReply("/source", True, None, f"opening {uri}", pending=True)

    store.open_source["/source"] = open_source
    assert store.apply("/preset", ["clip"], OSC) == ControlReply("/preset", True, "clip", "opening file:clip.mp4")
    assert asked == [("file:clip.mp4", OSC)]
    assert (store.values()["/seed"], store.values()["/source"]) == (5, "card:"), "it is not open yet"
    store.take_source("file:clip.mp4", OSC)
    store.apply("/panic", [], OSC)
    accepted(store.apply("/preset", ["words"], OSC))
    assert asked == [("file:clip.mp4", OSC), ("card:", OSC)], (
        "panic opens none, a look without one brings the last back"
    )
    store.take_source("card:", OSC)
    accepted(store.apply("/save", ["mine"], OSC))
    assert "source" not in library.load("mine").values
    accepted(store.apply("/preset", ["clip"], OSC))
    store.take_source("file:clip.mp4", OSC)
    accepted(store.apply("/save", ["mine"], OSC))
    assert library.load("mine").values["source"] == "file:clip.mp4"


def test_source_comes_back_after_a_look(store: ParameterStore, library: Library) -> None:
    """A look that names a source lends it to the show: the performer's own is back with the next look."""
    put(library, "tunnel", "source: pattern:tunnel\n")
    put(library, "stars", "source: pattern:stars\n")
    put(library, "plain", "seed: 6\n")
    asked: list[str] = []

    def open_source(uri: str, sender: str, later: Later | None) -> ControlReply:
        asked.append(uri)
        store.take_source(uri, sender)
        return ControlReply("/source", True, None, f"opening {uri}", pending=True)

    store.open_source["/source"] = open_source
    accepted(store.apply("/source", ["camera:"], OSC))
    for name in ("tunnel", "stars", "plain", "plain"):
        accepted(store.apply("/preset", [name], OSC))
    assert asked == ["camera:", "pattern:tunnel", "pattern:stars", "camera:"]
    accepted(store.apply("/preset", ["tunnel"], OSC))
    accepted(store.apply("/source", ["ndi:A"], OSC))
    accepted(store.apply("/preset", ["plain"], OSC))
    assert asked[4:] == ["pattern:tunnel", "ndi:A"], "the performer chose another one since"


def test_second_source_comes_back_too(store: ParameterStore, library: Library) -> None:
    put(library, "masked", "source2: pattern:rays\n")
    put(library, "plain", "seed: 6\n")
    for name, second in (("masked", "pattern:rays"), ("plain", "")):
        accepted(store.apply("/preset", [name], OSC))
        assert store.values()["/source2"] == second


def test_default_source_after_an_opening_look(library: Library) -> None:
    put(library, "stars", "source: pattern:stars\n")
    put(library, "plain", "seed: 6\n")
    for source, back in (("pattern:stars", "card:"), ("file:given.mp4", "file:given.mp4")):
        store = ParameterStore(library, {**library.recall("stars"), "/source": source})
        assert store.values()["/source"] == source
        accepted(store.apply("/preset", ["plain"], OSC))
        assert store.values()["/source"] == back


def test_source_button(store: ParameterStore) -> None:
    asked: list[str] = []
    store.open_source["/source"] = lambda uri, sender, later: asked.append(uri) or ControlReply("/source", True, None)
    accepted(store.apply("/source", ["ndi:A", 1], OSC))
    assert "release" in store.apply("/source", ["ndi:B", 0], OSC).note
    assert "needs a text: the address of a source" in refused(store.apply("/source", [], OSC))
    assert asked == ["ndi:A"]
