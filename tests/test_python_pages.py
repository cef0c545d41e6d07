"""Pages and examples in Python say what happens: their code is run as it stands."""

import doctest
import re
import runpy

import pytest
from project import ROOT

CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PAGES = ("python.md", "how-a-number-comes-about.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_give_what_it_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    said, names, tried = [], {}, 0
    for found in CODE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        test = doctest.DocTestParser().get_doctest(found[1], {}, page, page, line)
        test.globs = names  # later examples see the names of earlier ones
        runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
        tried += runner.run(test, out=said.append, clear_globs=False).attempted
    assert "".join(said) == ""
    assert tried > 5


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_an_example_runs_from_the_first_cell_to_the_last(path, capsys):
    runpy.run_path(str(path), run_name="__main__")
    told = capsys.readouterr().out
    assert "Traceback" not in told
    assert len(told.splitlines()) > 20
