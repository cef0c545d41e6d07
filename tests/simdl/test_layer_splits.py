"""What every split of a layer makes a rank compute, hold and send, and how a step of splits runs."""

from dataclasses import replace
from itertools import product
from math import prod

import pytest

from planner.questions.question import Options, load_question
from simdl.communication import Group, Operation
from simdl.errors import SimdlError
from simdl.software.reader import load_stack
from simdl.splits import SPLITS, Choice, Layout, Site, enumerate_choices
from simdl.splits.arrangement import Arrangement, named_splits, resolve
from simdl.splits.block_costs import split_block_costs
from simdl.splits.graph import Node, build_layer_graph
from simdl.splits.message_times import messages_time
from simdl.splits.node_cost import node_cost
from simdl.splits.registry import divide_layer, format_choice, parse_choice
from simdl.splits.resharding import reshard_message
from simdl.step.costs.gradients import GradientShare, gradient_sum_time, reductions
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Recompute, Strategy
from workloads.layers.images.convolution import convolution
from workloads.layers.images.normalization import batch_norm
from workloads.layers.images.pooling import global_pool, max_pool
from workloads.layers.linear import linear
from workloads.operators import Pass
from workloads.tensors import Tensor

RANKS, BATCH = 16, 64
MAPS = (32, 16, 16)
GRIDS = {
    "sample": (1, 1),
    "channel-filter": (2, 2),
    "summa": (2, 2),
    "cannon": (4, 4),
    "2.5d": (2, 2, 2),
    "cosma": (2, 4, 2),
}


def conv_site(**options):
    options = {"out_channels": 64, "kernel": 3, "padding": 1, "bias": False, **options}
    return Site(layer=convolution("conv", Tensor("input", MAPS), **options), shapes=(MAPS,), batch=BATCH)


def linear_site():
    return Site(layer=linear("fc", Tensor("input", (512,)), out_features=256), shapes=((512,),), batch=BATCH)


def divide(name, site, grid=None):
    return SPLITS[name].divide(site, RANKS, grid or GRIDS.get(name, (4, 1)))


def splits_of(kind):
    return [name for name, split in SPLITS.items() if split.kinds is None or kind in split.kinds]


CONVOLUTION_SPLITS, LINEAR_SPLITS = splits_of("convolution"), splits_of("linear")


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
    copies = divided.source.copies if name in {"replicated", "2.5d"} else 1  # of the parameters
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


@pytest.mark.parametrize("name", ["filter", "channel-filter"])
def test_grouped_convolutions_are_not_divided_by_filter(name):
    found = {choice.split for choice, _ in enumerate_choices(conv_site(groups=2), RANKS, (1, 2, 4))}
    assert name not in found


@pytest.mark.parametrize(("groups", "degrees"), [(2, {2}), (4, {2, 4}), (8, {2, 4})])
def test_grouped_convolutions_are_divided_by_whole_groups(groups, degrees):
    choices = enumerate_choices(conv_site(groups=groups), RANKS, (1, 2, 4))
    assert {choice.grid[0] for choice, _ in choices if choice.split == "channel"} == degrees


def test_a_part_of_the_groups_sends_nothing_and_has_its_share_of_everything():
    site = conv_site(groups=8)
    divided = divide_layer(site, Choice("channel", (4, 1)), RANKS)
    whole, part = site.layer.forward[0], divided.layer.forward[0]
    assert divided.layer.parameters == site.layer.parameters / 4
    assert (part.shape.groups, part.shape.in_channels) == (2, whole.shape.in_channels / 4)
    assert part.flops == whole.flops / 4
    phases = divided.forward, divided.input_gradient, divided.weight_gradient
    assert not any(phase.before or phase.after for phase in phases)
    assert divided.gathered == 0


def test_choices_give_every_rank_a_part():
    site = Site(layer=global_pool("pool", Tensor("input", MAPS)), shapes=(MAPS,), batch=8)
    found = dict(enumerate_choices(site, RANKS, (1, 2, 4, 16)))
    assert {choice.split for choice in found} == {"replicated", "channel"}
    assert all(choice.grid != (1, 1) for choice in found)


