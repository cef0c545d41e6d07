"""Inverted residual blocks: expand by a 1 x 1 convolution, filter each channel alone, project linearly.

Sandler et al. 2018, arXiv:1801.04381, table 1, with the gate of MobileNetV3 (Howard et al. 2019,
arXiv:1905.02244, figure 4) and the fused form of EfficientNetV2 (Tan and Le 2021, arXiv:2104.00298, figure
2), whose first convolution is a full one with the filter's extent. The block adds its input where stride and
channels allow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from workloads.layers.drafts.draft import Draft
from workloads.layers.elementwise import addition
from workloads.layers.images.compound import conv_norm, conv_norm_act, squeeze_excitation
from workloads.network import Block
from workloads.tensors import BLOCK_INPUT


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertedResidual:
    """One block.

    Attributes:
        expanded: channels inside; those of the input for none to expand.
        out_channels: of its output.
        kernel: of the depthwise (or fused) convolution.
        stride: of the same.
        function: activation inside.
        squeezed: channels inside the gate; 0 for no gate.
        squeeze_function: activation inside the gate.
        gate: activation at its end.
        fused: one full convolution in place of expansion and depthwise convolution.
    """

    expanded: int
    out_channels: int
    kernel: int
    stride: int
    function: str
    squeezed: int = 0
    squeeze_function: str = "relu"
    gate: str = "sigmoid"
    fused: bool = False


def divisible(channels: float, divisor: int = 8) -> int:
    """Channels rounded to a multiple of the divisor that loses a tenth at most (released MobileNet code)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def inverted_residual(name: str, shape: tuple[int, ...], part: InvertedResidual, *, count: int = 1) -> Block:
    """A block, ``count`` times.

    Raises:
        NetworkError: the filter does not fit.
    """
    draft = Draft(shape)
    body = _fused if part.fused else _separable
    body(draft, part)
    if part.stride == 1 and shape[0] == part.out_channels:
        draft.add(addition, "add", draft.last, BLOCK_INPUT)
    return draft.block(name, count=count)


def equal_runs(parts: Sequence[InvertedResidual]) -> list[tuple[InvertedResidual, int]]:
    """Neighbours that are equal, with how many there are."""
    runs: list[tuple[InvertedResidual, int]] = []
    for part in parts:
        if runs and runs[-1][0] == part:
            runs[-1] = part, runs[-1][1] + 1
        else:
            runs.append((part, 1))
    return runs


def inverted_residuals(shape: tuple[int, ...], parts: Sequence[InvertedResidual]) -> list[Block]:
    """A chain of blocks; equal neighbours that keep their shape stand once with a count.

    Raises:
        NetworkError: a filter does not fit.
    """
    blocks: list[Block] = []
    for index, (part, count) in enumerate(equal_runs(parts), start=1):
        changes = part.stride > 1 or shape[0] != part.out_channels
        first = inverted_residual(f"block{index}", shape, part, count=1 if changes else count)
        blocks.append(first)
        shape = first.layers[-1].output_shape
        if changes and count > 1:
            blocks.append(inverted_residual(f"block{index}_rest", shape, part, count=count - 1))
    return blocks


def stage(first: InvertedResidual, expanded: int, count: int) -> list[InvertedResidual]:
    """A first block and ``count`` - 1 more of stride 1 that expand to ``expanded`` channels."""
    return [first, *[replace(first, stride=1, expanded=expanded)] * (count - 1)]


def _separable(draft: Draft, part: InvertedResidual) -> None:
    if part.expanded != draft.shape[0]:
        conv_norm_act(draft, "expand", out_channels=part.expanded, kernel=1, function=part.function)
    conv_norm_act(
        draft,
        "depthwise",
        out_channels=part.expanded,
        kernel=part.kernel,
        stride=part.stride,
        padding=part.kernel // 2,
        groups=part.expanded,
        function=part.function,
    )
    if part.squeezed:
        squeeze_excitation(
            draft, "se", squeezed=part.squeezed, function=part.squeeze_function, gate=part.gate
        )
    conv_norm(draft, "project", out_channels=part.out_channels, kernel=1)


def _fused(draft: Draft, part: InvertedResidual) -> None:
    """Without expansion the full convolution alone, with its activation."""
    options = {"kernel": part.kernel, "stride": part.stride, "padding": part.kernel // 2}
    conv_norm_act(draft, "fused", out_channels=part.expanded, function=part.function, **options)
    if part.expanded != part.out_channels:
        conv_norm(draft, "project", out_channels=part.out_channels, kernel=1)
