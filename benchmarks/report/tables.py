"""Tables of a results document, for a terminal and in Markdown."""

from collections.abc import Collection, Iterator
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from benchmarks.report.findings import Row

COLUMNS = {
    "fps": "fps",
    "ratio": "ratio",
    "latency_p50_ms": "p50 ms",
    "latency_p99_ms": "p99 ms",
    "psnr_db": "PSNR dB",
    "ssim": "SSIM",
    "watts": "W",
    "joules_a_picture": "J per frame",
    "peak_memory_mib": "MiB",
}
"""Figures with a column of their own in Markdown, in this order, and the heading of each."""
NOT_FIGURES = {"measurement", "configuration", "axes", "missing"}
"""Keys of a row that are shown elsewhere, or serve plots alone."""


def figures(row: Row, beside: Collection[str] = ("fps",)) -> str:
    """Return the figures of a row as text (``delay ms 0.4, pictures 60``), without the keys in `beside`."""
    rest = {key: value for key, value in row.items() if key not in NOT_FIGURES and key not in beside}
    return ", ".join(f"{key.replace('_', ' ')} {_text(value)}" for key, value in rest.items() if value is not None)


def line(row: Row) -> str:
    """Return a row as one line of text."""
    if "missing" in row:
        return f"{row['configuration']}: {_figures_or_reason(row)}"
    fps = f"{_text(row['fps'])} fps, " if "fps" in row else ""
    return f"{row['configuration']}: {fps}{figures(row)}"


def print_tables(document: dict[str, Any], console: Console) -> None:
    """Print rows, targets and failures."""
    rows = Table(Column("fps", justify="right"), "configuration and figures", box=None, pad_edge=False)
    for row in document["rows"]:
        name = (row["configuration"], "bold")
        rows.add_row(_text(row.get("fps", "")), Text.assemble(name, f"\n{_figures_or_reason(row)}\n"))
    console.print(rows)
    targets = Table("target", "figure", "", "", box=None, pad_edge=False)
    for target in document["targets"]:
        verdict = Text("met", "green") if target["met"] else Text("missed", "red")
        targets.add_row(Text(target["name"]), _text(target["figure"]), f"{target['is']} {target['target']:g}", verdict)
    console.print(targets)
    for left in document.get("left_out", []):
        console.print(Text(f"{left['measurement']}: {left['reason']}", "yellow"))
    for failure in document["failures"]:
        console.print(Text(f"{failure['measurement']} failed: {failure['reason']}", "red"))


def markdown(document: dict[str, Any]) -> str:
    """Return the document as a page of Markdown."""
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
            f"| {target['name']} | {_text(target['figure'])} | {target['is']} {target['target']:g} | {verdict} |"
        )
    for name, rows in groupby(document["rows"], key=lambda row: row["measurement"]):
        lines += ["", f"## {name}", "", *_markdown_table(list(rows))]
    lines += [f"\n{failure['measurement']} was not measured: {failure['reason']}" for failure in document["failures"]]
    lines += [f"\n{left['measurement']}: {left['reason']}." for left in document.get("left_out", [])]
    return "\n".join(lines) + "\n"


def _markdown_table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of one measurement's table. A column without any figure is left out."""
    columns = [key for key in COLUMNS if any(row.get(key) is not None for row in rows)]
    yield "| configuration |" + "".join(f" {COLUMNS[key]} |" for key in columns) + " figures |"
    yield "|---|" + "---|" * len(columns) + "---|"
    # Rows of one comparison are grouped by their name up to the contender.
    for row in sorted(rows, key=lambda row: row["configuration"].rpartition(": ")[0] if "axes" in row else ""):
        cells = "".join(f" {_text(row[key]) if row.get(key) is not None else ''} |" for key in columns)
        yield f"| {row['configuration']} |{cells} {_figures_or_reason(row, columns)} |"


def _figures_or_reason(row: Row, beside: Collection[str] = ("fps",)) -> str:
    return f"not measured: {row['missing']}" if "missing" in row else figures(row, beside)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(_text(each) for each in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
