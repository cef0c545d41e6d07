"""What a card is taken away as: launch files, strategy, command; hardware compared; money and hours."""

import json
import re
import shlex

import pytest
from click.testing import CliRunner
from dashboard_client import GPT2, GPT3, Client, parts, texts, verdict

from planner.commands.export import export
from planner.commands.plan import plan
from planner.commands.simulate import simulate
from planner.dashboard.downloads import TOKEN

PLAIN = "a.tp=2&a.pp=2&a.micro_batch=2&a.zero=1&a.sequence_parallel=true"


@pytest.fixture(scope="module")
def client():
    return Client()


def taken(client, query, framework="megatron"):
    """Texts to copy by name, and all that is said beside them."""
    shown = client.call("launch.children", "answered.data", answered__data=query, framework__value=framework)
    panel = shown["launch.children"]
    found = {pre["props"]["id"]["name"]: texts(pre) for pre in parts(panel, "Pre")}
    return found, texts(panel), [link["props"]["href"] for link in parts(panel, "A")]


@pytest.fixture(scope="module")
def exported(client, tmp_path_factory):
    """The strategy of a card in a file, as it is downloaded."""
    path = tmp_path_factory.mktemp("taken") / "strategy.toml"
    found, _, _ = taken(client, GPT2 + PLAIN)
    path.write_text(found["a-toml"], encoding="utf-8")
    return path


class TestLaunch:
    @pytest.mark.parametrize("framework", ["megatron", "deepspeed", "torchtitan", "accelerate"])
    def test_launch_files_are_those_of_export(self, client, exported, framework):
        query = GPT2 + (PLAIN if framework in {"megatron", "torchtitan"} else "a.zero=1&a.dp=8")
        found, said, links = taken(client, query, framework)
        path = exported.with_name(f"{framework}.toml")
        path.write_text(found["a-toml"], encoding="utf-8")
        command = ["--model", "gpt2", "--cluster", "dgx-a100:1", "--global-batch", "32"]
        done = CliRunner().invoke(export, [str(path), "--format", framework, *command])
        assert done.exit_code == 0, done.stderr
        assert done.stdout in found.values()
        assert all(line in said for line in done.stderr.splitlines()[1:])
        files = [client.http.get(link) for link in links if f"/launch/{framework}/" in link]
        assert done.stdout in [file.text for file in files]
        assert all(file.status_code == 200 for file in files)

    def test_the_launch_command_can_be_pasted(self, client):
        script, _, _ = taken(client, GPT2 + PLAIN)
        assert script["a-launch"].startswith("#!/usr/bin/env bash")
        assert "torchrun --nnodes 1 --nproc-per-node 8" in script["a-launch"]
        line, _, _ = taken(client, GPT2 + "a.zero=2", "deepspeed")
        assert line["a-launch"].count("\n") == 1  # a line beside its files

    def test_what_a_framework_cannot_run_is_told(self, client):
        _, said, _ = taken(client, GPT2 + "a.pp=2&a.schedule=gpipe&stack=torchtitan", "megatron")
        assert "megatron: " in said
        assert "gpipe" in said

    @pytest.mark.parametrize(
        ("query", "chosen", "found", "count"),
        [
            (GPT2 + PLAIN, None, "megatron", 7),
            (GPT2 + "a.pp=2&a.schedule=gpipe&stack=torchtitan", None, "torchtitan", 7),
            ("model=resnet50&node=dgx-a100&count=1", None, "deepspeed", 2),
        ],
    )
    def test_frameworks_are_those_that_train_the_network(self, client, query, chosen, found, count):
        call = {"answered__data": query, "framework__options": [], "framework__value": chosen}
        answer = client.call("framework.value", "answered.data", **call)
        assert len(answer["framework.options"]) == count
        assert answer["framework.value"] == found

    def test_a_chosen_framework_stays_as_long_as_the_menu(self, client):
        def offered(query, options, chosen):
            call = {"framework__options": options, "framework__value": chosen}
            return client.call("framework.value", "answered.data", answered__data=query, **call)

        options = offered(GPT2 + PLAIN, [], None)["framework.options"]
        assert "framework.value" not in offered(GPT2 + "a.pp=2", options, "maxtext")
        images = "model=resnet50&node=dgx-a100&count=1"
        assert offered(images, options, "megatron")["framework.value"] == "deepspeed"

    def test_both_sides_and_those_only_that_can_be_carried_out(self, client):
        found, _, _ = taken(client, GPT2 + PLAIN + "&b.tp=4")
        assert {"a-toml", "b-toml"} <= set(found)
        refused, _, _ = taken(client, GPT2 + PLAIN + "&b.tp=5")
        assert not any(name.startswith("b-") for name in refused)

    @pytest.mark.parametrize(
        ("address", "status", "message"),
        [
            ("TOKEN/a/launch/megatron/passwd?" + GPT2 + PLAIN, 400, "megatron: found 'passwd'; expected"),
            ("TOKEN/a/launch/megatrn/x?" + GPT2 + PLAIN, 400, "did you mean megatron?"),
            ("TOKEN/c/launch/megatron/x?" + GPT2 + PLAIN, 404, "Not Found"),
            ("x/a/launch/megatron/x?" + GPT2 + PLAIN, 403, "not an address of this server's page"),
        ],
    )
    def test_what_is_no_launch_file_is_refused(self, client, address, status, message):
        done = client.http.get(f"/download/{address.replace('TOKEN', TOKEN)}")
        assert done.status_code == status
        assert message in done.text.replace("&#39;", "'")

    def test_the_command_gives_the_numbers_of_the_card(self, client, exported):
        found, _, _ = taken(client, GPT2 + PLAIN)
        words = shlex.split(found["a-command"].replace("strategy.toml", str(exported)))
        assert words[:2] == ["simdl", "simulate"]
        printed = CliRunner().invoke(simulate, words[2:]).stdout
        card = texts(verdict(client, GPT2 + PLAIN)["verdict.children"])
        assert printed.splitlines()[0] in card