def test_choices_read_as_text():
    assert format_choice(Choice("spatial", (2, 2))) == "spatial 2x2"
    assert format_choice(Choice("sample", (1, 1))) == "sample"


@pytest.mark.parametrize(
    "choice",
    [choice for choice, _ in enumerate_choices(conv_site(), RANKS, (1, 2, 4, 16))],
    ids=format_choice,
)
def test_what_is_printed_of_a_split_reads_back(choice):
    assert parse_choice(format_choice(choice)) == choice


@pytest.mark.parametrize("text", ["space 2", "spatial", "spatial 2x", "spatial 0x2", "row 2x2x2", "sample 2"])
def test_texts_that_are_no_split_are_refused(text):
    with pytest.raises(SimdlError, match=r"found .*; expected"):
        parse_choice(text)


def test_a_layer_that_is_not_named_is_split_like_the_one_it_reads_where_that_applies():
    network = question("alexnet")[0].network
    arrangement = Arrangement(ranks=16, samples=64, splits=(("conv1/conv1", "spatial 4"),))
    found = resolve(network, arrangement)
    splits = {
        node.name: format_choice(choice)
        for node, choice in zip(found.graph.nodes, found.choices, strict=True)
    }
    assert splits["conv5/conv5"] == "spatial 4"
    assert splits["fc6/fc6"] == "sample"
    assert named_splits(network, arrangement) == arrangement.splits
    every = replace(arrangement, splits=tuple(splits.items()))
    assert named_splits(network, every) == arrangement.splits


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
    return found.workload, found.cluster, found.stack


def split_everything(workload, name, ranks=16):
    """The same split of two ranks for every layer that it applies to, the others by sample."""
    graph = build_layer_graph(workload.network, workload.global_batch)
    chosen = []
    for node in graph.nodes:
        found = {choice.split: choice for choice, _ in enumerate_choices(node.sites[0], ranks, (1, 2))}
        chosen.append((node.name, format_choice(found.get(name, found["sample"]))))
    return Strategy(split_degree=ranks, micro_batch=workload.global_batch, splits=tuple(chosen))


@pytest.mark.parametrize("split", ["spatial", "channel", "filter", "column", "row"])
def test_every_split_runs_and_accounts_for_its_time(split):
    workload, cluster, stack = question("resnet50")
    found = simulate(workload, cluster, split_everything(workload, split), stack=stack).report
    assert sum(found.breakdown.values()) == pytest.approx(found.step_time)
    assert sum(found.critical_path.values()) == pytest.approx(found.step_time)
    assert sum(operator.seconds for operator in found.critical_operators) == pytest.approx(found.step_time)
    passes = found.breakdown["forward"] + found.breakdown["backward"]
    assert sum(found.kernels.values()) == pytest.approx(passes)


def test_messages_of_splits_and_layouts_are_reported():
    workload, cluster, stack = question("resnet50")
    found = simulate(workload, cluster, split_everything(workload, "channel"), stack=stack).report
    seconds = {}
    for use in found.communication:
        seconds[use.purpose] = seconds.get(use.purpose, 0.0) + use.seconds
    assert seconds["layer splits"] >= found.breakdown["tensor_communication"] * (1 - 1e-9)
    assert seconds["resharding"] == pytest.approx(found.breakdown["resharding"])


def test_repeated_blocks_stand_once_in_the_graph_and_all_are_priced():
    networks = {model: question(model)[0].network for model in ("resnet50", "resnet152")}
    graphs = {model: build_layer_graph(network, 64) for model, network in networks.items()}
    assert len(graphs["resnet50"].nodes) == len(graphs["resnet152"].nodes)
    workload, cluster, stack = question("resnet152")
    pricing = price(workload, cluster, stack=stack)
    arrangement = Arrangement(ranks=16, samples=workload.global_batch)
    assert len(split_block_costs(pricing, arrangement, Recompute.NONE)) == networks["resnet152"].depth


