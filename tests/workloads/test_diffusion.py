"""U-Nets of diffusion: published parameters, what a text adds, what has no gradient."""

import pytest

from workloads.errors import NetworkError
from workloads.operators import OperatorKind, Pass
from workloads.registry import load_network


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("ddpm-cifar10-32", 35_746_307),
        ("ddpm-celebahq-256", 113_673_219),
        ("stable-diffusion-v1-5", 859_520_964),
        ("stable-diffusion-2-1", 865_910_724),
        ("stable-diffusion-xl-base-1.0", 2_567_463_684),
    ],
)
def test_parameters_equal_the_released_checkpoints(name, parameters):
    """Elements of ``unet/diffusion_pytorch_model.safetensors`` of the model cards on Hugging Face."""
    assert load_network(name).parameters == parameters


@pytest.mark.theory
def test_attention_among_pixels_and_to_the_text_has_its_closed_form():
    """Scores and values of a level of n pixels of width c: 4 c n^2 and 4 c n m flops, m tokens of text.

    Five residual blocks of each of three levels have a transformer, and one at the bottom.
    """
    levels = {4096: 320, 1024: 640, 256: 1280}
    blocks = [*(pair for pair in levels.items() for _ in range(5)), (64, 1280)]
    expected = sum(4 * width * pixels * (pixels + 77) for pixels, width in blocks)
    cores = [layer for _, layer in load_network("stable-diffusion-1").layers() if layer.kind == "attention"]
    assert len(cores) == 2 * len(blocks)
    products = (o for layer in cores for o in layer.forward if o.kind is OperatorKind.MATMUL)
    assert sum(operator.flops for operator in products) == expected


def test_what_is_given_with_an_image_has_no_gradient():
    layers = {layer.name: layer for _, layer in load_network("stable-diffusion-xl").layers()}
    for name in ("down2_1_1_cross_kv", "time_linear1", "added_linear1", "conv_in"):
        assert layers[name].flops(Pass.WEIGHT_GRADIENT)
        assert not layers[name].flops(Pass.INPUT_GRADIENT)
    assert layers["down2_1_1_cross_query"].flops(Pass.INPUT_GRADIENT)


def test_larger_images_cost_more_and_hold_no_more():
    small, large = (load_network("stable-diffusion-2", image_size=size) for size in (512, 768))
    assert small.parameters == large.parameters
    assert large.flops(Pass.FORWARD) > 2.25 * small.flops(Pass.FORWARD)


def test_levels_that_would_not_meet_again_are_refused():
    with pytest.raises(NetworkError, match="found 500; expected a multiple of 64"):
        load_network("stable-diffusion-1", image_size=500)
