"""Lowering of an exported program to the operators that the ONNX exporter translates, one node at a time.

The exporter has `ExportedProgram.run_decompositions` do so, which traces the whole program twice. That takes half of an
export, and hardly a node of a diffusion network needs it.
"""

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import fx
from torch._higher_order_ops import wrap_with_autocast
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import ExportedProgram, default_decompositions
from torch.fx.experimental.proxy_tensor import make_fx

_aten = torch.ops.aten

CHECK = _aten._assert_tensor_metadata.default
"""Operator that computes nothing."""

SIZES = _aten.size.default
"""Operator that stays in a decomposition of its own where the whole program has numbers."""

CASTS = (_aten.to.dtype, _aten.to.dtype_layout)

TRANSLATED = (
    _aten.chunk.default,
    _aten.contiguous.default,
    _aten.dropout.default,
    _aten.flatten.using_ints,
    _aten.reshape.default,
    _aten.unflatten.int,
    _aten.upsample_nearest2d.vec,
)
"""Composite operators that the exporter translates as they are, although torch would decompose them."""

Table = Mapping[Any, Callable[..., Any]]
"""Decompositions of the operators that the exporter does not translate."""


class _WholeProgramNeeded(Exception):
    """A node that can't be lowered by itself."""


def lower_by_node(program: ExportedProgram) -> None:
    """Have the exporter lower `program` by node, in place, and as a whole if one of its nodes needs that.

    Args:
        program: The program, which belongs to the caller alone. Its ``run_decompositions`` is replaced.
    """
    lower_whole: Callable[..., ExportedProgram] = program.run_decompositions

    def run_decompositions(table: Table) -> ExportedProgram:
        _inline_precise_regions(program.graph_module)
        try:
            changes = [(node, _change(node, table)) for node in program.graph.nodes]
        except _WholeProgramNeeded:
            return lower_whole(dict(table))
        for node, change in changes:
            if change is not None:
                _replace(program, node, change(node))
        program.graph_module.recompile()
        return program

    vars(program)["run_decompositions"] = run_decompositions


def _inline_precise_regions(module: fx.GraphModule) -> None:
    """Replace regions that autocast is off in, which is never on here, by their nodes."""
    for node in module.graph.find_nodes(op="call_function", target=wrap_with_autocast):
        args: Any = node.args
        _, _, enabled, _, region, *inputs = args
        if enabled or node.kwargs or not all(user.target is operator.getitem for user in node.users):
            continue
        inner: Any = module.get_submodule(region.target).graph
        places = dict(zip(inner.find_nodes(op="placeholder"), inputs, strict=True))
        with module.graph.inserting_before(node):
            results: Any = module.graph.graph_copy(inner, places)
        for user in [*node.users]:
            user.replace_all_uses_with(results[user.args[1]])
            module.graph.erase_node(user)
        module.graph.erase_node(node)
        module.graph.erase_node(region)
        module.delete_submodule(region.target)


Change = Callable[[fx.Node], fx.Node | None]
"""Function that puts nodes before another, and returns the one that takes its place; None if it has no result."""


def _replace(program: ExportedProgram, node: fx.Node, other: fx.Node | None) -> None:
    """Remove a node in favour of another."""
    if other is not None:
        node.replace_all_uses_with(other)
        program.graph_signature.replace_all_uses(node.name, other.name)
    node.graph.erase_node(node)


def _change(node: fx.Node, table: Table) -> Change | None:
    """Return what lowers a node in place, None for a node that stays."""
    target = node.target
    if node.op in ("placeholder", "output"):
        return None
    if isinstance(target, torch._ops.OpOverload):
        if _writes(node):
            raise _WholeProgramNeeded
        if target == CHECK or not node.users:
            return lambda node: None
        if target in CASTS:
            return _lower_cast
        if target in table or _is_decomposed(target):
            traced = _traced(node, table)
            return lambda node: _inline(node, traced)
        return None
    if node.op != "call_function" or isinstance(target, torch._ops.HigherOrderOperator):
        raise _WholeProgramNeeded
    return None  # arithmetic with sizes


@functools.cache
def _is_decomposed(target: torch._ops.OpOverload) -> bool:
    """Return True for a composite operator that `ExportedProgram.run_decompositions` always decomposes."""
    composite = target.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd)
    return composite and target not in TRANSLATED and target not in _preserved()


@functools.cache
def _preserved() -> frozenset[Any]:
    """Return the composite operators that torch keeps where they are translated."""
    return frozenset(default_decompositions())


def _lower_cast(node: fx.Node) -> fx.Node:
    source, dtype = node.all_input_nodes[0], node.meta["val"].dtype
    if source.meta["val"].dtype == dtype:
        return source
    with node.graph.inserting_before(node):
        lowered = node.graph.call_function(_aten._to_copy.default, (source,), {"dtype": dtype})
    lowered.meta = node.meta
    return lowered


def _traced(node: fx.Node, table: Table) -> fx.Graph:
    """Return the decomposition of a node as a graph with a placeholder for each of its input nodes."""
    sources, target = node.all_input_nodes, cast(Any, node.target)

    def call(*inputs: Any) -> Any:
        given = dict(zip(sources, inputs, strict=True))
        return target(*fx.map_arg(node.args, given.__getitem__), **fx.map_arg(node.kwargs, given.__getitem__))

    values, result = [source.meta["val"] for source in sources], node.meta["val"]
    if not isinstance(result, FakeTensor):
        raise _WholeProgramNeeded
    with result.fake_mode:
        module = make_fx(call, dict(table))(*values)
        if any(_writes(inner) for inner in module.graph.nodes):  # into a tensor of its own
            module = make_fx(torch.func.functionalize(module, remove="mutations"), dict(table))(*values)
    if any(inner.op == "get_attr" or _writes(inner) or inner.target == SIZES for inner in module.graph.nodes):
        raise _WholeProgramNeeded
    graph: fx.Graph = module.graph
    if not isinstance(graph.output_node().args[0], fx.Node):
        raise _WholeProgramNeeded
    return graph


def _writes(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _inline(node: fx.Node, traced: fx.Graph) -> fx.Node:
    """Put the decomposition of a node before it."""
    places = dict(zip(traced.find_nodes(op="placeholder"), node.all_input_nodes, strict=True))
    with node.graph.inserting_before(node):
        result = node.graph.graph_copy(traced, places)
    assert isinstance(result, fx.Node)
    return result
