import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from project import shown

from hardware.profiles import load_device
from simdl.kernels.cost_model import estimate_kernel_time
from simdl.kernels.kernel import AttentionCall, ConvolutionCall, Product
from validation.commands.kernels import kernels
from validation.errors import MeasurementError
from validation.kernels.compare import PUBLISHED, compare_kernels, kernel_tables, summarize_kernels
from validation.kernels.rows import load_kernel_rows
from workloads.operators import Pass

GEMM = "device,precision,M,N,K,achieved_tflops\n"


@pytest.fixture(scope="module")
def results():
    return compare_kernels(kernel_tables(None))


@pytest.fixture(scope="module")
def summaries(results):
    return {(s.file, s.device): s for s in summarize_kernels(results)}


def test_the_page_on_kernels_shows_the_errors_of_today(results, monkeypatch):
    known = {tuple(kernel_tables(None)): results}
    monkeypatch.setattr("validation.commands.kernels.compare_kernels", lambda paths: known[tuple(paths)])
    result = CliRunner().invoke(kernels)
    printed = "\n".join(line.rstrip() for line in result.stdout.strip("\n").splitlines())
    assert shown("docs/kernel-fit.md", "simdl validate kernels") == printed


def table(folder, text):
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_reported_rate_becomes_a_product_with_its_time(tmp_path):
    (row,) = load_kernel_rows(table(tmp_path, GEMM + "NVIDIA A100 SXM,bf16,1024,2048,4096,100\n"))
    assert row.kernel.shape == Product(1024, 2048, 4096)
    assert row.device == "a100-sxm-80gb"
    assert row.measured == pytest.approx(2 * 1024 * 2048 * 4096 / 100e12)
    assert not row.held_out


def test_a_device_without_profile_is_skipped_with_the_reason(tmp_path):
    (row,) = load_kernel_rows(table(tmp_path, GEMM + "Raspberry Pi,bf16,1,1,1,1\n"))
    assert row.skipped == "device 'Raspberry Pi' has no profile"


def test_the_depth_of_neusight_stands_in_its_column_n(tmp_path):
    text = "device,op,batch,M,N,K,latency_ms\nTesla P4,bmm,7,25,3,994,1\n"
    (row,) = load_kernel_rows(table(tmp_path, text))
    assert row.kernel.shape == Product(25, 994, 3, 7)


VECTOR = "device,op,rows_B,cols_H,latency_ms\n"


def test_a_power_reads_and_writes_one_tensor_each(tmp_path):
    rows = load_kernel_rows(table(tmp_path, VECTOR + "NV_T4,pow,512,512,1\nTesla T4,pow,512,1024,1\n"))
    assert {row.device for row in rows} == {"t4"}
    assert [row.kernel.nbytes for row in rows] == [2 * 4 * 512 * 512, 2 * 4 * 512 * 1024]


def test_an_operator_that_is_not_known_is_skipped_with_the_reason(tmp_path):
    (row,) = load_kernel_rows(table(tmp_path, VECTOR + "Tesla T4,fft,512,512,1\n"))
    assert row.skipped.startswith("operator 'fft' is not one of add")


def test_an_unknown_header_says_what_is_read(tmp_path):
    with pytest.raises(MeasurementError, match=r"found header a, b; expected rows under one of these"):
        load_kernel_rows(table(tmp_path, "a,b\n1,2\n"))


def test_an_empty_table_is_refused(tmp_path):
    with pytest.raises(MeasurementError, match="found a header and no rows"):
        load_kernel_rows(table(tmp_path, GEMM))


def test_a_word_in_place_of_a_number_names_its_line(tmp_path):
    with pytest.raises(MeasurementError, match=r"table\.csv line 2: .*'many'; expected numbers"):
        load_kernel_rows(table(tmp_path, GEMM + "NVIDIA A100 SXM,bf16,many,1,1,1\n"))


def test_a_deepbench_convolution_gives_three_passes():
    rows = load_kernel_rows(PUBLISHED / "deepbench_conv.csv")
    first = next(row for row in rows if row.kernel)
    passes = [r.kernel.shape.which for r in rows if r.row == first.row]
    assert set(passes) <= set(Pass)
    assert isinstance(first.kernel.shape, ConvolutionCall)


def test_large_tables_keep_every_fifth_row_out_of_the_fit():
    rows = load_kernel_rows(PUBLISHED / "deepbench_gemm.csv")
    assert {row.row % 5 == 0 for row in rows if row.held_out} == {True}
    assert sum(row.held_out for row in rows if row.kernel) > 100


def test_fused_attention_rows_become_attention_calls():
    rows = [row for row in load_kernel_rows(PUBLISHED / "flash_attention.csv") if row.kernel]
    assert rows
    assert all(isinstance(row.kernel.shape, AttentionCall) for row in rows)
    own = [row.kernel.shape.shape for row in rows if row.device == "rtx-a5000"]
    assert {shape.heads * shape.head_size for shape in own} == {2048}  # width of the kernels' own benchmark


