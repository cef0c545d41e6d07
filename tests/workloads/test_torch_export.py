"""Programs of torch.export as trainable networks."""

import pytest

from planner.console.answers.model_table import forward_macs
from workloads.errors import WorkloadError
from workloads.registry import load_network

torch = pytest.importorskip("torch")
nn = torch.nn


class Residual(nn.Module):
    """A small network with what CNNs are made of; it is exported for training."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.branch = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8))
        self.end = nn.Sequential(nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))

    def forward(self, image):
        maps = self.stem(image)
        return self.end(torch.relu(maps + self.branch(maps)))


class Block(nn.Module):
    """Attention and a feed-forward network on tokens."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(16)
        self.qkv = nn.Linear(16, 48)
        self.out = nn.Linear(16, 16)

    def forward(self, tokens):
        heads = self.qkv(self.norm(tokens)).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)
        context = nn.functional.scaled_dot_product_attention(heads[0], heads[1], heads[2])
        return tokens + self.out(context.transpose(1, 2).flatten(2))


def exported(folder, module, example, **options):
    path = folder / "net.pt2"
    torch.export.save(torch.export.export(module, (example,), **options), str(path))
    return str(path)


def parameters(module):
    return sum(found.numel() for found in module.parameters())


@pytest.mark.parametrize("batch", [1, 4])
def test_a_convolutional_program_counts_as_the_module(batch, tmp_path):
    module = Residual()
    network = load_network(exported(tmp_path, module, torch.zeros(batch, 3, 32, 32)))
    assert network.parameters == parameters(module)
    assert forward_macs(network) == 16 * 16 * 8 * (27 + 9) + 80
    kinds = [layer.kind for _, layer in network.layers()]
    assert "imported" not in kinds
    assert kinds.count("convolution") == kinds.count("normalization") == 2
    assert any("softmax" in note for note in network.notes)


def test_an_open_batch_is_one_sample(tmp_path):
    dims = {0: torch.export.Dim("batch", min=1, max=64)}
    path = exported(tmp_path, Residual(), torch.zeros(4, 3, 32, 32), dynamic_shapes=(dims,))
    assert forward_macs(load_network(path)) == 16 * 16 * 8 * (27 + 9) + 80


def test_attention_is_its_products(tmp_path):
    module = Block()
    network = load_network(exported(tmp_path, module, torch.zeros(2, 5, 16)))
    assert network.parameters == parameters(module)
    assert forward_macs(network) == 5 * 16 * (48 + 16) + 2 * 2 * 5 * 5 * 8


def test_operators_without_a_rule_are_listed(tmp_path):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(16, 8)

        def forward(self, rows):
            return torch.cumsum(self.first(rows), 1)

    network = load_network(exported(tmp_path, Odd(), torch.zeros(3, 16)))
    assert any("cumsum (1 x, " in note for note in network.notes)


def test_what_is_no_program_is_refused(tmp_path):
    path = tmp_path / "net.pt2"
    with pytest.raises(WorkloadError, match="cannot be read"):
        load_network(str(path))
    good = exported(tmp_path, Residual(), torch.zeros(1, 3, 32, 32))
    content = path.read_bytes()
    for broken in (b"", b"no zip", content[: len(content) // 2]):
        path.write_bytes(broken)
        with pytest.raises(WorkloadError, match="expected a program of torch"):
            load_network(good)
