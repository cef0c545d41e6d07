"""Commands of the console script, one file each.

To add a command ``name``:

1. Write ``planner/commands/name.py`` with a click command, a function also called ``name``. The first
   sentence of its docstring is its short help. `planner.console.output` has what it needs to print,
   `planner.console.refusals` what it needs to refuse.
2. Add ``name = "planner.commands.name:name"`` under ``[project.entry-points."simdl.commands"]`` in
   ``pyproject.toml`` and install again (``pip install -e .``).
3. Test it in ``tests/test_cli_name.py``.
"""
