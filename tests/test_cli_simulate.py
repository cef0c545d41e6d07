"""`simdl simulate` from the outside."""

import json

import pytest
from click.testing import CliRunner
from test_cli_plan import REPORT_KEYS

from planner.commands.simulate import simulate

GPT2 = ("gpt2", "--cluster", "dgx-a100:1", "--global-batch", "32")
PLAIN = ("--tp", "1", "--pp", "1", "--cp", "1", "--zero", "0", "--recompute", "none")
TOO_BIG = ("gpt3-6.7b", "--cluster", "dgx-a100:4", *PLAIN)
SETTING = {"devices", "seq_len", "precision", "stack"}


def run(*arguments):
    return CliRunner().invoke(simulate, [str(argument) for argument in arguments])


def test_flags_give_a_report():
    result = run(*GPT2, "--dp", 2, "--tp", 2, "--pp", 2, "--micro-batch", 2, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    said = {"version", "question", "assumptions", "headline", "chosen"}
    assert set(report) == REPORT_KEYS | SETTING | said
    assert {key: report[key] for key in SETTING} == {
        "devices": 8,
        "seq_len": 1024,
        "precision": "bf16",
        "stack": "megatron-2023",
    }
    assert report["question"]["seq_len"] == 1024
    assert report["feasible"] is True
    assert report["strategy"]["micro_batch"] == 2
    assert sum(report["breakdown"].values()) == pytest.approx(report["step_time"], rel=1e-9)


def test_data_parallelism_takes_the_devices_that_are_left():
    report = json.loads(run(*GPT2, "--tp", 4, "--json").stdout)
    assert report["strategy"]["dp"] == 2


def test_a_file_and_the_same_flags_agree(tmp_path):
    path = tmp_path / "strategy.toml"
    path.write_text(
        'dp = 2\ntp = 2\npp = 2\nmicro_batch = 2\nschedule = "interleaved-1f1b"\n'
        'virtual_stages = 3\nrecompute = "full"\n'
        "zero = 1\nsequence_parallel = true\n"
    )
    flags = [
        "--dp",
        "2",
        "--tp",
        "2",
        "--pp",
        "2",
        "--micro-batch",
        "2",
        "--schedule",
        "interleaved-1f1b",
        "--virtual-stages",
        "3",
        "--recompute",
        "full",
        "--zero",
        "1",
    ]
    from_file = run(*GPT2, "--strategy", path, "--json")
    assert from_file.exit_code == 0, from_file.stderr
    assert from_file.stdout == run(*GPT2, *flags, "--sequence-parallel", "--json").stdout


def test_stages_of_a_file_are_simulated(tmp_path):
    path = tmp_path / "strategy.toml"
    path.write_text("dp = 4\npp = 2\nstages = [5, 9]\n")
    report = json.loads(run(*GPT2, "--strategy", path, "--json").stdout)
    assert report["strategy"]["stages"] == [5, 9]


def test_table_shows_breakdown_memory_and_provenance():
    result = run(*GPT2, "--pp", 2)
    assert result.exit_code == 0, result.stderr
    for text in ("step time", "bubble", "MFU", "activations", "assumed: precision bf16", "from: stack"):
        assert text in result.stdout
    assert "####" in result.stdout


def test_trace_is_a_chrome_trace(tmp_path):
    path = tmp_path / "trace.json"
    result = run(*GPT2, "--pp", 2, "--trace", path)
    assert result.exit_code == 0, result.stderr
    spans = [event for event in json.loads(path.read_text())["traceEvents"] if event["ph"] == "X"]
    assert any(span["args"].get("layers") == "embedding, decoder x6" for span in spans)


def test_a_trace_for_hta_is_one_file_per_rank(tmp_path):
    result = run(*GPT2, "--pp", 2, "--trace", tmp_path / "hta", "--format", "hta")
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in (tmp_path / "hta").iterdir()) == ["rank_0.json", "rank_1.json"]


