"""Messages as control programs really send them: each is taken in its one sensible reading."""

import math

import pytest
from store_answers import OSC, accepted, refused

from daemon.stage.message_reading import read_message
from daemon.stage.parameter_store import ParameterStore
from io_bridges.osc.packets import Impulse, decode_packet, encode_message
from io_bridges.show_control import ControlReply, Later
from presets.library import Library
from presets.parameter_table import PARAMETERS

BANG = Impulse.IMPULSE


def prompts(store: ParameterStore) -> list[tuple[str, float]]:
    return [(prompt.text, prompt.weight) for prompt in store.snapshot()[1].prompt]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["golden", "rings"], [("golden rings", 1.0)]),
        (["room", 5, "blue"], [("room 5 blue", 1.0)]),
        (["golden rings"], [("golden rings", 1.0)]),
        ([["golden", "rings"]], [("golden rings", 1.0)]),
        (["golden rings", 1], [("golden rings", 1.0)]),
        (["dog", 0.2], [("dog", 0.2)]),
        (["golden", "rings", 0.5], [("golden rings", 0.5)]),
        (["golden", "rings", 2], [("golden rings 2", 1.0)]),
        (["golden", "rings", 5.0], [("golden rings 5", 1.0)]),
        (["dog", 0.25, "cat", 0.75], [("dog", 0.25), ("cat", 0.75)]),
        (["dog", 1, "cat", 1], [("dog", 1.0), ("cat", 1.0)]),
    ],
)
def test_prompt_in_many_forms(store: ParameterStore, arguments: list[object], wanted: list[tuple[str, float]]) -> None:
    accepted(store.apply("/prompt", ["something else"], OSC))
    accepted(store.apply("/prompt", arguments, OSC))
    assert prompts(store) == wanted


def test_too_many_prompts_are_refused(store: ParameterStore) -> None:
    assert "there are 4 prompts; 5 texts came" in refused(store.apply("/prompt", ["a", 0.2] * 5, OSC))


def test_words_of_one_place_are_joined(store: ParameterStore) -> None:
    accepted(store.apply("/prompt/2/text", ["deep", "ocean"], OSC))
    assert store.values()["/prompt/2/text"] == "deep ocean"


@pytest.mark.parametrize(
    ("address", "arguments", "text", "weight"),
    [
        ("/prompt/2", ["dog"], "dog", 1.0),
        ("/prompt/2", ["big", "dog"], "big dog", 1.0),
        ("/prompt/2", ["dog", 0.5], "dog", 0.5),
        ("/prompt/2", [0.5], "", 0.5),
        ("/prompt/2/text", ["dog", 0.5], "dog", 0.5),
        ("/prompt/2/text", ["dog", 1], "dog", 1.0),
        ("/prompt/2/text", ["big", "dog", 0.25], "big dog", 0.25),
        ("/prompt/2/text", ["dog", "number", 5], "dog number 5", 1.0),
        ("/prompt/2/weight", ["0,5"], "", 0.5),
    ],
)
def test_one_place_in_many_forms(
    store: ParameterStore, address: str, arguments: list[object], text: str, weight: float
) -> None:
    accepted(store.apply("/prompt", ["ice", 0.75], OSC))
    accepted(store.apply(address, arguments, OSC))
    values = store.values()
    assert (values["/prompt/1/text"], values["/prompt/1/weight"]) == ("ice", 0.75), "other places stay"
    assert (values["/prompt/2/text"], values["/prompt/2/weight"]) == (text, weight)


@pytest.mark.parametrize(
    ("address", "arguments"),
    [("/next/1", []), ("/next/press", []), ("/next/bang", [1.0]), ("/next/on", [1])],
)
def test_press_in_the_address(store: ParameterStore, address: str, arguments: list[object]) -> None:
    before = store.wanted
    accepted(store.apply(address, arguments, OSC))
    assert store.wanted == before + 1
    for released in (address.rpartition("/")[0] + "/0", address):
        assert "release" in accepted(store.apply(released, [0], OSC)).note
    assert store.wanted == before + 1
    assert "did you mean /next" in refused(store.apply("/next/xt", [], OSC))


