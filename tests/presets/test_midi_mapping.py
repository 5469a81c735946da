"""MIDI mappings: what a control sends, which entry wins, and files that are refused with the place of the mistake."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presets.errors import ParameterRefused, PresetError, SettingsError
from presets.midi_file import default_mapping, parse_mapping, read_midi_setup, save_mapping
from presets.midi_mapping import MidiMapping, MidiTarget, MidiTrigger, parse_trigger

TRIGGERS = st.builds(
    MidiTrigger,
    st.sampled_from(["cc", "cc14", "note", "bend", "program"]),
    st.integers(0, 31),
    st.integers(0, 16),
    st.sampled_from(["", "nano", "Launchpad Mini 3"]),
).map(lambda trigger: trigger if trigger.kind in ("cc", "cc14", "note") else trigger._replace(number=0))


@given(trigger=TRIGGERS)
def test_control_is_read_as_it_is_written(trigger: MidiTrigger) -> None:
    assert parse_trigger(str(trigger)) == trigger
    assert parse_trigger(f"  {str(trigger).upper()} ")._replace(device="") == trigger._replace(device="")


@pytest.mark.parametrize(
    "text",
    ["", "cc", "cc 128", "cc14 32", "note x", "bend 3", "cc 7 ch 0", "cc 7 ch 17", "clock ch 1", "knob 1", "cc 7 on"],
)
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ParameterRefused):
        parse_trigger(text)


def test_nearest_entry_wins() -> None:
    texts = ("cc 7", "cc 7 ch 2", "cc 7 on nano", "cc 7 ch 2 on nano")
    mapping = MidiMapping({parse_trigger(text): MidiTarget(to=text) for text in texts})

    def found(channel: int, device: str) -> str:
        target = mapping.find(MidiTrigger("cc", 7, channel, device))
        return target.to if target else ""

    assert found(1, "box") == "cc 7"
    assert found(2, "box") == "cc 7 ch 2"
    assert found(1, "NANO") == "cc 7 on nano"
    assert found(2, "nano") == "cc 7 ch 2 on nano"
    assert mapping.find(MidiTrigger("cc", 8, 1, "nano")) is None


@pytest.mark.parametrize(
    ("target", "kind", "share", "pressed", "sent"),
    [
        ({"to": "/strength"}, "cc", 0.25, None, ("/strength/norm", [0.25])),
        ({"to": "/steps", "range": (8, 2)}, "cc", 0.5, None, ("/steps", [5.0])),
        ({"to": "/strength"}, "note", 0.5, True, ("/strength/norm", [0.5])),
        ({"to": "/strength"}, "note", 0.0, False, None),
        ({"to": "/strength", "value": 0.3}, "note", 0.5, True, ("/strength", [0.3])),
        ({"to": "/strength", "value": 0.3}, "cc", 0.9, None, None),
        ({"to": "/strength/add", "value": -0.1}, "cc", 1.0, True, ("/strength/add", [-0.1])),
        ({"to": "/freeze"}, "cc", 1.0, True, ("/freeze/norm", [1.0])),
        ({"to": "/freeze"}, "note", 0.9, True, ("/freeze", [None])),
        ({"to": "/freeze"}, "note", 0.0, False, None),
        ({"to": "/freeze", "hold": True}, "note", 0.9, True, ("/freeze", [True])),
        ({"to": "/freeze", "hold": True}, "note", 0.0, False, ("/freeze", [False])),
        ({"to": "/panic"}, "cc", 1.0, True, ("/panic", [])),
        ({"to": "/panic"}, "cc", 0.0, False, None),
        ({"to": "/preset", "value": "neon"}, "note", 0.2, True, ("/preset", ["neon"])),
        ({"to": "/preset"}, "program", 4 / 127, True, ("/preset", [5])),
    ],
)
def test_moves_are_sent(target: dict[str, object], kind: str, share: float, pressed: bool | None, sent: object) -> None:
    assert MidiTarget(**target).arguments(kind, share, pressed) == sent  # type: ignore[arg-type]


@given(program=st.integers(0, 127))
def test_program_counts_from_one(program: int) -> None:
    assert MidiTarget(to="/preset").arguments("program", program / 127, True) == ("/preset", [program + 1])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cc 7: /strenght", "map.yaml:1:7: cc 7: /strenght is not an address of this program"),
        ("cc 200: /strength", "map.yaml:1:1: cc takes a number from 0 to 127"),
        ("cc 7: /strength\ncc  7: /steps", "map.yaml:2:1: cc 7 occurs twice"),
        (
            "cc 7: {to: /strength, form: 3}",
            "map.yaml:1:23: 'form' is not a key of a control; they are to, value, range, hold",
        ),
        ("cc 7: {value: 3}", "map.yaml:1:7: cc 7 maps to an address, or to a mapping with to; a mapping was given"),
        ("cc 7: {to: /steps, range: [1]}", "map.yaml:1:27: cc 7: range takes two numbers; a list was given"),
        ("cc 7: {to: /steps, range: [3, 3]}", "map.yaml:1:7: cc 7: range takes two different numbers"),
        ("cc 7: {to: /steps, range: [1, 8], value: 2}", "map.yaml:1:7: cc 7: range goes with a number"),
        ("cc 7: {to: /mode, value: loud}", "map.yaml:1:7: cc 7: one of image, text is expected"),
        ("cc 7: {to: /steps, hold: true}", "map.yaml:1:7: cc 7: hold goes with a switch"),
        ("note 7: /preset", "map.yaml:1:9: note 7: /preset takes a text: give value"),
        ("cc 7: /strength/norm", "map.yaml:1:7: cc 7: give /strength, or a value that a press sends to /strength/norm"),
        ("clock: /strength", "map.yaml:1:8: clock: the clock sets /bpm and nothing else"),
        ("start: /bpm", "map.yaml:1:8: start: start does an action without an argument"),
        ("- cc 7", "map.yaml:1:1: a MIDI mapping maps controls, such as cc 7, to addresses"),
    ],
)
def test_files_with_mistakes_are_refused(text: str, problem: str) -> None:
    with pytest.raises(PresetError) as error:
        parse_mapping(text.encode(), "map.yaml")
    assert str(error.value).startswith(problem)


def test_saved_mapping_is_read_back(tmp_path: Path) -> None:
    mapping = parse_mapping(
        b"cc 7: {to: /steps, range: [8, 1]}\nnote 3 ch 2 on My Box: {to: /freeze, hold: true}\n"
        b"cc14 1: /strength\nnote 4: {to: /preset, value: 'no'}",
        "test",
    )
    save_mapping(tmp_path / "new" / "midi.yaml", mapping)
    assert parse_mapping((tmp_path / "new" / "midi.yaml").read_bytes(), "saved").targets == mapping.targets


def test_default_mapping_is_the_documented_one() -> None:
    text = (Path(__file__).parents[2] / "docs/midi.md").read_text(encoding="utf-8")
    for trigger, target in default_mapping().targets.items():
        if trigger.kind != "note" or target.to != "/preset":
            assert f"| `{trigger}` | `{target.to}` |" in text
    notes = [trigger.number for trigger, target in default_mapping().targets.items() if target.value is not None]
    assert notes == list(range(36, 52))


def test_setup_of_a_show(tmp_path: Path) -> None:
    assert read_midi_setup((), None) is None
    assert read_midi_setup(("OFF",), None) is None
    file = tmp_path / "map.yaml"
    setup = read_midi_setup((" nano ", "pad"), file)
    assert setup is not None
    assert (setup.names, setup.file, len(setup.mapping.targets)) == (("nano", "pad"), file, 40)
    file.write_text("cc 7: /strength")
    read = read_midi_setup(("nano",), file)
    assert read is not None
    assert [str(trigger) for trigger in read.mapping.targets] == ["cc 7"]
    for names in (("",), ("nano", "NANO"), ("nano", " ")):
        with pytest.raises(SettingsError, match="--midi takes"):
            read_midi_setup(names, file)
    with pytest.raises(SettingsError, match="there is no folder"):
        read_midi_setup(("nano",), tmp_path / "none" / "map.yaml")
