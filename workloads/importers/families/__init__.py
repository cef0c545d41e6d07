"""Families that Hugging Face configs describe, by their `model_type`."""

from workloads.importers.families.base import Family
from workloads.importers.families.dense.bloom import Bloom
from workloads.importers.families.dense.chatglm import ChatGlm
from workloads.importers.families.dense.cohere import Cohere, Cohere2
from workloads.importers.families.dense.exaone import Exaone4, ExaoneMoe
from workloads.importers.families.dense.falcon import Falcon, RefinedWeb
from workloads.importers.families.dense.gemma import Gemma, Gemma2, Gemma3
from workloads.importers.families.dense.gemma4 import Gemma3n, Gemma4, Gemma4Unified
from workloads.importers.families.dense.glm import Glm, Glm4, Glm4Moe, Glm4MoeLite
from workloads.importers.families.dense.gpt2 import Gpt2
from workloads.importers.families.dense.gpt_neo import GptNeo
from workloads.importers.families.dense.gpt_neox import GptNeoX
from workloads.importers.families.dense.gptj import GptJ
from workloads.importers.families.dense.llama import (
    Baichuan,
    Granite,
    InternLm2,
    Llama,
    Mistral,
    Phi3,
    Qwen2,
    Qwen3,
)
from workloads.importers.families.dense.llama_kin import (
    Apertus,
    Arcee,
    BitNet,
    Cwm,
    Ernie45,
    Exaone,
    Helium,
    HunYuan,
    InternLm3,
    Ministral,
    Ministral3,
    SeedOss,
    SmolLm3,
)
from workloads.importers.families.dense.mllama import Mllama
from workloads.importers.families.dense.mpt import Mpt
from workloads.importers.families.dense.nemotron import Nemotron
from workloads.importers.families.dense.olmo import Olmo, Olmo2, Olmo3, Olmoe
from workloads.importers.families.dense.opt import Opt
from workloads.importers.families.dense.phi import Phi
from workloads.importers.families.dense.stablelm import StableLm
from workloads.importers.families.dense.starcoder import GptBigCode, StarCoder2
from workloads.importers.families.encoders.bart import Bart, MBart
from workloads.importers.families.encoders.bert import Bert, DistilBert, Roberta
from workloads.importers.families.encoders.counted import Albert, Deberta, DebertaV2
from workloads.importers.families.encoders.electra import Electra
from workloads.importers.families.encoders.modernbert import ModernBert
from workloads.importers.families.encoders.switch import Switch
from workloads.importers.families.encoders.t5 import MT5, T5
from workloads.importers.families.encoders.vit import Vit
from workloads.importers.families.encoders.whisper import Whisper
from workloads.importers.families.experts.afmoe import Afmoe
from workloads.importers.families.experts.deepseek import (
    DeepseekV2,
    DeepseekV3,
    DeepseekV32,
    GlmMoeDsa,
    LongcatFlash,
)
from workloads.importers.families.experts.mimo import MimoV2
from workloads.importers.families.experts.mixture_kin import (
    Arctic,
    Dbrx,
    Dots1,
    Ernie45Moe,
    FlexOlmo,
    GraniteMoe,
    HunYuanMoe,
    MiniMaxM2,
    PhiMoe,
    SolarOpen,
)
from workloads.importers.families.experts.mixtures import (
    GptOss,
    Grok1,
    Llama4,
    Mixtral,
    Qwen2Moe,
    Qwen3Moe,
)
from workloads.importers.families.hybrids.hybrid import Mamba2, NemotronH
from workloads.importers.families.hybrids.hybrid_kin import (
    Jamba,
    Lfm2,
    Lfm2Moe,
    Qwen3Next,
    Qwen35,
    Qwen35Moe,
)
from workloads.importers.families.hybrids.linear import KimiLinear, MiniMax
from workloads.importers.families.hybrids.state_spaces import Bamba, FalconH1, GraniteHybrid

__all__ = ["FAMILIES", "Family"]

