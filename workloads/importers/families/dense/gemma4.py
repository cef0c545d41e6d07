"""Gemma 3n and 4.

Names and defaults are those of ``Gemma3nTextConfig`` and ``Gemma4TextConfig`` of Transformers 5.24, modules
those of their ``modeling_*.py``. Steps of Gemma 4's large models are simulated; small ones and Gemma 3n,
whose layers read embeddings of their own, are counted only.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from workloads.importers.families.base import Count, Probability, Whole, alias, rotated, uneven_groups
from workloads.importers.families.dense.llama import SLIDING, Llama
from workloads.network import Block, Network
from workloads.zoo.language.decoder.parts import Experts, Heads

PROPORTION = 0.25
"""Of a head's features that layers without a window rotate, where a file does not say it."""


class _PerLayer(Llama):
    """What Gemma 3n and 4 share: embeddings of every layer's own, keys taken over from earlier layers."""

    num_key_value_heads: Count = 4
    head_dim: Count = 256
    sliding_window_pattern: Count = alias("sliding_window_pattern", "_sliding_window_pattern", default=6)
    vocab_size_per_layer_input: Count = 262144
    hidden_size_per_layer_input: Whole = 256
    num_kv_shared_layers: Whole = 0

    def faults(self, tokens: int) -> list[str]:
        """Llama's, and more layers that take over keys than there are."""
        found, shared = super().faults(tokens), self.num_kv_shared_layers
        if shared >= self.num_hidden_layers:
            found.append(
                f"num_kv_shared_layers: found {shared}; expected fewer than {self.num_hidden_layers} layers"
            )
        return found

    def local(self) -> list[bool]:
        """Whether each layer has a window; the last has none."""
        every, layers = self.sliding_window_pattern, self.num_hidden_layers
        kinds = self.layer_types
        if kinds is not None:
            return [kind == SLIDING for kind in kinds]
        return [(n + 1) % every > 0 for n in range(layers)]

    def windows(self) -> tuple[int, ...]:
        """Keys that a query meets at most in each layer."""
        window = self.sliding_window or 0
        return tuple(window if each else 0 for each in self.local())

    def within(self) -> int:
        """Parameters of every layer beside Gemma 3's."""
        width = self.hidden_size_per_layer_input
        return (2 * width + 1) * self.hidden_size if width else 0

    def beside(self) -> int:
        """Parameters beside the layers and beside Gemma 3's, less what layers lack that take over keys."""
        width, layers = self.hidden_size_per_layer_input, self.num_hidden_layers
        rows = self.vocab_size_per_layer_input + self.hidden_size
        taken = (
            self.key_parameters(local=each) for each in self.local()[layers - self.num_kv_shared_layers :]
        )
        return rows * layers * width + width - sum(taken)

    def key_parameters(self, *, local: bool) -> int:  # noqa: ARG002 - layers differ in Gemma 4
        """Parameters of a layer's keys and values."""
        size, inputs = self.head_dim, self.hidden_size + self.attention_bias
        return 2 * self.num_key_value_heads * size * inputs + size

    def counted(self, network: Network) -> Network:
        """The network with those parameters, of which no step is simulated."""
        blocks = (
            _larger(block, self.within() if block.recomputable else self.beside() * (place == 0))
            for place, block in enumerate(network.blocks)
        )
        why = "found embeddings of every layer's own, or keys that layers take over from others"
        obstacle = f"network {network.name}: {why}; expected neither, which alone can be simulated"
        return replace(network, blocks=tuple(blocks), obstacle=obstacle)


def _larger(block: Block, parameters: int) -> Block:
    first, *others = block.layers
    return replace(block, layers=(replace(first, parameters=first.parameters + parameters), *others))


class LayerHeads(BaseModel):
    """What single layers have in `per_layer_config`."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    head_dim: Count | None = None
    num_key_value_heads: Count | None = None


def _widths(value: object) -> object:
    return [value] if isinstance(value, int) else value


class Gemma3n(_PerLayer):
    """Gemma 3n: several residual streams, a narrow branch beside attention; counted only.

    Where layers differ in their width, what wider ones have more is counted with the embedding.
    """

    intermediate_size: Annotated[list[Count], BeforeValidator(_widths), Field(min_length=1)]  # type: ignore[assignment] # one for all or each
    altup_num_inputs: Count = 4
    altup_active_idx: Whole = 0
    altup_coef_clip: float | None = 120.0
    altup_correct_scale: bool = True
    laurel_rank: Count = 64
    activation_sparsity_pattern: list[Probability] | Probability | None = None

    def faults(self, tokens: int) -> list[str]:
        """Others', and widths of fewer layers than there are."""
        found, widths = super().faults(tokens), self.intermediate_size
        if len(widths) not in {1, self.num_hidden_layers}:
            expected = f"one, or one for each of {self.num_hidden_layers} layers"
            found.append(f"intermediate_size: found {len(widths)}; expected {expected}")
        return found

    def choices(self) -> dict[str, Any]:
        """Gemma 3's."""
        return super().choices() | {"ffn": min(self.intermediate_size), "value_norm": True}

    def within(self) -> int:
        """Of streams, the narrow branch and embeddings."""
        hidden, streams = self.hidden_size, self.altup_num_inputs
        mixing = (2 + streams) * hidden + streams**2 + streams**3
        return super().within() + mixing + (2 * self.laurel_rank + 1) * hidden

    def beside(self) -> int:
        """Of streams, embeddings and wider layers."""
        widths = self.intermediate_size
        wider = 3 * self.hidden_size * sum(width - min(widths) for width in widths)
        return super().beside() + 2 * (self.altup_num_inputs - 1) * self.hidden_size**2 + wider

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """Gemma 3's network with further parameters; no step of it can be simulated."""
        return self.counted(super().build(name=name, source=source, tokens=tokens))


