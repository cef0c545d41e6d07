"""Text forms of strategies, seconds and rates, for tables and messages."""

from collections.abc import Iterable, Iterator, Mapping

from hardware.units import BINARY, format_quantity
from simdl.step.strategy import Recompute, Strategy

SHOWN = 3  # splits that a strategy on one line names
LONGEST = 60  # letters of a plan of memory savers that a strategy on one line shows
WHOLE = 1000  # from which a rate has no decimals


def format_strategy(strategy: Strategy) -> str:
    """A strategy on one line, degrees first, what is off left out.

    Example:
        >>> format_strategy(Strategy(dp=8, tp=4, pp=2, micro_batch=2, zero=1, sequence_parallel=True))
        'dp 8 tp 4 pp 2 mb 2 1f1b ZeRO-1 SP'
    """
    words = [
        f"{name} {degree}"
        for name, degree in (
            ("dp", strategy.dp),
            ("tp", strategy.tp),
            ("pp", strategy.pp),
            ("cp", strategy.cp),
            ("ep", strategy.ep),
            ("split", strategy.split_degree),
        )
        if degree > 1
    ] or ["one device"]
    if strategy.etp and strategy.etp != strategy.tp:
        words.append(f"etp {strategy.etp}")
    words.append(f"mb {strategy.micro_batch}")
    if strategy.pp > 1:
        words.append(_schedule(strategy))
    words += _saved(strategy)
    if strategy.zero:
        within = f"/{strategy.shard_degree}" if strategy.shard_degree else ""
        words.append(f"ZeRO-{strategy.zero}{within}")
    if strategy.sequence_parallel:
        words.append("SP")
    if strategy.compression:
        words.append(f"gradients {strategy.compression}")
    if strategy.stages:
        words.append("cut " + "-".join(map(str, strategy.stages)))
    if strategy.shares:
        words.append("shares " + "/".join(map(str, strategy.shares)))
    if strategy.splits:
        words.append(f"({_splits(strategy)})")
    return " ".join(words)


def _saved(strategy: Strategy) -> Iterator[str]:
    """How activations and state are kept small."""
    if strategy.recompute is not Recompute.NONE:
        layers = f" of {strategy.recompute_layers} blocks a stage" if strategy.recompute_layers else ""
        yield f"recompute {strategy.recompute.value}{layers}"
    if strategy.savers:
        yield f"savers ({_shortened(strategy.savers)})"


def _shortened(savers: str) -> str:
    """The first words of a long plan of memory savers."""
    return savers if len(savers) <= LONGEST else f"{savers[:LONGEST].rpartition(',')[0]}, ..."


def spell_strategy(strategy: Strategy) -> str:
    """A strategy with its names written out, each followed by what tables call it.

    Example:
        >>> spell_strategy(Strategy(dp=8, micro_batch=2, zero=1))
        'data parallelism (dp) 8, micro-batch (mb) 2, ZeRO stage 1 (ZeRO-1)'
    """
    words = [
        f"{text} ({name}) {degree}"
        for name, text, degree in (
            ("dp", "data parallelism", strategy.dp),
            ("tp", "tensor parallelism", strategy.tp),
            ("pp", "pipeline parallelism", strategy.pp),
            ("cp", "context parallelism", strategy.cp),
            ("ep", "expert parallelism", strategy.ep),
            ("split", "every layer split", strategy.split_degree),
        )
        if degree > 1
    ] or ["one device"]
    if strategy.etp and strategy.etp != strategy.tp:
        words.append(f"expert tensor parallelism (etp) {strategy.etp}")
    words.append(f"micro-batch (mb) {strategy.micro_batch}")
    if strategy.pp > 1:
        virtual = strategy.virtual_stages
        stages = f" with {virtual} virtual stages (interleaved x{virtual})" if virtual > 1 else ""
        words.append(f"{strategy.schedule} schedule{stages}")
    if strategy.recompute is not Recompute.NONE:
        words.append(f"{strategy.recompute.value} recomputation ({next(_saved(strategy))})")
    if strategy.savers:
        words.append(f"memory savers ({_shortened(strategy.savers)})")
    words += _spelled_sharding(strategy)
    if strategy.sequence_parallel:
        words.append("sequence parallelism (SP)")
    if strategy.compression:
        words.append(f"gradients compressed by {strategy.compression}")
    return ", ".join(words)


def _spelled_sharding(strategy: Strategy) -> list[str]:
    if not strategy.zero:
        return []
    if not strategy.shard_degree:
        return [f"ZeRO stage {strategy.zero} (ZeRO-{strategy.zero})"]
    within = f"ZeRO-{strategy.zero}/{strategy.shard_degree}"
    return [f"ZeRO stage {strategy.zero} within {strategy.shard_degree} replicas ({within})"]


def _splits(strategy: Strategy) -> str:
    """The splits that layers are given, each once, those of the first layers first."""
    texts = list(dict.fromkeys(split for _, split in strategy.splits))
    more = f", {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more


def format_splits(splits: Iterable[tuple[str, str]]) -> str:
    """Splits on one line.

    Example:
        >>> format_splits((("conv1/conv1", "spatial 2x2"), ("fc/fc", "row 4")))
        'conv1/conv1: spatial 2x2, fc/fc: row 4'
    """
    return ", ".join(f"{layer}: {split}" for layer, split in splits)


def format_choice(axis: str, value: object) -> str:
    """A strategy's value on one axis, to read.

    Example:
        >>> format_choice("sequence_parallel", True), format_choice("shard_degree", 0), format_choice("tp", 4)
        ('on', 'all', '4')
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    if axis == "splits" and isinstance(value, Mapping):
        return format_splits(value.items()) or "none"
    if axis == "compression":
        return str(value) or "none"
    if value == 0 and axis in {"shard_degree", "etp"}:
        return "all" if axis == "shard_degree" else "as tp"
    return str(value)


def _schedule(strategy: Strategy) -> str:
    if strategy.virtual_stages > 1:
        return f"interleaved x{strategy.virtual_stages}"
    return strategy.schedule


def format_seconds(seconds: float) -> str:
    """Seconds to read: four digits, in ms below one second.

    Example:
        >>> format_seconds(0.01234), format_seconds(12.3456)
        ('12.34 ms', '12.35 s')
    """
    return f"{seconds * 1e3:.4g} ms" if abs(seconds) < 1 else f"{seconds:.4g} s"


def format_duration(seconds: float) -> str:
    """A long time to read: four digits in the largest unit of seconds, minutes, hours and days not above it.

    Example:
        >>> format_duration(0.0), format_duration(90.0), format_duration(5400.0), format_duration(259200.0)
        ('0 s', '1.5 min', '1.5 h', '3 d')
    """
    if not seconds:
        return "0 s"
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.4g} {unit}"
    return format_seconds(seconds)


def format_memory(nbytes: float) -> str:
    """Memory of a device in GiB however large, so that a column compares; small parts in their unit.

    Example:
        >>> format_memory(2.5 * 2.0**40)
        '2,560.0 GiB'
    """
    gib = BINARY["Gi"]
    return f"{nbytes / gib:,.1f} GiB" if nbytes >= gib else format_quantity(nbytes, "bytes")


def format_rate(per_second: float) -> str:
    """Samples or tokens per second to read: whole from a thousand, four digits below.

    Example:
        >>> format_rate(0.78125), format_rate(27.0), format_rate(12345.6)
        ('0.7812', '27', '12,346')
    """
    return f"{per_second:,.0f}" if per_second >= WHOLE else f"{per_second:,.4g}"
