"""What every split of a layer makes a rank compute, hold and send, and how a step of splits runs."""

from dataclasses import replace

import pytest

from planner.question import Options, load_question
from simdl.collectives import Group, Operation
from simdl.engine.run import run
from simdl.errors import SimdlError
from simdl.layer_cost import node_costs
from simdl.layer_graph import build_layer_graph
from simdl.layer_lowering import lower_layers
from simdl.layer_splits import SPLITS, Choice, Layout, Site, enumerate_choices
from simdl.layer_splits.registry import format_choice
from simdl.layer_step import LayerStep, layer_memory
from simdl.resharding import reshard_message
from simdl.simulate import price, simulate
from simdl.stacks import load_stack
from simdl.strategy import Strategy
from simdl.timeline_metrics import breakdown
from workloads.layers.convolution import convolution
from workloads.layers.linear import linear
from workloads.layers.normalization import batch_norm
from workloads.layers.pooling import global_pool, max_pool
from workloads.operators import Pass
from workloads.tensors import Tensor

RANKS, BATCH = 16, 64
MAPS = (32, 16, 16)
GRIDS = {"sample": (1, 1), "channel-filter": (2, 2), "summa": (2, 2)}


def conv_site(**options):
    options = {"out_channels": 64, "kernel": 3, "padding": 1, "bias": False, **options}
    return Site(layer=convolution("conv", Tensor("input", MAPS), **options), shapes=(MAPS,), batch=BATCH)


def linear_site():
    return Site(layer=linear("fc", Tensor("input", (512,)), out_features=256), shapes=((512,),), batch=BATCH)


def divide(name, site, grid=None):
    return SPLITS[name].divide(site, RANKS, grid or GRIDS.get(name, (4, 1)))


CONVOLUTION_SPLITS = [name for name, split in SPLITS.items() if "convolution" in split.kinds]
LINEAR_SPLITS = [name for name, split in SPLITS.items() if "linear" in split.kinds]


@pytest.mark.parametrize(
    ("name", "site"),
    [(name, conv_site()) for name in CONVOLUTION_SPLITS] + [(name, linear_site()) for name in LINEAR_SPLITS],
)
def test_ranks_together_do_the_work_of_the_layer(name, site):
    divided = divide(name, site)
    copies = divided.source.copies if name == "replicated" else 1
    for which in Pass:
        whole = site.layer.operators(which)[0].flops * BATCH
        mine = divided.layer.operators(which)[0].flops * divided.samples
        assert mine * RANKS == pytest.approx(whole * copies, rel=0.01)


@pytest.mark.parametrize(
    ("name", "site"),
    [(name, conv_site()) for name in CONVOLUTION_SPLITS] + [(name, linear_site()) for name in LINEAR_SPLITS],
)
def test_replicas_hold_all_parameters_between_them(name, site):
    divided = divide(name, site)
    copies = divided.source.copies if name == "replicated" else 1
    held = divided.layer.parameters * RANKS / divided.replicas.size
    assert held == pytest.approx(site.layer.parameters * copies, rel=0.01)
    assert divided.source.ranks == divided.output.ranks == RANKS


def test_spatial_split_exchanges_boundary_rows_and_keeps_the_interior_busy():
    divided = divide("spatial", conv_site())
    assert divided.layer.forward[0].shape.out_height == 4
    assert [m.operation for m in divided.forward.before] == [None, None]
    assert all(m.elements == 1 * 16 * 32 * divided.samples for m in divided.forward.before)
    assert divided.forward.interior == pytest.approx(0.5)
    assert all(m.elements == 1 * 16 * 64 * divided.samples for m in divided.input_gradient.before)
    assert divided.replicas == Group(size=RANKS)


def test_two_dimensional_spatial_split_exchanges_corners_too():
    divided = divide("spatial", conv_site(), (2, 2))
    sizes = sorted(m.elements / (32 * divided.samples) for m in divided.forward.before)
    assert sizes == [1, 1, 1, 1, 8, 8, 8, 8]


def test_windows_as_wide_as_their_stride_need_no_halo():
    site = Site(layer=max_pool("pool", Tensor("input", MAPS), kernel=2), shapes=(MAPS,), batch=BATCH)
    assert divide("spatial", site).forward.before == ()
    site = Site(
        layer=max_pool("pool", Tensor("input", MAPS), kernel=3, stride=2), shapes=(MAPS,), batch=BATCH
    )
    assert len(divide("spatial", site).forward.before) == 1


def test_batch_normalisation_of_parts_adds_its_sums():
    site = Site(layer=batch_norm("norm", Tensor("input", MAPS)), shapes=(MAPS,), batch=BATCH)
    (message,) = divide("spatial", site).forward.before
    assert (message.operation, message.elements) == (Operation.ALL_REDUCE, 64)
    assert divide("channel", site).forward.before == ()
    assert divide("channel", site).layer.parameters == site.layer.parameters / 4


@pytest.mark.parametrize("name", ["channel", "filter", "channel-filter"])
def test_grouped_convolutions_are_not_divided_by_channel(name):
    found = {choice.split for choice, _ in enumerate_choices(conv_site(groups=2), RANKS, (1, 2, 4))}
    assert name not in found
    assert {"sample", "replicated", "spatial"} == found


