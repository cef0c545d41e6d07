"""Which readers of one ONNX tensor share it, and which only had the same values when the file was written.

Exporters write tensors of equal values once, so a network that was exported before training has one tensor
for all its scales of one and for layers that were copied. What a tensor belongs to is told by the module that
reads it, which exporters keep in a node's name (``/blocks/blocks.0/fc/MatMul``) or in its metadata. One
module, called again or not, and files without modules share; a matrix is shared by modules of different kinds
as well (a head tied to its table), unless they stand at the same place in different copies of a block.
"""

import ast
import re
from collections.abc import Sequence
from typing import Any

SCOPES = "pkg.torch.onnx.name_scopes"
"""Metadata of a node of PyTorch's exporter: modules from the outermost to the operator."""


def module_of(node: Any) -> str:  # noqa: ANN401 - untyped protobuf
    """The path of the module that a node is part of; empty where the file does not say."""
    for entry in node.metadata_props:
        if entry.key == SCOPES:
            try:
                scopes = ast.literal_eval(entry.value)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                return ""
            return str(scopes[-2]) if isinstance(scopes, list) and len(scopes) > 1 else ""
    return "/".join(node.name.split("/")[1:-1])


def shared(first: str, second: str, dims: Sequence[int]) -> bool:
    """Whether two modules that read one tensor share it.

    Args:
        first: path of the module that reads it first.
        second: path of the other.
        dims: of the tensor.
    """
    if first in {second, _called(second)} or not (first and second):
        return True
    copies = re.sub(r"\d+", "#", first) == re.sub(r"\d+", "#", second)
    return not copies and sum(size > 1 for size in dims) > 1


def _called(path: str) -> str:
    """A path without the number that exporters add where a module is called again (``fc_1``)."""
    return re.sub(r"_\d+(?=/|$)", "", path)