@pytest.mark.parametrize("trace_format", ["chrome", "hta"])
def test_an_existing_trace_is_replaced_by_force_only(tmp_path, trace_format):
    path = tmp_path / "trace"
    arguments = (*GPT2, "--pp", 2, "--trace", path, "--format", trace_format)
    assert run(*arguments).exit_code == 0
    second = run(*arguments)
    assert second.exit_code == 2
    assert "trace: exists; expected a new trace, or --force to replace it" in second.stderr
    assert not second.stdout
    assert run(*arguments, "--force").exit_code == 0


def test_a_strategy_that_does_not_fit_names_place_amount_and_remedy(tmp_path):
    trace = tmp_path / "trace.json"
    result = run(*TOO_BIG, "--trace", trace)
    assert result.exit_code == 2
    assert "stage 0 is" in result.stderr
    assert "short (needs" in result.stderr
    assert not result.stdout
    assert not trace.exists()


@pytest.mark.parametrize(
    "question",
    [
        TOO_BIG,
        ("gpt2-xl", "--cluster", "dgx-1-v100:1", *PLAIN, "--micro-batch", 4, "--global-batch", 64),
        ("llama2-7b", "--cluster", "dgx-a100:16", *PLAIN, "--stack", "megatron-2022", "--global-batch", 256),
    ],
)
def test_every_remedy_fits_as_it_is_typed(question):
    result = run(*question)
    tries = [line.removeprefix("try: ") for line in result.stderr.splitlines() if line.startswith("try: ")]
    assert 1 <= len(tries) <= 4, result.output
    for flags in tries:
        again = run(*question, *flags.split())
        assert again.exit_code == 0, (flags, again.stderr)


def test_a_remedy_of_a_file_is_a_line_of_the_file(tmp_path):
    path = tmp_path / "strategy.toml"
    path.write_text("dp = 32\n")
    question = ("gpt3-6.7b", "--cluster", "dgx-a100:4", "--strategy", path)
    first = next(line for line in run(*question).stderr.splitlines() if line.startswith("try: "))
    assert first == f"try: zero = 1 in {path}"
    path.write_text("dp = 32\nzero = 1\n")
    assert run(*question).exit_code == 0


def test_nothing_but_a_model_and_a_cluster_fits_and_says_what_was_chosen():
    result = run("gpt3-6.7b", "--cluster", "dgx-a100:4")
    assert result.exit_code == 0, result.stderr
    first, second, third, *_ = result.stdout.splitlines()
    assert first.startswith("Run gpt3-6.7b on the 32 devices of dgx-a100:4 with data parallelism (dp) 32, ")
    for text in (
        "a step takes ",
        " with 90% certainty (",
        "device-hours per billion tokens",
        "is limited by compute",
    ):
        assert text in first
    assert second.startswith("chosen: data parallelism (dp) 32, micro-batch (mb) 4, ZeRO stage 1: the least ")
    assert third == (
        "gpt3-6.7b on dgx-a100:4, global batch 1024, 32 devices, sequences of 2,048 tokens, bf16, "
        "stack pytorch-fsdp"
    )


def test_the_length_of_a_configuration_stands_in_the_answer(tmp_path):
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config |= {"intermediate_size": 128, "vocab_size": 512, "max_position_embeddings": 40_960}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    question = (path, "--cluster", "dgx-a100:1", "--global-batch", 8)
    found = json.loads(run(*question, "--json").stdout)
    assert (found["seq_len"], found["question"]["seq_len"]) == (40_960, 40_960)
    assert any(line.startswith("sequence length 40,960 (") for line in found["assumptions"])
    assert "sequences of 40,960 tokens" in run(*question).stdout.splitlines()[2]


def test_images_have_no_sequence_length():
    found = json.loads(run("resnet18", "--cluster", "dgx-a100:1", "--json").stdout)
    assert found["seq_len"] is None
    assert "sequence" not in found["headline"]


