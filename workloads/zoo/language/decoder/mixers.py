"""What stands in the place of attention in layers of hybrid stacks."""

from workloads.layer import Layer
from workloads.layers.tokens.delta_rule import DeltaRule, delta_rule_branch
from workloads.layers.tokens.gated_convolution import GatedConvolution, gated_convolution_branch
from workloads.layers.tokens.lightning import LightningAttention, lightning_branch
from workloads.layers.tokens.selective_scan import SelectiveScan, selective_scan_branch
from workloads.layers.tokens.state_space import StateSpace, state_space_branch
from workloads.zoo.language.decoder.parts import Mixer

MIXERS: dict[type, str] = {
    DeltaRule: "delta",
    GatedConvolution: "convolution",
    LightningAttention: "lightning",
    SelectiveScan: "scan",
    StateSpace: "mamba",
    type(None): "attention",
}
"""How blocks of layers with each are called."""


def mixer_branch(mixer: Mixer, source: str, *, tokens: int, hidden: int) -> tuple[Layer, ...]:
    """From the residual stream to what is added to it; the last layer is ``mixer_out``.

    Args:
        mixer: its sizes.
        source: layer that it reads.
        tokens: of a sequence.
        hidden: features of the residual stream.
    """
    if isinstance(mixer, DeltaRule):
        return delta_rule_branch(source, mixer, tokens=tokens, hidden=hidden)
    if isinstance(mixer, GatedConvolution):
        return gated_convolution_branch(source, mixer, tokens=tokens, hidden=hidden)
    if isinstance(mixer, LightningAttention):
        return lightning_branch(source, mixer, tokens=tokens, hidden=hidden)
    if isinstance(mixer, SelectiveScan):
        return selective_scan_branch(source, mixer, tokens=tokens, hidden=hidden)
    return state_space_branch(source, mixer, tokens=tokens, hidden=hidden)


def out_bias(mixer: Mixer) -> bool:
    """Whether the projection back to the residual stream adds a bias."""
    if isinstance(mixer, StateSpace) and mixer.out_bias is not None:
        return mixer.out_bias
    return bool(getattr(mixer, "bias", False))
