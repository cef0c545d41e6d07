from dataclasses import replace

import pytest

from simdl.software.reader import load_stack
from validation.fit import stacks
from validation.fit.stacks import fit_stack, main, mean_error, questions
from validation.published.prediction import first_that_fits
from validation.published.tables import load_table, published_folder

TABLE = "llm/nvidia-nemo.csv"


@pytest.fixture(scope="module")
def asked():
    rows = load_table(published_folder() / TABLE, name=TABLE)
    return questions(rows, "nemo-2024")[:4]


def test_a_fit_finds_the_number_that_made_the_measurements(asked):
    """Rows measured on a made-up stack give its number back."""
    stack = load_stack("nemo-2024")
    truth = replace(stack, attention_speed=0.5)
    made = []
    for question in asked:
        setup = question.setup
        report = first_that_fits(setup.workload, setup.cluster, setup.strategies, truth)
        made.append(replace(question, setup=replace(setup, measured=report.step_time)))
    found, error = fit_stack(made, stack, {"attention_speed": 0.9})
    assert found["attention_speed"] == pytest.approx(0.5, rel=0.03)
    assert error < mean_error(made, stack, {"attention_speed": 0.9})


def test_a_fit_never_leaves_a_larger_error(asked):
    stack = load_stack("nemo-2024")
    start = {"tensor_overlap": 0.2}
    found, error = fit_stack(asked, stack, start)
    assert error <= mean_error(asked, stack, start)
    assert 0 < found["tensor_overlap"] <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nemo-2024", "attenion_speed", TABLE), "attenion_speed"),
        (("nemo-2024", "attention_speed"), "tables none"),
        (("nemo-2024", "attention_speed", "llm/none.csv"), "none.csv"),
        (("maxtext", "contention", TABLE), "no scored row"),
        (("nemo-2025", "contention", TABLE), "choose from"),
        ((), "required"),
    ],
)
def test_what_cannot_be_fitted_is_one_message(capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_help_says_which_fields_there_are(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "attention_speed" in capsys.readouterr().out


def test_a_fit_reports_what_it_found(capsys, monkeypatch):
    monkeypatch.setattr(stacks, "ROUNDS", 1)
    monkeypatch.setattr(stacks, "questions", lambda rows, stack: questions(rows, stack)[:2])
    main(["nemo-2024", "attention_speed", TABLE])
    assert "nemo-2024: 2 rows, mean error " in capsys.readouterr().out
