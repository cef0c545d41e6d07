"""What the profile reader refuses: each fault on its own, with its place, and all of a file at once."""

import re

import pytest

from hardware.component_profiles import parse_device, parse_link
from hardware.errors import HardwareError, ProfileError, UnknownNameError
from hardware.profile_files import load_text
from hardware.profile_reader import ProfileReader
from hardware.profiles import load_cluster, load_device, load_link, load_node, parse_node

SOURCE = """
[sources.sheet]
kind = "datasheet"
title = "A datasheet"
location = "https://example.org/sheet.pdf"
read_on = 2026-11-21
"""
LINK = f"""
description = "A link"
bandwidth = {{ value = "400 Gbit/s", source = "sheet" }}
latency = {{ value = "5 us", source = "sheet" }}
efficiency = {{ value = 0.9, source = "sheet" }}
half_size = {{ value = "128 KiB", source = "sheet" }}
{SOURCE}"""
NODE = f"""
description = "A node"
device = "t4"
{SOURCE}
[[levels]]
name = "node"
link = "pcie3-x16"
topology = "bus"
ports = {{ value = 1, source = "sheet" }}
size = {{ value = 8, source = "sheet" }}

[[levels]]
name = "network"
link = "roce-100g"
topology = "switch"
ports = {{ value = 2, source = "sheet" }}
size = {{ value = 0, source = "sheet" }}
"""
VARIANT = f"""
base = "v100-sxm2-16gb"
description = "A variant"
memory.capacity = {{ value = "24 GiB", source = "sheet" }}
{SOURCE}"""


def faults(parse, text):
    with pytest.raises(ProfileError) as caught:
        parse(text, "mine", "links/mine.toml")
    assert str(caught.value).splitlines() == list(caught.value.faults)
    assert all(fault.startswith("links/mine.toml: ") for fault in caught.value.faults)
    return [fault.removeprefix("links/mine.toml: ") for fault in caught.value.faults]


DEVICE = load_text("devices", "t4")


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("capacity", '"1e305 PB"', "memory.capacity: '1e305 PB' is beyond any machine"),
        ("bandwidth", '"1e-300 B/s"', "memory.bandwidth: '1e-300 B/s' is beyond any machine"),
        ("bandwidth", '"0 B/s"', "memory.bandwidth: found '0 B/s'; expected a value above zero"),
        ("multiprocessors", "0", "compute.multiprocessors: found 0; expected a whole number, at least 1"),
        ("cache_ratio", "0", "efficiency.matmul.cache_ratio: found 0; expected a number above zero"),
        ("cache_ratio", "1e300", "efficiency.matmul.cache_ratio: found 1e+300; expected a number above zero"),
        ("forward", "0", "efficiency.attention.forward: found 0; expected a fraction above zero, at most 1"),
        ("forward", "1e-300", "efficiency.attention.forward: found 1e-300; expected a fraction above zero"),
        ("forward", "nan", "efficiency.attention.forward: found nan; expected a fraction above zero"),
    ],
)
def test_what_times_are_divided_by_is_neither_nothing_nor_beyond_any_machine(key, value, fault):
    text = re.sub(rf"(?m)^({key} = .*value = )([^,]*)", rf"\g<1>{value}", DEVICE, count=1)
    found = faults(parse_device, text)
    assert [each.startswith(fault) for each in found] == [True], found


def test_a_device_that_sustains_nothing_is_refused():
    added = 'sustained = { value = 0, source = "datasheet" }'
    found = faults(parse_device, DEVICE.replace("[compute]", f"[compute]\n{added}", 1))
    assert found == ["compute.sustained: found 0; expected a fraction above zero, at most 1"]


def test_the_samples_are_without_fault():
    assert parse_link(LINK, "mine", "links/mine.toml").bandwidth == 50e9
    assert parse_node(NODE, "mine", "clusters/mine.toml").devices == 8
    assert parse_device(VARIANT, "mine", "devices/mine.toml").memory_capacity == 24 * 2**30


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"400 Gbit/s"', "400", "bandwidth: found 400; expected text with a unit (bandwidth)"),
        ('"400 Gbit/s"', '"400"', "bandwidth: '400' has no unit"),
        ('"400 Gbit/s"', '"400 GB"', "bandwidth: '400 GB' is not of dimension bandwidth"),
        ('"400 Gbit/s"', '"0 GB/s"', "bandwidth: found '0 GB/s'; expected a value above zero"),
        ('"5 us"', '"-5 us"', "latency: found '-5 us'; expected a value not below zero"),
        ("0.9", "1.2", "efficiency: found 1.2; expected a fraction above zero, at most 1"),
        ("0.9", "-0.1", "efficiency: found -0.1; expected a fraction"),
        ("0.9", "nan", "efficiency: found nan; expected a fraction"),
        ("0.9", "true", "efficiency: found True; expected a fraction"),
        ("0.9", '"90 %"', "efficiency: found '90 %'; expected a fraction"),
        (
            '{ value = 0.9, source = "sheet" }',
            "0.9",
            'efficiency: no source; expected { value = 0.9, source = "KEY" } with a KEY of this file',
        ),
        (
            '{ value = "5 us", source = "sheet" }',
            '"5 us"',
            'latency: no source; expected { value = "5 us", s',
        ),
        ('value = 0.9, source = "sheet"', 'source = "sheet"', "efficiency.value: missing"),
        ('0.9, source = "sheet"', '0.9, source = "shet"', "efficiency: source 'shet' is not declared"),
        ('0.9, source = "sheet"', '0.9, source = ["sheet"]', "efficiency: source ['sheet'] is not declared"),
        ('0.9, source = "sheet"', '0.9, source = "sheet", note = 1', "efficiency.note: found 1"),
        ('0.9, source = "sheet"', '0.9, source = "sheet", by = 1', "efficiency.by: unknown key"),
        ('latency = { value = "5 us", source = "sheet" }\n', "", "latency: missing"),
        ('description = "A link"\n', "", "description: missing; expected text"),
        ('"A link"', "3", "description: found 3; expected text"),
        ("latency =", "speed = 3\nlatency =", "speed: unknown key"),
        ("latency =", 'source = "sheet"\nlatency =', "source: unknown key"),
        ("[sources", "[speed]\n[sources", "speed: unknown key"),
        ('"datasheet"', '"rumour"', "sources.sheet.kind: found 'rumour'; expected one of datasheet"),
        ("2026-11-21", '"today"', "sources.sheet.read_on: found 'today'; expected a date"),
        ('title = "A datasheet"\n', "", "sources.sheet.title: missing"),
        ('"A datasheet"', '""', "sources.sheet.title: found ''; expected text"),
        ("title =", "page = 3\ntitle =", "sources.sheet.page: unknown key"),
    ],
)
def test_one_fault_of_a_link(old, new, fault):
    assert LINK.count(old) >= 1
    found = faults(parse_link, LINK.replace(old, new, 1))
    assert len(found) == 1
    assert found[0].startswith(fault)


@pytest.mark.parametrize("kind", ["assumed", "derived"])
def test_assumed_and_derived_numbers_need_a_note(kind):
    text = LINK.replace('"datasheet"', f'"{kind}"')
    expected = f"{kind} without a note; expected the reason or the arithmetic"
    assert faults(parse_link, text) == [
        f"{key}: {expected}" for key in ("bandwidth", "latency", "efficiency", "half_size")
    ]
    parse_link(text.replace('source = "sheet"', 'source = "sheet", note = "because"'), "mine", "mine.toml")


def test_a_source_that_nobody_uses():
    assert faults(parse_link, LINK + SOURCE.replace("sheet]", "other]")) == [
        "sources.other: no number names it; remove it"
    ]


def test_independent_faults_are_reported_together():
    text = LINK.replace('"5 us"', "5").replace("0.9", "9").replace("half_size", "half_siz")
    text += SOURCE.replace("sheet]", "other]")
    assert [fault.partition(": ")[0] for fault in faults(parse_link, text)] == [
        "latency",
        "efficiency",
        "half_size",
        "sources.other",
        "half_siz",
    ]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("value = 8,", "value = 8.5,", "levels.0.size: found 8.5; expected a whole number"),
        ("value = 8,", "value = -8,", "levels.0.size: found -8; expected a whole number, not below zero"),
        ("value = 8,", "value = nan,", "levels.0.size: found nan; expected a whole number"),
        ("value = 8,", "", "levels.0.size.value: missing"),
        ("value = 2,", "value = -1,", "levels.1.ports: found -1; expected a number above zero"),
        ("value = 8,", "value = inf,", "levels.0.size: found inf; expected a whole number"),
        ("value = 8,", "value = 0,", "levels.0.size: found 0; expected at least 1"),
        ("value = 0,", "value = 4,", "levels.1.size: found 4; expected 0 for the last level"),
        ("value = 2,", "value = 0,", "levels.1.ports: found 0; expected a number above zero"),
        ('{ value = 1, source = "sheet" }', "1", "levels.0.ports: no source"),
        ('"bus"', '"star"', "levels.0.topology: found 'star'; expected one of switch, mesh, torus, bus"),
        ('"pcie3-x16"', '"pcie3x16"', "levels.0.link: unknown link 'pcie3x16'; did you mean pcie3-x16"),
        ('device = "t4"', 'device = "t44"', "device: unknown device 't44'; did you mean t4"),
        ('device = "t4"', "", "device: missing"),
    ],
)
def test_faults_of_a_node(old, new, fault):
    found = faults(parse_node, NODE.replace(old, new, 1))
    assert [message.startswith(fault) for message in found] == [True], found


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (NODE.partition("[[levels]]")[0], "levels: found 0; expected at least two"),
        ('levels = "x"\n' + NODE.partition("[[levels]]")[0], "levels: found 0; expected at least two"),
        ("sources = 3\n" + LINK.partition("[sources")[0], "sources: found 3; expected tables"),
        (LINK.partition("[sources")[0] + "[sources]\nsheet = 3", "sources.sheet: found 3; expected a table"),
    ],
)
def test_values_where_tables_belong(text, fault):
    assert any(message.startswith(fault) for message in faults(parse_node, text))


def test_a_value_in_place_of_a_table_of_a_device():
    found = faults(parse_device, 'memory = "80 GiB"\n')
    assert "memory: found '80 GiB'; expected a table" in found
    assert "memory.capacity: missing" in found
    assert "efficiency.matmul.fraction: missing; expected a table of fractions" in found
    assert "peak_flop_rate: missing; expected a dense peak per dtype" in found


def test_what_is_no_toml():
    assert faults(parse_link, "bandwidth = ")[0].startswith("not TOML: ")


class TestSharedSource:
    def test_serves_the_bare_numbers_of_its_table_and_may_be_overridden(self):
        other = SOURCE.replace("sheet]", "other]")
        text = '[a]\nsource = "sheet"\nx = 1\ny = { value = 2, source = "other" }\n[a.b]\nz = 3\n'
        text += SOURCE + other
        reader = ProfileReader(text, "mine.toml")
        assert [reader.number(path, "number") for path in ("a.x", "a.y", "a.b.z")] == [1, 2, 3]
        assert [number.citation.key for number in reader.finish()] == ["sheet", "other", "sheet"]
        assert reader.keys("a") == ("x", "y", "b")

    def test_that_serves_no_number_is_refused(self):
        text = f'[a]\nsource = "sheet"\ny = {{ value = 2, source = "sheet" }}\n{SOURCE}'
        reader = ProfileReader(text, "mine.toml")
        reader.number("a.y", "number")
        with pytest.raises(ProfileError, match=r"mine.toml: a.source: unknown key"):
            reader.finish()


class TestBase:
    def test_gives_what_the_variant_leaves_out_with_its_sources(self):
        base = load_device("v100-sxm2-16gb")
        variant = parse_device(VARIANT, "mine", "mine.toml")
        assert variant.matmul == base.matmul
        assert variant.generation == "volta"
        assert {number.path for number in variant.numbers} == {number.path for number in base.numbers}
        title = {number.path: number.citation.title for number in variant.numbers}
        assert title["memory.capacity"] == "A datasheet"
        assert title["memory.bandwidth"] == "NVIDIA Tesla V100 datasheet"

    def test_adds_to_tables_of_fractions(self):
        more = 'peak_flop_rate.bf16 = { value = "9 TFLOP/s", source = "sheet" }\n'
        variant = parse_device(VARIANT.replace("[sources", more + "[sources", 1), "mine", "mine.toml")
        assert set(variant.peak_flop_rate) == {"fp32", "fp16", "bf16"}

    @pytest.mark.parametrize(
        ("name", "fault"),
        [
            ("v100-sxm2-16g", "base: unknown device 'v100-sxm2-16g'; did you mean v100-sxm2-16gb"),
            ("v100-sxm2-32gb", "base: v100-sxm2-32gb has a base itself; expected v100-sxm2-16gb"),
        ],
    )
    def test_that_cannot_be(self, name, fault):
        assert faults(parse_device, VARIANT.replace("v100-sxm2-16gb", name))[0].startswith(fault)


class TestNames:
    @pytest.mark.parametrize(
        ("load", "name", "message"),
        [
            (load_device, "a100-sxm-80g", "unknown device 'a100-sxm-80g'; did you mean a100-sxm-80gb"),
            (load_device, "zzzz", "are registered, which `simdl hardware` lists"),
            (load_link, "nvlink9", "unknown link 'nvlink9'; did you mean nvlink"),
            (load_node, "dgx-a10", "unknown node type 'dgx-a10'; did you mean dgx-a100"),
            (load_node, "../devices/t4", "unknown node type"),
        ],
    )
    def test_unknown_ones_suggest_the_nearest(self, load, name, message):
        with pytest.raises(UnknownNameError) as caught:
            load(name)
        assert message in str(caught.value)


class TestCluster:
    def test_node_and_count(self):
        cluster = load_cluster("dgx-a100:128")
        assert (cluster.devices, cluster.count, cluster.name) == (1024, 128, "dgx-a100:128")
        assert cluster is load_cluster("dgx-a100:128")
        assert load_cluster("dgx-a100").count == 1

    @pytest.mark.parametrize("count", ["", "0", "-1", "1.5", "many", "²", "1:2"])
    def test_counts_that_are_none(self, count):
        with pytest.raises(HardwareError, match=r"found count .*; expected NODE:COUNT"):
            load_cluster(f"dgx-a100:{count}")

    def test_file_with_registered_parts(self, tmp_path):
        path = tmp_path / "mine.toml"
        path.write_text("count = 4\n" + NODE)
        cluster = load_cluster(str(path))
        assert (cluster.name, cluster.devices) == ("mine:4", 32)
        assert cluster.device is load_device("t4")
        assert load_cluster(f"{path}:3").name == "mine:3"
        with pytest.raises(HardwareError, match=r"found count '0'; expected NODE:COUNT"):
            load_cluster(f"{path}:0")

    def test_file_with_parts_of_its_own(self, tmp_path):
        path = tmp_path / "mine.toml"
        device = '[device]\nbase = "t4"\n[device.compute]\npower = { value = "50 W", source = "sheet" }\n'
        link = '[levels.link]\nbase = "pcie3-x16"\nbandwidth = { value = "8 GB/s", source = "sheet" }\n'
        text = NODE.replace('device = "t4"\n', "").replace('link = "pcie3-x16"\n', "")
        text = text.replace("[[levels]]", device + "[[levels]]", 1)
        path.write_text(text.replace("\n\n[[levels]]", "\n" + link + "\n[[levels]]", 1))
        node = load_cluster(str(path)).node
        assert (node.device.power, node.device.memory_bandwidth) == (50.0, 320e9)
        assert (node.levels[0].link.bandwidth, node.levels[0].link.name) == (8e9, "pcie3-x16")
        assert node.levels[0].link.latency == load_link("pcie3-x16").latency
        assert [number.path for number in node.numbers] == [
            f"levels.{i}.{key}" for i in (0, 1) for key in ("size", "ports")
        ]
        own = [number for number in node.device.numbers if number.path == "compute.power"]
        assert [number.citation.title for number in own] == ["A datasheet"]

    def test_file_over_a_registered_node_type(self, tmp_path):
        path = tmp_path / "mine.toml"
        lines = [
            'description = "Mine"',
            'base = "a30-node"',
            'device = "t4"',
            "[host]",
            'type = "xeon-8168-2s"',
        ]
        path.write_text("\n".join(lines))
        node, base = load_cluster(str(path)).node, load_node("a30-node")
        assert node.device is load_device("t4")
        assert [level.link for level in node.levels] == [level.link for level in base.levels]
        assert [level.size for level in node.levels] == [8, 0]
        assert (node.host.name, node.host.memory) == ("xeon-8168-2s", base.host.memory)
        assert node.host.bandwidth != base.host.bandwidth
        assert {number.inherited for number in node.numbers} == {"clusters/a30-node.toml"}
        with pytest.raises(ProfileError, match="base: l40-node has a base itself; expected a30-node"):
            parse_node('description = "Mine"\nbase = "l40-node"', "mine", "mine.toml")

    def test_faults_inside_parts_have_their_whole_path(self, tmp_path):
        path = tmp_path / "mine.toml"
        part = '[device]\nbase = "t4"\ncompute.power = { value = "50", source = "sheet" }\ncompute.fans = 2\n'
        path.write_text(NODE.replace('device = "t4"\n', "").replace("[[levels]]", part + "[[levels]]", 1))
        with pytest.raises(ProfileError) as caught:
            load_cluster(str(path))
        assert [fault.removeprefix(f"{path}: ") for fault in caught.value.faults] == [
            "device.compute.power: '50' has no unit; expected a value such as '400 W'",
            "device.compute.fans: unknown key",
        ]

    @pytest.mark.parametrize("count", ["0", "-2", "1.5", '"4"', "true"])
    def test_file_with_a_count_that_is_none(self, tmp_path, count):
        path = tmp_path / "mine.toml"
        path.write_text(f"count = {count}\n{NODE}")
        with pytest.raises(ProfileError, match=r"count: found .*; expected a whole number of nodes"):
            load_cluster(str(path))

    @pytest.mark.parametrize("content", [None, b"\xff\xfe"])
    def test_file_that_cannot_be_read(self, tmp_path, content):
        path = tmp_path / "gone.toml"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(HardwareError, match=r"gone.toml: cannot be read"):
            load_cluster(str(path))


TERMS = """
[kernels."elementwise/relu"]
source = "datasheet"
latency = "2 us"

[kernels."elementwise/relu".traffic.all]
"{start}" = "{rate}"
"""


def terms_profile(start, rate):
    return load_text("devices", "v100-sxm2-16gb") + TERMS.format(start=start, rate=rate)


def test_terms_of_kernels_are_read_with_their_sources():
    device = parse_device(terms_profile("0 B", "20 GB/s"), "x", "x.toml")
    terms = device.kernels["elementwise/relu"]
    assert (terms.latency, terms.traffic["all"][0].bandwidth) == (2e-6, 20e9)
    assert "kernels.elementwise/relu.traffic.all.0 B" in {number.path for number in device.numbers}


@pytest.mark.parametrize(
    ("start", "rate", "message"),
    [
        ("1 KiB", "20 GB/s", "starts at 1024 B; expected a first tier '0 B'"),
        ("often", "20 GB/s", "'often' is not a quantity"),
        ("0 B", "0 GB/s", "expected a value above zero"),
    ],
)
def test_terms_out_of_shape_are_refused(start, rate, message):
    with pytest.raises(ProfileError, match=message):
        parse_device(terms_profile(start, rate), "x", "x.toml")
