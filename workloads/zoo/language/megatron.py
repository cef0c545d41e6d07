"""Megatron GPT models from 1.7 billion to a trillion parameters.

Narayanan et al. 2021 (SC'21, arXiv:2104.04473), table 1; the 22B and 530B models also in Korthikanti et al.
2022 (arXiv:2205.05198), table 3. Vocabulary 51,200 (50,257 padded), sequences of 2,048 tokens.
"""

from collections.abc import Callable
from functools import partial

from workloads.network import Network
from workloads.zoo.language.gpt import build_gpt

SC21 = "Narayanan et al. 2021 (arXiv:2104.04473), table 1"
KORTHIKANTI = "Korthikanti et al. 2022 (arXiv:2205.05198), table 3"

_SIZES = {
    "megatron-1.7b": (24, 2304, 24, SC21),
    "megatron-3.6b": (30, 3072, 32, SC21),
    "megatron-7.5b": (36, 4096, 32, SC21),
    "megatron-18b": (40, 6144, 48, SC21),
    "megatron-22b": (48, 6144, 64, KORTHIKANTI),
    "megatron-39b": (48, 8192, 64, SC21),
    "megatron-76b": (60, 10240, 80, SC21),
    "megatron-145b": (80, 12288, 96, SC21),
    "megatron-310b": (96, 16384, 128, SC21),
    "megatron-530b": (105, 20480, 128, SC21),
    "turing-530b": (105, 20480, 128, KORTHIKANTI),
    "megatron-1t": (128, 25600, 160, SC21),
}

NETWORKS: dict[str, Callable[..., Network]] = {
    name: partial(build_gpt, name, layers, hidden, heads, vocab=51200, positions=2048, source=source)
    for name, (layers, hidden, heads, source) in _SIZES.items()
}
