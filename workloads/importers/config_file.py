"""Where a Hugging Face ``config.json`` is, and which of its objects describes the text model.

A folder stands for the ``config.json`` in it. Models of more than text keep their decoder's keys in an object
of their own, ``text_config`` in Transformers; that part is taken.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workloads.errors import WorkloadError
from workloads.importers.json_file import read_object, shown

EXPECTED = "a config.json"
TEXT = ("text_config", "llm_config", "language_config")
"""Keys under which the text part stands."""
TEXT_TYPES = {
    "audioflamingo3": "qwen2",
    "aya_vision": "cohere2",
    "cohere2_vision": "cohere2",
    "deepseek_vl": "llama",
    "exaone4_5": "exaone4",
    "fast_vlm": "qwen2",
    "gemma3": "gemma3_text",
    "gemma3n": "gemma3n_text",
    "gemma4": "gemma4_text",
    "gemma4_unified": "gemma4_unified_text",
    "glmasr": "llama",
    "got_ocr2": "qwen2",
    "granite_speech": "granite",
    "idefics2": "mistral",
    "idefics3": "llama",
    "internvl": "qwen2",
    "janus": "llama",
    "kimi_k25": "deepseek_v3",
    "lighton_ocr": "qwen3",
    "llama4": "llama4_text",
    "llava": "llama",
    "llava_next": "llama",
    "llava_next_video": "llama",
    "llava_onevision": "qwen2",
    "mistral3": "mistral",
    "mllama": "mllama_text_model",
    "ovis2": "qwen2",
    "paligemma": "gemma",
    "perception_lm": "llama",
    "pixtral": "mistral",
    "qwen2_5_vl": "qwen2_5_vl_text",
    "qwen2_audio": "qwen2",
    "qwen2_vl": "qwen2_vl_text",
    "lfm2_vl": "lfm2",
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
    "qwen3_vl": "qwen3_vl_text",
    "qwen3_vl_moe": "qwen3_vl_moe_text",
    "shieldgemma2": "gemma3_text",
    "smolvlm": "llama",
    "video_llava": "llama",
    "vipllava": "llama",
    "voxtral": "llama",
}
"""``model_type`` of text parts that do not say theirs."""
TEXT_DEFAULTS: Mapping[str, Mapping[str, Any]] = {"voxtral": {"head_dim": 128}}
"""Keys that a model of more than text gives its text part where that does not have them."""
HUB = re.compile(r"(https?://huggingface\.co/)?[A-Za-z0-9][\w.-]*/[\w.-]+/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """A file that was read.

    Attributes:
        file: path of the ``config.json``.
        fields: keys of the model, or of its text part.
        model_type: family of those; None if not said.
        whole: keys of the whole file where a text part was taken.
        key: of the text part, ``""`` for none.
    """

    file: Path
    fields: Mapping[str, Any]
    model_type: object
    whole: Mapping[str, Any]
    key: str

    @property
    def place(self) -> str:
        """How messages name where the keys stand."""
        return f"{self.file}: {self.key}" if self.key else str(self.file)


def read_config(path: str | Path) -> ConfigFile:
    """The keys of a file or folder.

    Raises:
        WorkloadError: it cannot be read, holds no object or describes an adapter.
    """
    file = Path(path)
    if file.is_dir():
        file = _in_folder(file)
    fields = read_object(file, EXPECTED)
    if "peft_type" in fields and "model_type" not in fields:
        base = shown(fields.get("base_model_name_or_path"))
        raise WorkloadError(
            f"{file}: peft_type: found an adapter ({shown(fields['peft_type'])}) of {base}; expected the "
            "config.json of that model: training an adapter alone is not modelled"
        )
    for key in TEXT:
        if isinstance(fields.get(key), dict):
            return _text_part(file, fields, key)
        if fields.get(key) is not None:
            raise WorkloadError(f"{file}: {key}: found {shown(fields[key])}; expected an object of keys")
    return ConfigFile(file=file, fields=fields, model_type=fields.get("model_type"), whole={}, key="")


def _in_folder(folder: Path) -> Path:
    file = folder / "config.json"
    if file.is_file():
        return file
    adapter = folder / "adapter_config.json"
    if adapter.is_file():
        return adapter
    raise WorkloadError(f"{folder}: found a folder without a config.json; expected one that has it")


def _text_part(file: Path, whole: Mapping[str, Any], key: str) -> ConfigFile:
    fields = {**TEXT_DEFAULTS.get(str(whole.get("model_type")), {}), **whole[key]}
    kind = fields.get("model_type") or TEXT_TYPES.get(str(whole.get("model_type")))
    if fields.get("tie_word_embeddings") is None and isinstance(whole.get("tie_word_embeddings"), bool):
        fields["tie_word_embeddings"] = whole["tie_word_embeddings"]
    return ConfigFile(file=file, fields=fields, model_type=kind, whole=whole, key=key)


def hub_refusal(name: str) -> str | None:
    """What to tell somebody who names a model of the Hugging Face Hub instead of a file; None for no such."""
    if not HUB.fullmatch(name) or Path(name).exists():
        return None
    identity = re.sub(r"^https?://huggingface\.co/", "", name).rstrip("/")
    if "/" not in identity:
        return None
    folder = identity.split("/")[-1]
    return (
        f"{name!r}: found no such file; if it is a model of the Hugging Face Hub, expected its config.json "
        "on this machine, because nothing is downloaded: save "
        f"https://huggingface.co/{identity}/resolve/main/config.json as {folder}/config.json and name the "
        f"folder, {folder}/"
    )


INERT = re.compile(
    r"_.*|architectures|model_type|torch_dtype|dtype|transformers_version|auto_map|use_cache|name_or_path"
    r"|.*token(_id|_index|s)?|.*_ids?|.*init.*|.*eps(ilon)?|gradient_checkpointing|language|id2label|label2id"
    r"|output_.*|return_.*|rope_.*|rotary.*|.*_theta|.*dropout.*|.*_pdrop|pretraining_tp|is_.*|task_.*"
    r"|generation_.*|summary_.*|problem_type|finetuning_task|tokenizer_.*|vocab_file|torchscript|prefix"
    r"|cache_implementation|query_pre_attn_scalar|.*_multiplier|logits?_scal(e|ing)|use_flash.*|attn_impl.*"
    r"|scale_.*|reorder_.*|.*softmax_in_fp32|layerdrop|.*layerdrop|fp16|bf16|fp32|do_sample|temperature|top_[pk]"
    r"|.*penalty|max_length|min_length|chunk_size.*|pruned_heads|tie_encoder_decoder|cross_attention.*"
    r"|early_stopping|num_beams.*|length_penalty|no_repeat.*|bad_words.*|suppress_.*|begin_.*|forced_.*"
    r"|norm_topk_prob|routed_scaling_factor|.*_coef|scoring_func|swiglu_limit|use_mamba_kernels|num_logits_to_keep"
    r"|.*jitter.*|aux_loss_alpha|seq_aux|ep_size|moe_(norm_min|gate|capacity|use_aux_free)|n_ctx"
    r"|classifier_.*|initializer_.*|gradient_.*|attn_config|.*position_embedding_type|use_bidirectional.*"
)
"""Keys that change neither parameters nor the work of a step."""


def unread_keys(fields: Mapping[str, Any], known: frozenset[str]) -> Iterator[str]:
    """Keys that say something and that nothing here reads."""
    for key, value in fields.items():
        if key not in known and value not in (None, False, {}, []) and not INERT.fullmatch(key):
            yield key