def test_a_refusal_that_the_stack_causes_names_it_and_others():
    sharded = (
        "--dp",
        "128",
        "--zero",
        "3",
        "--shard-degree",
        "8",
        "--micro-batch",
        "2",
        "--recompute",
        "none",
    )
    question = ("llama2-7b", "--cluster", "dgx-a100:16", *sharded, "--global-batch", "256")
    result = run(*question, "--stack", "megatron-2022")
    assert result.exit_code == 2
    assert "software stack megatron-2022 is the cause" in result.stderr
    assert "\ntry: --stack pytorch-fsdp" in result.stderr
    by_default = run(*question)
    assert by_default.exit_code == 0, by_default.stderr
    assert "software stack pytorch-fsdp (default of ampere devices; its tuning: " in by_default.stdout


def test_json_of_what_does_not_fit_says_so():
    result = run(*TOO_BIG, "--json")
    assert result.exit_code == 2
    report = json.loads(result.stdout)
    assert report["feasible"] is False
    assert report["reasons"]


@pytest.mark.parametrize(
    ("question", "warning"),
    [
        (
            ("resnet18", "--cluster", "dgx-a100:1", "--recompute", "selective"),
            "recompute selective has no effect: resnet18 has no attention to recompute",
        ),
        (
            (*GPT2, "--pp", 8, "--schedule", "interleaved-1f1b"),
            "schedule interleaved-1f1b with 1 virtual stage is 1f1b; expected virtual stages of at least 2",
        ),
        (
            (*GPT2, "--pp", 4, "--tp", 2, "--zero", 1),
            "zero 1 with dp x cp 1 has no effect; expected at least 2 ranks to shard over",
        ),
    ],
)
def test_what_has_no_effect_is_a_warning(question, warning):
    printed, found = run(*question), json.loads(run(*question, "--json").stdout)
    assert f"warning: {warning}" in printed.stdout
    assert [said for said in found["warnings"] if "vocabulary" not in said] == [warning]
    assert json.loads(run(*GPT2, "--recompute", "selective", "--json").stdout)["warnings"] == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--dp", 3), "expected the 8 of dgx-a100:1"),
        (("--tp", 8), "tp 8 does not divide 12"),
        (("--dp", 8, "--micro-batch", 3), "global batch 32"),
        (("--dp", 8, "--global-batch", 4), "smaller than the 8 replicas"),
        (("--ep", 2), "ep: found 2; expected 1"),
        (("--schedule", "1f1c"), "1f1b"),
        (("--pp", 2, "--virtual-stages", 2), "virtual stages"),
        (("--micro-batch", 0), "micro_batch: found 0"),
        (("--zero", 4), "4"),
        (("--recompute", "some"), "some"),
        (("--strategy", "no-such-file.toml"), "no-such-file.toml"),
        (("--strategy", "no-such-file.toml", "--tp", 2), "--tp"),
        (("--force",), "--force: nothing is written; expected an option that names a file"),
        (("--format", "hta"), "--format hta: needs --trace"),
        (("--format", "chrome"), "--format chrome: needs --trace"),
        (("--trace", "no/such/folder/trace.json"), "no/such/folder"),
    ],
)
def test_bad_input_exits_with_2_and_one_clear_message(flags, message):
    result = run(*GPT2, *flags)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tpp = 2\n", "tpp: unknown key; did you mean 'tp'?"),
        ('tp = "two"\n', "tp: found 'two'; expected a whole number, at least 1"),
        ("sequence_parallel = 1\n", "sequence_parallel: found 1; expected true or false"),
        ('recompute = "some"\n', "recompute: found 'some'; expected one of none, selective, full"),
        ("stages = [0, 14]\n", "stages: found [0, 14]"),
        ("schedule = 1\n", "schedule: found 1"),
        ("zero = true\n", "zero: found True"),
        ("tp = = 2\n", "not TOML"),
    ],
)
def test_a_faulty_file_is_named_with_the_key(tmp_path, text, message):
    path = tmp_path / "strategy.toml"
    path.write_text(text)
    result = run(*GPT2, "--strategy", path)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "strategy.toml" in result.stderr


def test_all_faults_of_a_file_are_told_together(tmp_path):
    path = tmp_path / "strategy.toml"
    path.write_text("tpp = 2\nzero = -1\n")
    message = run(*GPT2, "--strategy", path).stderr
    assert "tpp" in message
    assert "zero" in message
