"""Networks whose blocks all cost the same: the case that closed forms of pipelines describe."""

from builders import build_cluster, build_stack, build_workload

from simdl.kernels.cost_model import ConstantCostModel
from simdl.step.simulate import simulate
from workloads.layer import Layer
from workloads.network import Block, Network
from workloads.operators import Operator, OperatorKind

FLOPS = 1000


def uniform_layer(name="layer", *, parameters=0, outputs=0) -> Layer:
    """One product forward and two backward; no outputs means that nothing is sent between stages."""
    product = Operator(name="product", kind=OperatorKind.MATMUL, flops=FLOPS)
    return Layer(
        name=name,
        kind="linear",
        inputs=("input",),
        output_shape=(outputs,),
        parameters=parameters,
        forward=(product,),
        input_gradient=(product,),
        weight_gradient=(product,),
    )


def uniform_network(depth, *, parameters=0, outputs=0) -> Network:
    block = Block(name="block", layers=(uniform_layer(parameters=parameters, outputs=outputs),), count=depth)
    return Network(name="uniform", blocks=(block,), source="test", sample="image")


def free_stack(**changes):
    """Software that costs nothing: no launches, calls, overheads or extra traffic."""
    zero = dict.fromkeys(
        ("launch", "collective_launch", "step_overhead", "microbatch_overhead", "contention"), 0.0
    )
    return build_stack(**(zero | {"optimizer_traffic": 0.0} | changes))


def simulate_uniform(strategy, *, depth, global_batch, seconds=1.0, **options):
    """A step in which every kernel takes ``seconds``: a block takes one forward and two backward."""
    return simulate(
        build_workload(uniform_network(depth), global_batch=global_batch),
        build_cluster(1, devices=strategy.devices),
        strategy,
        stack=free_stack(),
        cost_model=ConstantCostModel(seconds_per_flop=seconds / FLOPS),
        **options,
    )
