"""``from c2i_lib import …``: fast, complete, and as the README shows it."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import c2i_lib

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def test_importing_the_library_loads_nothing_heavy():
    """Every command and every help text would wait for it."""
    code = "import sys, c2i_lib; print({'torch', 'pandas', 'numpy', 'spacy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", c2i_lib.__all__)
def test_each_name_is_there_and_documented(name):
    assert name in dir(c2i_lib) and getattr(c2i_lib, name).__doc__


def test_another_name_is_told_with_those_that_are():
    with pytest.raises(AttributeError, match="no 'Concept2Image': use one of ConceptToImage"):
        c2i_lib.Concept2Image  # noqa: B018


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0].rpartition("# ")[2])
def test_what_the_readme_shows_is_of_five_lines_and_calls_what_there_is(block):
    """Functions with arguments that they have."""
    tree = ast.parse(block)
    names = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert names <= set(c2i_lib.__all__) and len([line for line in block.splitlines() if line]) <= 5
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        if call.func.id in names:
            known = inspect.signature(getattr(c2i_lib, call.func.id)).parameters
            assert {keyword.arg for keyword in call.keywords} <= set(known) and len(call.args) <= len(known)


def test_the_readme_shows_all_four_ways_in():
    assert len(BLOCKS) == 4