def test_what_the_shortest_row_takes_beyond_its_prediction_is_the_timer_cost(tmp_path):
    """Three vector kernels of a group: the shortest gives the timer's cost, one is near it, one is scored."""
    header = "device,op,rows_B,cols_H,latency_ms\n"
    rows = "A100 40GB,relu,1,1024,0.01\nA100 40GB,relu,1,4096,0.02\nA100 40GB,relu,65536,4096,2\n"
    path = table(tmp_path, header + rows)
    first, _, last = (row.kernel for row in load_kernel_rows(path))
    device = load_device("a100-sxm-40gb")
    results = compare_kernels([path])
    assert results["skipped"].str.partition(" ")[0].tolist()[:2] == ["the", "under"]
    assert results["predicted"].isna().tolist() == [True, True, False]
    timer = 1e-5 - estimate_kernel_time(first, device)
    assert results["predicted"].iloc[2] == pytest.approx(estimate_kernel_time(last, device) + timer)


def test_rows_that_measure_the_timer_are_left_out():
    results = compare_kernels([PUBLISHED / "neusight_vector_ops_fwd.csv"])
    reasons = results["skipped"].dropna()
    assert reasons.str.startswith("under 3 times the shortest row").any()
    assert (results.loc[results["skipped"].isna(), "predicted"] > 0).all()


@pytest.mark.published
@pytest.mark.parametrize(
    ("file", "device", "median"),
    [
        ("deepbench_gemm.csv", "v100-sxm2-16gb", 0.08),
        ("gemm_achieved_tflops.csv", "a100-sxm-80gb", 0.06),
        ("gemm_reported.csv", "h100-sxm-80gb", 0.08),
        ("gemm_reported.csv", "h200", 0.05),
        ("neusight_gemm_fwd.csv", "v100-pcie-32gb", 0.08),
        ("neusight_gemm_amd.csv", "mi100", 0.11),
        ("neusight_vector_ops_fwd.csv", "a100-pcie-40gb", 0.10),
        ("memory_and_link_bandwidth.csv", "a100-sxm-80gb", 0.05),
        ("deepbench_conv.csv", "v100-sxm2-16gb", 0.25),
    ],
)
def test_median_errors_of_the_fit_hold(summaries, file, device, median):
    assert summaries[file, device].fitted.median <= median


@pytest.mark.published
@pytest.mark.parametrize(
    ("file", "device", "median"),
    [
        ("deepbench_gemm.csv", "v100-sxm2-16gb", 0.08),
        ("neusight_gemm_fwd.csv", "v100-pcie-32gb", 0.10),
        ("deepbench_conv.csv", "v100-sxm2-16gb", 0.25),
    ],
)
def test_held_out_rows_are_predicted_as_well(summaries, file, device, median):
    assert summaries[file, device].held_out.n >= 20
    assert summaries[file, device].held_out.median <= median


@pytest.mark.published
def test_products_that_a_few_tokens_ask_for_hold():
    """Weights of FP16 that meet 8 to 64 rows on a V100 (DeepBench): what a step of decoding multiplies."""
    results = compare_kernels([PUBLISHED / "deepbench_gemm.csv"])
    kernels = results["kernel"]
    few = kernels.map(lambda k: k is not None and k.dtype == "fp16" and min(k.shape.m, k.shape.n) <= 64)
    scored = results[few & (results["device"] == "v100-sxm2-16gb") & results["predicted"].notna()]
    errors = (scored["predicted"] / scored["measured"] - 1).abs()
    assert len(errors) == 72
    assert errors.median() <= 0.13


def test_mixed_precision_convolutions_choose_the_family_the_library_chose(summaries):
    assert summaries["deepbench_conv.csv", "v100-sxm2-16gb"].same_family > 0.8


def test_json_has_the_contract_of_every_validation():
    outcome = CliRunner().invoke(kernels, ["--data", str(PUBLISHED / "flash_attention.csv"), "--json"])
    answer = json.loads(outcome.stdout)
    assert outcome.exit_code == 0
    assert set(answer) == {"headline", "rows", "summary"}
    assert set(answer["rows"][0]) == {"file", "row", "item", "measured", "predicted", "unit", "skipped"}
    assert any(row["predicted"] for row in answer["rows"])


def test_the_table_names_every_device():
    outcome = CliRunner().invoke(kernels, ["--data", str(PUBLISHED / "gemm_reported.csv")])
    assert outcome.exit_code == 0
    assert "h200" in outcome.stdout


def test_a_bad_table_is_one_message_and_status_2(tmp_path):
    outcome = CliRunner().invoke(kernels, ["--data", str(table(tmp_path, "a,b\n1,2\n"))])
    assert outcome.exit_code == 2
    assert "found header a, b" in outcome.output
    assert "Traceback" not in outcome.output


def test_a_folder_without_tables_is_refused(tmp_path):
    outcome = CliRunner().invoke(kernels, ["--data", str(tmp_path)])
    assert outcome.exit_code == 2
    assert f"{tmp_path}: no CSV file in this folder; expected tables of kernels" in outcome.stderr
    assert not outcome.stdout


def test_every_published_table_can_be_read():
    for path in kernel_tables(None):
        rows = load_kernel_rows(Path(path))
        assert all(row.skipped or row.measured > 0 for row in rows)
