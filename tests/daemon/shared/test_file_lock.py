"""One show at a time may keep a state file. A killed process holds no lock."""

import subprocess
import sys
from pathlib import Path

import pytest
from show import Show

from daemon.shared.file_lock import lock_file
from presets.errors import SettingsError

HOLDS = """
import sys, pathlib
from daemon.shared.file_lock import lock_file
held = lock_file(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_lock_ends_with_its_process(tmp_path: Path) -> None:
    state = tmp_path / "folder" / "state.json"
    command = [sys.executable, "-c", HOLDS, str(state)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(SettingsError, match=r"another show keeps its state in .*state\.json; .* --state"):
            lock_file(state)
        holder.kill()
    held = lock_file(state)
    assert held is not None
    held.close()


def test_no_lock_where_no_file_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert lock_file(tmp_path / "file" / "state.json") is None


def test_second_show_on_one_state_is_refused(tmp_path: Path) -> None:
    with Show(tmp_path / "show") as show:
        show.set(seed=77)
        command = [*show.command[: show.command.index("run") + 1], "--state", str(show.folder / "state.json")]
        second = subprocess.run(
            [*command, "--fresh", "--osc", "off", "--control", "off", "--web", "off", "--sink", "zmq:tcp://127.0.0.1:0"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert second.returncode == 2
        assert "another show keeps its state" in " ".join(second.stderr.split())
        assert "Traceback" not in second.stderr
