"""An input through PortAudio: a metronome on a JACK server, which is started, stopped and started again."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

sys.path.append(str(Path(__file__).parents[1] / "midi"))
from jack_rig import JACKD, start_server

from daemon.doctor.checks import audio_finding
from daemon.doctor.diagnosis import Verdict
from io_bridges.audio import audio_input
from io_bridges.audio.audio_input import chosen_input, inputs, port_audio
from io_bridges.audio.listener import AudioListener, AudioSource
from presets.errors import BridgeError, BridgeUnavailable
from presets.movement import SILENCE, Heard

METRONOME = shutil.which("jack_metro")


def has_port_audio() -> bool:
    """Return True if PortAudio is there. Debian's reaches JACK where a server runs."""
    try:
        return port_audio() is not None
    except BridgeUnavailable:
        return False


needs_jack_audio = pytest.mark.skipif(
    JACKD is None or METRONOME is None or not has_port_audio(), reason="needs JACK: apt install jackd2 libportaudio2"
)


def eventually(listener: AudioListener, card: "Card", condition: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not condition():
        listener.look()
        card.tend()
        assert time.monotonic() < until, f"the condition did not become true in time: {listener.status()}"
        time.sleep(0.005)


def loud_moments(listener: AudioListener, card: "Card") -> list[Heard]:
    """Return the features at every look during four onsets, without the pauses between them."""
    before = int(str(listener.status()["onsets"]))
    moments: list[Heard] = []

    def is_over() -> bool:
        moments.append(listener.heard())
        return int(str(listener.status()["onsets"])) >= before + 4

    eventually(listener, card, is_over)
    return [moment for moment in moments if moment.level > 0.9]


class Card:
    """A JACK server as a sound card that can be pulled out."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._name = ""
        self._processes: list[subprocess.Popen[bytes]] = []
        self._metronome: subprocess.Popen[bytes] | None = None

    def plug_in(self) -> None:
        """Start a server, and a metronome that is its input "click"."""
        self._name, server = start_server(4096, self._name)
        self._patch.setenv("JACK_DEFAULT_SERVER", self._name)
        self._processes = [server]

    def play(self) -> None:
        """Start the metronome."""
        self._metronome = metronome()

    def tend(self) -> None:
        """Start the metronome again if it has ended: a busy server is not ready for it, or drops it."""
        if self._metronome is not None and self._metronome.poll() is not None:
            self._metronome = metronome()

    def pull_out(self) -> None:
        """End all processes."""
        if self._metronome is not None:
            self._processes.append(self._metronome)
            self._metronome = None
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:  # a server waits for its clients
                process.kill()
                process.wait(10)
        self._processes = []


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[Card]:
    monkeypatch.setenv("JACK_NO_AUDIO_RESERVATION", "1")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    card = Card(monkeypatch)
    yield card
    card.pull_out()


def metronome() -> "subprocess.Popen[bytes]":
    """Start four beeps a second of 100 Hz, as an input named "click"."""
    assert METRONOME is not None
    command = [METRONOME, "--name", "click", "--bpm", "240", "--frequency", "100", "--duration", "60"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@needs_jack_audio
def test_input_is_heard_and_comes_back(card: Card) -> None:
    listener = AudioListener(AudioSource("CLICK", False))
    card.plug_in()
    try:
        eventually(listener, card, lambda: listener.problem)
        assert listener.problem == "no audio input has 'CLICK' in its name; it is looked for (inputs: system)"
        finding = audio_finding()
        assert (finding.verdict, finding.detail.split()[0]) == (Verdict.WORKS, "system")
        card.play()
        eventually(listener, card, lambda: listener.heard().level > 0.9 and listener.heard().bass > 0.9)
        beeps = loud_moments(listener, card)
        # A beep begins and ends with a click, which has treble, and so has a gap in the sound of a busy machine.
        assert median(moment.bass for moment in beeps) > 0.9
        assert median(moment.treble for moment in beeps) < 0.3
        card.pull_out()
        eventually(listener, card, lambda: listener.problem)
        assert listener.heard() == SILENCE
        card.plug_in()
        card.play()
        eventually(listener, card, lambda: listener.heard().level > 0.9)
        assert listener.problem == ""
    finally:
        listener.stop()


class ListedDevices:
    """The lists of PortAudio on Windows, where each device is listed once for each interface."""

    default = type("Default", (), {"device": (0, 3)})
    apis = ("MME", "Windows WASAPI")

    def query_hostapis(self) -> list[dict[str, object]]:
        return [{"name": name} for name in self.apis]

    def query_devices(self) -> list[dict[str, object]]:
        rows = [("Mapper", 0, 2), ("Line In", 0, 2), ("Line In", 1, 8), ("Speakers", 1, 0)]
        return [
            {"name": name, "hostapi": api, "max_input_channels": channels, "default_samplerate": 48_000.0}
            for name, api, channels in rows
        ]


def test_quickest_interface_is_chosen() -> None:
    listed = ListedDevices()
    assert [(device.number, device.interface) for device in inputs(listed)] == [
        (2, "Windows WASAPI"),
        (0, "MME"),
        (1, "MME"),
    ]
    assert chosen_input(listed, "line in")[:2] == (2, "Line In")
    assert chosen_input(listed, "Default").name == "Mapper"
    with pytest.raises(BridgeError, match=r"no audio input has 'usb' in its name.*\(inputs: Line In, Mapper\)"):
        chosen_input(listed, "usb")


def test_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(module: str, extra: str) -> object:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr(audio_input, "import_extra", fail)
    with pytest.raises(BridgeUnavailable, match=r"Run: sudo apt install libportaudio2"):
        port_audio()
