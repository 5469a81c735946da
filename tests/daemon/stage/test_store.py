"""The parameter store: changes, replies and subscriptions."""

import logging

import pytest
from store_answers import OSC, accepted, refused

from daemon.shared.refusals import LONGEST, MOST_NAMES, Refusals
from daemon.stage.parameter_store import ParameterStore
from io_bridges.show_control import ControlReply, ShowControl
from presets.declaration import ACTIONS
from presets.library import Library
from presets.parameter_table import PARAMETERS, Value, flatten, snapshot
from presets.parameters import Parameters


def test_store_is_a_show_control(store: ParameterStore) -> None:
    control: ShowControl = store
    assert control.parameters == PARAMETERS
    assert set(control.actions) == {action.address for action in ACTIONS}
    assert control.values() == flatten(Parameters())
    assert "fire" in control.preset_names()


@pytest.mark.parametrize("address", PARAMETERS)
def test_every_parameter_reaches_the_snapshot(store: ParameterStore, address: str) -> None:
    parameter = PARAMETERS[address]
    if address == "/preset":
        sent: Value = "fire"
    elif parameter.kind == "choice":
        sent = parameter.choices[-1]
    elif parameter.kind == "text":
        sent = "mirror" if parameter.key == "processor" else "other words"
    else:
        sent = parameter.minimum if parameter.minimum != parameter.default else parameter.maximum  # type: ignore[assignment]
        sent = not parameter.default if parameter.kind == "bool" else sent
    before, _ = store.snapshot()
    store.opened.trust({address: sent})
    answer = accepted(store.apply(address, [sent], OSC))
    assert answer == ControlReply(address, True, sent, "")
    revision, parameters = store.snapshot()
    assert revision == before + 1 == store.wanted
    assert store.values()[address] == sent
    if parameter.key == "prompt" and address.endswith("text"):
        assert any(prompt.text == sent for prompt in parameters.prompt)
    elif parameter.key == "lfo":
        _, place, field = address.strip("/").split("/")
        if field != "target":  # an LFO without one is left out
            store.apply(f"/lfo/{place}/target", ["zoom"], OSC)
        assert getattr(store.snapshot()[1].lfo[int(place) - 1], field) == sent
    elif parameter.key == "processor":
        _, place, field = address.strip("/").split("/")
        store.apply(f"/processor/{place}/name", ["mirror"], OSC)
        assert getattr(store.snapshot()[1].processor[int(place) - 1], field) == sent
    elif parameter.key != "prompt":
        assert getattr(parameters, parameter.key) == sent


def test_reply_names_the_coerced_value(store: ParameterStore) -> None:
    assert store.apply("/strength", [7], OSC) == ControlReply("/strength", True, 1.0, "the maximum is 1; set to 1.0")
    assert store.apply("/strength", ["-1"], OSC) == ControlReply("/strength", True, 0.0, "the minimum is 0; set to 0.0")
    assert store.apply("/width", [100], OSC) == ControlReply("/width", True, 96, "it goes in steps of 32; set to 96")
    assert store.apply("/steps", [2.4], OSC).note == "it goes in steps of 1; set to 2"
    assert store.apply("/seed", [10**5000], OSC).value == 2**31 - 1
    assert store.apply("/freeze", [1.0], OSC) == ControlReply("/freeze", True, True, "")
    assert store.apply("/mode", [1], OSC) == ControlReply("/mode", True, "text", "")
    assert "cut" in store.apply("/negative_prompt", ["x" * 2000], OSC).note


def test_clamped_shares_and_weights_are_told(store: ParameterStore) -> None:
    assert store.apply("/strength/norm", [3], OSC).note == "a share is from 0 to 1, 3 came; set to 1"
    assert store.apply("/zoom/norm", [-0.5], OSC).note == "a share is from 0 to 1, -0.5 came; set to 0"
    assert store.apply("/fit/norm", [2], OSC).note == "a share is from 0 to 1, 2 came; set to 1"
    assert store.apply("/zoom/norm", [0.5], OSC).note == ""
    assert store.apply("/prompt", ["fire", 9.0], OSC).note == "weight 1: the maximum is 2; set to 2.0"
    assert store.apply("/prompt", ["fire", 0.5, "ice", -1], OSC).note == "weight 2: the minimum is 0; set to 0.0"
    assert store.apply("/prompt", ["fire", 0.5], OSC).note == ""


