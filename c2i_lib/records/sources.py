"""The sources that a result depends on, as one hash: a changed method is a changed stage.

In: the name of a module of this library. Out: a hash of its source, of all modules that it imports, directly or not,
and of the library's tables and weights. So another colour in ``figures.py`` does not train a model again. Ignored:
installed packages, whose versions ``stage.py`` compares.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

from c2i_lib.records.files import hash_of, sha256_of

_LIBRARY = Path(__file__).parents[1]
_DATA = ("*.json", "*.parquet", "*.safetensors")


def _source(module: str) -> Path | None:
    """The file of a module such as ``c2i_lib.stages.prompts.writer``, or None when it is none of ours."""
    base = _LIBRARY.parent.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


@lru_cache(maxsize=256)
def _imports(path: Path) -> tuple[str, ...]:
    """Modules of this library that a file names in an import, anywhere in it."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(name for name in names if name.split(".")[0] == _LIBRARY.name and _source(name))


def sources_of(module: str) -> list[Path]:
    """The files of ``module`` and of all that it imports of this library, sorted. Raises ``ValueError`` for another's
    module.
    """
    if _source(module) is None:
        raise ValueError(f"{module} is no module of {_LIBRARY.name}")
    found, waiting = set(), [module]
    while waiting:
        path = _source(waiting.pop())
        if path not in found:
            found.add(path)
            waiting += _imports(path)
    return sorted(found)


@lru_cache(maxsize=64)
def code_hash(module: str | None = None) -> str:
    """Hash of what ``module`` depends on in this library; without a module, of the whole library."""
    files = sources_of(module) if module else sorted(_LIBRARY.rglob("*.py"))
    files += sorted(path for kind in _DATA for path in _LIBRARY.rglob(kind))
    return hash_of([(str(path.relative_to(_LIBRARY)), sha256_of(path)) for path in files])