def test_choices_give_every_rank_a_part():
    site = Site(layer=global_pool("pool", Tensor("input", MAPS)), shapes=(MAPS,), batch=8)
    found = dict(enumerate_choices(site, RANKS, (1, 2, 4, 16)))
    assert {choice.split for choice in found} == {"replicated", "channel"}
    assert all(choice.grid != (1, 1) for choice in found)


def test_choices_read_as_text():
    assert format_choice(Choice("spatial", (2, 2))) == "spatial 2x2"
    assert format_choice(Choice("sample", (1, 1))) == "sample"


def test_resharding_sends_only_what_is_missing():
    sample, copied, rows = Layout(8), Layout(2, copies=4), Layout(2, height=4)
    assert reshard_message(sample, sample, 800.0) is None
    assert reshard_message(copied, rows, 800.0) is None
    assert reshard_message(copied, sample, 800.0) is None
    gather = reshard_message(rows, copied, 800.0)
    assert (gather.operation, gather.elements, gather.group) == (Operation.ALL_GATHER, 400.0, Group(size=4))
    swap = reshard_message(sample, rows, 800.0)
    assert (swap.operation, swap.elements, swap.group) == (Operation.ALL_TO_ALL, 100.0, Group(size=4))
    wider = reshard_message(copied, Layout(1, copies=8), 800.0)
    assert (wider.operation, wider.elements, wider.group) == (
        Operation.ALL_GATHER,
        800.0,
        Group(size=2, stride=4),
    )


def question(model, cluster="dgx-1-v100:2", **options):
    found = load_question(Options(model=model, cluster=cluster, **options))
    return found.workload, price(found.workload, found.cluster, stack=found.stack)


def step_of(workload, pricing, split):
    graph = build_layer_graph(workload)
    costs = []
    for node in graph.nodes:
        found = {cost.choice.split: cost for cost in node_costs(node, pricing, (1, 2))}
        costs.append(found.get(split, found.get("replicated", found["sample"])))
    return LayerStep(graph=graph, costs=tuple(costs), workload=workload, pricing=pricing)


@pytest.mark.parametrize("model", ["alexnet", "vgg16", "googlenet", "resnet50"])
def test_splitting_everything_by_sample_is_data_parallelism(model):
    workload, pricing = question(model)
    step = step_of(workload, pricing, "sample")
    timeline = run(lower_layers(step))
    plain = simulate(workload, pricing.cluster, Strategy(dp=16, micro_batch=64), stack=pricing.stack).report
    # gradients fill buckets tensor by tensor here, block by block there
    assert timeline.step_time == pytest.approx(plain.step_time, rel=0.01)
    assert sum(layer_memory(step).values()) == pytest.approx(plain.peak_memory, rel=1e-9)


@pytest.mark.parametrize("split", ["sample", "spatial", "channel", "filter", "column", "row"])
def test_every_split_runs_and_accounts_for_its_time(split):
    workload, pricing = question("resnet50")
    timeline = run(lower_layers(step_of(workload, pricing, split)))
    assert sum(breakdown(timeline, 0).values()) == pytest.approx(timeline.step_time)


def test_repeated_blocks_stand_once_in_the_graph_and_all_run():
    graphs = {m: build_layer_graph(question(m)[0]) for m in ("resnet50", "resnet152")}
    assert len(graphs["resnet50"].nodes) == len(graphs["resnet152"].nodes)
    workload, pricing = question("resnet152")
    step = step_of(workload, pricing, "sample")
    names = [task.name for task in lower_layers(step).tasks]
    assert names.count("forward") == sum(node.count for node in graphs["resnet152"].nodes)


def test_gradients_travel_tensor_by_tensor_where_nothing_fuses_them():
    found = load_question(Options(model="resnet50", cluster="dgx-1-v100:2"))
    bare = price(found.workload, found.cluster, stack=replace(found.stack, bucket=0.0))
    tasks = lower_layers(step_of(found.workload, bare, "sample")).tasks
    sums = [task for task in tasks if task.name == "sum gradients"]
    assert len(sums) == 53 + 2 * 53 + 2  # filters, scales and shifts, head


def test_gradients_wait_for_the_backward_pass_where_the_stack_does_not_overlap():
    found = load_question(Options(model="vgg16", cluster="dgx-1-v100:2"))
    late = price(found.workload, found.cluster, stack=replace(found.stack, gradient_overlap=False))
    timeline = run(lower_layers(step_of(found.workload, late, "sample")))
    tasks = timeline.program.tasks
    starts = [timeline.start[i] for i, task in enumerate(tasks) if task.name == "sum gradients"]
    ends = [timeline.end[i] for i, task in enumerate(tasks) if task.name == "backward"]
    assert min(starts) >= max(ends)


def test_sequences_are_refused():
    workload = load_question(Options(model="gpt3-1.3b", cluster="dgx-a100:1")).workload
    with pytest.raises(SimdlError, match="per-layer splits need images"):
        build_layer_graph(workload)


def test_an_algorithm_of_the_stack_adds_up_gradients():
    found = load_question(Options(model="resnet50", cluster="p40-roce100:128", precision="fp32"))
    stacks = {
        name: replace(load_stack("tensorflow-horovod"), gradient_algorithm=name, bucket=0.0)
        for name in ("ring", "hierarchical")
    }
    times = {}
    for name, stack in stacks.items():
        pricing = price(found.workload, found.cluster, stack=stack)
        times[name] = run(lower_layers(step_of(found.workload, pricing, "sample"))).step_time
    assert times["hierarchical"] < times["ring"]
