"""Limits of the stage's process."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from daemon.shared.process import tune_stage_process
tune_stage_process()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], sys.getswitchinterval())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file limits are POSIX")
def test_stage_limits() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    files, interval = done.stdout.split()
    assert int(files) > 256
    assert float(interval) < 0.005
