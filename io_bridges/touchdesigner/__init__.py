"""TouchDesigner's side of a show: a component that sends a TOP in, brings the output back and has every control.

These modules run inside TouchDesigner. They need its Python 3.11, numpy and the standard library, and nothing else of
this program. `io_bridges.touchdesigner.component` builds the component.
"""
