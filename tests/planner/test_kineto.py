"""Kineto traces: reading, kinds by name, innermost operators, and where the time of a step went."""

import gzip
import json
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kineto_traces import RECORDED, event, gpu_trace

from planner.kineto.activities import Activity, innermost
from planner.kineto.events import TraceEvent, load_trace
from planner.kineto.facts import differences
from planner.kineto.kinds import kernel_kind, operator_kind
from planner.kineto.measured_steps import measure_trace, owners
from simdl.errors import SimdlError
from workloads.registry import load_network

US = 1e-6


def written(directory, data):
    path = directory / "trace.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


class TestKinds:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("ampere_bf16_s16816gemm_bf16_128x128_ldg8_f2f_stages_32x5_tn", "matmul"),
            ("nvjet_hsh_128x256_64x4_1x2_h_bz_coopA_TNT", "matmul"),
            ("sm80_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nchw", "convolution"),
            ("void cudnn::winograd_nonfused::winogradForwardData4x4<float, float>", "convolution"),
            ("void flash_fwd_kernel<Flash_fwd_kernel_traits<128, 128, 64, 4> >", "attention"),
            ("ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)", "communication"),
            ("ncclKernel_AllGather_RING_LL_Sum_int8_t", "communication"),
            ("void at::native::(anonymous namespace)::multi_tensor_apply_kernel<...>", "optimizer"),
            ("void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<float>", "normalization"),
            ("void cudnn::bn_fw_tr_1C11_kernel_NCHW<float, float, int, 512>", "normalization"),
            ("void (anonymous namespace)::softmax_warp_forward<float>", "softmax"),
            ("void at::native::(anonymous namespace)::max_pool_forward_nchw<float>", "pooling"),
            ("void at::native::(anonymous namespace)::indexSelectLargeIndex<float>", "gather"),
            ("void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float>>", "reduction"),
            ("void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>>", "copy"),
            (
                "void at::native::vectorized_elementwise_kernel<4, at::native::AddFunctor<float>>",
                "elementwise",
            ),
            ("mystery", "other"),
        ],
    )
    def test_kernels(self, name, kind):
        assert kernel_kind(name) == kind

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("aten::addmm", "matmul"),
            ("aten::mm", "matmul"),
            ("aten::mkldnn_convolution", "convolution"),
            ("aten::convolution_backward", "convolution"),
            ("aten::_scaled_dot_product_flash_attention_for_cpu", "attention"),
            ("aten::native_layer_norm_backward", "normalization"),
            ("aten::_log_softmax_backward_data", "softmax"),
            ("aten::max_pool2d_with_indices", "pooling"),
            ("aten::embedding_dense_backward", "gather"),
            ("aten::sum", "reduction"),
            ("aten::nll_loss_forward", "reduction"),
            ("aten::copy_", "copy"),
            ("aten::add_", "elementwise"),
            ("aten::tanh_backward", "elementwise"),
            ("aten::threshold_backward", "elementwise"),
            ("aten::transpose", "idle"),
            ("aten::empty_strided", "idle"),
            ("aten::t", "idle"),
            ("AddmmBackward0", "idle"),
            ("autograd::engine::evaluate_function: ConvolutionBackward0", "idle"),
            ("gloo:all_reduce", "communication"),
            ("c10d::allreduce_", "communication"),
            ("aten::something_new", "other"),
        ],
    )
    def test_operators(self, name, kind):
        assert operator_kind(name) == kind

    def test_no_arithmetic_of_the_recorded_trace_is_unknown(self):
        names = {found.name for found in load_trace(RECORDED).events if found.category == "cpu_op"}
        assert {name for name in names if operator_kind(name) == "other"} == set()


class TestInnermost:
    def test_an_outer_event_runs_where_no_inner_one_does(self):
        def span(name, start, end):
            return TraceEvent("cpu_op", name, start, end, ("1", "1"))

        events = [span("a", 0, 10), span("b", 2, 5), span("c", 3, 4), span("d", 7, 12), span("e", 13, 14)]
        assert sorted(innermost(events), key=lambda stretch: stretch[1]) == [
            ("a", 0, 2),
            ("b", 2, 3),
            ("c", 3, 4),
            ("b", 4, 5),
            ("a", 5, 7),
            ("d", 7, 10),  # no longer than what it runs in
            ("e", 13, 14),
        ]

    @pytest.mark.property
    @given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=12))
    def test_stretches_never_overlap_and_cover_what_ran(self, pairs):
        events = [TraceEvent("cpu_op", "x", begin, begin + length, ("1", "1")) for begin, length in pairs]
        events.sort(key=lambda found: (found.start, -found.end))
        stretches = sorted((start, end) for _, start, end in innermost(events))
        assert all(a[1] <= b[0] for a, b in pairwise(stretches))
        covered = {second for start, end in stretches for second in range(start, end)}
        outermost, until = set(), 0
        for found in events:  # an event that outlives the one around it is cut off
            end = min(found.end, until) if found.start < until else found.end
            until = max(until, end)
            outermost |= set(range(found.start, end))
        assert covered == outermost


