"""The store's looks and actions: loaded whole, saved as they are, and what panic goes back to."""

from pathlib import Path

import pytest
from store_answers import OSC, accepted, put, refused

from daemon.stage.parameter_store import ParameterStore
from io_bridges.show_control import ControlReply
from presets.declaration import Effect
from presets.library import Library
from presets.parameter_table import PARAMETERS, Value


def test_a_look_is_loaded_whole_in_one_revision(store: ParameterStore, library: Library) -> None:
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
    assert values["/freeze"] is True, "a look leaves the evening's switches alone"
    assert values["/width"] == 512, "a look that names no size leaves it alone"


def test_a_look_that_can_not_be_had_leaves_the_one_on_air(store: ParameterStore, library: Library) -> None:
    accepted(store.apply("/preset", ["fire"], OSC))
    put(library, "broken", "strength: 2\nsteps: x\n")
    put(library, "outside", "seed: 1")
    before = store.snapshot()
    note = refused(store.apply("/preset", ["broken"], OSC))
    assert "broken.yaml:1:11: strength must be at most 1; 2 stands there (and 1 more)" in note
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


def test_a_look_in_any_case_tells_its_own_name(store: ParameterStore) -> None:
    assert store.apply("/preset", ["FIRE"], OSC) == ControlReply("/preset", True, "fire", "fire was loaded")


def test_next_and_previous_go_through_the_looks(store: ParameterStore, library: Library) -> None:
    names = library.names()
    seen = []
    for _ in range(len(names) + 1):
        accepted(store.apply("/next", [], OSC))
        seen.append(store.values()["/preset"])
    assert seen == [*names, names[0]]
    accepted(store.apply("/previous", [1.0], OSC))
    assert store.values()["/preset"] == names[-1]


def test_it_says_which_revision_another_look_made_and_which_a_panic(store: ParameterStore) -> None:
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
    assert stands() == (5, 3, 0), "a look that is saved is the one that is there already"
    accepted(store.apply("/panic", [], OSC))
    assert stands() == (6, 3, 6)
    accepted(store.apply("/next", [], OSC))
    assert stands() == (7, 7, 6)


def test_a_look_leaves_the_morph_as_it_is_where_its_file_does_not_name_it(
    store: ParameterStore, library: Library
) -> None:
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


def test_save_keeps_the_look_as_it_is_now(store: ParameterStore, library: Library) -> None:
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
    assert store.values()["/strength"] == 0.125, "what was saved is now the look's own"


def test_save_keeps_what_the_looks_file_named_of_model_and_size(store: ParameterStore, library: Library) -> None:
    put(library, "wide", "width: 512\n")
    store.apply("/preset", ["wide"], OSC)
    store.apply("/save", ["wider"], OSC)
    assert library.load("wider").values["width"] == 512
    assert "model" not in library.load("wider").values


def test_the_engine_of_one_model_does_not_go_into_the_next(store: ParameterStore, library: Library) -> None:
    put(library, "plugged", "model: /models/one\nengine: one.onnx\n")
    put(library, "other", "model: /models/two\n")
    put(library, "words", "prompt: ice\n")
    accepted(store.apply("/preset", ["plugged"], OSC))
    accepted(store.apply("/preset", ["words"], OSC))
    assert store.values()["/engine"] == "one.onnx"
    accepted(store.apply("/preset", ["other"], OSC))
    assert store.values()["/model"] == "/models/two"
    assert store.values()["/engine"] == ""
    accepted(store.apply("/engine", ["two.onnx"], OSC))
    accepted(store.apply("/panic", [], OSC))
    assert store.values()["/engine"] == "two.onnx", "a panic starts no renderer"
    accepted(store.apply("/save", ["mine"], OSC))
    accepted(store.apply("/preset", ["plugged"], OSC))
    accepted(store.apply("/preset", ["mine"], OSC))
    assert (store.values()["/model"], store.values()["/engine"]) == ("/models/two", "two.onnx"), "it is saved with it"


def test_save_refuses_what_is_no_name(store: ParameterStore, library: Library) -> None:
    for name in ("../x", "", "a/b", "x" * 65, "con"):
        assert "can't be a look's name" in refused(store.apply("/save", [name], OSC))
    assert not library.folder.exists()


@pytest.mark.parametrize("address", ["/panic", "/next", "/previous"])
def test_a_buttons_release_does_nothing(store: ParameterStore, address: str) -> None:
    for released in (0, 0.0, False, "off"):
        before = store.wanted
        answer = accepted(store.apply(address, [released], OSC))
        assert "release" in answer.note
        assert store.wanted == before
    accepted(store.apply(address, [1], OSC))
    assert store.wanted == before + 1


@pytest.mark.parametrize("address", ["/save", "/prompt", "/preset"])
def test_a_buttons_state_after_a_text(store: ParameterStore, library: Library, address: str) -> None:
    put(library, "fire", "strength: 0.1\n")
    before = store.wanted
    accepted(store.apply(address, ["fire", 0], OSC))
    accepted(store.apply(address, [0.0], OSC))
    assert store.wanted == before
    refused(store.apply(address, [], OSC))
    refused(store.apply(address, [1.0], OSC))
    refused(store.apply(address, ["fire", 1, 1], OSC))
    refused(store.apply(address, ["fire", "ice"], OSC))
    assert store.wanted == before
    accepted(store.apply(address, ["fire", 1], OSC))
    assert store.wanted == before + 1


def test_one_prompt_alone(store: ParameterStore) -> None:
    store.apply("/prompt/1/weight", [0.3], OSC)
    store.apply("/prompt/3/text", ["smoke"], OSC)
    before = store.wanted
    accepted(store.apply("/prompt", ["ice cells"], OSC))
    revision, parameters = store.snapshot()
    assert revision == before + 1
    assert [(prompt.text, prompt.weight) for prompt in parameters.prompt] == [("ice cells", 1.0)]


def test_panic_puts_the_look_back_and_releases_everything(store: ParameterStore, library: Library) -> None:
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
    assert cuts == [store.wanted] == [store.panic_revision]
    accepted(store.apply("/panic", [], OSC))
    assert cuts == [before + 1, before + 2], "each panic cuts, also where nothing was to be put back"


def test_panic_starts_no_renderer_for_a_look_that_names_a_size_either(store: ParameterStore, library: Library) -> None:
    put(library, "wide", "width: 512\n")
    store.apply("/preset", ["wide"], OSC)
    store.apply("/width", [128], OSC)
    store.apply("/panic", [], OSC)
    assert store.values()["/width"] == 128


def test_panic_without_a_look_goes_back_to_what_the_show_began_with(library: Library) -> None:
    store = ParameterStore(library, {"/strength": 0.125, "/preset": "gone"})
    store.apply("/strength", [0.9], OSC)
    store.apply("/panic", [], OSC)
    assert store.values()["/strength"] == 0.125


def test_a_look_from_the_command_line_is_what_panic_goes_back_to(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "fire.yaml"
    path.write_text("strength: 0.125\n")
    opened = library.opening(str(path))
    store = ParameterStore(library, opened | {"/strength": 0.9})  # as a state file has it after a crash
    store.apply("/panic", [], OSC)
    assert store.values()["/strength"] == 0.125


def test_what_belongs_to_the_output_is_in_no_look(library: Library) -> None:
    output = {address for address, parameter in PARAMETERS.items() if parameter.effect is Effect.OUTPUT}
    assert output
    for name in library.names():
        assert not output & library.recall(name).keys()
