"""Torch modules of transformed layers: a train of cores is the matrix of its cores."""

import pytest

torch = pytest.importorskip("torch")

from validation.reference_trainer.data import sample_shape, synthetic_batch  # noqa: E402
from validation.reference_trainer.modules.linear import TensorTrain  # noqa: E402
from validation.reference_trainer.network_module import StageModule  # noqa: E402
from workloads.layers.classifier import softmax  # noqa: E402
from workloads.layers.drafts.draft import Draft, build_image_network  # noqa: E402
from workloads.layers.images.convolution import convolution  # noqa: E402
from workloads.layers.linear import linear  # noqa: E402
from workloads.transforms.low_rank import LowRank  # noqa: E402
from workloads.transforms.registry import apply_transforms  # noqa: E402
from workloads.transforms.tensor_train import TensorTrain as Train  # noqa: E402
from workloads.transforms.winograd import Winograd  # noqa: E402


@pytest.mark.theory
def test_a_train_multiplies_by_the_matrix_of_its_cores():
    train = TensorTrain((2, 3), (4, 5), (1, 2, 1), bias=True)
    first, second = train.cores[0].reshape(1, 2, 4, 2), train.cores[1].reshape(2, 3, 5, 1)
    matrix = torch.einsum("anmb,bkpc->mpnk", first, second).reshape(20, 6)
    x = torch.randn(7, 6)
    assert torch.allclose(train(x), x @ matrix.T, atol=1e-5)
    assert train(torch.randn(2, 3, 6)).shape == (2, 3, 20)


def test_a_transformed_network_trains_with_as_many_parameters():
    draft = Draft((3, 6, 6))
    draft.add(convolution, "conv1", out_channels=4, kernel=3, padding=1)
    draft.add(convolution, "conv2", out_channels=8, kernel=3, padding=1)
    draft.add(linear, "fc1", out_features=20)
    draft.add(linear, "fc2", out_features=10)
    draft.add(softmax, "loss")
    network = apply_transforms(
        build_image_network("small", draft.blocks(), source="test"),
        (
            LowRank(layers=("conv2", "fc2"), rank=4),
            Train(layers=("fc1",), inputs=(16, 18), outputs=(4, 5), ranks=(3,)),
            Winograd(layers=("conv1",)),
        ),
    )
    assert sample_shape(network) == ((3, 6, 6), 0)
    module = StageModule(network, attention="flash")
    assert sum(each.numel() for each in module.parameters()) == network.parameters
    batch = synthetic_batch(network, 2, seed=1)
    assert batch.inputs.shape == (2, 3, 6, 6)
