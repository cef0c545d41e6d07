"""Networks of torchvision and timm: parameters exact, multiply-adds to the printed digits, names resolved."""

import pytest

from planner.console.answers.model_table import forward_macs
from workloads.registry import load_network, network_names, registered_name

# torchvision 0.29, meta of each network's weights: num_params and _ops [G multiply-adds].
TORCHVISION = {
    "densenet121": (7_978_856, 2.834),
    "densenet161": (28_681_000, 7.728),
    "densenet169": (14_149_480, 3.36),
    "densenet201": (20_013_928, 4.291),
    "efficientnet_b0": (5_288_548, 0.386),
    "efficientnet_b1": (7_794_184, 0.687),
    "efficientnet_b2": (9_109_994, 1.088),
    "efficientnet_b3": (12_233_232, 1.827),
    "efficientnet_b4": (19_341_616, 4.394),
    "efficientnet_b5": (30_389_784, 10.266),
    "efficientnet_b6": (43_040_704, 19.068),
    "efficientnet_b7": (66_347_960, 37.746),
    "efficientnet_v2_s": (21_458_488, 8.366),
    "efficientnet_v2_m": (54_139_356, 24.582),
    "efficientnet_v2_l": (118_515_272, 56.08),
    "mnasnet0_5": (2_218_512, 0.104),
    "mnasnet0_75": (3_170_208, 0.215),
    "mnasnet1_0": (4_383_312, 0.314),
    "mnasnet1_3": (6_282_256, 0.526),
    "mobilenet_v2": (3_504_872, 0.301),
    "mobilenet_v3_large": (5_483_032, 0.217),
    "mobilenet_v3_small": (2_542_856, 0.057),
    "regnet_x_400mf": (5_495_976, 0.414),
    "regnet_x_800mf": (7_259_656, 0.8),
    "regnet_x_1_6gf": (9_190_136, 1.603),
    "regnet_x_3_2gf": (15_296_552, 3.177),
    "regnet_x_8gf": (39_572_648, 7.995),
    "regnet_x_16gf": (54_278_536, 15.941),
    "regnet_x_32gf": (107_811_560, 31.736),
    "regnet_y_400mf": (4_344_144, 0.402),
    "regnet_y_800mf": (6_432_512, 0.834),
    "regnet_y_1_6gf": (11_202_430, 1.612),
    "regnet_y_3_2gf": (19_436_338, 3.176),
    "regnet_y_8gf": (39_381_472, 8.473),
    "regnet_y_16gf": (83_590_140, 15.912),
    "regnet_y_32gf": (145_046_770, 32.28),
    "regnet_y_128gf": (644_812_894, 127.518),  # _ops of its linear weights at 224 pixels
    "resnet18": (11_689_512, 1.814),
    "resnet34": (21_797_672, 3.664),
    "resnet50-v1.5": (25_557_032, 4.089),
    "resnet101-v1.5": (44_549_160, 7.801),
    "resnet152-v1.5": (60_192_808, 11.514),
    "resnext50_32x4d": (25_028_904, 4.23),
    "resnext101_32x8d": (88_791_336, 16.414),
    "resnext101_64x4d": (83_455_272, 15.46),
    "shufflenet_v2_x0_5": (1_366_792, 0.04),
    "shufflenet_v2_x1_0": (2_278_604, 0.145),
    "shufflenet_v2_x1_5": (3_503_624, 0.296),
    "shufflenet_v2_x2_0": (7_393_996, 0.583),
    "squeezenet1_0": (1_248_424, 0.819),
    "squeezenet1_1": (1_235_496, 0.349),
    "convnext_tiny": (28_589_128, 4.456),
    "convnext_small": (50_223_688, 8.684),
    "convnext_base": (88_591_464, 15.355),
    "convnext_large": (197_767_336, 34.361),
    "swin_t": (28_288_354, 4.491),
    "swin_s": (49_606_258, 8.741),
    "swin_b": (87_768_224, 15.431),
    "vit_b_16": (86_567_656, 17.564),
    "vit_b_32": (88_224_232, 4.409),
    "vit_l_16": (304_326_632, 61.555),
    "vit_l_32": (306_535_400, 15.378),
    "vit_h_14": (632_045_800, 167.295),  # of its linear weights at 224 pixels
    "vgg11_bn": (132_868_840, 7.609),
    "vgg13_bn": (133_053_736, 11.308),
    "vgg16_bn": (138_365_992, 15.47),
    "vgg19_bn": (143_678_248, 19.632),
    "wide_resnet50_2": (68_883_240, 11.398),
    "wide_resnet101_2": (126_886_696, 22.753),
}
# Parameters of timm 1.0's models of these names.
TIMM = {
    "mobilenetv2_035": 1_677_128,
    "mobilenetv2_050": 1_968_680,
    "mobilenetv2_075": 2_636_424,
    "mobilenetv2_100": 3_504_872,
    "mobilenetv2_110d": 4_516_520,
    "mobilenetv2_120d": 5_831_144,
    "mobilenetv2_140": 6_108_776,
    "mobilenetv3_large_100": 5_483_032,
    "mobilenetv3_small_100": 2_542_856,
    "mnasnet_100": 4_383_312,
    "regnety_004": 4_344_144,
    "resnet26": 15_995_176,
    "resnet18d": 11_708_744,
    "resnet26d": 16_014_408,
    "resnet34d": 21_816_904,
    "resnet50d": 25_576_264,
    "resnet101d": 44_568_392,
    "resnet152d": 60_212_040,
    "resnet200d": 64_693_064,
    "seresnet18": 11_779_624,
    "seresnet50": 28_088_024,
    "seresnet101": 49_326_872,
    "seresnet152": 66_821_848,
    "seresnext50_32x4d": 27_559_896,
    "seresnext101_32x4d": 48_955_416,
    "tf_efficientnet_b0": 5_288_548,
    "efficientnetv2_s": 21_458_488,
    "mixer_s16_224": 18_528_264,
    "mixer_s32_224": 19_104_624,
    "mixer_b16_224": 59_880_472,
    "mixer_b32_224": 60_293_428,
    "mixer_l16_224": 208_196_168,
    "mixer_l32_224": 206_939_264,
    "swin_large_patch4_window7_224": 196_532_476,
    "swin_base_patch4_window12_384": 87_903_584,
    "swin_large_patch4_window12_384": 196_735_516,
    "vit_tiny_patch16_224": 5_717_416,
    "vit_small_patch16_224": 22_050_664,
    "vit_small_patch32_224": 22_878_952,
    "deit_tiny_patch16_224": 5_717_416,
    "deit_small_patch16_224": 22_050_664,
    "deit_base_patch16_224": 86_567_656,
}


