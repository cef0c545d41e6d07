"""Samples to a target by batch and staleness, and what an epoch is."""

from math import cos, pi

import pytest

from workloads.convergence import Convergence, Curve, decoder_curve, delay_factor, fit_curve, measured_curve
from workloads.datasets import DATASETS, epoch_samples, load_dataset
from workloads.errors import WorkloadError
from workloads.registry import load_convergence, load_network


@pytest.mark.theory
def test_a_fit_finds_the_curve_that_made_the_points():
    curve = Curve(least_samples=1e6, critical_batch=5000.0)
    points = [(batch, curve.samples(batch)) for batch in (100, 1000, 10_000, 50_000)]
    assert fit_curve(points) == pytest.approx((1e6, 5000.0))


@pytest.mark.theory
def test_the_critical_batch_needs_twice_the_least_samples_and_twice_the_least_steps():
    curve = Curve(least_samples=1e6, critical_batch=5000.0)
    assert curve.samples(5000) == 2e6
    assert curve.steps(5000) == pytest.approx(2 * 1e6 / 5000.0)
    assert curve.steps(1e12) == pytest.approx(1e6 / 5000.0, rel=1e-6)


@pytest.mark.published
@pytest.mark.parametrize("name", ["resnet50", "resnet50-v1.5", "bert-large", "gpt3-175b"])
def test_measured_points_lie_within_fifteen_percent_of_their_curve(name):
    """MLPerf's reference convergence points and the papers that each file under workloads names with its
    points.
    """
    known = load_convergence(name)
    least, critical = fit_curve(known.points)
    curve = Curve(least_samples=least, critical_batch=critical)
    for batch, samples in known.points:
        assert curve.samples(batch) == pytest.approx(samples, rel=0.15)
    assert name == "gpt3-175b" or measured_curve(known).least_samples == least


@pytest.mark.published
def test_resnet50_needs_35_epochs_at_a_small_batch_and_twice_that_at_48_thousand():
    """MLPerf Training, reference convergence points of ResNet-50, as the network's file cites them."""
    curve = measured_curve(load_convergence("resnet50"))
    assert curve.least_samples / 1_281_167 == pytest.approx(35, abs=1)
    assert 40_000 < curve.critical_batch < 60_000
    assert "MLPerf" in curve.measured


@pytest.mark.theory
@pytest.mark.parametrize("staleness", [0, 1, 3, 20])
def test_delayed_gradients_lower_the_largest_rate(staleness):
    """x' = x - a x_(-k) is stable below a = 2 cos(k pi / (2 k + 1)) (Levin and May 1976)."""
    limit = 2 * cos(staleness * pi / (2 * staleness + 1))
    assert delay_factor(staleness) == pytest.approx(2 / limit)
    assert is_stable(0.98 * limit, staleness)
    assert not is_stable(1.02 * limit, staleness)


def is_stable(rate, delay):
    values = [1.0] * (delay + 1)
    for _ in range(20_000):
        values.append(values[-1] - rate * values[-1 - delay])
        if abs(values[-1]) > 1e6:
            return False
    return max(map(abs, values[-10 * (delay + 1) :])) < 1


def test_staleness_costs_nothing_where_noise_dominates():
    curve = Curve(least_samples=1e6, critical_batch=1e9)
    assert curve.steps(100, staleness=50) == pytest.approx(curve.steps(100), rel=1e-4)
    with pytest.raises(WorkloadError, match="staleness: found -1"):
        delay_factor(-1)


@pytest.mark.theory
def test_a_decoder_without_measurements_says_what_it_assumes():
    network = load_network("gpt3-6.7b")
    curve = decoder_curve(network, batch=1024, samples=1e8)
    assert curve.samples(1024) == pytest.approx(1e8)
    assert not curve.measured
    assert any("Kaplan" in sentence for sentence in curve.assumed)


@pytest.mark.parametrize("points", [((10, 5.0),), ((10, 5.0), (20, 4.0))])
def test_points_that_make_no_curve_are_refused(points):
    with pytest.raises(WorkloadError, match="convergence"):
        measured_curve(Convergence(points=points, target="nothing", source="test"))


def test_epochs_of_data_sets():
    imagenet = load_dataset("ImageNet")
    assert epoch_samples(imagenet, load_network("resnet50")) == 1_281_167
    assert epoch_samples(load_dataset("gpt3"), load_network("gpt3-175b")) == 300e9 / 2048
    with pytest.raises(WorkloadError, match="holds images; gpt2 expects sequences"):
        epoch_samples(imagenet, load_network("gpt2"))
    with pytest.raises(WorkloadError, match="did you mean imagenet"):
        load_dataset("imagenett")
    assert all(each.source for each in DATASETS.values())