@pytest.mark.parametrize("arguments", [[], [1], [1.0], ["bang"], [None], [BANG], [True], [1, 1], ["press"], [["go"]]])
def test_panic_is_pressed_by_anything(store: ParameterStore, arguments: list[object]) -> None:
    store.apply("/blackout", [True], OSC)
    accepted(store.apply("/panic", arguments, OSC))
    assert store.values()["/blackout"] is False


@pytest.mark.parametrize("arguments", [[0], [0.0], [False], ["0"], ["off"], ["false"], [0, 1]])
def test_release_does_nothing(store: ParameterStore, arguments: list[object]) -> None:
    before = store.wanted
    assert "release" in store.apply("/panic", arguments, OSC).note
    assert store.wanted == before


def test_bang_turns_a_switch(store: ParameterStore) -> None:
    for arguments in ([BANG], [None], ["bang"], ["toggle"], ["Toggle", 1.0]):
        before = store.values()["/freeze"]
        accepted(store.apply("/freeze", arguments, OSC))
        assert store.values()["/freeze"] is not before
        accepted(store.apply("/freeze", ["toggle", 0.0], OSC))
        assert store.values()["/freeze"] is not before, "a release"
    for arguments, value in ((["on", 1.0], True), (["off", 1], False), ([1.0, 0.0], True)):
        accepted(store.apply("/freeze", arguments, OSC))
        assert store.values()["/freeze"] is value
    assert "number is expected" in refused(store.apply("/strength", [BANG], OSC))


@pytest.mark.parametrize(
    ("address", "arguments", "value"),
    [
        ("/strength/0.3", [], 0.3),
        ("/strength/0.3", [1], 0.3),
        ("/strength", ["0,4"], 0.4),
        ("/strength", [" 0.4 "], 0.4),
        ("/strength", [[0.25]], 0.25),
        ("/strength", [0.25, 0.75], 0.25),
        ("/strength/norm/0.3", [], 0.3),
        ("/strength/norm", [0.25, 0.75], 0.25),
        ("/strength/add/-0.5", [], 0.4),
        ("/strength", ["+", 0.0625], 0.9625),
        ("/strength", ["-", 0.4], 0.5),
        ("/strength", ["+", 7], 1.0),
    ],
)
def test_number_in_many_forms(store: ParameterStore, address: str, arguments: list[object], value: float) -> None:
    reply = accepted(store.apply(address, arguments, OSC))
    assert store.values()["/strength"] == value
    assert bool(reply.note) == (arguments == [0.25, 0.75])


@pytest.mark.parametrize("text", ["1,2,3", "0,4,", "a,4", "1,000.5", ","])
def test_numbers_of_two_readings_are_refused(store: ParameterStore, text: str) -> None:
    assert "a number is expected" in refused(store.apply("/strength", [text], OSC))


def test_release_of_a_value_in_the_address(store: ParameterStore) -> None:
    before = store.wanted
    refused(store.apply("/strength/0.3", [0], OSC))
    assert store.wanted == before


def test_presets_in_many_forms(store: ParameterStore, library: Library) -> None:
    second = library.names()[1]
    for address, arguments, wanted in (
        ("/preset", ["Ice Cells"], "ice-cells"),
        ("/preset", ["ICE_CELLS"], "ice-cells"),
        ("/preset", [2], second),
        ("/preset", [2.0], second),
        ("/preset/fire", [], "fire"),
        ("/preset/ice_cells", [1.0], "ice-cells"),
        ("/preset", ["Ice", "Cells"], "ice-cells"),
        ("/preset", ["Ice", "Cells", 1], "ice-cells"),
        ("/preset", ["2"], second),
        ("/preset", [2, 1.0], second),
        ("/preset/2", [], second),
    ):
        accepted(store.apply(address, arguments, OSC))
        assert store.values()["/preset"] == wanted
    before = store.wanted
    assert "release" in store.apply("/preset/fire", [0], OSC).note
    assert "release" in store.apply("/preset", [0], OSC).note
    assert "release" in store.apply("/preset", [2, 0.0], OSC).note
    assert "number 5000 came" in refused(store.apply("/preset", [5000], OSC))
    for number in (math.inf, -math.inf, math.nan, 10**400):
        assert "a number is expected" in refused(store.apply("/preset", [number], OSC))
    assert store.wanted == before


