"""What loaders need for one sample: ``simdl/inputs/loaders.toml``, each number with its source."""

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from hardware.citation import CitedNumber
from hardware.profile_reader import ProfileReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaders:
    """The numbers of the file.

    Attributes:
        worker_decode, worker_augment: [s] of one PyTorch worker for one image.
        workers: of a device where nobody says.
        dali_host: [s] of one DALI thread for one image that kernels decode.
        threads: of a device where nobody says.
        dali_device: [s] for one image, decoded by kernels of the device.
        dali_engine: [s] for one image on devices with a JPEG engine.
        engine_share: of the images that the engine decodes.
        footprint: share of a device that decoding kernels take.
        image: [bytes] of an image that these seconds are of.
        memory: [bytes] of a host of which nothing is known.
        numbers: all of them with their sources.
    """

    worker_decode: float
    worker_augment: float
    workers: int
    dali_host: float
    threads: int
    dali_device: float
    dali_engine: float
    engine_share: float
    footprint: float
    image: float
    memory: float
    numbers: tuple[CitedNumber, ...]


@lru_cache(maxsize=1)
def loaders() -> Loaders:
    """The numbers of loaders.

    Raises:
        ProfileError: the file breaks a rule.
    """
    text = (resources.files("simdl.inputs") / "loaders.toml").read_text(encoding="utf-8")
    reader = ProfileReader(text, "loaders.toml")
    return Loaders(
        worker_decode=reader.number("pytorch-workers.decode", "time"),
        worker_augment=reader.number("pytorch-workers.augment", "time"),
        workers=int(reader.number("pytorch-workers.workers", "count")),
        dali_host=reader.number("dali.host", "time"),
        threads=int(reader.number("dali.threads", "count")),
        dali_device=reader.number("dali.device", "time"),
        dali_engine=reader.number("dali.engine", "time"),
        engine_share=reader.number("dali.engine_share", "fraction"),
        footprint=reader.number("dali.footprint", "fraction"),
        image=reader.number("data.image", "bytes"),
        memory=reader.number("data.memory", "bytes"),
        numbers=reader.finish(),
    )
