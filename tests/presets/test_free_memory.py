"""Free main memory within the limits of control groups, as containers and services have them."""

from pathlib import Path

import psutil
import pytest

from presets.free_memory import free_main_memory

GROUPS = {
    "version 2": ("0::/app/show", "", ("memory.max", "memory.current", "inactive_file")),
    "version 1": (
        "9:cpu:/app/show\n4:memory:/app/show",
        "memory",
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ),
}


def write_group(folder: Path, names: tuple[str, str, str], limit: str, used: int, files: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{names[2]} {files}\n")


@pytest.mark.parametrize("version", GROUPS)
def test_lowest_limit_counts(tmp_path: Path, version: str) -> None:
    lines, controller, names = GROUPS[version]
    membership = tmp_path / "cgroup"
    membership.write_text(lines)
    root = tmp_path / "groups" / controller
    write_group(root / "app" / "show", names, "max" if controller == "" else str(2**62), 5_000_000, 0)
    assert free_main_memory(tmp_path / "groups", membership) > 50_000_000
    write_group(root / "app", names, "90000000", 70_000_000, 10_000_000)
    assert free_main_memory(tmp_path / "groups", membership) == 30_000_000, "pages of files can be dropped"
    write_group(root / "app" / "show", names, "6000000", 5_000_000, 0)
    assert free_main_memory(tmp_path / "groups", membership) == 1_000_000
    write_group(root / "app" / "show", names, "6000000", 7_000_000, 0)
    assert free_main_memory(tmp_path / "groups", membership) == 0


def test_path_of_the_host_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("0::/../../docker/0123\n")
    write_group(tmp_path / "groups", GROUPS["version 2"][2], "3000000", 1_000_000, 0)
    assert free_main_memory(tmp_path / "groups", tmp_path / "cgroup") == 2_000_000


def test_system_without_groups(tmp_path: Path) -> None:
    free = free_main_memory(tmp_path, tmp_path / "nothing")
    assert 0 < free <= psutil.virtual_memory().total
    assert 0 < free_main_memory() <= psutil.virtual_memory().total
