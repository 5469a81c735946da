"""Control programs of others, as processes beside a show: scripts of ``tests/node``, and Pure Data without a window."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent.parent
NODE = TESTS / "node"
PATCH = TESTS.parent / "docs" / "pure-data.pd"

ARE_REQUIRED = "STREAMFLOW_LIVE_FOREIGN_CLIENTS" in os.environ
"""True in ``.ci/run``, which installs them: a test of one that is missing fails there."""

needs_node = pytest.mark.skipif(
    not ARE_REQUIRED and (shutil.which("node") is None or not (NODE / "node_modules").is_dir()),
    reason="Node.js 20 or its packages are missing: run npm install --no-package-lock in tests/node",
)
needs_pure_data = pytest.mark.skipif(
    not ARE_REQUIRED and shutil.which("pd") is None, reason="Pure Data is missing: install puredata-core"
)


class NodeClient:
    """A running script of ``tests/node``: lines of JSON in and out."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def send(self, *line: object) -> None:
        assert self._process.stdin is not None
        print(json.dumps(line), file=self._process.stdin, flush=True)

    def line(self) -> Any:
        """Return the next line that it prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the script has ended; its error is above"
        return json.loads(line)

    def wait_for(self, wanted: object) -> list[Any]:
        """Read up to this line. Return the lines before it."""
        passed: list[Any] = []
        while (line := self.line()) != wanted:
            passed.append(line)
        return passed


@contextmanager
def node_client(script: str, port: int) -> Iterator[NodeClient]:
    """Run a script of ``tests/node`` with a port of a show. It ends by itself once its input ends."""
    command = ["node", str(NODE / script), str(port)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield NodeClient(process)
        process.communicate(timeout=20)
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


@contextmanager
def pure_data(*messages: str) -> Iterator[Iterator[str]]:
    """Run the patch of ``docs`` with messages to its receivers. Yield the lines that it prints."""
    options = ["-nogui", "-noaudio", "-nomidi", "-nrt", "-stderr", "-open", str(PATCH)]
    command = ["pd", *options, *(part for message in messages for part in ("-send", message))]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        yield (line.strip() for line in process.stderr)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
