"""Trainings of many steps: each scheme against the ordinary step, theory and its own promises."""

from dataclasses import replace
from random import Random

import pytest
from builders import build_cluster, build_workload
from hypothesis import given, settings
from hypothesis import strategies as st
from uniform import free_stack, uniform_network

from planner.questions.question import Options, load_question
from simdl.engine.station import Station
from simdl.errors import SimdlError, StrategyError
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy
from simdl.synchrony.draws import Draws
from simdl.synchrony.exchange import Wiring
from simdl.synchrony.order_statistics import expected_order_statistic
from simdl.synchrony.registry import SCHEMES, find_scheme
from simdl.synchrony.simulate import compare_schemes
from simdl.synchrony.slowdown import parse_slowdown
from simdl.synchrony.step_times import StepTimes
from simdl.synchrony.training import Setting, Training

SEVERAL_NODES = [scheme for scheme in SCHEMES.values() if not scheme.one_node]


def setting(scheme, *, workers, needed=None, steps=40, servers=2, bound=1, period=4, seed=0):
    return Setting(
        workers=workers,
        needed=needed or workers,
        steps=steps,
        servers=servers if scheme.servers else 0,
        bound=bound if "bound" in scheme.options else 0,
        period=period if "period" in scheme.options else 1,
        seed=seed,
    )


def wiring(**changes):
    """Links that cost nothing unless asked to."""
    free = {
        "bandwidth": 1e30,
        "memory": 1e30,
        "latency": 0.0,
        "update": 0.0,
        "average": 0.0,
        "all_average": 0.0,
    }
    sizes = {"link": "wire", "domains": 1, "sharers": 1, "gradient": 1e6, "parameters": 1e6}
    return Wiring(**{**sizes, **free, **changes})


def train(name, *, slowdown=None, wires=None, step=1.0, **options):
    """A training whose undisturbed step takes ``step`` seconds and exchanges at no cost."""
    scheme = find_scheme(name)
    chosen = setting(scheme, **options)
    times = StepTimes(
        together=lambda factor: step * factor,
        alone=lambda factor: step * factor,
        gradient=lambda factor: step * factor,
    )
    slowdowns = [parse_slowdown(slowdown)] if slowdown else []
    draws = Draws(slowdowns, devices=1, node_devices=1, seed=chosen.seed)
    training = Training(chosen, times, wires or wiring(), draws, recorded=chosen.workers)
    scheme.start(training)
    training.run()
    return training


def step_time(training):
    return training.end * training.setting.needed / training.used


@pytest.mark.theory
@pytest.mark.parametrize("scheme", SEVERAL_NODES, ids=lambda scheme: scheme.name)
def test_without_slow_downs_and_with_free_exchange_a_step_is_a_step(scheme):
    training = train(scheme.name, workers=8, steps=8)
    assert step_time(training) == pytest.approx(1.0, rel=1e-9)
    assert training.waited == pytest.approx(0.0, abs=1e-9)


def test_the_synchronous_step_is_the_ordinary_one():
    question = load_question(Options(model="gpt2", cluster="dgx-a100:2", global_batch=64))
    strategy = Strategy(dp=8, tp=2, micro_batch=2, zero=1)
    ordinary = simulate(question.workload, question.cluster, strategy, stack=question.stack).report.step_time
    plain = SCHEMES["synchronous"]
    found = compare_schemes(
        question.workload,
        question.cluster,
        strategy,
        stack=question.stack,
        scheme=plain,
        setting=setting(plain, workers=8, steps=3),
    )
    assert found.outcome.step_time == pytest.approx(ordinary, rel=1e-12)
    assert found.ordinary == ordinary


