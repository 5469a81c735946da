"""A whole show with processors: they change what is seen, and those that fail are bypassed while every tick goes on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from show import Show, until

DARK, BRIGHT = 40, 200
SIDE = 64

FILES = {
    "same": "def before(frame):\n    return frame\n\n\ndef after(frame):\n    return frame\n",
    "mirror": "def before(frame):\n    return frame[:, ::-1]\n",
    "shade": (
        'PARAMETERS = {"level": (0, 200, 100, "subtracted")}\n\n\n'
        "def after(frame, level):\n    return frame - frame.clip(0, level)\n"
    ),
    "loop": "def before(frame):\n    while True: pass\n",
    "exits": "import sys\n\n\ndef before(frame):\n    sys.exit(0)\n",
    "killed": "import os\n\n\ndef before(frame):\n    os.kill(os.getpid(), 9)\n",
    "raises": "def before(frame):\n    return frame / (frame.mean() - frame.mean() + 0 // 0)\n",
    "cut": "def after(frame):\n    return frame[:4]\n",
    "blank": "import numpy as np\n\n\ndef before(frame):\n    return np.full(frame.shape, np.nan)\n",
    "nothing": "def after(frame):\n    pass\n",
    "writes": "def before(frame):\n    frame[:] = 0\n    return frame\n",
    "absent": "import no_such_library\n\n\ndef before(frame):\n    return frame\n",
}

PROBLEMS = {
    "loop": "loop.py:2 in before: no answer for 5 s",
    "exits": "exits.py:5: it called sys.exit",
    "killed": "killed.py: its process ended with signal 9",
    "raises": "raises.py:2: ZeroDivisionError: integer division or modulo by zero",
    "cut": f"cut.py: after returned uint8 [4, {SIDE}, 3]; uint8 [{SIDE}, {SIDE}, 3] is expected",
    "blank": f"blank.py: before returned float64 [{SIDE}, {SIDE}, 3]; uint8 [{SIDE}, {SIDE}, 3] is expected",
    "nothing": "nothing.py: after returned nothing",
    "writes": "writes.py:2: ValueError: assignment destination is read-only",
    "absent": "absent.py:1: ModuleNotFoundError: No module named 'no_such_library'",
}


def write(folder: Path, name: str, text: str) -> None:
    """Save a processor as an editor does, in one step."""
    aside = folder / f"{name}.new"
    aside.write_text(text)
    aside.replace(folder / f"{name}.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("processors")
    for name, text in FILES.items():
        write(made, name, text)
    return made


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Show]:
    made = tmp_path_factory.mktemp("show")
    picture = np.full((SIDE, SIDE, 3), DARK, np.uint8)
    picture[:, SIDE // 2 :] = BRIGHT
    cv2.imwrite(str(made / "still.png"), picture)
    size = f"{SIDE}x{SIDE}"
    arguments = ("--source", f"file:{made / 'still.png'}", "--size", size, "--processors", str(folder))
    with Show(made, *arguments) as playing:
        playing.picture(halves(DARK, BRIGHT))
        yield playing


@pytest.fixture(autouse=True)
def empty_places(show: Show) -> Iterator[None]:
    yield
    for place in range(1, 5):
        show.ask({"do": "set", "values": {f"/processor/{place}/name": "", f"/processor/{place}/active": True}})
    show.picture(halves(DARK, BRIGHT))


def halves(left: int, right: int) -> Any:
    """Return a condition that is true for a picture with these greys. The first row has the stamp of the echo."""

    def matches(meta: dict[str, Any], pixels: NDArray[np.uint8]) -> bool:
        return meta["index"] >= 0 and bool(np.all(pixels[4:, 8] == left) and np.all(pixels[4:, -8] == right))

    return matches


def put(show: Show, address: str, value: object) -> dict[str, Any]:
    answer = show.ask({"do": "set", "values": {address: value}}, timeout=10_000)
    assert answer is not None
    reply: dict[str, Any] = answer["answers"][address]
    return reply


def used(show: Show, name: str) -> list[dict[str, Any]]:
    return [each for each in show.status()["processors"]["used"] if each["name"] == name]


def test_mirror_is_seen(show: Show) -> None:
    assert put(show, "/processor/1/name", "mirror")["note"] == ""
    show.picture(halves(BRIGHT, DARK))
    put(show, "/processor/1/active", False)
    show.picture(halves(DARK, BRIGHT))
    assert put(show, "/processor/mirror/active", True)["accepted"]
    show.picture(halves(BRIGHT, DARK))
    (state,) = used(show, "mirror")
    assert (state["place"], state["moment"], state["state"], state["problem"]) == (1, "before", "playing", "")


def test_identity_changes_nothing(show: Show) -> None:
    put(show, "/processor/1/name", "same")
    until(lambda: len([each for each in used(show, "same") if each["pictures"] > 5]) == 2)
    assert [each["moment"] for each in used(show, "same")] == ["before", "after"]
    for _, (meta, pixels) in zip(range(5), show.frames(), strict=False):
        assert halves(DARK, BRIGHT)(meta, pixels)


def test_parameter_moves_the_picture(show: Show) -> None:
    assert put(show, "/processor/shade/active", True)["accepted"]
    show.picture(halves(0, BRIGHT - 100))  # the first value that the file declares
    assert put(show, "/processor/shade/level", 10)["value"] == 10
    show.picture(halves(DARK - 10, BRIGHT - 10))
    assert put(show, "/processor/shade/level", 1000)["value"] == 200
    show.picture(halves(0, 0))
    put(show, "/processor/1/value1", 0.1)
    show.picture(halves(DARK - 20, BRIGHT - 20))
    show.osc.send_message("/processor/shade/level/norm", 0.05)
    show.picture(halves(DARK - 10, BRIGHT - 10))


def test_processors_run_in_order(show: Show) -> None:
    put(show, "/processor/1/name", "mirror")
    put(show, "/processor/2/name", "shade")
    put(show, "/processor/shade/level", 10)
    show.picture(halves(BRIGHT - 10, DARK - 10))


@pytest.mark.parametrize("name", PROBLEMS)
def test_failing_processor_is_bypassed(show: Show, name: str) -> None:
    with show.every_tick() as ticks:
        put(show, "/processor/1/name", name)
        until(lambda: any(each["problem"].startswith(PROBLEMS[name]) for each in used(show, name)))
        notices = [each["text"] for each in show.status()["notices"]]
        assert any(PROBLEMS[name] in text and "pictures go on without it" in text for text in notices), notices
        show.picture(halves(DARK, BRIGHT))
        # A narrow terminal breaks its lines.
        until(lambda: "".join(PROBLEMS[name].split()) in "".join(show.log.read_text().split()), 20)
        (state,) = used(show, name)
        assert state["failures"] >= 1
        assert state["pictures"] == 0
        seen = len(ticks)
        until(lambda: len(ticks) > seen + 5)
    assert all(tick.index >= 0 and tick.lit for tick in ticks), "the slate or black was on air"


def test_broken_save_keeps_the_old_file(show: Show, folder: Path) -> None:
    put(show, "/processor/1/name", "mirror")
    show.picture(halves(BRIGHT, DARK))
    for text, problem in (
        ("def before(frame:\n    return frame\n", f"{folder / 'mirror.py'}:1: "),
        ("def before(frame):\n    return fram\n", "mirror.py:2: NameError"),
    ):
        write(folder, "mirror", text)
        notice = until(
            lambda problem=problem: next((each for each in show.status()["notices"] if problem in each["text"]), None)
        )
        assert "the file before it plays on" in notice["text"]
        show.picture(halves(BRIGHT, DARK))
    # A crash while the file is broken brings the old text back.
    (before,) = used(show, "mirror")
    write(folder, "mirror", "def before(frame):\n    return 255 - frame\n")
    show.picture(halves(255 - DARK, 255 - BRIGHT))
    assert until(lambda: not used(show, "mirror")[0]["problem"])
    assert used(show, "mirror")[0]["starts"] > before["starts"]
    write(folder, "mirror", FILES["mirror"])
    show.picture(halves(BRIGHT, DARK))


def test_messages_name_no_path(show: Show, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    write(tmp_path, "evil", f"open({str(marker)!r}, 'w')\n\n\ndef before(frame):\n    return frame\n")
    for name in (str(tmp_path / "evil"), "../evil", "evil.py", "mirror/../evil"):
        assert not put(show, "/processor/1/name", name)["accepted"]
    assert "there is no evil.py in" in put(show, "/processor/1/name", "evil")["note"]
    assert not put(show, "/processor/evil/active", 1)["accepted"]
    assert not put(show, "/processor/mirror/active", "perhaps")["accepted"]
    assert "it has active" in put(show, "/processor/mirror/amount", 1)["note"]
    assert "no place" in put(show, "/processor/shade/level", 1)["note"]
    until(lambda: any("there is no evil.py" in each["text"] for each in show.status()["notices"]))
    assert not marker.exists()


def test_nothing_runs_before_it_is_named(show: Show, folder: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    write(folder, "late", f"open({str(marker)!r}, 'w')\n\n\ndef before(frame):\n    return frame\n")
    until(lambda: "late" in show.status()["processors"]["known"])
    assert show.status()["processors"]["used"] == []
    assert not marker.exists()
    put(show, "/processor/1/name", "late")
    until(marker.exists)
