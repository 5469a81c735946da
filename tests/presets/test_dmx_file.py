"""DMX mappings: channels in 8 and 16 bits, and every mistake with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presets.dmx_file import DmxTrigger, parse_dmx, parse_dmx_trigger
from presets.errors import ParameterRefused, PresetError
from presets.midi_mapping import MidiTarget


def test_channels_and_their_targets() -> None:
    targets = parse_dmx(b"1/1: /strength\n0/3+4: {to: /zoom, range: [1, 2]}\n63999/512: /preset\n", "club.yaml")
    assert targets == {
        DmxTrigger(1, 1): MidiTarget(to="/strength"),
        DmxTrigger(0, 3, 4): MidiTarget(to="/zoom", range=(1.0, 2.0)),
        DmxTrigger(63999, 512): MidiTarget(to="/preset"),
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1/0: /strength", "club.yaml:1:1: a channel is from 1 to 512; 0 was given"),
        ("1/513: /strength", "club.yaml:1:1: a channel is from 1 to 512; 513 was given"),
        ("1/1+0: /strength", "club.yaml:1:1: a channel is from 1 to 512; 0 was given"),
        ("64000/1: /strength", "club.yaml:1:1: a universe is from 0 to 63999; 64000 was given"),
        ("seven: /strength", "club.yaml:1:1: a channel is UNIVERSE/CHANNEL, such as 1/7, or 1/7+8; 'seven' was given"),
        ("1/7+7: /strength", "club.yaml:1:1: the two channels of 1/7+7 are the same"),
        ("1/7+8: /preset", "club.yaml:1:8: 1/7+8: /preset takes one channel"),
        ("1/1: /strenght", "club.yaml:1:6: 1/1: /strenght is not an address of this program"),
        ("1/1: {to: /blackout, hold: true}", "club.yaml:1:6: 1/1: hold goes with a key of MIDI"),
        ("1/1: /prompt", "club.yaml:1:6: 1/1: /prompt takes a text: give value"),
        ("1/01: /strength\n1/1: /zoom", "club.yaml:2:1: 1/1 occurs twice"),
        ("", "club.yaml: a DMX mapping maps channels"),
        ("- 1", "club.yaml:1:1: a DMX mapping maps controls, such as 1/7, to addresses"),
        ("".join(f"{each}/1: /zoom\n" for each in range(17)), "club.yaml: a DMX mapping has at most 16 universes; 17"),
    ],
)
def test_mistakes_name_their_line(text: str, problem: str) -> None:
    with pytest.raises(PresetError) as refused:
        parse_dmx(text.encode(), "club.yaml")
    assert str(refused.value).startswith(problem)


@given(universe=st.integers(0, 63999), channel=st.integers(1, 512), fine=st.integers(0, 512))
def test_written_channels_are_read(universe: int, channel: int, fine: int) -> None:
    trigger = DmxTrigger(universe, channel, 0 if fine == channel else fine)
    assert parse_dmx_trigger(str(trigger)) == trigger


@given(text=st.text(max_size=12) | st.text("0123456789/+", max_size=12))
def test_any_other_text_is_refused(text: str) -> None:
    try:
        trigger = parse_dmx_trigger(text)
    except ParameterRefused:
        return
    assert 1 <= trigger.channel <= 512
    assert trigger.universe <= 63999
