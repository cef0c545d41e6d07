"""What batches of sentences hold, drawn and batched as the training codes do."""

import random
import statistics
from collections import defaultdict

import pytest

from simdl.software.reader import load_stack
from validation.published.prediction import predict_row
from validation.published.rows.translation import TRANSLATIONS
from validation.published.tables import load_tables, published_folder

RANDOM = random.Random(1)  # noqa: S311 - draws lengths


def sentences(count):
    """Source and target lengths of WMT English-German in byte pairs, two marks included."""
    for _ in range(count):
        source = RANDOM.gammavariate(2.2, 29 / 2.2)
        target = source * RANDOM.lognormvariate(0.03 - 0.18**2 / 2, 0.18)
        yield max(1, round(source)) + 2, max(1, round(target)) + 2


@pytest.mark.theory
def test_a_bucketed_batch_of_gnmt_is_padded_to_thirty_tokens():
    buckets = defaultdict(list)
    for source, target in sentences(60_000):
        if max(source, target) <= 50:
            buckets[min(4, max(source // 10, target // 10))].append((source, target))
    padded, counted = [], []
    for bucket in buckets.values():
        for first in range(0, len(bucket) - 127, 128):
            batch = bucket[first : first + 128]
            padded.append((max(s for s, _ in batch), max(t for _, t in batch) - 1))
            counted.append(statistics.mean(s + t - 1 for s, t in batch))
    for side in zip(*padded, strict=True):
        assert statistics.mean(side) == pytest.approx(30, rel=0.04)
    assert statistics.mean(counted) == pytest.approx(TRANSLATIONS["gnmt"].counted, rel=0.02)


@pytest.mark.theory
def test_sorted_batches_of_the_transformer_differ_by_what_is_assumed():
    """As ``make_batches`` of the code: in multiples of eight, the longer of both within 10,240 tokens.

    The draw is a tenth of the corpus, so that its batches are more ragged.
    """
    ordered = sorted(pair for pair in sentences(300_000) if max(pair) <= 256)
    batches, batch, longest = [], [], 0
    for pair in ordered:
        longest = max(longest, *pair)
        if batch and (len(batch) + 1) * longest > 10_240:
            full = max(len(batch) // 8 * 8, len(batch) % 8)
            batches.append(batch[:full])
            batch = batch[full:]
            longest = max(max(each) for each in [*batch, pair])
        batch.append(pair)
    rule = TRANSLATIONS["transformer-mt"]
    held = statistics.mean(len(each) for each in batches)
    assert held == pytest.approx(10_240 / rule.per_sentence, rel=0.06)
    targets = statistics.mean(sum(target for _, target in each) for each in batches)
    assert targets / held == pytest.approx(rule.counted, rel=0.03)
    # encoder and its keys for the decoder, decoder and output layer: weights of a source and a target token
    sides = [(len(each), *map(max, zip(*each, strict=True))) for each in batches]
    work = [count * (100 * source + 110 * target) for count, source, target in sides]
    for ranks in (4, 8, 32):
        largest = statistics.mean(max(RANDOM.sample(work, ranks)) for _ in range(1500))
        assert largest / statistics.mean(work) == pytest.approx(rule.slowest(ranks), abs=0.03)


@pytest.mark.published
def test_translation_rows_are_predicted():
    """20 rows of GNMT and 6 of the transformer: median error at most 8 %."""
    rows = load_tables(published_folder() / "cnn" / "training.csv").rows
    errors = []
    for row in rows:
        if row["model"] in TRANSLATIONS:
            found = predict_row(row, stack_loader=load_stack)
            assert not found.skipped
            errors.append(abs(found.predicted / found.setup.measured - 1))
    assert len(errors) == 26
    assert statistics.median(errors) < 0.08
    assert max(errors) < 0.16
