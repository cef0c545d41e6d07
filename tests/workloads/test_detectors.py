"""Detectors: published parameters and multiply-adds, boxes, what is shared over levels and what is frozen."""

import pytest

from planner.console.answers.model_table import forward_macs
from workloads.errors import NetworkError
from workloads.layers.images.detection import region_maps, region_tokens
from workloads.operators import Pass
from workloads.registry import load_network, registered_name
from workloads.tensors import Tensor


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "parameters"),
    [("retinanet_resnet50_fpn", 34_014_999), ("maskrcnn_resnet50_fpn", 44_401_393)],
)
def test_parameters_are_torchvisions(name, parameters):
    """torchvision 0.29, meta of the weights: num_params, in the table of its page on detection models."""
    assert load_network(name).parameters == parameters


@pytest.mark.published
def test_retinanet_has_torchvisions_multiply_adds():
    """``_ops`` of RetinaNet_ResNet50_FPN_Weights, torchvision's table of detection models: 151.54 G."""
    assert forward_macs(load_network("retinanet-resnet50")) / 1e9 == pytest.approx(151.54, abs=0.005)


@pytest.mark.published
def test_ssd300_has_8732_boxes_of_85_numbers():
    """Liu et al. 2015, section 3.1; four offsets and 81 classes each."""
    network = load_network("ssd300")
    heads = [
        layer
        for _, layer in network.layers()
        if layer.kind == "convolution" and layer.name.startswith(("offsets", "classes"))
    ]
    assert sum(layer.output_elements for layer in heads) == 8732 * 85
    assert [layer.output_shape[1] for layer in heads[::2]] == [38, 19, 10, 5, 3, 1]


@pytest.mark.parametrize(("name", "levels"), [("retinanet", 5), ("mask-rcnn", 5)])
def test_heads_share_their_parameters_over_levels(name, levels):
    layers = [layer for _, layer in load_network(name).layers() if layer.kind == "convolution"]
    shared = [layer for layer in layers if "shared" in layer.attributes]
    owners = {layer.attributes["shared"] for layer in shared}
    assert len(shared) == (levels - 1) * len(owners)
    assert all(layer.parameters == 0 and layer.weight_gradient for layer in shared)
    assert all(layer.parameters for layer in layers if layer.name in owners)


@pytest.mark.parametrize("name", ["retinanet", "mask-rcnn"])
def test_stem_and_first_stage_run_forward_only(name):
    layers = [layer for _, layer in load_network(name).layers()]
    frozen = [layer for layer in layers if "frozen" in layer.attributes]
    assert frozen[0].name == "conv1"
    assert frozen[-1].name == "conv2_3_add_relu"
    assert all(not layer.flops(which) for layer in frozen for which in Pass if which is not Pass.FORWARD)
    first = next(layer for layer in layers if layer.name == "conv3_1_conv1")
    assert not first.input_gradient or not any(o.name == "input gradient" for o in first.input_gradient)


def test_mask_rcnn_reads_512_regions_and_128_masks():
    layers = {layer.name: layer for _, layer in load_network("mask-rcnn").layers()}
    assert layers["box_regions"].output_shape == (512, 256 * 7 * 7)
    assert layers["mask_classes"].output_shape == (81, 128 * 28, 28)


def test_regions_scatter_to_sixteen_pixels_each():
    levels = [Tensor(f"p{number}", (8, size, size)) for number, size in ((2, 64), (3, 32))]
    maps = region_maps("maps", *levels, regions=10, size=14)
    tokens = region_tokens("tokens", *levels, regions=10, size=7)
    assert maps.output_shape == (8, 140, 14)
    assert tokens.output_shape == (10, 8 * 49)
    clear, scatter = maps.input_gradient
    assert clear.writes == sum(level.elements for level in levels)
    assert scatter.writes == 16 * maps.output_elements


@pytest.mark.parametrize(
    ("name", "registered"),
    [
        ("ssd", "ssd300"),
        ("maskrcnn", "mask-rcnn"),
        ("mask-rcnn-tf2", "mask-rcnn-tf2"),
        ("retinanet_resnet50_fpn", "retinanet-resnet50"),
    ],
)
def test_names_of_detectors(name, registered):
    assert registered_name(name) == registered


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("yolov3", 61_949_149),
        ("yolov5n", 1_872_157),
        ("yolov5s", 7_235_389),
        ("yolov5m", 21_190_557),
        ("yolov5l", 46_563_709),
        ("yolov5x", 86_749_405),
        ("yolov8n", 3_157_184),
        ("yolov8s", 11_166_544),
        ("yolov8m", 25_902_624),
        ("yolov8l", 43_691_504),
        ("yolov8x", 68_229_632),
    ],
)
def test_yolo_has_the_parameters_that_its_program_prints(name, parameters):
    """Trainable ones in the summaries of ultralytics v8.0 and yolov5 v7.0; v8's 16 more are fixed."""
    assert load_network(name).parameters == parameters


@pytest.mark.published
def test_yolov3_has_the_operations_of_its_paper():
    """Redmon and Farhadi 2018, ``darknet detect`` on ``yolov3.cfg`` at 416 pixels: 65.86 billion."""
    assert 2 * forward_macs(load_network("yolov3")) / 1e9 == pytest.approx(65.86, abs=0.005)


@pytest.mark.theory
@pytest.mark.parametrize(
    ("name", "size", "anchors", "outputs"),
    [("yolov3", 416, 3, 85), ("yolov5s", 640, 3, 85), ("yolov8s", 640, 1, 144)],
)
def test_yolo_scores_every_place_of_three_levels(name, size, anchors, outputs):
    loss = [layer for _, layer in load_network(name).layers() if layer.kind == "detection_loss"]
    places = sum((size // stride) ** 2 for stride in (8, 16, 32))
    assert loss[0].saved[0].elements == places * anchors * outputs


def test_yolo_refuses_images_that_its_levels_do_not_divide():
    with pytest.raises(NetworkError, match="found 600; expected a multiple of 32"):
        load_network("yolov5s", image_size=600)
