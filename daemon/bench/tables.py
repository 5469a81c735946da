"""A bench's document as tables: for a terminal, and as Markdown beside its JSON."""

from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text


def figures(row: dict[str, Any]) -> str:
    """All that a row holds beside its configuration and fps, in words: ``delay ms 0.4, pictures 60``."""
    rest = {key: value for key, value in row.items() if key not in ("measurement", "configuration", "fps")}
    return ", ".join(f"{key.replace('_', ' ')} {_shown(value)}" for key, value in rest.items() if value is not None)


def line(row: dict[str, Any]) -> str:
    """One row as it comes in."""
    fps = f"{_shown(row['fps'])} fps, " if "fps" in row else ""
    return f"{row['configuration']}: {fps}{figures(row)}"


def print_tables(document: dict[str, Any], console: Console) -> None:
    """Rows, targets, and what could not be measured."""
    rows = Table(Column("fps", justify="right"), "configuration and figures", box=None, pad_edge=False)
    for row in document["rows"]:
        rows.add_row(_shown(row.get("fps", "")), Text.assemble((row["configuration"], "bold"), f"\n{figures(row)}\n"))
    console.print(rows)
    targets = Table("target", "figure", "", "", box=None, pad_edge=False)
    for target in document["targets"]:
        verdict = Text("met", "green") if target["met"] else Text("missed", "red")
        targets.add_row(target["name"], _shown(target["figure"]), f"{target['is']} {target['target']:g}", verdict)
    console.print(targets)
    for failure in document["failures"]:
        console.print(Text(f"{failure['measurement']} could not be measured: {failure['reason']}", "red"))


def markdown(document: dict[str, Any]) -> str:
    """The same, for people who read results on a page."""
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items() if version)
    lines = [
        f"# {document['device']}, {document['date'][:10]}",
        "",
        f"{document['cores']} cores, {document['memory_gib']} GiB, {document['system']}; {versions}.",
        f"`{document['command']}`, load before it {document['load_before'][0]}.",
        "",
        "| target | figure | | |",
        "|---|---|---|---|",
    ]
    for target in document["targets"]:
        verdict = "met" if target["met"] else "**missed**"
        lines.append(
            f"| {target['name']} | {_shown(target['figure'])} | {target['is']} {target['target']:g} | {verdict} |"
        )
    lines += ["", "| configuration | fps | figures |", "|---|---|---|"]
    lines += [f"| {row['configuration']} | {_shown(row.get('fps', ''))} | {figures(row)} |" for row in document["rows"]]
    lines += [f"\n{failure['measurement']} was not measured: {failure['reason']}" for failure in document["failures"]]
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(_shown(each) for each in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
