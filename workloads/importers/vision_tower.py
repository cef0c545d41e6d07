"""Parameters of the vision towers beside a nested text model; they are counted, not planned.

Towers and projectors as Transformers 5.24 builds them (``models/{siglip,clip,pixtral}/modeling_*.py``,
``models/{gemma3,paligemma,llava,mistral3}/modeling_*.py``). A tower of width h with L layers of width f and
patches of p x p pixels has C p^2 h + L (4 h^2 + 2 h f) weights, and its family's biases, norms and positions.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from workloads.importers.families.base import Count


class _Tower(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    hidden_size: Count = 768
    intermediate_size: Count = 3072
    num_hidden_layers: Count = 12
    num_channels: Count = 3
    image_size: Count = 224
    patch_size: Count = 32
    vision_use_head: bool = False

    @property
    def patches(self) -> int:
        """Patches of an image."""
        return (self.image_size // self.patch_size) ** 2

    @property
    def filters(self) -> int:
        """Weights of the first convolution."""
        return self.num_channels * self.patch_size**2 * self.hidden_size


class _Siglip(_Tower):
    patch_size: Count = 16

    def parameters(self) -> int:
        h, f = self.hidden_size, self.intermediate_size
        network = 2 * h * f + f + h
        layer = 4 * h + 4 * (h * h + h) + network
        head = h + 4 * (h * h + h) + 2 * h + network if self.vision_use_head else 0
        return self.filters + h + self.patches * h + self.num_hidden_layers * layer + 2 * h + head


class _Clip(_Tower):
    def parameters(self) -> int:
        h, f = self.hidden_size, self.intermediate_size
        layer = 4 * h + 4 * (h * h + h) + 2 * h * f + f + h
        return h + self.filters + (self.patches + 1) * h + self.num_hidden_layers * layer + 4 * h


class _Pixtral(_Tower):
    hidden_size: Count = 1024
    intermediate_size: Count = 4096
    num_hidden_layers: Count = 24
    patch_size: Count = 16

    def parameters(self) -> int:
        h, f = self.hidden_size, self.intermediate_size
        return self.filters + h + self.num_hidden_layers * (4 * h * h + 3 * h * f + 2 * h)


TOWERS: Mapping[str, type[_Siglip] | type[_Clip] | type[_Pixtral]] = {
    "siglip_vision_model": _Siglip,
    "clip_vision_model": _Clip,
    "pixtral": _Pixtral,
}
# Projectors by the whole model's type, from the widths of the tower and of the text.
PROJECTORS: Mapping[str, Callable[[int, int], int]] = {
    "gemma3": lambda vision, text: vision * text + vision,
    "paligemma": lambda vision, text: vision * text + text,
    "llava": lambda vision, text: vision * text + text + text * text + text,
    "mistral3": lambda vision, text: vision + 4 * vision * vision + vision * text + text * text,
}


def tower_parameters(kind: object, fields: Mapping[str, Any], text: int) -> int | None:
    """Elements of a vision tower and its projector; None where either is not known here.

    Args:
        kind: ``model_type`` of the whole.
        fields: its ``vision_config``.
        text: features of the text model's residual stream.
    """
    tower = TOWERS.get(str(fields.get("model_type")))
    project = PROJECTORS.get(str(kind))
    if tower is None or project is None:
        return None
    try:
        found = tower.model_validate({key: value for key, value in fields.items() if value is not None})
    except ValidationError:
        return None
    return found.parameters() + project(found.hidden_size, text)