def test_a_slower_device_everywhere_is_the_ordinary_step_of_that_speed():
    question = load_question(Options(model="gpt2", cluster="dgx-a100:1", global_batch=32))
    strategy, plain = Strategy(dp=8, micro_batch=4), SCHEMES["synchronous"]
    speeds = dict.fromkeys(range(8), 1 / 1.5)
    slow = simulate(question.workload, question.cluster, strategy, stack=question.stack, speeds=speeds)
    found = compare_schemes(
        question.workload,
        question.cluster,
        strategy,
        stack=question.stack,
        scheme=plain,
        setting=setting(plain, workers=8, steps=2),
        slowdowns=[parse_slowdown("constant:1.5")],
    )
    assert found.outcome.step_time == pytest.approx(slow.report.step_time, rel=1e-9)


@pytest.mark.theory
def test_spare_workers_remove_most_of_what_rare_stragglers_cost():
    """100 workers, each three times as slow in 2 % of its steps; 5 spare ones (Chen et al. 2016)."""
    plain = step_time(train("synchronous", workers=100, steps=100, slowdown="rare:2%,3"))
    spare = step_time(train("backup-workers", workers=105, needed=100, steps=100, slowdown="rare:2%,3"))
    assert (plain - spare) / (plain - 1.0) >= 0.75


@pytest.mark.theory
@pytest.mark.parametrize("sigma", [0.4])
def test_spare_workers_gain_what_order_statistics_say(sigma):
    slow = parse_slowdown(f"lognormal:{sigma}")
    plain = step_time(train("synchronous", workers=100, steps=400, slowdown=slow.text))
    spare = step_time(train("backup-workers", workers=105, needed=100, steps=400, slowdown=slow.text))
    expected_plain = expected_order_statistic(slow.quantile, 100, 100)
    expected_spare = expected_order_statistic(slow.quantile, 100, 105)
    assert plain / spare == pytest.approx(expected_plain / expected_spare, rel=0.02)
    assert (plain - spare) / (plain - 1.0) == pytest.approx(0.5, abs=0.1)


@pytest.mark.theory
@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 5), (5, 5), (100, 105)])
def test_order_statistics_of_the_uniform_and_exponential_distribution(k, n):
    assert expected_order_statistic(lambda u: u, k, n) == pytest.approx(k / (n + 1), rel=1e-4)
    tail = parse_slowdown("exponential:1")
    harmonic = sum(1 / (n - index) for index in range(k))
    assert expected_order_statistic(tail.quantile, k, n) == pytest.approx(1 + harmonic, rel=1e-3)


def exponential_file(tmp_path, count=1000):
    """Factors with an exponential distribution of mean 1, in equally likely parts."""
    tail = parse_slowdown("exponential:1")
    path = tmp_path / "slow.txt"
    path.write_text("\n".join(f"{tail.quantile((i + 0.5) / count) - 1:.9f}" for i in range(count)))
    return f"file:{path}"


@pytest.mark.theory
@pytest.mark.parametrize("bound", [0, 1, 3])
def test_two_stale_synchronous_workers_with_exponential_steps(bound, tmp_path):
    """The lead walks at random on 2s + 3 equally likely states: (2s+2)/(2s+3) of the unbounded rate."""
    slow = exponential_file(tmp_path)
    found = step_time(train("ssp", workers=2, bound=bound, servers=1, steps=6000, slowdown=slow))
    assert found == pytest.approx((2 * bound + 3) / (2 * bound + 2), rel=0.02)


@pytest.mark.theory
def test_a_bound_of_none_is_a_barrier_and_a_large_one_is_none():
    slow, workers = "lognormal:0.4", 16
    barrier = step_time(train("synchronous", workers=workers, steps=100, slowdown=slow))
    times = [
        step_time(train("ssp", workers=workers, bound=s, steps=100, slowdown=slow)) for s in (0, 1, 4, 1000)
    ]
    assert times[0] == pytest.approx(barrier, rel=1e-9)
    assert times == sorted(times, reverse=True)
    free = step_time(train("asynchronous", workers=workers, steps=100, slowdown=slow))
    assert times[-1] == pytest.approx(free, rel=0.02)