def test_same_value_makes_no_revision(store: ParameterStore) -> None:
    store.apply("/strength", [0.25], OSC)
    before = store.snapshot()
    accepted(store.apply("/strength", [0.25], OSC))
    assert store.snapshot() is before


def test_snapshot_is_built_once_per_revision(store: ParameterStore) -> None:
    assert store.snapshot() is store.snapshot()
    assert store.snapshot()[1] == snapshot(store.values())


def test_number_of_arguments(store: ParameterStore) -> None:
    accepted(store.apply("/freeze", [], OSC))
    assert store.values()["/freeze"] is True
    assert "one value is expected, none came" in refused(store.apply("/strength", [], OSC))
    assert "one value is expected, 2 came" in refused(store.apply("/strength", [0.5, b"x"], OSC))


def test_unknown_address_gets_a_suggestion(store: ParameterStore) -> None:
    assert "did you mean /strength?" in refused(store.apply("/strenght", [1], OSC))
    assert "did you mean /panic?" in refused(store.apply("/panik", [1], OSC))
    refused(store.apply("/" + "x" * 10_000, [1], OSC))
    refused(store.apply("", [1], OSC))


def test_subscribers_get_the_newest_values(store: ParameterStore) -> None:
    woken: list[int] = []
    web = store.subscribe("web:", lambda: woken.append(1))
    for value in (0.1, 0.2, 0.3):
        store.apply("/strength", [value], OSC)
    store.apply("/seed", [5], OSC)
    store.apply("/strength", [0.4], OSC)
    assert len(woken) == 1, "one wake-up until the changes are taken"
    assert list(web.take().items()) == [("/seed", 5), ("/strength", 0.4)]
    assert web.take() == {}
    store.apply("/seed", [6], OSC)
    assert len(woken) == 2
    web.close()
    web.close()
    store.apply("/seed", [7], OSC)
    assert len(woken) == 2


def test_surface_gets_no_echo_of_itself(store: ParameterStore) -> None:
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


def test_own_change_drops_an_older_one(store: ParameterStore) -> None:
    own = store.subscribe("osc:127.0.0.1:", lambda: None)
    store.apply("/strength", [0.1], "web:1")
    store.apply("/strength", [0.9], OSC)
    assert own.take() == {}, "0.1 would move the fader back from 0.9"


def test_closed_event_loop_ends_the_subscription(store: ParameterStore) -> None:
    calls: list[int] = []

    def closed() -> None:
        calls.append(1)
        raise RuntimeError("Event loop is closed")

    store.subscribe("web:", closed)
    for seed in (1, 2, 3):
        accepted(store.apply("/seed", [seed], OSC))
    assert calls == [1]


def test_status_includes_the_stage(library: Library) -> None:
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


def test_refusals_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
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


def test_password_of_a_source_stays_here(library: Library) -> None:
    secret, shown = "stream:rtsp://eve:s3cret@cam", "stream:rtsp://eve:***@cam"
    store = ParameterStore(library, {"/source": secret})
    assert store.values()["/source"] == store.snapshot()[1].source == shown
    assert store.values_to_keep() == store.values() | {"/source": secret}
    heard = store.subscribe("web:", lambda: None)
    store.take_source(secret.replace("cam", "other"), OSC)
    assert heard.take() == {"/source": "stream:rtsp://eve:***@other"}
    assert store.values_to_keep()["/source"] == "stream:rtsp://eve:s3cret@other"
    store.take_source(secret, OSC, "/source2")
    assert heard.take() == {"/source2": shown}
    assert (store.source_uri("/source2"), store.values()["/source2"]) == (secret, shown)
