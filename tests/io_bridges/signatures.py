"""Comparison of a class with the protocol that the bridges call."""

import inspect


def differing_signatures(real: type, protocol: type) -> list[str]:
    """Return the methods of a protocol that a class lacks, or that need other parameters."""
    differing = []
    for name, declared in inspect.getmembers(protocol):
        if name.startswith("_"):
            continue
        found = getattr(real, name, None)
        if found is None or isinstance(declared, property) or isinstance(found, property):
            if found is None or not (isinstance(declared, property) and isinstance(found, property)):
                differing.append(name)
            continue
        expected, got = (
            [(each.name, each.kind, each.default) for each in inspect.signature(method).parameters.values()]
            for method in (declared, found)
        )
        further = got[len(expected) :]
        if got[: len(expected)] != expected or any(default is inspect.Parameter.empty for *_, default in further):
            differing.append(f"{name}{inspect.signature(found)}")
    return differing
