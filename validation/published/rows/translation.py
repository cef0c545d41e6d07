"""Translation rows: how many sentences a batch holds, and which of its tokens a source counts.

WMT's English-German corpus has 25.8 English and 24.4 German words a sentence (Luong et al. 2015,
arXiv:1508.04025, section 4.1), about 29 byte pairs. Lengths are taken as gamma-distributed (shape 2.2), the
target's as the source's times a log-normal factor (sigma 0.18); ``tests/validation/published`` draws such
sentences and batches them as the code below does.

- GNMT in PyTorch (``seq2seq/data/sampler.py``, ``train/trainer.py``): sentences of at most 50 tokens, marks
  included; batches from one of five buckets by the longer of both; the printed rate counts source and target
  tokens without padding. A batch is padded to 30 + 30 positions, of which 47 are counted.
- Transformer in PyTorch (``fairseq/data``, ``csrc/make_batches.cpp``): sorted by source and target length, so
  that batches hold almost no padding; as many sentences, in multiples of eight, as keep the longer of both
  within the batch's tokens: 297 sentences of 32 tokens in 10,240. Target tokens alone are counted. Batches
  differ in work by 6 %, and ranks wait for the largest: of n random ones, 1 + 0.088 (1 - n^-0.7) of the
  mean (of 2.5 million sentences; fewer leave more ragged batches).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """How a source batches sentences.

    Attributes:
        counted: tokens per sample that its rate counts.
        per_sentence: tokens of its batch size that hold one sentence; 1 where the batch is in sentences.
        spread: work of the largest of very many batches over the mean, less 1.
    """

    counted: float
    per_sentence: float = 1.0
    spread: float = 0.0

    def slowest(self, ranks: int) -> float:
        """Work of the largest of this many batches over the mean."""
        rest: float = ranks**-0.7
        return 1 + self.spread * (1 - rest)

    def sentences(self, batch: int, ranks: int) -> int:
        """Samples of the largest of the ranks' batches of this printed size."""
        return max(1, round(batch / self.per_sentence * self.slowest(ranks)))


TRANSLATIONS = {
    "gnmt": Translation(counted=47.0),
    "transformer-mt": Translation(counted=32.0, per_sentence=10_240 / 297, spread=0.088),
}
"""By model of a row."""
