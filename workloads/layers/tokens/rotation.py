"""How features turn by position (Su et al. 2021, arXiv:2104.09864): nothing for costs, all for training.

A pair of features number i of d turns by base^(-2i/d) a token; what stretches these angles to longer samples
(YaRN, Peng et al. 2023, arXiv:2309.00071; the scaling of Llama 3.1) is told by the names of Transformers'
configuration files.
"""

from dataclasses import dataclass

from workloads.layer import Attribute


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The angles of rotary positions.

    Attributes:
        base: of the angles; 0 where the network's source does not say it.
        local_base: that of layers with a window, where it is another; 0 for the same.
        scaling: how angles are stretched (``llama3``, ``yarn``, ``linear``, ...); ``""`` for not at all.
        numbers: of the scaling, by the names of Transformers.
    """

    base: float = 0.0
    local_base: float = 0.0
    scaling: str = ""
    numbers: tuple[tuple[str, float], ...] = ()

    @property
    def attributes(self) -> dict[str, Attribute]:
        """What is said, as attributes of a layer."""
        said: dict[str, Attribute] = {
            "base": self.base,
            "local_base": self.local_base,
            "scaling": self.scaling,
        }
        return {name: value for name, value in said.items() if value} | {
            f"scaling_{name}": value for name, value in self.numbers
        }


UNSAID = Rotation()
