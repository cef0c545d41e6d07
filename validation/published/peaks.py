"""The predicted peak of a row as its source counts it: everything, tensors, or the tensors of blocks.

Calculon's figures of Korthikanti et al. 2022 (``calculon/llm/validation.py``) are sums of parameters,
gradients, optimizer state and activations of transformer layers: 18 bytes of 12 h^2 parameters a layer make
the printed 45.5625 GiB of a 22B or 175B stage to the last digit, so embedding and head are not among them,
nor what is live briefly.
"""

from simdl.report.step_report import StepReport
from validation.published.rows.measurement import counts_blocks_alone
from validation.published.rows.setup import Setup
from validation.published.tables import PublishedRow
from workloads.network import Network

STATE = ("parameters", "gradients", "optimizer")


def predicted_peak(row: PublishedRow, setup: Setup | None, report: StepReport) -> float:
    """[bytes] of the fullest rank that the source's number stands for.

    Args:
        row: printed cells.
        setup: the question; None for none.
        report: the prediction.
    """
    if setup is None or not setup.tensors_alone:
        return report.peak_memory
    if not counts_blocks_alone(row):
        return report.peak_memory - report.memory["context"]
    state = sum(report.memory[part] for part in STATE)
    return state * block_share(setup.workload.network, report.strategy.pp) + report.memory["activations"]


def block_share(network: Network, ranks: int) -> float:
    """Share of the first pipeline rank's parameters that its repeated blocks have; the last has the head."""
    first, count = network.repeated
    chain = [*network.chain()]
    inner = sum(block.parameters for block in chain[first : first + count]) / ranks
    outer = chain[:first] if ranks > 1 else [*chain[:first], *chain[first + count :]]
    return inner / (inner + sum(block.parameters for block in outer))
