"""Switch transformers against the paper's table, and routers that choose unevenly."""

import json

import pytest
from builders import build_cluster, build_stack
from click.testing import CliRunner

from planner.cli import main
from planner.questions.question import Options, load_question
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.errors import WorkloadError
from workloads.imbalance import with_imbalance
from workloads.operators import Pass, Routing
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload

SWITCH_BASE_8 = {
    "model_type": "switch_transformers",
    "d_ff": 3072,
    "d_model": 768,
    "expert_capacity": 64,
    "feed_forward_proj": "relu",
    "num_decoder_layers": 12,
    "num_experts": 8,
    "num_heads": 12,
    "num_layers": 12,
    "num_sparse_decoder_layers": 6,
    "num_sparse_encoder_layers": 6,
    "vocab_size": 32128,
}


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "billions", "within"),
    [
        ("switch-base", 7, 0.06),
        ("switch-large", 26, 0.045),
        ("switch-xxl", 395, 0.002),
        ("switch-c", 1571, 0.0005),
    ],
)
def test_parameters_are_those_of_the_papers_table(name, billions, within):
    """Fedus et al. 2021, table 9, printed to whole billions."""
    assert load_network(name).parameters == pytest.approx(billions * 1e9, rel=within)


@pytest.mark.published
def test_a_token_meets_as_much_as_in_the_t5_of_the_same_size():
    """Fedus et al. 2021, table 9: FLOPs of a sequence are those of T5-Base, T5-Large and T5-XXL."""
    for switch, dense in (("switch-base", "t5-v1.1-base"), ("switch-xxl", "t5-v1.1-xxl")):
        work = [load_network(name).flops(Pass.FORWARD) for name in (switch, dense)]
        assert work[0] == pytest.approx(work[1], rel=0.01)


@pytest.mark.published
def test_a_released_file_has_the_counted_parameters(tmp_path):
    """Model card page of google/switch-base-8: 619 million, T5-Base and 7 more experts in 12 layers."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(SWITCH_BASE_8))
    dense = load_network("t5-base").parameters
    assert load_network(str(path)).parameters == dense + 12 * (7 * 2 * 768 * 3072 + 768 * 8)


def test_layers_with_experts_take_turns_in_both_stacks():
    network = load_network("switch-base")
    names = [block.name for block in network.chain()]
    assert names[1:5] == ["encoder-dense", "encoder-experts"] * 2
    assert names[13] == "bridge"
    assert names[14:16] == ["decoder-dense", "decoder-experts"]
    assert len(names) == 27


def steps(network, **strategy):
    workload = Workload(
        network=network,
        optimizer=load_optimizer("adam"),
        precision=load_precision("bf16"),
        global_batch=8,
    )
    chosen = Strategy(dp=4, micro_batch=2, **strategy)
    return simulate(workload, build_cluster(1, devices=4), chosen, stack=build_stack()).report


def test_a_switch_transformer_trains_divided_by_experts():
    report = steps(load_network("switch-base", tokens=64), ep=4)
    assert report.breakdown["expert_communication"] > 0


def test_one_rank_has_all_experts_and_none_to_be_uneven_with():
    routing = Routing(experts=8, chosen=2, load=3.0)
    assert [routing.stretch(ep) for ep in (1, 2, 4)] == [1, 2, 3.0]
    assert Routing(experts=8, chosen=1, capacity=1.25).stretch(1) == 1.25


def test_imbalance_costs_time_where_ranks_hold_different_experts_only():
    network = load_network("moe-mini")
    uneven = with_imbalance(network, 1.5)
    assert uneven is with_imbalance(network, 1.5)
    assert (uneven.parameters, uneven.model_flops) == (network.parameters, network.model_flops)
    assert steps(uneven, ep=1).step_time == steps(network, ep=1).step_time
    assert steps(uneven, ep=4).step_time > steps(network, ep=4).step_time


@pytest.mark.parametrize(
    ("model", "imbalance", "message"),
    [
        ("gpt2", 1.5, "found 1.5 with gpt2, which has no experts; expected a mixture of experts"),
        ("switch-base", 1.5, "whose experts compute 1.25 times the mean whatever comes"),
        ("mixtral-8x7b", 0.5, r"found 0.5; expected 1 \(even\) to 8"),
        ("mixtral-8x7b", 9.0, r"found 9; expected 1 \(even\) to 8"),
        ("mixtral-8x7b", float("nan"), r"found nan; expected 1 \(even\) to 8"),
    ],
)
def test_impossible_imbalances_are_refused(model, imbalance, message):
    with pytest.raises(WorkloadError, match=f"--imbalance: .*{message}"):
        load_question(Options(model=model, cluster="dgx-a100:1", imbalance=imbalance))


def test_the_command_says_the_imbalance_in_its_header_and_its_json():
    asked = (
        "simulate",
        "moe-mini",
        "--cluster",
        "dgx-a100:1",
        "--dp",
        "8",
        "--ep",
        "4",
        "--imbalance",
        "1.25",
    )
    assert "load imbalance 1.25" in CliRunner().invoke(main, asked).output
    found = json.loads(CliRunner().invoke(main, (*asked, "--json")).stdout)
    assert found["question"]["imbalance"] == 1.25
