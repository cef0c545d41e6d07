"""Tables of convolutions: units in the header, and every fault with its line."""

import pytest

from simdl.errors import SimdlError
from simdl.kernels.convolution_table import ConvolutionRow, read_convolution_table, write_convolution_table
from workloads.operators import Pass

HEADER = "device,layer,pass,algorithm,batch,time_us,workspace_MiB"
ROW = "p100,conv2,weight_gradient,fft,32,812.5,48"


def read(tmp_path, *lines):
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return read_convolution_table(path)


def refusal(tmp_path, *lines):
    with pytest.raises(SimdlError) as caught:
        read(tmp_path, *lines)
    return str(caught.value)


def test_units_are_those_of_the_header(tmp_path):
    (row,) = read(tmp_path, HEADER, ROW)
    assert row == ConvolutionRow(
        device="p100",
        layer="conv2",
        which=Pass.WEIGHT_GRADIENT,
        algorithm="fft",
        batch=32,
        time=pytest.approx(812.5e-6),
        workspace=48 * 2**20,
    )
    (other,) = read(tmp_path, HEADER.replace("_us", "_ms").replace("_MiB", "_kB"), ROW)
    assert (other.time, other.workspace) == (pytest.approx(0.8125), 48_000)


@pytest.mark.parametrize(
    ("time", "workspace"), [("time [us]", "workspace [MiB]"), ("time (us)", "workspace_MiB")]
)
def test_units_may_stand_in_brackets(tmp_path, time, workspace):
    header = HEADER.replace("time_us", time).replace("workspace_MiB", workspace)
    assert read(tmp_path, header, ROW) == read(tmp_path, HEADER, ROW)


def test_bytes_may_be_written_out(tmp_path):
    (row,) = read(tmp_path, HEADER.replace("_MiB", "_bytes"), ROW)
    assert row.workspace == 48


def test_columns_may_stand_in_any_order(tmp_path):
    (row,) = read(
        tmp_path, "time_s,batch,workspace_B,algorithm,pass,layer,device", "2,8,0,gemm,forward,conv,p4"
    )
    assert (row.time, row.batch, row.workspace, row.layer) == (2.0, 8, 0.0, "conv")


def test_what_is_written_reads_back_the_same(tmp_path):
    rows = read(tmp_path, HEADER, ROW, ROW.replace("812.5", "0.1").replace("32", "64"))
    write_convolution_table(tmp_path / "again.csv", rows)
    assert read_convolution_table(tmp_path / "again.csv") == rows


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (HEADER.replace("time_us", "time"), "column 'time': no unit; expected a name such as 'time_us'"),
        (HEADER.replace("time_us", "time_MiB"), "column 'time_MiB': no unit"),
        (HEADER.replace("workspace_MiB", "workspace"), "column 'workspace': no unit"),
        (HEADER.replace(",algorithm", ",algoritm"), "column 'algoritm': unknown; did you mean 'algorithm'?"),
        (HEADER.replace(",algorithm", ",algoritm"), "no column 'algorithm'"),
        (HEADER.replace(",workspace_MiB", ""), "no column 'workspace_MiB'"),
        (HEADER + ",device", "column 'device' stands twice"),
        (HEADER + ",time_s", "column 'time_s': time stands twice"),
    ],
)
def test_a_faulty_header_is_refused(tmp_path, header, message):
    assert message in refusal(tmp_path, header, ROW)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ROW.replace(",fft,", ",,"), "line 2: algorithm: empty"),
        (ROW.replace(",fft,", ",ftf,"), "line 2: algorithm: found 'ftf'; expected implicit_gemm, "),
        (ROW.replace("812.5", "-1"), "line 2: time_us: found '-1'; expected a number above 0"),
        (ROW.replace("812.5", "0"), "line 2: time_us: found '0'"),
        (ROW.replace("812.5", "nan"), "line 2: time_us: found 'nan'"),
        (ROW.replace(",48", ",-48"), "line 2: workspace_MiB: found '-48'; expected a number of at least 0"),
        (ROW.replace(",48", ""), "line 2: workspace_MiB: found ''"),
        (ROW.replace(",32,", ",1.5,"), "line 2: batch: found '1.5'; expected a whole number of at least 1"),
        (ROW.replace("weight_gradient", "backward"), "line 2: pass: found 'backward'; expected forward, "),
        (ROW + ",1", "line 2: more cells than columns"),
    ],
)
def test_a_faulty_row_is_refused(tmp_path, row, message):
    assert message in refusal(tmp_path, HEADER, row)


def test_faults_are_reported_together(tmp_path):
    message = refusal(tmp_path, HEADER, ROW.replace("812.5", "-1").replace("32", "x"), ROW, ROW)
    assert [line.split(": ")[1] for line in message.splitlines()] == ["line 2", "line 2", "line 4"]
    assert "p100, conv2, weight_gradient, fft, 32 stands twice" in message


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    assert read(tmp_path, "\ufeff" + HEADER, ROW) == read(tmp_path, HEADER, ROW)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"device,la\x00yer\n"])
def test_a_file_that_is_no_text_is_refused(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(SimdlError, match=r"table\.csv"):
        read_convolution_table(path)


def test_an_empty_table_is_refused(tmp_path):
    assert "no rows; expected at least one" in refusal(tmp_path, HEADER)
