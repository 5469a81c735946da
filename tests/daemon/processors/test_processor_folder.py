"""Files of processors: what they declare, what is refused at which line, and what stays when a save is broken."""

from pathlib import Path

import pytest

from daemon.processors.processor_file import MOST_BYTES, read_processor
from daemon.processors.processor_folder import ProcessorFolder
from daemon.stage.preset_library import open_library
from presets.errors import ParameterRefused, ProcessorError

GOOD = '''"""Shift the colours."""

PARAMETERS = {"by": (0, 10, 3, "how far"), "soft": (-1.0, 1.0, 0.0)}


def before(frame, by):
    return frame


def after(frame, *, soft, by):
    return frame
'''


def test_file_declares_itself(tmp_path: Path) -> None:
    path = tmp_path / "shift.py"
    path.write_text(GOOD + "raise RuntimeError('it must not run')\n")
    file = read_processor(path)
    assert (file.name, file.description) == ("shift", "Shift the colours.")
    by, soft = file.numbers
    assert (by.minimum, by.maximum, by.first, by.description, by.is_whole) == (0, 10, 3, "how far", True)
    assert (soft.minimum, soft.first, soft.is_whole) == (-1, 0, False)
    assert file.arguments("before", (0.52, 0.5, 0.5, 0.5)) == {"by": 5}
    assert file.arguments("after", (1.0, 0.75, 0.5, 0.5)) == {"by": 10, "soft": 0.5}
    assert [by.share(7), by.share("99"), soft.share(-5)] == [0.7, 1.0, 0.0]
    with pytest.raises(ParameterRefused):
        by.share(float("nan"))


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("def before(frame:\n    pass\n", 1, "never closed"),
        ("x = 1\n", 1, "neither before(frame) nor after(frame)"),
        ("\n\ndef before():\n    pass\n", 3, "must take a picture"),
        ("\ndef before(frame, more):\n    pass\n", 2, "'more', which PARAMETERS lacks"),
        ("PARAMETERS = [1]\n\ndef before(frame): ...\n", 1, "lowest, highest and first value"),
        ("PARAMETERS = {'a': (0, 1, 2)}\n\ndef before(frame): ...\n", 1, "a must be as in"),
        ("PARAMETERS = {'a': (1, 1, 1)}\n\ndef before(frame): ...\n", 1, "a must be as in"),
        ("\nPARAMETERS = {'a': 'xyz'}\n\ndef before(frame): ...\n", 2, "a must be as in"),
        ("PARAMETERS = {'a': (0, 1e999, 0)}\n\ndef before(frame): ...\n", 1, "a must be as in"),
        ("PARAMETERS = {'a': (0, open('x'), 0)}\n\ndef before(frame): ...\n", 1, "lowest, highest and first value"),
        ("PARAMETERS = {'active': (0, 1, 0)}\n\ndef before(frame): ...\n", 1, "'active' can't be the name"),
        (f"PARAMETERS = { ({str(n): (0, 1, 0) for n in range(5)}) }\n\ndef before(frame): ...\n", 1, "4 are supported"),
        ("return 1\n", 1, "outside function"),
        ("x = '\\ud800'\nde\xff = 1\n", 2, "neither"),
    ],
)
def test_refusals_name_the_line(tmp_path: Path, text: str, line: int, problem: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProcessorError) as refused:
        read_processor(path)
    assert problem in str(refused.value)
    if "neither" not in problem:
        assert str(refused.value).startswith(f"{path}:{line}: ")


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    for data, problem in (
        (b"x = 1\n\xff\xfe\n", ":2: not text in UTF-8"),
        (b"#" * (MOST_BYTES + 1), "larger than 256 KiB"),
        (b"x = " + b"(" * 50_000, "mine.py"),
        (b"x = " + b"-" * 100_000 + b"1", "mine.py"),
        (b"x = 1\0", "mine.py"),
    ):
        path.write_bytes(data)
        with pytest.raises(ProcessorError, match=r"mine\.py") as refused:
            read_processor(path)
        assert problem in str(refused.value)
    path.unlink()
    path.mkdir()
    with pytest.raises(ProcessorError, match="not a plain file"):
        read_processor(path)


def test_broken_save_keeps_what_was_read(tmp_path: Path) -> None:
    folder = ProcessorFolder(tmp_path / "processors")
    folder.look()
    assert not folder.files
    assert "there are none" in folder.missing("shift")
    folder.folder.mkdir()
    (folder.folder / "shift.py").write_text(GOOD)
    for name in ("not a name.py", "1st.py", "notes.txt", ".hidden.py", "shift.py~"):
        (folder.folder / name).write_text(GOOD)
    folder.look()
    assert list(folder.files) == ["shift"]
    known = folder.files["shift"]
    folder.look()
    assert folder.files["shift"] is known, "an unchanged file is not read again"
    (folder.folder / "shift.py").write_text("def before(frame:\n")
    folder.look()
    assert folder.files["shift"] is known
    assert folder.problems["shift"].startswith(f"{folder.folder / 'shift.py'}:1: ")
    (folder.folder / "shift.py").write_text(GOOD + "\n")
    folder.look()
    assert folder.files["shift"] is not known
    assert not folder.problems
    (folder.folder / "shift.py").unlink()
    folder.look()
    assert "shift" in folder.files
    assert "the file is gone" in folder.problems["shift"]


def test_preset_leaves_numbers_to_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "processors"
    folder.mkdir()
    (folder / "shift.py").write_text(GOOD)
    (tmp_path / "look.yaml").write_text("processor:\n- shift\n- {name: shift, value1: 1}\n- absent\n")
    library = open_library(tmp_path, folder)
    for values in (library.recall("look"), library.resolve(str(tmp_path / "look.yaml"))):
        numbers = [values[f"/processor/{place}/value{number}"] for place in (1, 2, 3) for number in (1, 2)]
        assert numbers == [0.3, 0.5, 1.0, 0.5, 0.5, 0.5]
    library.save("kept", {**library.recall("look"), "/processor/1/value1": 0.5})
    assert library.recall("kept")["/processor/1/value1"] == 0.5, "a number that was set is not left out"
