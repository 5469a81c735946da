"""Strict YAML: the bytes of one document to plain values, each with its line and column.

PyYAML scans and parses; its `compose` gives every node a mark. Features that a hand-edited preset never needs and that
make YAML dangerous or surprising are refused by name: aliases and anchors, tags, duplicate keys, several documents,
depth. Plain words follow the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): ``no`` and ``on``
are text, and ``1e-3`` is a number.
"""

import codecs
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

MAX_BYTES = 64 * 1024
MAX_DEPTH = 8
MAX_NODES = 500
"""Most keys and values of a document: ten times a preset, and few enough not to keep a control thread busy."""

_CORE_SCHEMA = (
    ("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("tag:yaml.org,2002:int", re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        re.compile(
            r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        list("-+.0123456789"),
    ),
)

_CUT_SHORT = re.compile(r"[ \t]+#[^\s#]")
"""A comment that may be meant as text, as in ``prompt: room #5``. A space follows the # of most comments."""

_PLAIN_TEXT = re.compile(r"\s*(?:- +)?\w+: +[^\s\[{]")
"""A key with a value that is neither a list nor a mapping."""

Place = tuple[str | int, ...]
"""Path of a value in the tree, such as ``("prompt", 0, "weight")``; pydantic's ``loc`` has the same form."""


class Problem(NamedTuple):
    """One problem of a file. Line and column count from 1; 0 is the file as a whole."""

    line: int
    column: int
    message: str


@dataclass(slots=True)
class Document:
    """Plain value of a document, and the places of its parts."""

    value: Any = None
    values: dict[Place, Problem] = field(default_factory=dict)
    """Line, column and source text of each value."""
    keys: dict[Place, Problem] = field(default_factory=dict)
    """Line, column and source text of each mapping key."""
    problems: list[Problem] = field(default_factory=list)


def parse(data: bytes, most_nodes: int = MAX_NODES) -> Document:
    """Read one YAML document. Everything wrong with it is in ``problems``; no bytes raise an error.

    `most_nodes` is the largest number of keys and values.
    """
    document = Document()
    if len(data) > MAX_BYTES:
        document.problems.append(Problem(0, 0, f"the file is larger than the {MAX_BYTES // 1024} KiB allowed"))
        return document
    try:
        # PowerShell and Notepad write UTF-16 with a byte order mark.
        text = data.decode("utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        document.problems.append(Problem(line, column, f"UTF-8 text is expected; byte {data[error.start]:#04x} is not"))
        return document
    try:
        loader = _Loader(text)
        loader.most_nodes = most_nodes
        node = loader.get_single_node()
    except _Refused as refused:
        document.problems.append(refused.problem)
        return document
    except yaml.MarkedYAMLError as error:
        document.problems.append(_syntax(error, text))
        return document
    except yaml.reader.ReaderError as error:
        before_it = text[: error.position]
        line, column = before_it.count("\n") + 1, error.position - (before_it.rfind("\n") + 1) + 1
        document.problems.append(
            Problem(line, column, f"character {ord(text[error.position]):#x} is not allowed in YAML")
        )
        return document
    except (ValueError, OverflowError) as error:
        # PyYAML passes the numbers of "\UFFFFFFFF" or "%YAML 9…9" to chr() and int() unchecked.
        document.problems.append(Problem(0, 0, f"an escape or a directive has a number out of range: {error}"))
        return document
    if node is not None:
        document.value = _plain(node, (), document)
    return document


class _Refused(Exception):
    def __init__(self, mark: yaml.Mark, message: str) -> None:
        self.problem = Problem(mark.line + 1, mark.column + 1, message)


class _Loader(yaml.SafeLoader):
    """PyYAML's loader with the plain words of YAML 1.2. It refuses features while it composes."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's own attribute
    depth = 0
    nodes = 0
    most_nodes = MAX_NODES

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Refused(mark, "anchors (&) and aliases (*) are not supported; write the value out, or quote it")
        if getattr(event, "tag", None):
            raise _Refused(mark, "tags (!) are not supported; quote the text if it is meant as text")
        if self.depth >= MAX_DEPTH:
            raise _Refused(mark, f"at most {MAX_DEPTH} levels of nesting are allowed")
        self.nodes += 1
        if self.nodes > self.most_nodes:
            raise _Refused(mark, f"at most {self.most_nodes} keys and values are allowed")
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class StrictDumper(yaml.SafeDumper):
    """PyYAML's dumper, which quotes every text that YAML 1.1 or 1.2 would read as another type."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Write text with control characters in double quotes, escaped; PyYAML alone loses some line breaks."""
        style = None if text.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)


StrictDumper.add_representer(str, StrictDumper.represent_text)

for _tag, _pattern, _first in _CORE_SCHEMA:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)
    StrictDumper.add_implicit_resolver(_tag, _pattern, _first)


def _syntax(error: yaml.MarkedYAMLError, text: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
    if isinstance(error, yaml.composer.ComposerError):
        return Problem(line, column, "one document is expected; another starts here")
    reason = ": ".join(part for part in (error.context, error.problem) if part)
    return Problem(line, column, f"this is not YAML ({reason or 'it can not be read'}){_advice(text, line)}")


def _advice(text: str, line: int) -> str:
    """Return how to mend a line that is not YAML, as the end of a sentence; empty if there is nothing to say."""
    lines = text.splitlines()
    written = lines[line - 1] if 0 < line <= len(lines) else ""
    if written.startswith("\t"):
        return "; indent by spaces, not by tabs"
    return "; put the text in quotes if it is meant as text" if _PLAIN_TEXT.match(written) else ""


def _plain(node: yaml.Node, place: Place, document: Document) -> Any:
    document.values[place] = _place_of(node)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(entry, (*place, index), document) for index, entry in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            here = _place_of(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                document.problems.append(here._replace(message="a key must be a single word"))
                continue
            key = key_node.value
            if key in mapping:
                first = document.keys[(*place, key)].line
                document.problems.append(here._replace(message=f"{_shorten(key)} occurs twice (first in line {first})"))
                continue
            document.keys[(*place, key)] = here
            mapping[key] = _plain(value_node, (*place, key), document)
        return mapping
    if getattr(node, "style", "") is None and _CUT_SHORT.match(node.end_mark.buffer or "", node.end_mark.pointer):
        message = f"a # after a space begins a comment; put the text after {_shorten(node.value)!r} in quotes with it"
        document.problems.append(_place_of(node)._replace(message=message))
    return _scalar(node)


def _scalar(node: yaml.Node) -> str | int | float | bool | None:
    text: str = node.value
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int" and len(text) <= 40:  # a longer one is out of every range, and slow to read
        return int(text, 8) if text.startswith("0o") else int(text, 16) if text.startswith("0x") else int(text)
    if kind in ("int", "float"):
        bare = text.lower().replace(".inf", "inf").replace(".nan", "nan")
        return float("inf" if bare.startswith(("0x", "0o")) else bare)
    return text


def _place_of(node: yaml.Node) -> Problem:
    """Return the place of a node, with its source text as a message shows it."""
    mark = node.start_mark
    if isinstance(node, yaml.SequenceNode):
        shown = "a list"
    elif isinstance(node, yaml.MappingNode):
        shown = "a mapping"
    elif node.tag == "tag:yaml.org,2002:null":
        shown = "nothing"
    elif node.tag == "tag:yaml.org,2002:str":
        shown = repr(_shorten(node.value))
    else:
        shown = _shorten(node.value)
    return Problem(mark.line + 1, mark.column + 1, shown)


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
