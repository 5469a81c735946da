"""The parameter store: what every surface turns, under threads, with broken files and wild messages."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daemon.refusals import LONGEST, MOST_NAMES, Refusals
from daemon.store import ParameterStore
from io_bridges.desk import Answer, Desk
from presets.library import Library
from presets.live import PARAMETERS, Value, flatten, snapshot
from presets.parameters import ACTIONS, Effect, Parameters

OSC = "osc:127.0.0.1:50123"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "presets")


@pytest.fixture
def store(library: Library) -> ParameterStore:
    return ParameterStore(library)


def put(library: Library, name: str, text: str) -> None:
    library.folder.mkdir(exist_ok=True)
    (library.folder / f"{name}.yaml").write_text(text)


def accepted(answer: Answer) -> Answer:
    assert answer.accepted, answer.note
    return answer


def refused(answer: Answer) -> str:
    assert not answer.accepted
    assert answer.value is None
    assert answer.note
    return answer.note


def test_it_is_a_desk(store: ParameterStore) -> None:
    desk: Desk = store
    assert desk.parameters == PARAMETERS
    assert set(desk.actions) == {action.address for action in ACTIONS}
    assert desk.values() == flatten(Parameters())
    assert "fire" in desk.looks()


@pytest.mark.parametrize("address", PARAMETERS)
def test_every_parameter_can_be_set_and_reaches_the_snapshot(store: ParameterStore, address: str) -> None:
    parameter = PARAMETERS[address]
    if address == "/preset":
        sent: Value = "fire"
    elif parameter.kind == "choice":
        sent = parameter.choices[-1]
    elif parameter.kind == "text":
        sent = "other words"
    else:
        sent = parameter.minimum if parameter.minimum != parameter.default else parameter.maximum  # type: ignore[assignment]
        sent = not parameter.default if parameter.kind == "bool" else sent
    before, _ = store.snapshot()
    answer = accepted(store.apply(address, [sent], OSC))
    assert answer == Answer(address, True, sent, "")
    revision, parameters = store.snapshot()
    assert revision == before + 1 == store.wanted
    assert store.values()[address] == sent
    if parameter.key == "prompt" and address.endswith("text"):
        assert any(prompt.text == sent for prompt in parameters.prompt)
    elif parameter.key != "prompt":
        assert getattr(parameters, parameter.key) == sent


def test_the_answer_says_what_was_taken(store: ParameterStore) -> None:
    assert store.apply("/strength", [7], OSC) == Answer("/strength", True, 1.0, "the most is 1; 1.0 was taken")
    assert store.apply("/strength", ["-1"], OSC) == Answer("/strength", True, 0.0, "the least is 0; 0.0 was taken")
    assert store.apply("/width", [100], OSC) == Answer("/width", True, 96, "it goes in steps of 32; 96 was taken")
    assert store.apply("/steps", [2.4], OSC).note == "it goes in steps of 1; 2 was taken"
    assert store.apply("/seed", [10**5000], OSC).value == 2**31 - 1
    assert store.apply("/freeze", [1.0], OSC) == Answer("/freeze", True, True, "")
    assert store.apply("/mode", [1], OSC) == Answer("/mode", True, "text", "")
    assert "cut" in store.apply("/negative_prompt", ["x" * 2000], OSC).note


def test_a_value_that_is_there_already_makes_no_revision(store: ParameterStore) -> None:
    store.apply("/strength", [0.25], OSC)
    before = store.snapshot()
    accepted(store.apply("/strength", [0.25], OSC))
    assert store.snapshot() is before


def test_the_snapshot_is_made_once_a_revision(store: ParameterStore) -> None:
    assert store.snapshot() is store.snapshot()
    assert store.snapshot()[1] == snapshot(store.values())


def test_how_many_values_a_parameter_takes(store: ParameterStore) -> None:
    accepted(store.apply("/freeze", [], OSC))
    assert store.values()["/freeze"] is True
    assert "one value is expected, none came" in refused(store.apply("/strength", [], OSC))
    assert "one value is expected, 2 came" in refused(store.apply("/strength", [0.5, 0.6], OSC))


def test_an_unknown_address_is_answered_with_the_near_one(store: ParameterStore) -> None:
    assert "did you mean /strength?" in refused(store.apply("/strenght", [1], OSC))
    assert "did you mean /panic?" in refused(store.apply("/panik", [1], OSC))
    refused(store.apply("/" + "x" * 10_000, [1], OSC))
    refused(store.apply("", [1], OSC))


# Looks.


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
    assert store.apply("/preset", ["FIRE"], OSC) == Answer("/preset", True, "fire", "fire was loaded")


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


# Actions.


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
def test_a_buttons_state_after_a_text(store: ParameterStore, address: str) -> None:
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


# Who hears.


def test_listeners_hear_the_newest_values_oldest_change_first(store: ParameterStore) -> None:
    woken: list[int] = []
    web = store.subscribe("web:", lambda: woken.append(1))
    for value in (0.1, 0.2, 0.3):
        store.apply("/strength", [value], OSC)
    store.apply("/seed", [5], OSC)
    store.apply("/strength", [0.4], OSC)
    assert len(woken) == 1, "one wake until it is taken"
    assert list(web.take().items()) == [("/seed", 5), ("/strength", 0.4)]
    assert web.take() == {}
    store.apply("/seed", [6], OSC)
    assert len(woken) == 2
    web.close()
    web.close()
    store.apply("/seed", [7], OSC)
    assert len(woken) == 2


def test_a_surface_does_not_hear_itself_but_for_what_its_look_changed(store: ParameterStore) -> None:
    woken: list[str] = []
    own = store.subscribe("osc:127.0.0.1:", lambda: woken.append("own"))
    other = store.subscribe("osc:10.0.0.9:", lambda: woken.append("other"))
    store.apply("/strength", [0.1], OSC)
    assert woken == ["other"]
    assert own.take() == {}
    assert other.take() == {"/strength": 0.1}
    store.apply("/preset", ["ice-cells"], OSC)
    heard = own.take()
    assert "/preset" not in heard
    assert heard["/prompt/1/text"] == store.values()["/prompt/1/text"]
    assert other.take() == heard | {"/preset": "ice-cells"}


def test_an_older_change_is_not_told_after_the_surfaces_own(store: ParameterStore) -> None:
    own = store.subscribe("osc:127.0.0.1:", lambda: None)
    store.apply("/strength", [0.1], "web:1")
    store.apply("/strength", [0.9], OSC)
    assert own.take() == {}, "0.1 would move the fader back from 0.9"


def test_callbacks_run_without_the_lock(store: ParameterStore) -> None:
    seen: list[int] = []

    def look_back(*_: object) -> None:
        worker = threading.Thread(target=lambda: seen.append(len(store.values())))
        worker.start()
        worker.join(10)

    store.subscribe("web:", look_back)
    store.watch_revision(look_back)
    store.on_panic = look_back
    store.apply("/panic", [], OSC)
    store.apply("/seed", [9], OSC)
    assert len(seen) == 4  # panic: on_panic and the watcher (no value changed); seed: the watcher and the listener


def test_a_listener_whose_event_loop_closed_is_let_go(store: ParameterStore) -> None:
    calls: list[int] = []

    def closed() -> None:
        calls.append(1)
        raise RuntimeError("Event loop is closed")

    store.subscribe("web:", closed)
    for seed in (1, 2, 3):
        accepted(store.apply("/seed", [seed], OSC))
    assert calls == [1]


# Threads.


def test_threads_lose_no_change_and_no_revision(store: ParameterStore) -> None:
    began = store.wanted
    listener = store.subscribe("web:", lambda: None)
    heard: dict[str, Value] = {}
    revisions: list[int] = []
    stop = threading.Event()

    def turn(place: int) -> None:
        for count in range(500):
            accepted(store.apply(f"/prompt/{place}/text", [f"{place} {count}"], f"osc:{place}"))

    def read() -> None:
        while not stop.is_set():
            revision, parameters = store.snapshot()
            revisions.append(revision)
            counts = [prompt.text.partition(" ")[0] for prompt in parameters.prompt]
            assert counts == sorted(counts)
            heard.update(listener.take())

    reader = threading.Thread(target=read)
    turners = [threading.Thread(target=turn, args=(place,)) for place in (1, 2, 3, 4)]
    reader.start()
    for turner in turners:
        turner.start()
    for turner in turners:
        turner.join(60)
    stop.set()
    reader.join(60)
    heard.update(listener.take())
    assert store.wanted == began + 4 * 500
    assert revisions == sorted(revisions)
    assert heard == {f"/prompt/{place}/text": f"{place} 499" for place in (1, 2, 3, 4)}
    revision, parameters = store.snapshot()
    assert revision == store.wanted
    assert parameters == snapshot(store.values())


def test_looks_and_faders_from_many_threads_leave_a_whole_show(store: ParameterStore, library: Library) -> None:
    names = library.names()
    failures: list[BaseException] = []

    def play(seed: int) -> None:
        chance = Random(seed)
        acts: list[Callable[[], Answer]] = [
            lambda: store.apply("/preset", [chance.choice(names)], OSC),
            lambda: store.apply("/next", [], OSC),
            lambda: store.apply("/strength", [chance.random()], OSC),
            lambda: store.apply("/panic", [], OSC),
            lambda: store.apply("/save", [f"mine {seed}"], OSC),
            lambda: store.apply("/nonsense", [None], OSC),
        ]
        try:
            for _ in range(60):
                chance.choice(acts)()
                Parameters.model_validate(store.snapshot()[1].model_dump())
                store.status()
        except BaseException as failure:  # noqa: BLE001  told to the test's own thread below
            failures.append(failure)

    players = [threading.Thread(target=play, args=(seed,)) for seed in range(4)]
    for player in players:
        player.start()
    for player in players:
        player.join(60)
    assert not failures
    assert all(not entry.error for entry in library.entries())


# Wild messages.

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> ParameterStore:
    return ParameterStore(Library(tmp_path_factory.mktemp("wild") / "presets"))


@settings(max_examples=300, deadline=None)
@given(
    address=st.sampled_from([*PARAMETERS, *(action.address for action in ACTIONS if action.address != "/save")])
    | st.text(),
    arguments=st.lists(ANYTHING, max_size=3),
)
@example(address="/strength", arguments=["9" * 5000])
@example(address="/prompt", arguments=["\ud800\x00"])
@example(address="/preset", arguments=["\ud800"])
@example(address="\ud800", arguments=[])
def test_whatever_comes_the_show_stays_whole(quiet: ParameterStore, address: str, arguments: list[object]) -> None:
    before = quiet.snapshot()
    answer = quiet.apply(address, arguments, "fuzz")
    assert len(answer.note) < 400
    if not answer.accepted:
        assert answer.note
        assert quiet.snapshot() is before
    Parameters.model_validate(quiet.snapshot()[1].model_dump())


# Status and refusals.


def test_the_status_has_revisions_refusals_and_what_the_stage_tells(library: Library) -> None:
    store = ParameterStore(library, {"/preset": "fire"}, status=lambda: {"fps": 24.0})
    store.on_air = 1
    store.apply("/seed", [1], OSC)
    store.apply("/seed", [None], OSC)
    store.refused("zmq", "not JSON")
    status = store.status()
    assert (status["fps"], status["revision"], status["on_air"], status["preset"]) == (24.0, 2, {"revision": 1}, "fire")
    refusals = status["refusals"]
    assert refusals == {
        "total": 2,
        "by_sender": {OSC: 1, "zmq": 1},
        "by_reason": {"/seed: a value that does not fit": 1, "not JSON": 1},
    }


def test_refusals_are_bounded_in_memory_and_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    at = [0.0]
    refusals = Refusals(now=lambda: at[0])
    for count in range(5000):
        refusals.count(f"osc:{count}" + "x" * 1000, f"reason {count}\nforged line" * 50)
    status = refusals.status()
    assert status["total"] == 5000
    for names in (status["by_sender"], status["by_reason"]):
        assert isinstance(names, dict)
        assert len(names) == MOST_NAMES + 1
        assert sum(names.values()) == 5000
        assert names["others"] == 5000 - MOST_NAMES
        assert all(len(name) <= LONGEST and "\n" not in name for name in names)
    assert len(caplog.records) == 1
    at[0] = 1.5
    refusals.count("osc", "again")
    assert len(caplog.records) == 2
    assert "and 4999 more" in caplog.text
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert all(record.levelno == logging.WARNING for record in caplog.records)


def test_what_belongs_to_the_output_is_in_no_look(library: Library) -> None:
    output = {address for address, parameter in PARAMETERS.items() if parameter.effect is Effect.OUTPUT}
    assert output
    for name in library.names():
        assert not output & library.recall(name).keys()
