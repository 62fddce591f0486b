"""Formulas as MathML, which browsers draw themselves: the site loads nothing from anywhere."""

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

NAME = "mathml"


def inline(translator: Any, node: nodes.math) -> None:
    """Write a formula within a line."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def block(translator: Any, node: nodes.math_block) -> None:
    """Write a formula on lines of its own, which scrolls where it is wider than the page."""
    translator.body.append(f'<div class="formula">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode
