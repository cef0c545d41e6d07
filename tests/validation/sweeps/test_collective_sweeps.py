"""Sweep rows: machines from text, measured times, and the accuracy promised on the published rows."""

import pytest

from hardware.profiles import device_names, link_names
from simdl.communication import Operation
from simdl.communication.library import library_names, load_library
from validation.errors import MeasurementError, RowSkippedError
from validation.judging.rules import load_rules
from validation.sweeps.clusters import build_cluster, conditions_of, printed_ports
from validation.sweeps.compare import (
    algorithm_of,
    launches_of,
    library_of,
    predict_row,
    predict_sweeps,
    summarize_sweeps,
)
from validation.sweeps.machines import Fabric, Generation, Instance, Ports
from validation.sweeps.rows import SweepRow, load_sweep, measured_time

HEADER = "sweep_id,collective,gpu,nodes,ranks,intra_node,inter_node,library,size_bytes,time_us,busbw_GBs"


def row(**cells):
    defaults = {
        "sweep_id": "made-up",
        "collective": "all_reduce",
        "gpu": "H100-SXM5-80GB",
        "nodes": "2",
        "ranks": "16",
        "intra_node": "NVLink4+NVSwitch (8 GPU)",
        "inter_node": "8x NDR400 InfiniBand",
        "library": "NCCL 2.20",
        "size_bytes": "1048576",
        "time_us": "100",
    }
    return SweepRow(file="made-up.csv", row=1, cells=defaults | cells)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8x HDR200 InfiniBand ConnectX-6", Ports(count=8, rate=200)),
        ("4x EDR100 InfiniBand", Ports(count=4, rate=100)),
        ("8x BlueField-3 400GbE RoCE per node", Ports(count=8, rate=400)),
        ("8x400G RoCE", Ports(count=8, rate=400)),
        ("4x 400 Gb/s class NIC RoCE", Ports(count=4, rate=400)),
        ("EFA 4x100 Gb/s", Ports(count=4, rate=100)),
        ("Omni-Path 100", Ports(count=1, rate=100)),
        ("GPUDirect-TCPXO 1.6 Tbps class", Ports(count=8, rate=200)),
        ("InfiniBand (NICs not stated)", None),
    ],
)
def test_printed_ports(text, expected):
    assert printed_ports(text) == expected


@pytest.mark.parametrize(
    ("cells", "inside", "outside"),
    [
        ({}, ("nvswitch3", 18, "switch"), ("infiniband-ndr", 8)),
        (
            {"gpu": "A100-SXM4", "intra_node": "NVLink3+NVSwitch", "inter_node": "8x HDR200 InfiniBand"},
            ("nvswitch2", 12, "switch"),
            ("infiniband-hdr", 8),
        ),
        (
            {
                "gpu": "V100 (DGX-1)",
                "intra_node": "NVLink2 hybrid cube mesh",
                "inter_node": "4x EDR100 InfiniBand",
            },
            ("nvlink2", 6, "mesh"),
            ("infiniband-edr", 4),
        ),
        (
            {"gpu": "H100 (p5.48xlarge)", "inter_node": "EFA (32 adapters)"},
            ("nvswitch3", 18, "switch"),
            ("efa-v2-100g", 32),
        ),
        (
            {"gpu": "DGX H100", "ranks": "4", "inter_node": "InfiniBand (NICs not stated)"},
            ("nvswitch3", 18, "switch"),
            ("infiniband-ndr", 2),
        ),
        (
            {"gpu": "DGX H100", "inter_node": "HDR InfiniBand"},
            ("nvswitch3", 18, "switch"),
            ("infiniband-hdr", 8),
        ),
        (
            {"gpu": "MI250X", "intra_node": "Infinity Fabric", "inter_node": "Slingshot-11 4x200"},
            ("xgmi-mi250x", 4, "mesh"),
            ("roce-200g", 4),
        ),
    ],
)
def test_machine_follows_from_the_text(cells, inside, outside):
    found = conditions_of(row(**cells))
    assert (found.inside.link, found.inside.ports, found.inside.topology) == inside
    assert (found.outside.link, found.outside.ports) == outside


def test_machine_table_names_registered_profiles_only():
    machines = load_rules("sweeps/generations.toml", Generation)
    fabrics = load_rules("sweeps/fabrics.toml", Fabric)
    links = {machine.inside.link for machine in machines} | {
        link for f in fabrics for link in f.links.values()
    }
    instances = load_rules("sweeps/instances.toml", Instance)
    links |= {instance.ports.link for instance in instances if instance.ports.link}
    assert {machine.device for machine in machines} <= set(device_names())
    assert links <= set(link_names())
    assert {machine.library for machine in machines} <= set(library_names())


def test_links_that_libraries_name_are_registered():
    for name in library_names():
        library = load_library(name)
        assert set(library.in_switch) <= set(link_names())


def test_one_device_per_node_has_no_inner_link():
    found = conditions_of(row(ranks="2", intra_node="none", inter_node="4x 400 Gb/s RoCE"))
    assert found.inside is None
    assert found.outside.ports == 1


def test_open_ports_are_assumed_and_said():
    found = conditions_of(row(gpu="DGX H100", inter_node="InfiniBand (NICs not stated)"))
    assert "states no ports: assumed 8 of 400 Gbit/s" in found.warnings[0]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"gpu": "not stated"}, "gpu: 'not stated' names no device"),
        ({"inter_node": "RDMA"}, "inter_node: 'RDMA' names no fabric"),
        ({"inter_node": "8x 300G InfiniBand"}, "no link at 300 Gbit/s; known"),
        ({"nodes": "unknown"}, "nodes: 'unknown' is not a count"),
        ({"ranks": "15"}, "15 do not divide into 2 nodes"),
        ({"collective": "sendrecv"}, "'sendrecv' is not modelled"),
        ({"time_us": ""}, "neither a time nor a bus bandwidth"),
        ({"size_bytes": "0"}, "not a positive number"),
        ({"intra_node": "none"}, "'none' with 8 devices per node"),
        ({"inter_node": "InfiniBand (NICs not stated)"}, "does not state the network card"),
        ({"gpu": "AMD Radeon; MI300-class or later"}, "names no device"),
        ({"gpu": "RTX 3090", "intra_node": "NVLink3 bridge"}, "bridge between rtx-3090 are not told"),
        ({"intra_node": "PCIe, no peer access (GeForce)"}, "without peer access data cross host memory"),
        ({"algo_note": "NCCL_P2P_DISABLE=1"}, "without peer access data cross host memory"),
        ({"inter_node": "1 NIC per rank, RDMA (NIC type not read)"}, "does not state the network card"),
    ],
)
def test_rows_that_cannot_be_placed_say_why(cells, reason):
    found = predict_row(row(**cells))
    assert found.predicted is None
    assert reason in found.skipped


def test_measured_time_prefers_the_printed_time():
    assert measured_time(row(), Operation.ALL_REDUCE, 16) == pytest.approx(1e-4)
    printed = row(time_us="", busbw_GBs="187.5", size_bytes="1e9")
    assert measured_time(printed, Operation.ALL_REDUCE, 16) == pytest.approx(0.01)
    with pytest.raises(RowSkippedError):
        measured_time(row(time_us="nan"), Operation.ALL_REDUCE, 16)


def test_library_and_forced_algorithm():
    assert library_of(row(library="RCCL 2.27.7"), "nccl") == ("rccl:2.27.7", ())
    assert library_of(row(library="torch 2.9.1 / NCCL 2.27.7"), "nccl") == ("nccl:2.27.7", ())
    assert library_of(row(library="Open MPI 5"), "nccl") == ("mpi", ())
    name, said = library_of(row(library="NCCL 2.4.8 + aws-ofi-nccl"), "nccl")
    assert name == "nccl:2.5.7"
    assert "nearest known version 2.5.7 instead of 2.4.8" in said[0]
    name, said = library_of(row(library="aws-ofi-nccl 1.7.3"), "nccl")
    assert name == "nccl:2.21.5"
    assert "states no version: assumed 2.21.5" in said[0]
    assert algorithm_of(row(algo_note="NCCL_ALGO=Tree")) == "double_tree"
    assert algorithm_of(row(algo_note="Ring (NVLS off)")) == "ring"
    assert algorithm_of(row(algo_note="Ring (NCCL choice)")) == "auto"


def test_ports_next_to_the_ranks_serve_a_partly_used_node():
    cluster = build_cluster(conditions_of(row(ranks="4")))
    assert cluster.devices == 4
    assert cluster.levels[1].ports == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found an empty file"),
        ("a,b\n1,2\n", "missing sweep_id"),
        (HEADER + "\n", "a header and no rows"),
    ],
)
def test_tables_that_are_not_sweeps(tmp_path, text, message):
    path = tmp_path / "odd.csv"
    path.write_text(text)
    with pytest.raises(MeasurementError, match=message):
        load_sweep(path)


@pytest.fixture(scope="module")
def results():
    return predict_sweeps()


@pytest.mark.published
@pytest.mark.parametrize(
    ("group", "least"),
    [("at_least_1_mib", 300), ("at_least_1_mib_held_out", 70)],  # held out: took no part in the fit
)
def test_published_sweeps_of_one_mebibyte_and_more(results, group, least):
    """Rows of validation/published/cnn/*sweeps*.csv, each with its source column."""
    found = summarize_sweeps(results)[group].errors
    assert found.n >= least
    assert found.median <= 0.08
    assert found.mean <= 0.15


@pytest.mark.published
def test_published_sweeps_below_one_mebibyte(results):
    """Rows of validation/published/cnn/*sweeps*.csv, each with its source column."""
    found = summarize_sweeps(results)["below_1_mib"].errors
    assert found.n >= 200
    assert found.median <= 0.25


@pytest.mark.published
def test_every_row_is_predicted_or_says_why(results):
    """Rows of validation/published/cnn/*sweeps*.csv, each with its source column."""
    assert len(results) == 609 + 140 + 229
    assert (results["predicted"].isna() != results["skipped"].isna()).all()


@pytest.mark.parametrize(("library", "alone"), [("torch 2.9.1 / NCCL 2.20", True), ("NCCL 2.20", False)])
def test_calls_that_are_timed_alone_wait_for_their_host(library, alone):
    found = [predict_row(row(library=name, size_bytes="1024")) for name in ("NCCL 2.20", library)]
    least = load_library("nccl").least
    device = found[0].predicted
    assert found[0].predicted >= least
    assert found[1].predicted == pytest.approx(least + device if alone else device)


@pytest.mark.published
def test_short_calls_of_pytorch_on_eight_h200s_come_out_by_host_and_device_together():
    """stas00/ml-engineering, network/README.md: 38 to 40 us from 32 to 512 KiB."""
    found = predict_sweeps()
    short = found[found["item"].str.startswith("stas_h200_1n") & (found["size"] < 2**20)]
    assert len(short) == 5
    assert short["predicted"].to_list() == pytest.approx(short["measured"].to_list(), rel=0.2)


@pytest.mark.parametrize(
    ("note", "library", "launches"),
    [
        ("single-process -g 4", "nccl:2.5.7", 1),
        ("single-process -g 4", "nccl:2.8.4", 1),
        ("single-process -g 4", "nccl:2.18.5", 4),
        ("single-process -g 4", "rccl:2.21.5", 4),
        ("one process per device", "nccl:2.18.5", 1),
        ("CUDA graph, single process", "nccl:2.18.5", 0),
    ],
)
def test_a_process_launches_device_by_device_since_nccl_2_9(note, library, launches):
    """NVIDIA/nccl, src/init.cc: launchMode is GROUP up to v2.8.4-1 and PARALLEL from v2.9.6-1 on."""
    assert launches_of(row(algo_note=note), 4, library) == launches


@pytest.mark.published
def test_four_v100_of_one_process_take_one_launch():
    """Sheffield HPC documentation, Bessemer CUDA page: 4 V100 on PCIe, NCCL 2.4.2, 16.4 us at 4 KiB."""
    asked = {"gpu": "V100-PCIE-32GB", "nodes": "1", "ranks": "4", "intra_node": "PCIe Gen3, no NVLink"}
    cells = {"inter_node": "none", "library": "NCCL 2.4.2", "algo_note": "single-process -g 4"}
    found = predict_row(row(**asked, **cells, size_bytes="4096", time_us="16.41"))
    assert found.predicted == pytest.approx(16.4e-6, rel=0.1)