FAMILIES: dict[str, type[Family]] = {
    "RefinedWeb": RefinedWeb,
    "RefinedWebModel": RefinedWeb,
    "afmoe": Afmoe,
    "albert": Albert,
    "apertus": Apertus,
    "arcee": Arcee,
    "arctic": Arctic,
    "baichuan": Baichuan,
    "bamba": Bamba,
    "bart": Bart,
    "bert": Bert,
    "bitnet": BitNet,
    "bloom": Bloom,
    "camembert": Roberta,
    "chatglm": ChatGlm,
    "codegen": GptJ,
    "cohere": Cohere,
    "cohere2": Cohere2,
    "cwm": Cwm,
    "dbrx": Dbrx,
    "deberta": Deberta,
    "deberta-v2": DebertaV2,
    "deepseek_v2": DeepseekV2,
    "deepseek_v3": DeepseekV3,
    "deepseek_v32": DeepseekV32,
    "distilbert": DistilBert,
    "dots1": Dots1,
    "electra": Electra,
    "ernie4_5": Ernie45,
    "ernie4_5_moe": Ernie45Moe,
    "exaone": Exaone,
    "exaone4": Exaone4,
    "exaone_moe": ExaoneMoe,
    "falcon": Falcon,
    "falcon_h1": FalconH1,
    "flex_olmo": FlexOlmo,
    "gemma": Gemma,
    "gemma2": Gemma2,
    "gemma3_text": Gemma3,
    "gemma3n_text": Gemma3n,
    "gemma4_text": Gemma4,
    "gemma4_unified_text": Gemma4Unified,
    "glm": Glm,
    "glm4": Glm4,
    "glm4_moe": Glm4Moe,
    "glm4_moe_lite": Glm4MoeLite,
    "glm_moe_dsa": GlmMoeDsa,
    "gpt2": Gpt2,
    "gpt_bigcode": GptBigCode,
    "gpt_neo": GptNeo,
    "gpt_neox": GptNeoX,
    "gpt_oss": GptOss,
    "gptj": GptJ,
    "granite": Granite,
    "granitemoe": GraniteMoe,
    "granitemoehybrid": GraniteHybrid,
    "granitemoeshared": GraniteMoe,
    "grok-1": Grok1,
    "helium": Helium,
    "hunyuan_v1_dense": HunYuan,
    "hunyuan_v1_moe": HunYuanMoe,
    "internlm2": InternLm2,
    "internlm3": InternLm3,
    "jamba": Jamba,
    "kimi_k2": DeepseekV3,
    "kimi_linear": KimiLinear,
    "lfm2": Lfm2,
    "lfm2_moe": Lfm2Moe,
    "llama": Llama,
    "llama4_text": Llama4,
    "longcat_flash": LongcatFlash,
    "mamba2": Mamba2,
    "mbart": MBart,
    "mimo_v2_flash": MimoV2,
    "minimax": MiniMax,
    "minimax_m2": MiniMaxM2,
    "ministral": Ministral,
    "ministral3": Ministral3,
    "mistral": Mistral,
    "mixtral": Mixtral,
    "mllama_text_model": Mllama,
    "modernbert": ModernBert,
    "mpt": Mpt,
    "mt5": MT5,
    "nemotron": Nemotron,
    "nemotron_h": NemotronH,
    "olmo": Olmo,
    "olmo2": Olmo2,
    "olmo3": Olmo3,
    "olmoe": Olmoe,
    "opt": Opt,
    "phi": Phi,
    "phi3": Phi3,
    "phimoe": PhiMoe,
    "qwen2": Qwen2,
    "qwen2_5_vl": Qwen2,
    "qwen2_5_vl_text": Qwen2,
    "qwen2_moe": Qwen2Moe,
    "qwen2_vl": Qwen2,
    "qwen2_vl_text": Qwen2,
    "qwen3": Qwen3,
    "qwen3_5_moe_text": Qwen35Moe,
    "qwen3_5_text": Qwen35,
    "qwen3_moe": Qwen3Moe,
    "qwen3_next": Qwen3Next,
    "qwen3_vl_moe_text": Qwen3Moe,
    "qwen3_vl_text": Qwen3,
    "roberta": Roberta,
    "seed_oss": SeedOss,
    "smollm3": SmolLm3,
    "solar_open": SolarOpen,
    "stablelm": StableLm,
    "starcoder2": StarCoder2,
    "switch_transformers": Switch,
    "t5": T5,
    "vit": Vit,
    "whisper": Whisper,
    "xlm-roberta": Roberta,
}