class TestOwners:
    def test_computation_hides_communication_and_copies(self):
        lane = ("0", "7")
        items = [
            Activity("matmul", "m", lane, 0, 4, 0),
            Activity("communication", "c", lane, 2, 8, 0),
            Activity("elementwise", "e", lane, 3, 6, 0),
            Activity("copy", "d", lane, 5, 10, 0),
        ]
        found = {}
        for kind, start, end in owners(items):
            found[kind] = found.get(kind, 0) + end - start
        assert found == {"matmul": 4, "elementwise": 2, "communication": 2, "copy": 2}


class TestMeasured:
    def test_a_step_of_a_gpu_is_divided_by_what_it_runs(self, tmp_path):
        trace = measure_trace(written(tmp_path, gpu_trace()))
        assert trace.on_device
        assert trace.left_out == (0,)
        assert [step.number for step in trace.steps] == [1, 2]
        first, last = trace.steps
        expected = {"matmul": 30, "communication": 20, "copy": 5, "optimizer": 10, "elementwise": 10}
        for step, idle in ((first, 25), (last, 5)):  # the last ends with its last kernel
            found = {kind: seconds / US for kind, seconds in step.kinds.items()}
            assert found == pytest.approx({**expected, "idle": idle})
        assert first.seconds == pytest.approx(100 * US)
        assert last.seconds == pytest.approx(80 * US)

    def test_kinds_of_a_recorded_cpu_add_up_to_its_marks(self):
        trace = measure_trace(RECORDED)
        assert not trace.on_device
        assert trace.left_out == (2,)
        assert [step.number for step in trace.steps] == [3, 4, 5]
        marks = {
            found.name: found.end - found.start
            for found in load_trace(RECORDED).events
            if found.name.startswith("ProfilerStep")
        }
        for step in trace.steps:
            assert step.seconds == pytest.approx(marks[f"ProfilerStep#{step.number}"])
            assert sum(step.kinds.values()) == pytest.approx(step.seconds)
            assert max(step.kinds, key=step.kinds.get) == "convolution"
            assert step.kinds["optimizer"] > 0

    def test_a_single_step_is_kept(self, tmp_path):
        trace = measure_trace(written(tmp_path, gpu_trace(steps=1)))
        assert [step.number for step in trace.steps] == [0]
        assert trace.left_out == ()

    def test_a_compressed_trace_reads_the_same(self, tmp_path):
        path = tmp_path / "trace.json.gz"
        path.write_bytes(gzip.compress(RECORDED.read_bytes()))
        assert load_trace(path) == load_trace(RECORDED)

    def test_a_list_without_the_object_around_it_is_a_trace_too(self, tmp_path):
        plain = measure_trace(written(tmp_path, gpu_trace()["traceEvents"]))
        assert plain.steps[0].kinds["matmul"] == pytest.approx(30 * US)