def test_preset_with_a_number_as_name(store: ParameterStore, library: Library) -> None:
    library.save("7", library.recall("fire"))
    library.save("look 2", library.recall("fire"))
    seventh = library.names()[6]
    for arguments, wanted in ((["7"], "7"), ([7], seventh), (["look", 2], "look 2"), (["look", "2"], "look 2")):
        accepted(store.apply("/preset", arguments, OSC))
        assert store.values()["/preset"] == wanted


def test_save_takes_several_words(store: ParameterStore, library: Library) -> None:
    accepted(store.apply("/save", ["my", "look"], OSC))
    accepted(store.apply("/save", ["Лёд"], OSC))
    assert library.names()[-2:] == ["my look", "Лёд"]
    assert store.values()["/preset"] == "Лёд"


def test_minus_one_is_a_random_seed(store: ParameterStore) -> None:
    for argument in (-1, -1.0, "-1"):
        accepted(store.apply("/seed", [0], OSC))
        accepted(store.apply("/seed", [argument], OSC))
        assert store.values()["/seed"] == -1


def test_long_prompt_is_told(store: ParameterStore) -> None:
    assert "cut to" in accepted(store.apply("/prompt", ["word " * 2000], OSC)).note


def test_every_fader_passes_unchanged() -> None:
    arguments = [0.5]
    for parameter in PARAMETERS.values():
        if parameter.kind != "text":
            assert read_message(parameter.address, arguments, {}, list).arguments is arguments


# Datagrams


def only(datagram: bytes) -> list[object]:
    (message,) = decode_packet(datagram)
    return message.arguments


@pytest.mark.parametrize(
    ("text", "encoding"), [("größe", "cp1252"), ("größe", "utf-8"), ("été", "latin-1"), ("日本", "utf-8")]
)
def test_text_in_the_windows_code_page(text: str, encoding: str) -> None:
    raw = text.encode(encoding)
    padded = raw + b"\0" * (4 - len(raw) % 4)
    assert only(b"/prompt\0,s\0\0" + padded) == [text]


def test_fader_beside_a_text_in_shift_jis() -> None:
    text = "日本".encode("shift-jis")
    bad = b"/prompt\0,s\0\0" + text + b"\0" * (4 - len(text) % 4)
    good = encode_message("/strength", 0.25)
    bundle = b"#bundle\0" + b"\0" * 8 + b"".join(len(each).to_bytes(4, "big") + each for each in (bad, good))
    messages = decode_packet(bundle)
    assert [message.address for message in messages] == ["/prompt", "/strength"]
    assert messages[1].arguments == [0.25]


def test_padding_and_missing_tags() -> None:
    assert only(encode_message("/strength", 0.25) + b"\0\0\0\0") == [0.25]
    assert only(b"/strength\0\0\0" + encode_message("/a", 0.25)[-4:]) == [0.25]
    assert only(b"/steps\0\0" + (7).to_bytes(4, "big")) == [7]