@settings(max_examples=20, deadline=None)
@given(workers=st.integers(2, 12), bound=st.integers(0, 4), seed=st.integers(0, 100))
@pytest.mark.property
def test_no_gradient_is_staler_than_the_bound(workers, bound, seed):
    training = train("ssp", workers=workers, bound=bound, seed=seed, steps=20, slowdown="exponential:1")
    assert training.stalest <= bound


@pytest.mark.theory
def test_asynchronous_gradients_miss_those_of_all_other_workers():
    """Little's law: with free exchange every worker always has one gradient under way, so N - 1 others."""
    training = train("asynchronous", workers=20, steps=300, slowdown="lognormal:0.3")
    assert training.stale / training.judged == pytest.approx(19, rel=0.02)


@pytest.mark.theory
def test_a_gossiping_worker_is_averaged_with_once_a_step():
    training = train("gossip", workers=20, steps=300, slowdown="lognormal:0.3")
    assert training.stale / training.judged == pytest.approx(1, rel=0.02)


@pytest.mark.theory
@pytest.mark.parametrize("servers", [1, 2, 4])
def test_the_queue_at_the_servers_decides(servers):
    """Saturated servers use one gradient per (bytes / servers) / bandwidth."""
    wires = wiring(bandwidth=1e6, gradient=1e6, parameters=1e6)
    training = train("asynchronous", workers=32, servers=servers, step=1.0, steps=30, wires=wires)
    # 32 gradients of one second each arrive within a second, servers take one each 1 / servers seconds
    assert step_time(training) == pytest.approx(max(1.0, 32 / servers), rel=0.06)


