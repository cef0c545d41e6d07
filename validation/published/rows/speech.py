"""Speech rows of NVIDIA's Tacotron2 example: how long a batch's samples are, and what its rate counts.

LJ Speech (Ito and Johnson 2017, keithito.com/LJ-Speech-Dataset) has clips of 6.57 s on average and 10.10 s at
most; sound of 22,050 samples a second makes a frame of 256. A batch of Tacotron 2 is
padded to its longest clip, near the longest of all for the batches that are printed, and the rate counts
frames without padding (``tacotron2/data_function.py``). WaveGlow trains on segments of 8,000 samples and
counts all of them.
"""

import re
from dataclasses import dataclass

from validation.published.tables import PublishedRow
from workloads.zoo.speech import CHARACTERS, FRAMES

FRAMES_PER_SECOND = 22_050 / 256
MEAN_CLIP, LONGEST_CLIP = 6.57, 10.10  # [s]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """A sample of a batch.

    Attributes:
        unit: of what the rate counts, one of ``validation.published.rows.quantities``.
        tokens: size of a padded sample, as the registered network takes it.
        counted: frames or samples of sound of it that the rate counts.
    """

    unit: str
    tokens: int
    counted: float


SPEECH = {
    "tacotron2": Speech(
        unit="frames/s",
        tokens=round(LONGEST_CLIP * FRAMES_PER_SECOND * CHARACTERS / FRAMES),
        counted=MEAN_CLIP * FRAMES_PER_SECOND,
    ),
    "waveglow": Speech(unit="sound samples/s", tokens=8000, counted=8000.0),
}
"""By model of a row."""


def speech_precision(row: PublishedRow) -> str:
    """Precision that a row's script trains in; "" for what the row prints.

    Lambda's scripts ask Tacotron 2 and WaveGlow for ``--amp-run`` (lambdal/deeplearning-benchmark,
    pytorch/scripts/config_v1). The program that they run has called it ``--amp`` since 2020 and passes over
    options that it does not know (LambdaLabsML/DeepLearningExamples @c1781a3, train.py,
    ``parse_known_args``), so both tables are of 32 bit: on most devices their rows agree within 2 %.
    """
    said = f"{row['source']} {row['source_item']}".lower()
    ignored = row["model"].lower() in SPEECH and re.search(r"\blambdal\b|pytorch-train-throughput-fp16", said)
    return "tf32" if ignored and "fp16" in row["precision"] else ""
