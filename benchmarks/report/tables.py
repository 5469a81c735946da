"""A bench's document as tables: for a terminal, and as Markdown beside its JSON."""

from collections.abc import Collection, Iterator
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

COLUMNS = {
    "fps": "fps",
    "ratio": "ratio",
    "latency_p50_ms": "p50 ms",
    "latency_p99_ms": "p99 ms",
    "psnr_db": "PSNR dB",
    "ssim": "SSIM",
    "watts": "W",
    "joules_a_picture": "J a picture",
    "peak_memory_mib": "MiB",
}
"""What has a column of its own on a page, in this order, where any row of a measurement has it."""
SILENT = {"measurement", "configuration", "axes", "missing"}
"""What is said otherwise, or is for plots alone."""


def figures(row: dict[str, Any], beside: Collection[str] = ("fps",)) -> str:
    """All that a row holds `beside` those and its configuration, in words: ``delay ms 0.4, pictures 60``."""
    rest = {key: value for key, value in row.items() if key not in SILENT and key not in beside}
    return ", ".join(f"{key.replace('_', ' ')} {_shown(value)}" for key, value in rest.items() if value is not None)


def line(row: dict[str, Any]) -> str:
    """One row as it comes in."""
    if "missing" in row:
        return f"{row['configuration']}: not measured: {row['missing']}"
    fps = f"{_shown(row['fps'])} fps, " if "fps" in row else ""
    return f"{row['configuration']}: {fps}{figures(row)}"


def print_tables(document: dict[str, Any], console: Console) -> None:
    """Rows, targets, and what could not be measured."""
    rows = Table(Column("fps", justify="right"), "configuration and figures", box=None, pad_edge=False)
    for row in document["rows"]:
        said = f"not measured: {row['missing']}" if "missing" in row else figures(row)
        rows.add_row(_shown(row.get("fps", "")), Text.assemble((row["configuration"], "bold"), f"\n{said}\n"))
    console.print(rows)
    targets = Table("target", "figure", "", "", box=None, pad_edge=False)
    for target in document["targets"]:
        verdict = Text("met", "green") if target["met"] else Text("missed", "red")
        targets.add_row(Text(target["name"]), _shown(target["figure"]), f"{target['is']} {target['target']:g}", verdict)
    console.print(targets)
    for left in document.get("left_out", []):
        console.print(Text(f"{left['measurement']}: {left['reason']}", "yellow"))
    for failure in document["failures"]:
        console.print(Text(f"{failure['measurement']} could not be measured: {failure['reason']}", "red"))


def markdown(document: dict[str, Any]) -> str:
    """The same, for people who read results on a page."""
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items() if version)
    lines = [
        f"# {document.get('gpu') or document['device']}, {document['date'][:10]}",
        "",
        f"{document['cores']} cores, {document['memory_gib']} GiB, {document['system']}; {versions}.",
        f"`{document['command']}`, load before it {document['load_before'][0]}.",
    ]
    if document["targets"]:
        lines += ["", "| target | figure | | |", "|---|---|---|---|"]
    for target in document["targets"]:
        verdict = "met" if target["met"] else "**missed**"
        lines.append(
            f"| {target['name']} | {_shown(target['figure'])} | {target['is']} {target['target']:g} | {verdict} |"
        )
    for name, rows in groupby(document["rows"], key=lambda row: row["measurement"]):
        lines += ["", f"## {name}", "", *_table(list(rows))]
    lines += [f"\n{failure['measurement']} was not measured: {failure['reason']}" for failure in document["failures"]]
    lines += [f"\n{left['measurement']}: {left['reason']}." for left in document.get("left_out", [])]
    return "\n".join(lines) + "\n"


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """One measurement's rows; what is none in all of them has no column."""
    columns = [key for key in COLUMNS if any(row.get(key) is not None for row in rows)]
    yield "| configuration |" + "".join(f" {COLUMNS[key]} |" for key in columns) + " figures |"
    yield "|---|" + "---|" * len(columns) + "---|"
    # What was held against each other stands together: all that is before the contender's name.
    for row in sorted(rows, key=lambda row: row["configuration"].rpartition(": ")[0] if "axes" in row else ""):
        cells = "".join(f" {_shown(row[key]) if row.get(key) is not None else ''} |" for key in columns)
        said = f"not measured: {row['missing']}" if "missing" in row else figures(row, columns)
        yield f"| {row['configuration']} |{cells} {said} |"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(_shown(each) for each in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