class TestBroken:
    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ("not json", "not JSON, or cut off"),
            (json.dumps(gpu_trace())[:-40], "not JSON, or cut off"),
            ({"plans": []}, "traceEvents: found no list"),
            ({"traceEvents": []}, "traceEvents: empty"),
            ({"traceEvents": [3]}, "traceEvents[0]: found no object"),
            ({"traceEvents": [{"ph": "M"}]}, 'no complete event ("ph": "X") among 1'),
            ({"traceEvents": [{"ph": "X", "ts": "x"}]}, "traceEvents[0]: ts and dur are no numbers"),
            ({"traceEvents": [event("cpu_op", "aten::mm", 0, 1)]}, "no ProfilerStep#N mark among 1 events"),
            (
                {"traceEvents": [event("user_annotation", "ProfilerStep#4", 0, 0)]},
                "ProfilerStep#4: takes no time",
            ),
            (
                {"traceEvents": [event("user_annotation", "ProfilerStep#4", 0, 9)]},
                "ProfilerStep#4: nothing runs in it",
            ),
        ],
    )
    def test_a_broken_trace_says_what_and_where(self, tmp_path, data, message):
        path = written(tmp_path, data)
        with pytest.raises(SimdlError) as caught:
            measure_trace(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert message in str(caught.value)
        assert "expected" in str(caught.value)

    def test_a_damaged_compressed_trace_and_a_missing_one(self, tmp_path):
        path = tmp_path / "trace.json.gz"
        path.write_bytes(gzip.compress(RECORDED.read_bytes())[:500])
        with pytest.raises(SimdlError, match="cut off or damaged"):
            load_trace(path)
        with pytest.raises(SimdlError, match="No such file"):
            load_trace(tmp_path / "none.json")


class TestRun:
    def test_a_last_step_that_the_profiler_cut_off_is_left_out(self, tmp_path):
        trace = gpu_trace(steps=4)
        cut = [found for found in trace["traceEvents"] if found["ts"] < 345]
        for data in (cut, [*gpu_trace()["traceEvents"], event("user_annotation", "ProfilerStep#3", 300, 2)]):
            found = measure_trace(written(tmp_path, {"traceEvents": data}))
            assert found.cut_off == 3
            assert (found.left_out, [step.number for step in found.steps]) == ((0,), [1, 2])
        assert measure_trace(written(tmp_path, trace)).cut_off is None

    def test_a_trace_without_marks_is_one_step_on_request(self, tmp_path):
        events = [found for found in gpu_trace(steps=1)["traceEvents"] if "Profiler" not in found["name"]]
        path = written(tmp_path, {"traceEvents": events})
        with pytest.raises(SimdlError, match="or --whole to take it as one step"):
            measure_trace(path)
        (step,) = measure_trace(path, whole=True).steps
        assert step.seconds == pytest.approx(115e-6)  # from the first call to the last kernel
        assert sum(step.kinds.values()) == pytest.approx(step.seconds)

    def test_facts_are_those_of_the_header(self, tmp_path):
        header = {
            "distributedInfo": {"backend": "nccl", "world_size": 8},
            "deviceProperties": [{"id": 0, "name": "NVIDIA A100-SXM4-80GB"}],
            "model": "gpt2",
        }
        facts = measure_trace(written(tmp_path, gpu_trace() | header)).facts
        assert (facts.world_size, facts.device, facts.model) == (8, "NVIDIA A100-SXM4-80GB", "gpt2")
        network = load_network("gpt2")
        same = {"devices": 8, "device": "a100-sxm-80gb", "network": network}
        assert not list(differences(facts, **same))
        assert list(differences(facts, **same | {"devices": 16})) == [
            "world size: the trace is of 8 processes, the plan of 16 devices"
        ]
        (device,) = differences(facts, **same | {"device": "h100-sxm"})
        assert device == "device: the trace is of NVIDIA A100-SXM4-80GB, the plan of h100-sxm"
        (device,) = differences(facts, **same | {"device": "a100-sxm-40gb"})
        (model,) = differences(facts, **same | {"network": load_network("lenet5")})
        assert model == "model: the trace is of gpt2, the plan of lenet5"

    def test_products_of_other_dimensions_are_of_another_model(self, tmp_path):
        dims = {"Input Dims": [[8192, 768], [768, 2304]]}
        events = [*gpu_trace()["traceEvents"], event("cpu_op", "aten::mm", 150, 1, **dims)]
        facts = measure_trace(written(tmp_path, {"traceEvents": events})).facts
        same = {"devices": 1, "device": ""}
        assert not list(differences(facts, **same, network=load_network("gpt2")))
        (found,) = differences(facts, **same, network=load_network("gpt2-medium"))
        assert "no product of the trace has dimensions of gpt2-medium" in found


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ('{"traceEvents": [{"ph": "X", "ts": ' + "9" * 5000 + "}]}", "not JSON, or cut off"),
        ('{"traceEvents": [{"ph": "X", "ts": ' + str(10**400) + "}]}", "ts and dur are no numbers"),
        ('{"traceEvents": [{"ph": "X", "ts": NaN}]}', "ts and dur are no numbers"),
        (
            '{"traceEvents": [{"ph": "X", "ts": 1, "dur": 1}, {"ph": "X", "ts": 1, "dur": -0.5}]}',
            r"traceEvents\[1\]: dur: found -0.5; expected at least 0 microseconds",
        ),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_numbers_and_depths_beyond_reason_are_refused(data, said, tmp_path):
    with pytest.raises(SimdlError, match=said) as caught:
        measure_trace(written(tmp_path, data))
    assert len(str(caught.value)) < 500


@pytest.mark.property
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mutated_trace_is_steps_or_one_refusal(data, tmp_path):
    content = bytearray(json.dumps(gpu_trace()).encode())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(32, 126))
    path = tmp_path / "trace.json"
    path.write_bytes(bytes(content))
    try:
        answer = measure_trace(path).steps
    except SimdlError as error:
        answer = str(error)
    assert answer
