"""Commands that judge nothing do not wait for pandas."""

import subprocess
import sys

import pytest

QUESTION = ["lenet5", "--cluster", "dgx-1-v100:1", "--global-batch", "64"]


def modules_after(arguments):
    code = (
        "import sys\n"
        "from planner.cli import main\n"
        "try:\n    main(sys.argv[1:], standalone_mode=False)\n"
        "finally:\n    print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["validate", "--help"],
        ["plan", *QUESTION],
        ["simulate", *QUESTION],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_pandas_is_not_imported(arguments):
    modules = modules_after(arguments)
    assert "planner.cli" in modules
    assert "pandas" not in modules


def test_pandas_is_imported_where_predictions_are_judged(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("device,precision,M,N,K,achieved_tflops\nNVIDIA A100 SXM,bf16,1024,2048,4096,100\n")
    assert "pandas" in modules_after(["validate", "kernels", "--data", table])
