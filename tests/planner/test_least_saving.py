"""What is left open of a strategy: the least memory saving that fits, held to trying everything."""

from itertools import product

import pytest

from planner.questions.question import Options, load_question
from planner.questions.strategy_file import build_strategy
from planner.remedies.least_saving import NOTHING, choose_rest
from simdl.divisors import divisors
from simdl.step.simulate import simulate
from simdl.step.strategy import problems, refused
from simdl.step.strategy_notes import unsupported

MODES = ("none", "selective", "full")
SMALL = Options(model="gpt2-large", cluster="dgx-1-v100:1", global_batch=64, stack="pytorch-fsdp")


def chosen(options, **given):
    return choose_rest(load_question(options), options, given)


def fits(question, strategy):
    stack, workload, cluster = question.stack, question.workload, question.cluster
    faults = [
        *problems(strategy, workload, cluster),
        *refused(strategy, stack),
        *unsupported(strategy, workload.network, stack),
    ]
    return not faults and simulate(workload, cluster, strategy, stack=stack).report.feasible


@pytest.mark.property
@pytest.mark.parametrize("given", [{}, {"tp": 2}, {"zero": 1}, {"recompute": "none"}, {"dp": 4}])
def test_it_is_the_first_that_fits_of_everything_in_the_documented_order(given):
    found = chosen(SMALL, **given)
    cluster = found.question.cluster
    axes = {
        "pp": [1, 2, 4, 8],
        "tp": [1, 2, 4, 8],
        "recompute": MODES,
        "micro_batch": [64, 32, 16, 8, 4, 2, 1],
        "zero": [0, 1, 2, 3],
        "sequence_parallel": [False, True],
    }
    axes |= {name: [value] for name, value in given.items() if name in axes}
    for values in product(*axes.values()):
        tried = dict(zip(axes, values, strict=True))
        if (tried["pp"] > 1 and tried["micro_batch"] > 1) or (8 % (tried["pp"] * tried["tp"])):
            continue  # a pipeline takes single samples
        strategy = build_strategy({**tried, **given}, cluster)
        if fits(found.question, strategy):
            break
    else:
        pytest.fail("nothing fits")
    assert found.strategy == strategy


@pytest.mark.parametrize(
    ("options", "given"),
    [
        (Options(model="gpt3-6.7b", cluster="dgx-a100:4"), {}),
        (Options(model="gpt3-6.7b", cluster="dgx-a100:4"), {"tp": 4, "zero": 0, "micro_batch": 2}),
        (Options(model="mixtral-8x7b", cluster="dgx-h100:4"), {"recompute": "none"}),
        (Options(model="gpt3-175b", cluster="dgx-a100:128"), {}),
        (Options(model="gpt3-6.7b", cluster="dgx-a100:1,dgx-h100:1"), {"micro_batch": 1}),
    ],
)
def test_what_is_given_is_kept_and_the_rest_fits(options, given):
    found = chosen(options, **given)
    for name, value in given.items():
        assert getattr(found.strategy, name) == value
    question = found.question
    report = simulate(question.workload, question.cluster, found.strategy, stack=question.stack).report
    assert report.feasible
    assert report.strategy.devices == question.cluster.devices
    assert f"micro-batch (mb) {found.strategy.micro_batch}" in found.chosen or "micro_batch" in given


def test_tables_that_are_never_copied_lie_on_all_ranks():
    """They have no replicas, so that fewer ranks would leave devices to a pipeline."""
    strategy = chosen(Options(model="dlrm-dcnv2", cluster="dgx-h100:1")).strategy
    assert (strategy.cp, strategy.pp, strategy.micro_batch) == (8, 1, 65536)


def test_all_samples_of_a_replica_pass_at_once_where_there_is_room():
    found = chosen(Options(model="resnet18", cluster="dgx-1-v100:1", global_batch=512))
    assert found.strategy == build_strategy({"micro_batch": 64}, found.question.cluster)
    assert found.chosen.endswith(": it fits without saving memory")


def test_a_pipeline_is_filled_by_single_samples():
    options = Options(model="gpt2", cluster="dgx-a100:1", global_batch=64)
    assert chosen(options, pp=4).strategy.micro_batch == 1


def test_where_nothing_fits_the_nearest_is_told():
    found = chosen(Options(model="gpt3-175b", cluster="dgx-1-v100:1", global_batch=8))
    assert NOTHING in found.chosen
    assert "short" in found.chosen
    assert found.strategy.recompute == "full"


def test_a_batch_of_millions_is_trained_in_few_passes():
    """One sample a pass would be more passes than a step may have."""
    options = Options(model="lenet5", cluster="dgx-1-v100:1", global_batch=32_000_000)
    assert chosen(options).strategy.micro_batch > 1


def test_factors_want_the_samples_of_a_replica_at_once():
    options = Options(model="alexnet", cluster="dgx-1-v100:1", global_batch=512)
    assert chosen(options, compression="factors").strategy.micro_batch == 64


def test_nothing_is_sharded_where_there_is_one_replica():
    found = chosen(Options(model="gpt2", cluster="dgx-1-v100:1gpus", global_batch=64))
    assert (found.strategy.zero, found.strategy.dp) == (0, 1)


def test_what_cannot_be_carried_out_is_left_to_the_simulator():
    found = chosen(Options(model="gpt2", cluster="dgx-a100:1", global_batch=32), dp=3)
    assert (found.strategy.dp, found.chosen) == (3, "")


@pytest.mark.parametrize("divisor", divisors(8))
def test_every_degree_of_data_parallelism_is_filled_up(divisor):
    found = chosen(Options(model="gpt2-medium", cluster="dgx-a100:1", global_batch=64), dp=divisor)
    assert found.strategy.dp == divisor
    assert found.strategy.devices == 8


def test_what_is_asked_beyond_the_software_leaves_the_rest_to_be_chosen():
    """The simulator warns of it; nothing else is chosen beyond the software."""
    options = Options(model="gpt2-large", cluster="dgx-1-v100:1", global_batch=64, stack="megatron-2021")
    found = chosen(options, zero=1)
    assert found.strategy.zero == 1
    assert "micro-batch" in found.chosen
    assert not chosen(options).strategy.zero
