"""Which library measures on which device, and what is said where none can."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from click.testing import CliRunner

from planner.cli import main
from validation.errors import MeasurementError
from validation.microbenchmarks import backends
from validation.microbenchmarks.backends import default_backend, gpu_library, load_backend, resolve_device


@pytest.fixture
def libraries(monkeypatch):
    """Installs stand-ins for the libraries named, each with so many GPUs or an error of its driver."""

    def install(**found):
        monkeypatch.setattr(backends, "find_spec", found.get)
        for name, gpus in found.items():
            module = ModuleType(name)
            count = gpus if callable(gpus) else (lambda gpus=gpus: gpus)
            runtime = SimpleNamespace(getDeviceCount=count)
            module.cuda = SimpleNamespace(runtime=runtime, device_count=count)
            monkeypatch.setitem(sys.modules, name, module)

    return install


def no_driver():
    raise RuntimeError("CUDA driver version is insufficient\nsecond line")


def refusal(call, *arguments, **options):
    with pytest.raises(MeasurementError) as caught:
        call(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("text", ["quantum", "cuda", "cuda:", "cuda:-1", "gpu", "CPU", ""])
def test_a_text_that_names_no_device_is_refused(text):
    said = refusal(resolve_device, text)
    assert said == f"--device: found {text!r}; expected auto, cpu or cuda:N such as cuda:0"


def test_auto_takes_a_gpu_that_a_library_reaches_and_otherwise_the_processor(libraries):
    libraries(cupy=2)
    assert (resolve_device("auto"), gpu_library(), default_backend("cuda:0")) == ("cuda:0", "cupy", "cupy")
    libraries(torch=1)
    assert (resolve_device("auto"), gpu_library(), default_backend("cuda:0")) == ("cuda:0", "torch", "torch")
    libraries(cupy=no_driver)
    assert resolve_device("auto") == "cpu"
    libraries()
    assert (resolve_device("auto"), default_backend("cpu")) == ("cpu", "numpy")


@pytest.mark.parametrize(
    ("name", "device", "said"),
    [
        ("jax", "cpu", "--backend: found 'jax'; expected one of numpy, cupy, torch"),
        ("numpy", "cuda:0", "--backend numpy runs on the processor; found --device cuda:0"),
        ("cupy", "cpu", "--backend cupy runs on GPUs; found --device cpu; expected numpy or torch"),
        (
            "cupy",
            "cuda:0",
            "--backend cupy: not installed; pip install -e '.[cuda12]' or '.[cuda13]' from a checkout",
        ),
        ("torch", "cpu", "--backend torch: not installed; pip install -e '.[torch]' from a checkout"),
    ],
)
def test_what_cannot_measure_there_is_refused(libraries, name, device, said):
    libraries()
    assert refusal(load_backend, name, device) == said


@pytest.mark.parametrize("name", ["cupy", "torch"])
def test_a_library_without_a_driver_is_named_with_the_reason(libraries, name):
    libraries(**{name: no_driver})
    assert refusal(load_backend, name, "cuda:0") == (
        f"--device cuda:0: {name} reaches no NVIDIA driver (CUDA driver version is insufficient); "
        "expected a GPU with its driver, or --device cpu"
    )


def test_an_index_beyond_the_gpus_is_refused(libraries):
    libraries(cupy=2)
    said = refusal(load_backend, "cupy", "cuda:2")
    assert said == "--device cuda:2: cupy sees 2 GPUs; expected an index below that, or --device cpu"


def test_threads_are_shared_between_processes(monkeypatch):
    monkeypatch.setattr(backends, "threads_per_process", lambda processes: 8 // processes)
    assert load_backend("numpy", "cpu", processes=4).facts().multiprocessors == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--device", "quantum"), "Error: --device: found 'quantum'; expected auto, cpu or cuda:N"),
        (("--device", "cpu", "--backend", "cupy"), "Error: --backend cupy runs on GPUs"),
    ],
)
def test_the_command_refuses_before_it_writes(tmp_path, options, said):
    done = CliRunner().invoke(main, ["calibrate", *options, "--out", str(tmp_path / "x")])
    assert done.exit_code == 2
    assert done.stderr.startswith(said)
    assert not (tmp_path / "x").exists()
