"""DualPipe: microbatches enter at both ends, and a forward and a backward pass run interleaved.

Source: DeepSeek-AI, "DeepSeek-V3 Technical Report", 2024, section 3.2.1, figure 5 and table 2, and the public
code (github.com/deepseek-ai/DualPipe, ``dualpipe/dualpipe.py``, whose steps 1 to 8 are those here): a bubble
of (p / 2 - 1)(F&B + B - 3 W), where B is a full backward pass and F&B an interleaved pair; p + 1 live
activations; every stage is held twice.
"""

from collections.abc import Iterator

from simdl.pipelines.passes import Entry, Order, Orders, Overlap, Pass, PassKind
from simdl.pipelines.pipeline import Pipeline, single_stage

LETTERS = {"F": PassKind.FORWARD, "B": PassKind.BACKWARD, "I": PassKind.INPUT_GRADIENT}


def build_dualpipe(ranks: int, microbatches: int, _virtual_stages: int) -> Orders:
    """The first half of the microbatches from rank 0 on, the second half from the last rank on."""
    return tuple(_order(rank, ranks, microbatches // 2) for rank in range(ranks))


def _order(rank: int, ranks: int, half: int) -> Order:
    """Direction 0 of a rank is the one whose entrance is nearer."""
    stages = (rank, 2 * ranks - 1 - rank)
    near = int(rank >= ranks // 2)
    deferred: list[Pass] = []
    counts: dict[str, int] = {}

    def numbered(word: str) -> Pass:
        copy = near ^ int(word[1])
        letter = "F" if word[0] == "F" else "B"
        count = counts.get(letter + word[1], 0)
        counts[letter + word[1]] = count + 1
        one = Pass(LETTERS[word[0]], copy * half + count, stages[copy])
        if one.kind is PassKind.INPUT_GRADIENT:
            deferred.append(one._replace(kind=PassKind.WEIGHT_GRADIENT))
        return one

    def entries() -> Iterator[Entry]:
        for word in _words(min(rank, ranks - 1 - rank), ranks, half):
            if word == "W":
                yield deferred.pop(0)
            elif len(word) > 2:
                yield Overlap(numbered(word[:2]), numbered(word[2:]))
            else:
                yield numbered(word)

    return tuple(entries())


def _words(depth: int, ranks: int, half: int) -> Iterator[str]:
    """Kinds with direction on the rank that is ``depth`` behind the nearer entrance; W is the oldest due."""
    rest = ranks // 2 - depth - 1
    yield from 2 * rest * ["F0"]
    yield from (depth + 1) * ["F0", "F1"]
    yield from rest * ["I1", "W", "F1"]
    # The two ranks in the middle do not interleave their first pair, which shortens the bubble further.
    yield from ["F0B1", "F1B0"] if rest else ["F0", "B1", "F1B0"]
    yield from (half - ranks + depth) * ["F0B1", "F1B0"]
    yield from rest * ["B1", "F1B0"]
    drain = (depth + 1) * ["1", "0"]
    yield from ["B" + direction for direction in drain[: depth + 1]]
    yield from ["I" + direction for direction in drain[depth + 1 :]]
    yield from rest * ["W", "I0"]
    yield from (depth + 1) * ["W"]


def place_both_ways(stage: int, ranks: int, _virtual_stages: int) -> int:
    """Copy 0 runs up the ranks, copy 1 down."""
    return min(stage, 2 * ranks - 1 - stage)


def _problems(ranks: int, microbatches: int, virtual_stages: int) -> Iterator[str]:
    yield from single_stage(ranks, microbatches, virtual_stages)
    if ranks % 2:
        yield f"ranks: found {ranks}; expected an even number"
    if microbatches % 2 or microbatches < 2 * ranks:
        yield f"microbatches: found {microbatches}; expected an even number of at least {2 * ranks}"


PIPELINE = Pipeline(
    name="dualpipe",
    description="microbatches from both ends, forward and backward interleaved, parameters held twice",
    build=build_dualpipe,
    problems=_problems,
    place=place_both_ways,
    copies=2,
    conditions=(
        "both copies of a stage add up their gradients before the update",
        "forward and input gradient take the same time, a weight gradient no longer",
        "on the ranks in the middle; on the others too where an interleaved pair takes as long as its passes",
    ),
)
