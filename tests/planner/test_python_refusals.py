"""What calls from Python refuse: one family of errors that say what was found and what would be accepted."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

import simdl

MODEL, CLUSTER = "gpt2", "dgx-a100:1"
REFUSED = {
    "plan": [
        (("gpt9", CLUSTER), {}, "unknown network 'gpt9'; did you mean"),
        ((MODEL, "dgx-z100:1"), {}, "unknown node type 'dgx-z100'; did you mean"),
        ((MODEL, "dgx-a100:0"), {}, "found count '0'; expected NODE:COUNT"),
        ((3, CLUSTER), {}, r"model: found 3 \(int\); expected a registered name such as"),
        ((MODEL, None), {}, r"cluster: found None \(NoneType\); expected NODE:COUNT"),
        ((MODEL, CLUSTER), {"global_batch": "512"}, r"global_batch: found '512' \(str\); expected a whole"),
        ((MODEL, CLUSTER), {"global_batch": 0}, r"global_batch: found 0 \(int\); expected a whole number"),
        ((MODEL, CLUSTER), {"seq_len": 10**30}, "sequence length: found 1,000,.*; expected at most 1,073,74"),
        ((MODEL, CLUSTER), {"seq_len": 12.5}, r"seq_len: found 12.5 \(float\); expected a whole number"),
        ((MODEL, CLUSTER), {"precision": 16}, r"precision: found 16 \(int\); expected a name such as"),
        ((MODEL, CLUSTER), {"precision": "bf17"}, "unknown precision 'bf17'; did you mean bf16"),
        ((MODEL, CLUSTER), {"optimizer": "adan"}, "unknown optimizer 'adan'; did you mean adam"),
        ((MODEL, CLUSTER), {"stack": "megatron-1999"}, "'megatron-1999'"),
        ((MODEL, CLUSTER), {"top": 0}, "top: found 0"),
        (
            (MODEL, CLUSTER),
            {"objective": "speed"},
            "objective: found 'speed' .*; expected one of time, regret,",
        ),
        ((MODEL, CLUSTER), {"compression": 8}, "compression: found 8 .*; expected methods such as"),
        ((MODEL, CLUSTER), {"compression": "zip"}, "compression: found 'zip'; expected one of fp16"),
        ((MODEL, CLUSTER), {"uneven_shares": 1}, "uneven_shares: found 1 .*; expected True or False"),
        ((MODEL, CLUSTER), {"uneven_shares": True}, "^uneven_shares: found with dgx-a100:1, whose nodes"),
        ((MODEL, CLUSTER), {"epochs": 3}, "^epochs 3: given without dataset; expected both"),
        ((MODEL, CLUSTER), {"horizon": "soon"}, "^horizon"),
    ],
    "simulate": [
        ((MODEL, CLUSTER), {"recompute": "bogus"}, "recompute: found 'bogus'; expected one of none, selec"),
        ((MODEL, CLUSTER), {"tp": -1}, "tp: found -1; expected a whole number, at least 1"),
        ((MODEL, CLUSTER), {"tp": 3}, "dp 2 x tp 3 x pp 1 x cp 1 = 6 devices; expected the 8 of"),
        ((MODEL, CLUSTER, {"tq": 2}), {}, "tq: unknown key; expected one of dp, tp"),
        ((MODEL, CLUSTER, {"tp": 2}), {"dp": 4}, "strategy and dp: found together; expected one source"),
        ((MODEL, CLUSTER, 3), {}, r"strategy: found 3 \(int\); expected a simdl.Strategy, a mapping"),
        ((MODEL, CLUSTER, "none.toml"), {}, "none.toml: cannot be read"),
        ((MODEL, CLUSTER), {"launch_file": "none.json"}, "none.json: cannot be read"),
    ],
    "collectives": [
        (("dgx-a100:2",), {"op": "all_sum"}, "op: found 'all_sum' .*; expected one of all_reduce"),
        (("dgx-a100:2",), {"size": "many"}, "^size: 'many' is not"),
        (("dgx-a100:2",), {"size": -4}, r"size: found -4 \(int\); expected bytes, a size such as"),
        (
            ("dgx-a100:2",),
            {"ranks": 1, "stride": 2},
            "^stride 2: found with a group of 1 rank",
        ),
        (("dgx-a100:1,dgx-h100:1",), {}, "a mixed one; expected nodes of one type"),
    ],
    "scale": [
        ((MODEL, CLUSTER), {}, "cluster: found 'dgx-a100:1'; expected NODE:FIRST..LAST"),
        ((MODEL, "dgx-a100:1..2"), {"mode": "both"}, "mode: found 'both' .*; expected one of weak, strong"),
    ],
    "consistency": [
        ((MODEL, CLUSTER, "chaos"), {}, "scheme: found 'chaos'; expected one of synchronous, backup"),
        ((MODEL, CLUSTER, "async"), {}, "^servers: missing; scheme asynchronous expects at least 1"),
        ((MODEL, CLUSTER), {"workers": 1}, r"workers: found 1 \(int\); expected a whole number, at least 2"),
        ((MODEL, CLUSTER, "backup"), {"spare": "inf"}, "^spare: found 'inf'; expected a count such as 5"),
        ((MODEL, CLUSTER), {"slowdown": "lognormal:-1"}, "sigma: found -1; expected 0 to 3"),
        ((MODEL, CLUSTER, "sync", {"dp": 4}), {"workers": 3}, "^workers 3 with dp 4: expected one of them"),
    ],
    "diff": [
        ((3, 4), {}, "first: found 3 .*; expected a plan, a simulated step"),
        (("a.json", "b.json"), {}, "a.json"),
    ],
    "explain": [(("a.json",), {"plan": 0}, "plan: found 0 .*; expected a whole number, at least 1")],
    "load_network": [
        (("x.toml",), {}, "x.toml: cannot be read"),
        ((MODEL,), {"seq_len": "1"}, "seq_len: found"),
    ],
    "sweep": [(("\0", "out"), {}, r"grid: found '.x00' \(str\); expected a TOML file")],
    "transform": [((MODEL, []), {"published": 7}, "published: found 7 .*; expected the name of")],
    "load_cluster": [((7,), {}, r"cluster: found 7 \(int\); expected NODE:COUNT such as")],
}


@pytest.mark.parametrize(
    ("name", "arguments", "named", "message"),
    [(name, *case) for name, cases in REFUSED.items() for case in cases],
)
def test_what_is_refused_is_one_family_that_says_what_would_be_accepted(name, arguments, named, message):
    with pytest.raises(simdl.SimdlError, match=message) as refused:
        getattr(simdl, name)(*arguments, **named)
    assert "--" not in str(refused.value)


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=4),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=1),
)
ARGUMENTS = [
    (name, each.name)
    for name in ("plan", "simulate", "collectives", "scale", "infer")
    for each in inspect.signature(getattr(simdl, name)).parameters.values()
    if each.kind is each.KEYWORD_ONLY and each.name != "progress"
]


@pytest.mark.property
@given(st.sampled_from(ARGUMENTS), JUNK)
def test_whatever_an_argument_is_a_call_ends_in_a_refusal(argument, value):
    name, keyword = argument
    where = ("no-such-node:2",) if name == "collectives" else (MODEL, "no-such-node:2")
    with pytest.raises(simdl.SimdlError) as refused:
        getattr(simdl, name)(*where, **{keyword: value})
    assert str(refused.value)


def test_an_unknown_keyword_is_a_type_error():
    with pytest.raises(TypeError, match="globalbatch"):
        simdl.plan(MODEL, CLUSTER, globalbatch=512)
