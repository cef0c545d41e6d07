"""The cuts among which the automatic one is chosen."""

from math import comb

import pytest
from builders import build_network
from uniform import uniform_layer, uniform_network

from simdl.step.cuts.cut_set import CUTS, cut_set, even_cut
from simdl.step.cuts.stage_cut import balanced_cut
from workloads.network import Block, Network
from workloads.registry import load_network


def test_repeated_blocks_that_divide_are_cut_evenly_and_no_other_way():
    network = build_network(8)
    assert even_cut(network, 4) == (3, 2, 2, 3)
    assert cut_set(network, 4) == ((3, 2, 2, 3),)


def test_one_stage_has_every_block():
    assert cut_set(build_network(6), 1) == ((8,),)
    assert cut_set(load_network("resnet50"), 1) == ((18,),)


def test_few_cuts_are_all_in_the_set():
    network = load_network("alexnet")
    assert len(cut_set(network, 4)) == comb(7, 3) == 35
    assert len(set(cut_set(network, 4))) == 35


@pytest.mark.parametrize(("name", "stages"), [("resnet152", 8), ("vgg16", 4), ("densenet121", 16)])
def test_of_many_cuts_there_are_few_that_hold_every_block_once(name, stages):
    network = load_network(name)
    cuts = cut_set(network, stages)
    assert comb(network.depth - 1, stages - 1) > CUTS >= len(cuts) == len(set(cuts)) > 3
    assert all(sum(cut) == network.depth and min(cut) >= 1 and len(cut) == stages for cut in cuts)


def test_an_undivided_transformer_balances_work_parameters_or_layers():
    network = build_network(30, vocab=100_000)
    cuts = cut_set(network, 7)
    assert 1 <= len(cuts) <= 3
    assert max(max(cut) - min(cut) for cut in cuts) > 1  # the head weighs more than a layer


def test_a_cut_does_not_hang_on_how_often_a_block_is_written():
    blocks = tuple(Block(name=f"b{i}", layers=(uniform_layer(),)) for i in range(40))
    single = Network(name="chain", blocks=blocks, source="test", sample="image")
    assert balanced_cut([1.0] * 40, 7) in cut_set(single, 7)
    assert cut_set(uniform_network(40), 7) == cut_set(single, 7)