@pytest.mark.theory
@pytest.mark.parametrize("period", [1, 4, 10])
def test_local_steps_wait_once_a_period(period):
    """The largest of N sums of H draws, and steps since the average from 0 to H - 1."""
    training = train("local-sgd", workers=8, period=period, steps=40, slowdown="exponential:0.5")
    assert training.stale / training.judged == pytest.approx((period - 1) / 2)
    assert training.stalest == period - 1
    random = [Random(f"0/{worker}") for worker in range(8)]  # noqa: S311 - a simulation
    tail, total = parse_slowdown("exponential:0.5"), 0.0
    for _ in range(40 // period):
        total += max(sum(tail.quantile(each.random()) for _ in range(period)) for each in random)
    assert training.end == pytest.approx(total, rel=1e-9)


def test_elastic_averaging_waits_less_the_rarer_it_exchanges():
    wires = wiring(bandwidth=1e6, gradient=1e6, parameters=1e6)
    often, seldom = (
        step_time(train("easgd", workers=8, servers=1, period=period, steps=64, wires=wires))
        for period in (1, 16)
    )
    assert often == pytest.approx(8.0, rel=0.05)
    assert seldom < 1.4


def test_a_node_of_another_speed_slows_its_own_workers_only():
    draws = Draws([parse_slowdown("constant:2,nodes=1")], devices=1, node_devices=4, seed=0)
    assert [draws.factor(worker, 0) for worker in range(12)] == [1.0] * 4 + [2.0] * 4 + [1.0] * 4


def test_a_worker_of_several_devices_is_as_slow_as_the_slowest():
    one = Draws([parse_slowdown("exponential:1")], devices=1, node_devices=8, seed=1)
    many = Draws([parse_slowdown("exponential:1")], devices=16, node_devices=8, seed=1)
    assert many.factor(0, 0) == max(one.factor(0, step) for step in range(16))


def test_a_device_drawn_once_keeps_its_slow_down():
    draws = Draws([parse_slowdown("lognormal:0.5,per=device")], devices=1, node_devices=8, seed=3)
    assert len({draws.factor(0, step) for step in range(9)}) == 1
    assert draws.factor(0, 0) != draws.factor(1, 0)


def test_equal_seeds_give_equal_trainings():
    first, second = (train("async", workers=9, slowdown="exponential:1", seed=5).end for _ in range(2))
    assert first == second != train("async", workers=9, slowdown="exponential:1", seed=6).end


@pytest.mark.theory
def test_a_station_serves_one_job_at_a_time():
    station = Station("port")
    assert [station.reserve(0.0, 1.0), station.reserve(0.5, 1.0), station.reserve(5.0, 1.0)] == [
        0.0,
        1.0,
        5.0,
    ]
    assert (station.busy, station.waited, station.jobs) == (3.0, 0.5, 3)


def test_every_scheme_runs_on_a_priced_step():
    workload = build_workload(uniform_network(4, parameters=1000), global_batch=64)
    for scheme in SCHEMES.values():
        cluster = build_cluster(1 if scheme.one_node else 2, devices=8)
        workers = 8 if "spare" in scheme.options else cluster.devices
        found = compare_schemes(
            workload,
            cluster,
            Strategy(dp=8 if "spare" in scheme.options else cluster.devices),
            stack=free_stack(),
            scheme=scheme,
            setting=setting(
                scheme, workers=workers + 2 * ("spare" in scheme.options), needed=workers, steps=8
            ),
            slowdowns=[parse_slowdown("rare:10%,3")],
            recorded=4,
        )
        assert found.outcome.samples_per_s > 0, scheme.name
        assert {span.worker for span in found.outcome.spans} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"workers": 17, "needed": 16}, "workers: found 17"),
        ({"steps": 0}, "steps: found 0; expected at least 1"),
        ({"servers": 0}, "servers: found 0; scheme asynchronous expects at least 1"),
        ({"servers": -1}, "servers: found -1; expected at least 0"),
        ({"steps": 10**9}, "workers x steps x servers"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(changes, message):
    workload = build_workload(uniform_network(4, parameters=1000), global_batch=64)
    scheme = SCHEMES["asynchronous"]
    with pytest.raises(StrategyError, match=message):
        compare_schemes(
            workload,
            build_cluster(2, devices=8),
            Strategy(dp=16),
            stack=free_stack(),
            scheme=scheme,
            setting=replace(setting(scheme, workers=16), **changes),
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rare:2,3", "probability: found 2; expected 0 to 1"),
        ("rare:-1%,3", "probability: found -0.01; expected 0 to 1"),
        ("rare:2%,-3", "factor: found -3; expected above 0"),
        ("rare:2%", "factor: missing"),
        ("constant:0", "factor: found 0; expected above 0"),
        ("constant:x", "factor: found 'x'; expected a number"),
        ("constant:nan", "expected a finite number"),
        ("lognormal:-0.1", "sigma: found -0.1"),
        ("exponential:-1", "mean: found -1"),
        ("gauss:1", "found kind 'gauss'; expected one of"),
        ("constant:1,2", "found '2' after 1 values"),
        ("constant:1,factor=2", "factor: given twice"),
        ("constant:1,speed=2", "speed: unknown key"),
        ("constant:1,per=year", "per: found 'year'; expected step or device"),
        ("constant:1,nodes=3-1", "nodes: found '3-1'"),
        ("file:none.txt", "cannot be read"),
    ],
)
def test_a_slow_down_that_is_none_is_refused(text, message):
    with pytest.raises(SimdlError) as refused:
        parse_slowdown(text)
    assert message in str(refused.value)
    assert str(refused.value).startswith(f"--slowdown {text!r}: ")


@pytest.mark.parametrize("text", ["1.2 -0.5", "1.0\nfast", "# nothing"])
def test_a_file_of_factors_is_checked_line_by_line(tmp_path, text):
    path = tmp_path / "slow.txt"
    path.write_text(text)
    with pytest.raises(SimdlError, match=r"slow\.txt"):
        parse_slowdown(f"file:{path}")


def test_names_and_aliases_find_schemes():
    assert find_scheme("SSP").name == "stale-synchronous"
    with pytest.raises(SimdlError, match="scheme: found 'chaos'; expected one of synchronous"):
        find_scheme("chaos")