class TestHeadline:
    def test_money_is_price_times_hours(self, client):
        card = texts(verdict(client, f"{GPT2}{PLAIN}&price=2.5&horizon=300B")["verdict.children"])
        hours, dollars = (
            float(re.search(rf"([\d,.]+) {unit}", card)[1].replace(",", ""))
            for unit in ("device-hours,", "USD,")
        )
        assert dollars == pytest.approx(2.5 * hours, rel=1e-3)
        assert "USD/h 20.00" in card  # 8 devices
        assert "energy/sample" in card

    def test_a_plan_of_the_command_line_comes_to_the_same(self, client):
        command = ["gpt2", "--cluster", "dgx-a100:1", "--global-batch", "32", "--horizon", "300B"]
        done = CliRunner().invoke(plan, [*command, "--price", "2.5", "--top", "1", "--json"])
        best = json.loads(done.stdout)
        strategy = best["plans"][0]["strategy"]
        given = "&".join(f"a.{key}={value}" for key, value in strategy.items() if value and key != "splits")
        query = f"{GPT2}stack={best['stack']}&price=2.5&horizon=300B&{given.replace('True', 'true')}"
        card = texts(verdict(client, query)["verdict.children"])
        clause = re.search(r"training 300B takes .*? kWh", best["headline"])[0]
        assert clause in card

    @pytest.mark.parametrize(
        ("criteria", "message"),
        [
            ("price=prices.toml", "price: found 'prices.toml'; expected USD per device-hour such as 2.5"),
            ("price=/etc/passwd", "price: found '/etc/passwd'"),
            ("price=-1", "price: found '-1'; expected 1e-06 to 1e+06"),
            ("horizon=soon", "horizon: 'soon' is not a quantity"),
            ("horizon=3ep", "epochs of what is not said"),
        ],
    )
    def test_criteria_that_cannot_be_read_are_told_beside_the_numbers(self, client, criteria, message):
        card = texts(verdict(client, f"{GPT2}{PLAIN}&{criteria}")["verdict.children"])
        assert message in card
        assert "step time" in card


class TestHardware:
    def test_two_machines_answer_side_by_side(self, client):
        query = f"{GPT2}a.tp=2&b.node=dgx-h100&b.tp=2"
        one, two = verdict(client, query)["verdict.children"]
        assert "dgx-a100:1, bf16, stack megatron-2023: dp 4 tp 2" in texts(one)
        assert "Run gpt2 on the 8 devices of dgx-h100:1 with " in texts(two)
        drawn = client.call("figures.children", "simulated.data", simulated__data=query)
        said = texts(drawn["figures.children"])
        assert "different cluster: dgx-a100:1 and dgx-h100:1" in said
        assert re.search(r"B - A: [+-][\d.]+ m?s .*\(above 0, B takes longer\)", said)
        assert said.count("above 0, B takes longer") == 1

    def test_both_train_the_same_batch(self, client):
        query = "model=resnet50&node=dgx-a100&count=1&b.node=dgx-a100&b.count=2&b.tp=1"
        cards = verdict(client, query)["verdict.children"]
        command = ["resnet50", "--cluster", "dgx-a100:2", "--global-batch", "512"]
        flags = ["--micro-batch", "1", "--zero", "0", "--recompute", "none", "--pp", "1"]
        done = CliRunner().invoke(simulate, [*command, *flags])
        assert done.stdout.splitlines()[0] in texts(cards[1])

    def test_two_stacks_are_compared(self, client):
        query = f"{GPT2}stack=megatron-2023&a.tp=2&b.stack=torchtitan&b.tp=2"
        told = [texts(card) for card in verdict(client, query)["verdict.children"]]
        assert "stack megatron-2023" in told[0]
        assert "stack torchtitan" in told[1]

    def test_hardware_that_cannot_train_it_is_refused_on_its_card(self, client):
        query = f"{GPT2}a.tp=2&b.node=dgx-1-v100&b.precision=bf16&b.tp=2"
        one, two = verdict(client, query)["verdict.children"]
        assert "step time" in texts(one)
        assert "no bf16 arithmetic" in texts(two)

    def test_files_of_b_are_of_its_hardware(self, client):
        done = client.http.get(f"/download/{TOKEN}/b/simulate.json?{GPT2}a.tp=2&b.node=dgx-h100&b.tp=4")
        assert done.json["question"]["cluster"] == "dgx-h100:1"
        long = client.http.get(f"/download/{TOKEN}/b/simulate.json?{GPT3}b.node=nothing&b.tp=4")
        assert (long.status_code, "unknown node type" in long.text) == (400, True)