def test_first_copy_of_a_repeated_block_reshards_what_it_reads_of_another():
    workload, cluster, stack = question("resnet50")
    pricing = price(workload, cluster, stack=stack)
    nodes = build_layer_graph(workload.network, workload.global_batch).nodes
    repeated = next(block.name for block in workload.network.blocks if block.count > 1)
    splits = tuple(
        (node.name, "spatial 2" if node.name.startswith(f"{repeated}/") else "sample") for node in nodes
    )
    arrangement = Arrangement(ranks=16, samples=workload.global_batch, splits=splits)
    chain = split_block_costs(pricing, arrangement, Recompute.NONE)
    first = [block.name for block in workload.network.chain()].index(repeated)
    costs = chain[first], chain[first + 1]
    assert costs[0].forward.resharding > 0 == costs[1].forward.resharding
    assert costs[0].forward.device == costs[1].forward.device


def test_an_exchange_is_exposed_where_its_beat_does_not_cover_it():
    site = conv_site(kernel=5, padding=2)
    node = Node(name="b/conv", block=0, count=1, sites=(site,))
    workload, cluster, stack = question("alexnet")
    pricing = price(workload, cluster, stack=stack)
    cost = node_cost(node, Choice("spatial", (4, 1)), 16, pricing)
    divided = divide("spatial", site)
    halo = messages_time(divided.forward.before, pricing)
    inner = cost.forward.device * divided.forward.interior
    assert cost.forward.tensor == pytest.approx(max(0.0, halo - inner))
    assert cost.forward.calls == len(divided.forward.before)


def test_gradients_travel_tensor_by_tensor_where_nothing_joins_them():
    workload, cluster, stack = question("resnet50")
    pricing = price(workload, cluster, stack=replace(stack, bucket=0.0))
    step = step_cost(workload, split_everything(workload, "sample"), pricing)
    (share,) = step.rank_gradients(0)
    assert share.tensors == 53 + 2 * 53 + 2  # filters, scales and shifts, head
    (alone,) = reductions([GradientShare(Group(size=16), 1e6, 4)], step.strategy, pricing)
    assert alone.seconds == pytest.approx(4 * gradient_sum_time(alone.nbytes / 4, Group(size=16), pricing))


def test_gradients_wait_for_the_backward_pass_where_the_stack_does_not_overlap():
    workload, cluster, stack = question("vgg16")
    late = replace(stack, gradient_overlap=False)
    timeline = simulate(workload, cluster, split_everything(workload, "column"), stack=late).timeline
    tasks = timeline.program.tasks
    starts = [timeline.start[i] for i, task in enumerate(tasks) if task.name == "reduce gradients"]
    ends = [timeline.end[i] for i, task in enumerate(tasks) if task.name == "backward"]
    assert min(starts) >= max(ends)


def test_sequences_are_refused():
    workload = load_question(Options(model="gpt3-1.3b", cluster="dgx-a100:1")).workload
    with pytest.raises(SimdlError, match="per-layer splits need images"):
        build_layer_graph(workload.network, 64)


def test_an_algorithm_of_the_stack_adds_up_gradients():
    workload, cluster, _ = question("resnet50", cluster="p40-roce100:128", precision="fp32")
    times = {}
    for name in ("ring", "hierarchical"):
        stack = replace(load_stack("tensorflow-horovod"), gradient_algorithm=name, bucket=0.0)
        strategy = split_everything(workload, "sample", ranks=cluster.devices)
        times[name] = simulate(workload, cluster, strategy, stack=stack).report.step_time
    assert times["hierarchical"] < times["ring"]


def test_a_cube_of_ranks_has_every_grid_of_three_sides_above_one():
    for ranks in (8, 12, 31, 60):
        sides = range(2, ranks)
        every = [grid for grid in product(sides, sides, sides) if prod(grid) == ranks]
        assert SPLITS["cosma"].grids(ranks) == every
    # 2^6 x 5^6 in three factors, less those with a side of one: found without going through a million sides
    assert len(SPLITS["cosma"].grids(10**6)) == 28**2 - (3 * 49 - 3)