@pytest.mark.parametrize(
    ("address", "arguments", "text"),
    [
        ("/sink/add", ["png:my", "frames"], "png:my frames"),
        ("/sink/add", ["zmq:5560", 1], "zmq:5560"),
        ("/sink/add/zmq:5560", [], "zmq:5560"),
        ("/sink/remove", [3], "3"),
        ("/sink/remove", [3.0], "3"),
        ("/sink/remove", [1], "1"),
        ("/sink/remove", ["zmq:5560"], "zmq:5560"),
        ("/sink/remove/3", [1.0], "3"),
        ("/sink/open", [2.0], "2"),
        ("/sink/open", ["window:?display=2"], "window:?display=2"),
        ("/sink/open/2", [], "2"),
        ("/sink/add", ["png:" + "x" * 2000], "png:" + "x" * 996),
    ],
)
def test_sink_in_many_forms(store: ParameterStore, address: str, arguments: list[object], text: str) -> None:
    asked: list[tuple[str, str]] = []

    def change_sinks(address: str, text: str, sender: str, later: Later | None) -> ControlReply:
        asked.append((address, text))
        return ControlReply(address, True, None)

    store.change_sinks = change_sinks
    accepted(store.apply(address, arguments, OSC))
    assert asked == [("/sink/" + address.split("/")[2], text)]


@pytest.mark.parametrize("arguments", [[], [True], [float("nan")], [float("inf")], [10**400], [b"x"], [1, 2, 3], [2.4]])
def test_sink_without_a_name(store: ParameterStore, arguments: list[object]) -> None:
    store.change_sinks = None
    assert refused(store.apply("/sink/remove", arguments, OSC))
    assert refused(store.apply("/sink/open", arguments, OSC))
    assert refused(store.apply("/sink/add", ["zmq:5560"], OSC)) == "there are no sinks to change"


@pytest.mark.parametrize("address", ["/sink/add", "/sink/open", "/sink/remove"])
def test_release_changes_no_sink(store: ParameterStore, address: str) -> None:
    for arguments in ([0], ["zmq:5560", 0]):
        assert "release" in store.apply(address, arguments, OSC).note


@pytest.mark.parametrize(
    ("address", "argument", "wanted"),
    [
        ("/strength/norm", 0.25, 0.25),
        ("/zoom/norm", 0.5, 5.5),
        ("/zoom/norm", "0,5", 5.5),
        ("/pan_x/norm", 0.0, -1.0),
        ("/pan_x/norm", -3, -1.0),
        ("/steps/norm", 1.0, 50),
        ("/seed/norm", 1.0, 2**31 - 1),
        ("/freeze/norm", 1.0, True),
        ("/fit/norm", 0.5, "fit"),
        ("/fit/norm", 1, "stretch"),
        ("/prompt/2/weight/norm", 0.5, 1.0),
        ("/strength/add", -0.1, 0.8),
        ("/strength/add", 9.0, 1.0),
        ("/steps/add", 2, 6),
        ("/fit/add", 1, "fit"),
        ("/fit/add", -1, "fill"),
        ("/fit/add", 99, "stretch"),
        ("/freeze/add", 1, True),
    ],
)
def test_twins_of_an_address(store: ParameterStore, address: str, argument: object, wanted: object) -> None:
    parameter = address.rpartition("/")[0]
    answer = accepted(store.apply(address, [argument], OSC))
    assert answer.address == parameter
    assert store.values()[parameter] == (pytest.approx(wanted) if isinstance(wanted, float) else wanted)


@pytest.mark.parametrize("twin", ["norm", "add"])
def test_every_number_has_twins(store: ParameterStore, twin: str) -> None:
    for address, parameter in PARAMETERS.items():
        if parameter.kind != "text":
            accepted(store.apply(f"{address}/{twin}", [0.0], OSC))


@pytest.mark.parametrize(
    ("address", "arguments", "reason"),
    [
        ("/strength/norm", [], "takes one number; none came"),
        ("/strength/add", [1, 2], "takes one number; 2 came"),
        ("/strength/add", ["much"], "a number is expected"),
        ("/strength/norm", [math.nan], "a number is expected"),
        ("/prompt/1/text/norm", [0.5], "is a text"),
    ],
)
def test_twins_are_refused(store: ParameterStore, address: str, arguments: list[object], reason: str) -> None:
    before = store.values()
    assert reason in refused(store.apply(address, arguments, OSC))
    assert store.values() == before
