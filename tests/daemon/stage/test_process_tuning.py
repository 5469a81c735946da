import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from daemon.stage.process_tuning import tune_process
tune_process()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], sys.getswitchinterval())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file limits are POSIX")
def test_the_stage_has_room_for_many_peers_and_quick_hand_overs() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    files, interval = done.stdout.split()
    assert int(files) > 256
    assert float(interval) < 0.005