@pytest.mark.published
@pytest.mark.parametrize(("name", "parameters", "gigamacs"), [(n, *v) for n, v in TORCHVISION.items()])
def test_totals_are_torchvisions(name, parameters, gigamacs):
    """torchvision 0.29, meta of each network's weights, in the tables of its page on models."""
    network = load_network(name)
    assert network.parameters == parameters
    assert forward_macs(network) / 1e9 == pytest.approx(gigamacs, abs=0.00051)


@pytest.mark.published
@pytest.mark.parametrize(("name", "parameters"), TIMM.items())
def test_parameters_are_timms(name, parameters):
    """timm, results/results-imagenet.csv, param_count in millions; here of the built networks."""
    assert load_network(name).parameters == parameters


@pytest.mark.parametrize(
    ("name", "registered"),
    [
        ("mobilenetv2_100", "mobilenet-v2"),
        ("mobilenet_v3_large", "mobilenet-v3-large"),
        ("mnasnet1_0", "mnasnet-1.0"),
        ("efficientnet_b0", "efficientnet-b0"),
        ("regnet_y_1_6gf", "regnet-y-1.6gf"),
        ("shufflenet_v2_x1_0", "shufflenet-v2-1.0"),
        ("squeezenet1_1", "squeezenet-1.1"),
        ("vgg16_bn", "vgg16-bn"),
        ("resnet50d", "resnet50-d"),
        ("resnet18-v1.5", "resnet18"),
        ("vit_b_16", "vit-b16"),
        ("deit-base", "vit-b16"),
        ("swin_t", "swin-tiny"),
        ("mixer_b16_224", "mixer-b16"),
        ("convnext_tiny", "convnext-tiny"),
        ("resnet50", "resnet50"),
    ],
)
def test_names_of_torchvision_and_timm(name, registered):
    assert registered_name(name) == registered


def test_other_names_lead_to_registered_networks():
    known = network_names()
    for name in (*TORCHVISION, *TIMM):
        assert registered_name(name) in known
    assert load_network("vit_b_16").name == "vit-b16"


def test_a_name_that_is_none_is_left_alone():
    assert registered_name("no_such_network") == "no_such_network"


@pytest.mark.parametrize("name", ["mobilenet-v2", "efficientnet-b3", "resnet50-d", "regnet-y-8gf"])
def test_larger_images_cost_in_proportion(name):
    """Twice the height and width of an image that strides divide: four times the work, the head aside."""
    small, large = (load_network(name, image_size=size) for size in (256, 512))
    assert large.parameters == small.parameters
    assert forward_macs(large) == pytest.approx(4 * forward_macs(small), rel=0.01)
