"""Limits of the stage's process, and the folder of compiled code."""

import os
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize("inherited", [False, True])
@pytest.mark.parametrize("writable", [True, False])
def test_compiled_code_is_kept_in_the_cache(tmp_path: Path, writable: bool, inherited: bool) -> None:
    """Every export asks torch for the folder, also where nothing is compiled."""
    place = tmp_path / "cache"
    if not writable:
        place.write_text("a file where the folder would be")
    (tmp_path / "tmp").mkdir()
    code = (
        "from daemon.shared.process import keep_compiled_code; keep_compiled_code();"
        "import torch._inductor.compiler_bisector"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp"), "XDG_CACHE_HOME": str(place)}
    environment.pop("TORCHINDUCTOR_CACHE_DIR", None)
    if inherited:
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(place / "streamflow-live" / "engines" / "torchinductor")
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert (place / "streamflow-live" / "engines" / "torchinductor").is_dir() == writable
    assert bool(list((tmp_path / "tmp").glob("torchinductor*"))) == (not writable)
