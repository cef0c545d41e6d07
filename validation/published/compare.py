"""Compare predictions with measurements: errors, ranking and memory, per table and over all of them.

The relative error of a row is predicted / measured - 1 in the row's unit (seconds of a step, or samples per
second). Alternatives are ranked by seconds per sample, so that rows with different batches compare.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from validation.judging.statistics import ErrorStatistics, error_statistics
from validation.published.memory_check import MemoryCheck, check_memory
from validation.published.prediction import RowResult
from validation.published.ranking import Ranking, rank_predictions


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingSummary:
    """Ranking over all questions with alternatives that are predicted to differ.

    Attributes:
        groups: questions.
        rows: alternatives in them.
        mean_correlation: mean of Spearman's rho over questions, None where none has one.
        mean_regret, max_regret: measured loss of choosing by prediction, as a fraction of the best.
    """

    groups: int
    rows: int
    mean_correlation: float | None
    median_correlation: float | None
    mean_regret: float
    max_regret: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What became of a set of rows.

    Attributes:
        rows, predicted, skipped: counts.
        skip_reasons: reason to number of rows, most frequent first.
        assumed_rows: predicted rows that needed at least one default.
        assumptions: default to number of predicted rows that took it, most frequent first.
        errors: of all predicted rows.
        fitted, held_out: of rows whose table the stack was fitted on, and of the others.
        ranking: of alternatives.
        memory: of rows that print memory or failed for lack of it.
    """

    rows: int
    predicted: int
    skipped: int
    skip_reasons: Mapping[str, int]
    assumed_rows: int
    assumptions: Mapping[str, int]
    errors: ErrorStatistics
    fitted: ErrorStatistics
    held_out: ErrorStatistics
    ranking: RankingSummary
    memory: MemoryCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Sections per table in the order read, the section of all rows, and the warnings."""

    files: Mapping[str, Section]
    overall: Section
    warnings: tuple[str, ...]


def compare(results: Iterable[RowResult]) -> Comparison:
    """Compare every row; an empty input gives empty sections."""
    rows = tuple(results)
    files: dict[str, list[RowResult]] = defaultdict(list)
    for result in rows:
        files[result.row.file].append(result)
    warnings = (warning for result in rows if result.setup for warning in result.setup.warnings)
    return Comparison(
        files={file: compare_section(part) for file, part in files.items()},
        overall=compare_section(rows),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def compare_section(results: Sequence[RowResult]) -> Section:
    """Compare one set of rows."""
    scored = [result for result in results if result.predicted is not None]
    reasons = Counter(result.skipped for result in results if result.skipped)
    assumptions = [result.setup.assumptions for result in scored if result.setup]
    return Section(
        rows=len(results),
        predicted=len(scored),
        skipped=len(results) - len(scored),
        skip_reasons=dict(reasons.most_common()),
        assumed_rows=sum(1 for taken in assumptions if taken),
        assumptions=dict(Counter(text for taken in assumptions for text in taken).most_common()),
        errors=_errors(scored),
        fitted=_errors([result for result in scored if result.fitted]),
        held_out=_errors([result for result in scored if not result.fitted]),
        ranking=_ranking(scored),
        memory=check_memory(results),
    )


def _errors(scored: Iterable[RowResult]) -> ErrorStatistics:
    return error_statistics(pair for result in scored for pair in _pair(result))


def _pair(result: RowResult) -> Iterable[tuple[float, float]]:
    if result.setup and result.setup.measured is not None and result.predicted is not None:
        yield result.setup.measured, result.predicted


def _ranking(scored: Iterable[RowResult]) -> RankingSummary:
    questions: dict[tuple[str, ...], list[tuple[float, float]]] = defaultdict(list)
    for result in scored:
        if result.setup:
            questions[result.setup.question] += _seconds_per_sample(result)
    rankings = [
        rank_predictions([measured for measured, _ in pairs], [predicted for _, predicted in pairs])
        for pairs in questions.values()
        if len({predicted for _, predicted in pairs}) > 1
    ]
    return _ranking_summary(rankings)


def _seconds_per_sample(result: RowResult) -> Iterable[tuple[float, float]]:
    for measured, predicted in _pair(result):
        if result.setup and result.setup.unit == "s":
            batch = result.setup.workload.global_batch
            yield measured / batch, predicted / batch
        else:
            yield 1 / measured, 1 / predicted


def _ranking_summary(rankings: Sequence[Ranking]) -> RankingSummary:
    correlations = [ranking.correlation for ranking in rankings if ranking.correlation is not None]
    regrets = [ranking.regret for ranking in rankings]
    return RankingSummary(
        groups=len(rankings),
        rows=sum(ranking.n for ranking in rankings),
        mean_correlation=fmean(correlations) if correlations else None,
        median_correlation=median(correlations) if correlations else None,
        mean_regret=fmean(regrets) if regrets else 0.0,
        max_regret=max(regrets, default=0.0),
    )
