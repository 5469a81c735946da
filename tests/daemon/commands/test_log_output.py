"""Log output to a blocked terminal, at the end of the program, and without repeats."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from show import Show, until


@pytest.mark.skipif(sys.platform == "win32", reason="pipes can't be filled without waiting there")
def test_blocked_terminal_does_not_block_the_show(tmp_path: Path) -> None:
    class BlockedShow(Show):
        def __enter__(self) -> "BlockedShow":
            reading, writing = os.pipe()
            os.set_blocking(writing, False)
            while _write(writing):
                pass
            os.set_blocking(writing, True)
            self.reading = reading
            self.process = subprocess.Popen(self.command, stdout=writing, stderr=writing)
            os.close(writing)
            try:
                until(self._answers)
            except BaseException:
                self.process.kill()
                self.process.wait()
                raise
            return self

    with BlockedShow(tmp_path / "show") as show:
        pid = until(lambda: show.status()["renderer"]["phase"] == "playing" and show.status()["renderer"]["pid"])
        os.kill(pid, signal.SIGKILL)
        until(lambda: show.status()["renderer"]["pid"] not in (0, pid))
        show.process.send_signal(signal.SIGINT)
        assert show.process.wait(15) == 0
        os.close(show.reading)


def run(script: str) -> str:
    """Run a script and return what it writes to standard error."""
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True).stderr


def _write(pipe: int) -> bool:
    try:
        os.write(pipe, b"x")
    except BlockingIOError:
        return False
    return True


def test_last_lines_and_tracebacks_are_written() -> None:
    script = (
        "import logging\n"
        "from daemon.commands.log_output import log_to_terminal\n"
        "log_to_terminal(False)\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    logging.exception('odd')\n"
        "logging.debug('whispered')\n"
        "for line in range(300):\n    logging.info('line %d', line)\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    ).stderr
    assert "line 299" in output
    assert "ZeroDivisionError" in output
    assert "whispered" not in output
    assert "INFO:" not in output


def test_repeats_are_written_once_a_second() -> None:
    script = (
        "import logging\n"
        "from daemon.commands.log_output import log_to_terminal\n"
        "log_to_terminal(False)\n"
        "for _ in range(1000):\n    logging.error('no more files')\n"
        "logging.error('something else')\n"
        "logging.error('no more files')\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    ).stderr
    assert 2 <= output.count("no more files") <= 5
    assert "something else" in output
