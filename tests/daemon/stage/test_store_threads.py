"""The store with many threads, and with any message that a network can send."""

import threading
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from store_answers import OSC, accepted

from daemon.stage.parameter_store import ParameterStore
from io_bridges.show_control import ControlReply
from presets.declaration import ACTIONS
from presets.library import Library
from presets.parameter_table import PARAMETERS, Value, snapshot
from presets.parameters import Parameters

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> ParameterStore:
    return ParameterStore(Library(tmp_path_factory.mktemp("wild") / "presets"))


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


def test_threads_lose_no_change(store: ParameterStore) -> None:
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


def test_presets_and_faders_from_many_threads(store: ParameterStore, library: Library) -> None:
    names = library.names()
    failures: list[BaseException] = []

    def play(seed: int) -> None:
        chance = Random(seed)
        acts: list[Callable[[], ControlReply]] = [
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
        except BaseException as failure:  # noqa: BLE001  asserted in the main thread below
            failures.append(failure)

    players = [threading.Thread(target=play, args=(seed,)) for seed in range(4)]
    for player in players:
        player.start()
    for player in players:
        player.join(60)
    assert not failures
    assert all(not entry.error for entry in library.entries())


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
def test_any_message_leaves_valid_parameters(quiet: ParameterStore, address: str, arguments: list[object]) -> None:
    before = quiet.snapshot()
    answer = quiet.apply(address, arguments, "fuzz")
    assert len(answer.note) < 400
    if not answer.accepted:
        assert answer.note
        assert quiet.snapshot() is before
    Parameters.model_validate(quiet.snapshot()[1].model_dump())
