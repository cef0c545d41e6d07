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


class Translator(nn.Module):
    """A table, a recurrent layer of one kind, and the table again as the head."""

    def __init__(self, kind, *, batch_first):
        super().__init__()
        self.table = nn.Embedding(50, 16)
        self.cell = kind(16, 16, num_layers=2, batch_first=batch_first)

    def forward(self, x):
        states, _ = self.cell(self.table(x))
        return states @ self.table.weight.t()


@pytest.mark.theory
@pytest.mark.filterwarnings("ignore:The tensor attributes:UserWarning")
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("batch_first", [True, False])
def test_recurrent_operators_are_chains_of_steps_and_a_tied_table_counts_once(kind, batch_first, tmp_path):
    shape = (3, 7) if batch_first else (7, 3)
    module = Translator(kind, batch_first=batch_first)
    network = load_network(exported(tmp_path, module, torch.zeros(shape, dtype=torch.long)))
    assert network.parameters == parameters(module)
    cells = [layer for _, layer in network.layers() if layer.kind == "recurrent"]
    assert [layer.output_shape for layer in cells] == [(7, 16)] * 2
    assert not any("without a rule" in note for note in network.notes)


class Windows(nn.Module):
    """Attention written out, on rows that a transposed convolution has made, with a class token."""

    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 16, 2, stride=2)
        self.token = nn.Parameter(torch.zeros(1, 1, 16))
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        rows = self.up(x).flatten(2).transpose(1, 2)
        rows = torch.cat([self.token.expand(rows.shape[0], -1, -1), rows], 1)
        scores = (rows @ rows.transpose(1, 2)).softmax(-1)
        return self.head((scores @ rows).amax(1))


def test_what_only_parameters_make_is_counted_and_a_softmax_of_scores_is_no_loss(tmp_path):
    module = Windows()
    network = load_network(exported(tmp_path, module, torch.zeros(2, 3, 4, 4)))
    assert network.parameters == parameters(module)
    products = [layer.output_shape for _, layer in network.layers() if layer.kind == "product"]
    assert products == [(65, 65), (65, 16)]
