"""Layouts of maps: which convolutions copy what they read and write, and how much."""

from dataclasses import replace

import pytest

from simdl.kernels.sharding import Shard, layer_kernels
from simdl.software.reader import load_stack
from workloads.dtypes import load_precision
from workloads.layers.images.convolution import convolution, transposed_convolution
from workloads.operators import OperatorKind, Pass
from workloads.registry import load_network
from workloads.tensors import Tensor

BATCH = 4
MAPS, VOLUME = Tensor("input", (32, 28, 28)), Tensor("input", (32, 8, 28, 28))


def kernels(layer, layout, precision, which=Pass.FORWARD):
    stack = replace(load_stack("pytorch-ngc"), layout=layout)
    shard = Shard(micro_batch=BATCH)
    return layer_kernels([layer], which, shard=shard, precision=load_precision(precision), stack=stack)


def copies(layer, layout, precision, which=Pass.FORWARD):
    found = kernels(layer, layout, precision, which)
    return [kernel for kernel in found if kernel.name == "transpose"]


@pytest.mark.theory
@pytest.mark.parametrize("which", Pass)
def test_channels_first_copies_what_a_convolution_reads_and_writes(which):
    layer = convolution("conv", MAPS, out_channels=64, kernel=3, padding=1, bias=False)
    (copy,) = copies(layer, "channels_first", "fp16", which)
    assert copy.kind is OperatorKind.ELEMENTWISE
    assert copy.nbytes == 2 * 2 * BATCH * (32 + 64) * 28 * 28


@pytest.mark.theory
def test_tf32_kernels_write_images_channels_first_themselves():
    image = convolution("conv", MAPS, out_channels=64, kernel=3, padding=1, bias=False)
    volume = convolution("conv", VOLUME, out_channels=64, kernel=3, padding=1, bias=False)
    assert copies(image, "channels_first", "tf32")[0].nbytes == 2 * 4 * BATCH * 32 * 28 * 28
    assert copies(volume, "channels_first", "tf32")[0].nbytes == 2 * 4 * BATCH * (32 + 64) * 8 * 28 * 28


@pytest.mark.parametrize(
    ("layout", "precision", "copied"),
    [
        ("channels_last", "fp16", (False, False)),
        ("channels_first", "fp16", (True, True)),
        ("channels_first", "tf32", (True, True)),
        ("channels_first", "fp32", (False, False)),
        ("xla", "fp16", (False, True)),
        ("xla", "tf32", (True, True)),
        ("xla", "fp32", (False, False)),
    ],
)
def test_layouts_say_which_convolutions_copy(layout, precision, copied):
    maps = convolution("conv", MAPS, out_channels=64, kernel=3, padding=1)
    volume = convolution("conv", VOLUME, out_channels=64, kernel=3, padding=1)
    assert tuple(bool(copies(layer, layout, precision)) for layer in (maps, volume)) == copied


@pytest.mark.theory
@pytest.mark.parametrize(
    ("side", "precision", "copied"),
    [
        (28, "fp16", (False, False, False)),
        (14, "fp16", (False, False, True)),
        (7, "fp16", (True, True, True)),
        (14, "tf32", (False, False, False)),
        (7, "tf32", (False, False, True)),
    ],
)
def test_filters_of_one_pixel_are_products_of_maps_whose_rows_are_aligned(side, precision, copied):
    """Rows of 4 bytes; of 16 where pixels are the depth, as in the gradient of the filters."""
    layer = convolution("conv", Tensor("input", (32, side, side)), out_channels=64, kernel=1, bias=False)
    found = tuple(bool(copies(layer, "channels_first", precision, which)) for which in Pass)
    assert found == copied
    assert copies(layer, "channels_first_copied", precision)


@pytest.mark.published
def test_resnet_50_copies_as_often_as_a_profile_of_it():
    """Published (docs/inference.md): 158 copies to channels last, 68 back, some 70 plain products."""
    stack, precision = replace(load_stack("pytorch-ngc"), layout="channels_first"), load_precision("fp16")
    layers, shard = [layer for _, layer in load_network("resnet50-v1.5").layers()], Shard(micro_batch=BATCH)
    found = [
        kernel
        for which in Pass
        for kernel in layer_kernels(layers, which, shard=shard, precision=precision, stack=stack)
    ]
    passes = sum(kernel.kind is OperatorKind.CONVOLUTION for kernel in found)
    copied = sum(kernel.name == "transpose" for kernel in found)
    assert passes == 159 - 1  # the images have no gradient
    assert passes - copied == pytest.approx(70, abs=3)


def test_depthwise_convolutions_take_either_layout():
    layer = convolution("conv", MAPS, out_channels=32, kernel=3, padding=1, groups=32)
    assert not copies(layer, "channels_first", "fp16")


def test_a_transposed_convolution_runs_an_input_gradient_forward():
    layer = transposed_convolution("up", MAPS, out_channels=16, kernel=2, stride=2, bias=False)
    (forward,) = kernels(layer, "channels_last", "fp16")
    (backward,) = kernels(layer, "channels_last", "fp16", Pass.INPUT_GRADIENT)
    assert forward.shape.which is Pass.INPUT_GRADIENT
    assert backward.shape.which is Pass.FORWARD
    assert (forward.shape.shape.in_channels, forward.shape.shape.out_channels) == (16, 32)
