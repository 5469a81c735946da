"""A builder that is ended takes its temporary files with it, and leaves what torch compiled."""

import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from daemon.build_process import BuildJob, compiled_folder, run_build


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS shows no process's environment")
def test_what_a_cancelled_builder_had_in_temporary_files_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    kept: list[str] = []

    def cancel(text: str, fraction: float, lasting: bool) -> None:
        (builder,) = (child for child in psutil.Process().children() if "daemon.builder" in child.cmdline())
        environment = builder.environ()
        kept.append(environment["TORCHINDUCTOR_CACHE_DIR"])
        (Path(environment["TMPDIR"]) / "graph.onnx").write_bytes(b"x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_build(BuildJob("shipped", 64, 64, "eager"), cancel)
    assert list(tmp_path.iterdir()) == []
    assert kept == [str(compiled_folder())]


def test_what_torch_compiles_stays_where_torch_looks_for_it() -> None:
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    assert compiled_folder() == Path(default_cache_dir())
