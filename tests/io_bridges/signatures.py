"""Comparison of a class with the protocol that the bridges call."""

import inspect


def differing_signatures(real: type, protocol: type) -> list[str]:
    """Return the methods of a protocol that a class lacks, or takes with other parameters."""
    differing = []
    for name, declared in inspect.getmembers(protocol):
        if name.startswith("_"):
            continue
        found = getattr(real, name, None)
        if found is None or isinstance(declared, property) or isinstance(found, property):
            if found is None or not (isinstance(declared, property) and isinstance(found, property)):
                differing.append(name)
            continue
        expected, got = (inspect.signature(each).parameters.values() for each in (declared, found))
        if [(each.name, each.kind, each.default) for each in expected] != [
            (each.name, each.kind, each.default) for each in got
        ]:
            differing.append(f"{name}{inspect.signature(found)}")
    return differing