class Gemma4(_PerLayer):
    """Gemma 4: wider heads in layers without a window, whose values may be keys; experts in some models."""

    global_head_dim: Count | None = 512
    num_global_key_value_heads: Count | None = None
    per_layer_config: dict[str, LayerHeads] | None = None
    attention_k_eq_v: bool = False
    use_double_wide_mlp: bool = False
    use_bidirectional_attention: str | None = None
    enable_moe_block: bool = False
    num_experts: Count | None = None
    top_k_experts: Count | None = None
    moe_intermediate_size: Count | None = None

    def faults(self, tokens: int) -> list[str]:
        """Others', uneven heads of layers without a window, experts that nothing describes."""
        heads = self.num_attention_heads
        found = [
            *super().faults(tokens),
            *uneven_groups("num_global_key_value_heads", self._full_groups, heads),
        ]
        if len(set((self.per_layer_config or {}).values())) > 1:
            found.append("per_layer_config: found layers that differ; expected the same heads in all of them")
        if self.enable_moe_block:
            wanted = ("num_experts", "top_k_experts", "moe_intermediate_size")
            found += [
                f"{key}: found none; expected a number, because enable_moe_block is true"
                for key in wanted
                if getattr(self, key) is None
            ]
        return found

    @property
    def _full_groups(self) -> int:
        given = self.num_global_key_value_heads if self.attention_k_eq_v else None
        if self.per_layer_config is not None:
            given = self._written.num_key_value_heads
        return given or self.num_key_value_heads

    @property
    def _full_size(self) -> int:
        given = self.global_head_dim if self.per_layer_config is None else self._written.head_dim
        return given or self.head_dim

    @property
    def _written(self) -> LayerHeads:
        """Heads of layers without a window, as Transformers writes them."""
        return next(iter((self.per_layer_config or {}).values()), LayerHeads())

    def local(self) -> list[bool]:
        """Whether each layer has a window; the last never has."""
        return [*super().local()[:-1], False]

    def choices(self) -> dict[str, Any]:
        """Gemma 3's, with the heads of layers without a window, and experts beside the dense network."""
        ropes = (rope for rope in (self.rope_parameters, self.rope_scaling) if rope)
        share = next((rope.partial_rotary_factor for rope in ropes), None)
        full = Heads(
            kv_heads=self._full_groups,
            head_size=self._full_size,
            rotary_size=rotated(self._full_size, PROPORTION if share is None else share),
            shared_values=self.attention_k_eq_v,
        )
        return super().choices() | {
            "rotary_size": 0,
            "value_norm": True,
            "full_heads": full,
            "full": tuple(not each for each in self.local()),
            "causal": self.use_bidirectional_attention != "all",
            "experts": self._experts() if self.enable_moe_block else None,
        }

    def _experts(self) -> Experts:
        return Experts(
            count=self.num_experts or 1,
            chosen=self.top_k_experts or 1,
            ffn=self.moe_intermediate_size or 1,
            shared=self.intermediate_size,
            normed=True,
            correction=True,
        )

    def beside(self) -> int:
        """Of embeddings, and of layers that take over keys: those may be twice as wide."""
        wide = self.num_kv_shared_layers * self.use_double_wide_mlp
        return super().beside() + 3 * self.hidden_size * self.intermediate_size * wide

    def key_parameters(self, *, local: bool) -> int:
        """Parameters of a layer's keys and values."""
        size = self.head_dim if local else self._full_size
        groups = self.num_key_value_heads if local else self._full_groups
        projections = 1 if self.attention_k_eq_v and not local else 2
        return projections * groups * size * (self.hidden_size + self.attention_bias) + size

    def ignored(self) -> Iterator[str]:
        """Masks that differ between text and images."""
        if self.use_bidirectional_attention == "vision":
            yield "use_bidirectional_attention: tokens of images see each other; all are taken for text"

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """The network; it is counted only where layers have embeddings or take over keys."""
        network = super().build(name=name, source=source, tokens=tokens)
        if self.hidden_size_per_layer_input or self.num_kv_shared_layers:
            return self.counted(network)
        return network
