"""The network of a step: what its links give is what its messages send, and drawings show it."""

from collections import Counter

import pytest

from planner.pages.sections.step_network import network_sections
from planner.questions.question import Options, load_question
from simdl.communication import Group
from simdl.communication.ports import sent_bytes
from simdl.program.action import Transfer
from simdl.report.link_use import link_uses
from simdl.step.lowering.transfers import Inside, StepTransfers
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy


def stepped(model, cluster, batch, **strategy):
    question = load_question(Options(model=model, cluster=cluster, global_batch=batch))
    return simulate(question.workload, question.cluster, Strategy(**strategy), stack=question.stack)


def drawn(section):
    """Loads by link, read from what a pointer shows."""
    links = [trace for trace in section.body.data if trace.name not in {"members", "switches"}]
    texts = [text for trace in links if trace.mode == "markers" for text in trace.text or ()]
    return {text.split("<br>")[0]: text.rpartition("<br>")[2] for text in texts}


@pytest.mark.theory
def test_ports_give_what_the_ranks_behind_them_send():
    """Bytes over bandwidth, whatever algorithm a reduction takes: here one rank stands behind each port."""
    simulation = stepped("gpt2", "dgx-a100:1", 32, dp=8)
    step, timeline = simulation.step, simulation.timeline
    uses, program = link_uses(step, timeline), timeline.program
    sent = sum(
        count
        * sent_bytes(
            action.operation,
            action.nbytes,
            Group(size=8),
            step.pricing.cluster,
            library=step.stack.library,
        )
        for number, count in Counter(program.action).items()
        if isinstance(action := program.actions[number], Transfer)
    )
    ports = {channel: use for channel, use in uses.items() if channel.level == 0}
    assert {channel.outward for channel in ports} == {True, False}
    for channel, use in ports.items():
        assert use * channel.bandwidth * timeline.step_time == pytest.approx(sent)


def test_messages_within_passes_count_where_nothing_runs_beside_them():
    simulation = stepped("gpt2", "dgx-a100:1", 8, tp=4, dp=2)
    assert simulation.report.breakdown["tensor_communication"] > 0
    assert max(link_uses(simulation.step, simulation.timeline).values()) > 0.001


@pytest.mark.parametrize("stack", ["megatron-2025", "megatron-bridge-2025-flex-graphs"])
def test_tokens_of_experts_load_links(monkeypatch, stack):
    """Over two nodes the ports of a node carry them too; without them the links carry less."""
    question = load_question(
        Options(model="deepseek-v2-lite", cluster="dgx-h100:2", global_batch=16, stack=stack)
    )
    strategy = Strategy(dp=16, ep=16)
    found = simulate(question.workload, question.cluster, strategy, stack=question.stack)
    with_tokens = link_uses(found.step, found.timeline)
    monkeypatch.setattr(StepTransfers, "expert_messages", lambda *_: Inside())
    without = link_uses(found.step, found.timeline)
    for level in (0, 1):
        ports = [channel for channel in with_tokens if channel.level == level]
        assert ports
        assert all(with_tokens[channel] > without.get(channel, 0.0) for channel in ports)


def test_nodes_of_one_class_are_drawn_alike():
    node, network = network_sections(stepped("gpt2", "dgx-a100:2", 32, dp=16))
    assert [node.title, network.title] == ["Network: node", "Network: network"]
    assert len({*drawn(node).values()}) == 1
    assert set(drawn(network)) == {"node 0 - switch", "node 1 - switch"}
    assert len({*drawn(network).values()}) == 1
    assert all(load.endswith("% of the bandwidth") for load in drawn(network).values())
    assert "0.00%" not in drawn(network).values()


def test_stages_on_nodes_of_their_own_send_through_the_nodes_ports():
    sections = network_sections(stepped("gpt2", "dgx-a100:4", 32, pp=4, dp=8))
    loads = drawn(next(each for each in sections if each.title == "Network: network"))
    assert len(loads) == 4
    inner = {loads["node 1 - switch"], loads["node 2 - switch"]}
    assert "0.00% of the bandwidth" not in {*loads.values()}
    assert len(inner) == 1


def test_links_between_pairs_are_drawn_one_by_one():
    (section,) = network_sections(stepped("resnet50", "dgx-1-v100:1", 256, dp=8))
    loads = drawn(section)
    assert len(loads) == 16
    assert any(load != "0.00% of the bandwidth" for load in loads.values())


def test_one_device_sends_nothing():
    assert network_sections(stepped("lenet5", "knl-node:1", 64)) == ()
