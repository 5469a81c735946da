"""OSC address patterns matched against known addresses, without regular expressions.

OSC 1.0, "OSC Message Dispatching and Pattern Matching": ``?`` one character, ``*`` any number of them, ``[a-c]`` and
``[!a-c]`` one of a class, ``{foo,bar}`` one of the words, none of them across a ``/``. A pattern runs over an address
as a set of positions kept in the bits of one int (the shift-and automaton of Baeza-Yates and Gonnet, 1992), so the
work is the pattern's length, whatever the pattern: no stack of stars can explode.
"""

from collections.abc import Callable, Iterable

from presets.errors import BridgeError

LONGEST_PATTERN = 255
_SPECIAL = frozenset("*?[{")
_REMEMBERED = 256

Positions = int
"""Bit n is set where the pattern so far can end at character n of the text."""
Token = Callable[["_Text", Positions], Positions]


class MalformedPattern(BridgeError):
    """A pattern that can't be read: too long, or a bracket that is never closed."""


class _Text:
    """A part of an address: where each of its characters stands, as bits."""

    def __init__(self, text: str) -> None:
        self.everywhere = (2 << len(text)) - 1
        self.end = 1 << len(text)
        self.at: dict[str, Positions] = {}
        for place, character in enumerate(text):
            self.at[character] = self.at.get(character, 0) | 1 << place


def is_pattern(address: str) -> bool:
    """Whether any of OSC's wildcard characters is in it."""
    return not _SPECIAL.isdisjoint(address)


class AddressBook:
    """The addresses that are known, found by exact name, by forgiving name or by pattern."""

    def __init__(self, addresses: Iterable[str], outside_patterns: Iterable[str] = ()) -> None:
        """`outside_patterns` are found by name only, never by a wildcard."""
        by_pattern = list(addresses)
        known = [*by_pattern, *outside_patterns]
        self._exact = {address: (address,) for address in known}
        self._parts = [(address, [_Text(part) for part in address.split("/")]) for address in by_pattern]
        self._forgiven: dict[str, tuple[str, ...]] = {}
        for address in known:
            self._forgiven[address.lower()] = (*self._forgiven.get(address.lower(), ()), address)
        self._remembered: dict[str, tuple[str, ...]] = {}

    def find(self, address: str) -> tuple[str, ...]:
        """The known addresses that are meant, in their order; empty where none is. Raises `MalformedPattern`.

        A name in other case or with a slash at its end is taken where only one address can be meant.
        """
        found = self._exact.get(address) or self._remembered.get(address)
        if found is not None:
            return found
        if not is_pattern(address):
            forgiven = self._forgiven.get(address.rstrip("/").lower(), ())
            return forgiven if len(forgiven) == 1 else ()
        found = self._matches(address)
        if len(self._remembered) >= _REMEMBERED:  # oldest out
            del self._remembered[next(iter(self._remembered))]
        self._remembered[address] = found
        return found

    def _matches(self, pattern: str) -> tuple[str, ...]:
        if len(pattern) > LONGEST_PATTERN:
            raise MalformedPattern(f"a pattern longer than {LONGEST_PATTERN} characters")
        wanted = [_tokens(part) for part in pattern.split("/")]
        return tuple(
            address
            for address, parts in self._parts
            if len(parts) == len(wanted) and all(map(_matches_part, wanted, parts))
        )


def matches(pattern: str, address: str) -> bool:
    """Whether an OSC pattern covers an address. Raises `MalformedPattern`."""
    return bool(AddressBook([address])._matches(pattern))


def _matches_part(tokens: list[Token], text: _Text) -> bool:
    positions = 1
    for token in tokens:
        positions = token(text, positions)
        if not positions:
            return False
    return bool(positions & text.end)


def _tokens(part: str) -> list[Token]:
    tokens: list[Token] = []
    index = 0
    while index < len(part):
        character = part[index]
        if character in "[{":
            close = part.find("]" if character == "[" else "}", index + 1)
            if close < 0:
                raise MalformedPattern(f"a '{character}' that is never closed within its part")
            inside = part[index + 1 : close]
            tokens.append(_one_of_class(inside) if character == "[" else _one_of_words(inside.split(",")))
            index = close
        elif character == "*":
            if not tokens or tokens[-1] is not _any_number:
                tokens.append(_any_number)
        else:
            tokens.append(_any_one if character == "?" else _one_of_words([character]))
        index += 1
    return tokens


def _any_number(text: _Text, positions: Positions) -> Positions:
    lowest = positions & -positions
    return text.everywhere & -lowest


def _any_one(text: _Text, positions: Positions) -> Positions:
    return positions << 1 & text.everywhere


def _one_of_class(inside: str) -> Token:
    negated = inside.startswith("!")
    characters = _characters(inside[1:] if negated else inside)

    def step(text: _Text, positions: Positions) -> Positions:
        here = 0
        for character, places in text.at.items():
            if (character in characters) is not negated:
                here |= places
        return (positions & here) << 1

    return step


def _characters(inside: str) -> frozenset[str]:
    """The members of a class; a range is read from either end, a '-' at an edge is itself."""
    members: set[str] = set()
    index = 0
    while index < len(inside):
        if inside[index + 1 : index + 2] == "-" and index + 2 < len(inside):
            low, high = sorted((ord(inside[index]), ord(inside[index + 2])))
            # An OSC address is printable ASCII: a range across all of Unicode needn't be spelt out.
            members.update(map(chr, range(low, min(high, 127) + 1)))
            index += 3
        else:
            members.add(inside[index])
            index += 1
    return frozenset(members)


def _one_of_words(words: list[str]) -> Token:
    def step(text: _Text, positions: Positions) -> Positions:
        reached = 0
        for word in words:
            at = positions
            for character in word:
                at = (at & text.at.get(character, 0)) << 1
                if not at:
                    break
            reached |= at
        return reached

    return step
