"""The text that raters read and agree to, which the researcher may edit while the server runs.

In: ``instructions.md``. Out: its text, or the last good one while the file is gone, empty or in another encoding; and
each text that was shown, by its hash. Ignored: what it says.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from c2i_lib.errors import C2IError
from c2i_lib.records.files import atomic_path


class Instructions:
    """The text in ``path``, which is made from ``default`` where there is none.

    Raises ``C2IError`` when the file cannot be read at the start; later the last good text is used, and that is told.
    """

    def __init__(self, path: Path, default: Path):
        self.path = Path(path)
        if not self.path.is_file():
            with atomic_path(self.path) as temporary:
                temporary.write_bytes(default.read_bytes())
        self._shown: dict[str, str] = {}
        self._last, self._told = "", ""
        problem = self._read()
        if problem:
            raise C2IError(f"{self.path} {problem}: raters must know what they agree to. Save it as UTF-8")

    def _read(self) -> str:
        """Take the file's text. Returns what is wrong with it, if anything is."""
        try:
            text = self.path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        except UnicodeDecodeError:
            return "is not in UTF-8"
        if not text.strip():
            return "is empty"
        self._last = text
        return ""

    def text(self) -> str:
        """The text that raters see now."""
        problem = self._read()
        if problem and problem != self._told:
            print(f"{self.path} {problem}: raters see the text as it was before", flush=True)
        self._told = problem
        self._shown[self.digest(self._last)] = self._last
        return self._last

    @staticmethod
    def digest(text: str) -> str:
        """The SHA-256 of a text, in hexadecimal."""
        return hashlib.sha256(text.encode()).hexdigest()

    def shown(self, digest: str) -> str | None:
        """The text of a hash, if it was shown since the server started."""
        return self._shown.get(digest)
