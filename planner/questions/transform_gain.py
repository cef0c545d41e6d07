"""What a transform gains on a device: one sample through the network before and after it."""

from dataclasses import dataclass

from hardware.cluster import Cluster, part_of_node
from hardware.profiles import load_cluster
from planner.questions.question import default_precision
from simdl.inference.simulate import InferenceReport, simulate_inference
from simdl.software.reader import load_stack, network_stack
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.network import Network
from workloads.optimizers import load_optimizer
from workloads.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """One sample on one device.

    Attributes:
        device, precision, stack: what it runs on.
        before, after: of the network as it was, and as transformed.
    """

    device: str
    precision: str
    stack: str
    before: InferenceReport
    after: InferenceReport


def transform_gain(network: Network, changed: Network, cluster: str) -> Gain:
    """A forward pass of one sample before and after a transform.

    Args:
        network: as it was.
        changed: as transformed.
        cluster: of whose devices one is taken.

    Raises:
        HardwareError, SimdlError: no such cluster, or its device has no kernels for the network's zeros.
    """
    node = part_of_node(load_cluster(cluster).node, 1)
    precision = default_precision(node.device)
    stack = load_stack(network_stack(node.device.generation, network))

    def use(used: Network) -> InferenceReport:
        workload = Workload(
            network=used,
            optimizer=load_optimizer("momentum"),
            precision=load_precision(precision),
            global_batch=1,
        )
        return simulate_inference(workload, Cluster(node=node, count=1), Strategy(), stack=stack)

    return Gain(
        device=node.device.name,
        precision=precision,
        stack=stack.name,
        before=use(network),
        after=use(changed),
    )
