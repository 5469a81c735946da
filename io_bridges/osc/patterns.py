"""Matching of OSC address patterns against known addresses, without regular expressions.

OSC 1.0, "OSC Message Dispatching and Pattern Matching": ``?`` is one character, ``*`` any number of characters,
``[a-c]`` and ``[!a-c]`` one character of a class, ``{foo,bar}`` one of the words. None of them matches a ``/``. A
pattern runs over an address as a set of positions, kept in the bits of one int (the shift-and automaton of Baeza-Yates
and Gonnet, 1992). So the work is proportional to the pattern's length, and no pattern can make it explode.
"""

from collections.abc import Callable, Iterable

from presets.errors import BridgeError

MAX_PATTERN = 255
"""Most characters of a pattern."""
_SPECIAL = frozenset("*?[{")
_CACHED = 256

Positions = int
"""A set of positions: bit n is set if the pattern so far can end before character n of the text."""
Token = Callable[["_Text", Positions], Positions]
"""One element of a pattern: it returns the positions after it from those before it."""


class MalformedPattern(BridgeError):
    """A pattern that is too long or has an unclosed bracket."""


class _Text:
    """One part of an address, with the positions of each of its characters as bits."""

    def __init__(self, text: str) -> None:
        self.everywhere = (2 << len(text)) - 1
        self.end = 1 << len(text)
        self.at: dict[str, Positions] = {}
        for position, character in enumerate(text):
            self.at[character] = self.at.get(character, 0) | 1 << position


def is_pattern(address: str) -> bool:
    """Return True if the address contains a wildcard character of OSC."""
    return not _SPECIAL.isdisjoint(address)


class AddressTable:
    """The known addresses. Finds them by exact name, by a name in another case, or by pattern."""

    def __init__(self, addresses: Iterable[str], without_patterns: Iterable[str] = ()) -> None:
        """Take the addresses; those in `without_patterns` are found by name only, never by a wildcard."""
        by_pattern = list(addresses)
        known = [*by_pattern, *without_patterns]
        self._exact = {address: (address,) for address in known}
        self._parts = [(address, [_Text(part) for part in address.split("/")]) for address in by_pattern]
        self._lower_case: dict[str, tuple[str, ...]] = {}
        for address in known:
            self._lower_case[address.lower()] = (*self._lower_case.get(address.lower(), ()), address)
        self._cache: dict[str, tuple[str, ...]] = {}

    def find(self, address: str) -> tuple[str, ...]:
        """Return the known addresses that a name or pattern stands for, in order. Raises `MalformedPattern`.

        A name in another case, or with a slash at its end, is accepted if only one address fits it.
        """
        found = self._exact.get(address) or self._cache.get(address)
        if found is not None:
            return found
        if not is_pattern(address):
            candidates = self._lower_case.get(address.rstrip("/").lower(), ())
            return candidates if len(candidates) == 1 else ()
        found = self._matches(address)
        if len(self._cache) >= _CACHED:
            del self._cache[next(iter(self._cache))]  # The oldest entry.
        self._cache[address] = found
        return found

    def _matches(self, pattern: str) -> tuple[str, ...]:
        if len(pattern) > MAX_PATTERN:
            raise MalformedPattern(f"a pattern longer than {MAX_PATTERN} characters")
        wanted = [_tokenize(part) for part in pattern.split("/")]
        return tuple(
            address
            for address, parts in self._parts
            if len(parts) == len(wanted) and all(map(_matches_part, wanted, parts))
        )


def matches(pattern: str, address: str) -> bool:
    """Return True if an OSC pattern matches an address. Raises `MalformedPattern`."""
    return bool(AddressTable([address])._matches(pattern))


def _matches_part(tokens: list[Token], text: _Text) -> bool:
    positions = 1
    for token in tokens:
        positions = token(text, positions)
        if not positions:
            return False
    return bool(positions & text.end)


def _tokenize(part: str) -> list[Token]:
    tokens: list[Token] = []
    index = 0
    while index < len(part):
        character = part[index]
        if character in "[{":
            close = part.find("]" if character == "[" else "}", index + 1)
            if close < 0:
                raise MalformedPattern(f"a '{character}' without its closing bracket")
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
        for character, positions_of_it in text.at.items():
            if (character in characters) is not negated:
                here |= positions_of_it
        return (positions & here) << 1

    return step


def _characters(inside: str) -> frozenset[str]:
    """Return the characters of a class. A range may run backwards, and a '-' at an edge stands for itself."""
    members: set[str] = set()
    index = 0
    while index < len(inside):
        if inside[index + 1 : index + 2] == "-" and index + 2 < len(inside):
            low, high = sorted((ord(inside[index]), ord(inside[index + 2])))
            # OSC addresses are printable ASCII, so a range over all of Unicode need not be expanded.
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
