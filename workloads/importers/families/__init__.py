"""Families of dense decoders that Hugging Face configs describe, by their `model_type`."""

from workloads.importers.families.base import Family
from workloads.importers.families.bloom import Bloom
from workloads.importers.families.gpt2 import Gpt2
from workloads.importers.families.gpt_neox import GptNeoX
from workloads.importers.families.llama import Gemma, Llama, Qwen2, Qwen3
from workloads.importers.families.mpt import Mpt

__all__ = ["FAMILIES", "Family"]

FAMILIES: dict[str, type[Family]] = {
    "bloom": Bloom,
    "gemma": Gemma,
    "gpt2": Gpt2,
    "gpt_neox": GptNeoX,
    "llama": Llama,
    "mistral": Llama,
    "mpt": Mpt,
    "phi3": Llama,
    "qwen2": Qwen2,
    "qwen3": Qwen3,
}
