"""Draw the rooms of the library and the arrows between them: who imports whom, from the top down.

In: the sources of ``c2i_lib``. Out: a Mermaid diagram, which ``--write`` puts into ARCHITECTURE.md between its two
marks. Fails when an arrow goes up or in a circle: ``ROOMS`` is the order, the top first.

    python tools/draw_rooms.py --write
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "c2i_lib"
# The top first. What stands in one line stands side by side and does not import each other.
ROOMS = (
    ("cli",),
    ("app",),
    ("tool_commands", "stories", "assets"),
    ("generator", "real_ratings", "survey_commands"),
    ("run",),
    ("stages", "reporting"),
    ("models",),
    ("statistics",),
    ("text",),
    ("embedded",),
    ("records",),
    ("config",),
    ("study", "errors"),
)
FLOORS = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}
MARKS = ("<!-- rooms: drawn by tools/draw_rooms.py -->", "<!-- end of rooms -->")


def imported_modules(path: Path) -> set[str]:
    """All modules of the library that a file imports, also inside functions: ``c2i_lib.records.files`` and the like."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith(f"{LIBRARY.name}.") and is_module(name)}


def is_module(name: str) -> bool:
    """Whether a dotted name is a module or a package of the library."""
    base = ROOT.joinpath(*name.split("."))
    return base.with_suffix(".py").is_file() or (base / "__init__.py").is_file()


def room_of(name: str) -> str:
    """The room of a module: the folder or the single module right inside ``c2i_lib``."""
    return name.split(".")[1]


def module_name(path: Path) -> str:
    """``c2i_lib.records.files`` of its file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def arrows() -> Counter[tuple[str, str]]:
    """How many imports lead from a room to another one."""
    found = Counter()
    for path in sorted(LIBRARY.rglob("*.py")):
        if path.parent == LIBRARY and path.stem.startswith("__"):
            continue
        own = room_of(module_name(path))
        found.update((own, room_of(name)) for name in imported_modules(path) if room_of(name) != own)
    return found


def problems(found: Counter[tuple[str, str]]) -> list[str]:
    """Arrows that go up or sideways, and rooms that have no floor. With every arrow going down there is no circle."""
    rooms = {path.stem for path in LIBRARY.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    lines = [f"{room} has no floor in ROOMS" for room in sorted(rooms - set(FLOORS)) if not room.startswith("__")]
    lines += [
        f"{start} → {end} goes {'up' if FLOORS[end] < FLOORS[start] else 'sideways'}"
        for start, end in sorted(found)
        if {start, end} <= set(FLOORS) and FLOORS[end] <= FLOORS[start]
    ]
    return lines


def diagram(found: Counter[tuple[str, str]]) -> str:
    """The rooms as a Mermaid flowchart. An arrow is left out where a longer way down says the same, and so are those to
    ``errors`` and ``study``, which every room may import."""
    edges = {(start, end) for start, end in found if end not in ("errors", "study")}
    lines = ["```mermaid", "flowchart TD"]
    lines += [f"    {start} --> {end}" for start, end in sorted(edges, key=lambda edge: (FLOORS[edge[0]], edge))
              if not _is_long_way(start, end, edges)]  # fmt: skip
    return "\n".join([*lines, "```"])


def _is_long_way(start: str, end: str, edges: set[tuple[str, str]]) -> bool:
    """Whether ``end`` is also reached from ``start`` through another room."""
    waiting, seen = [other for first, other in edges if first == start and other != end], set()
    while waiting:
        room = waiting.pop()
        if room == end:
            return True
        if room not in seen:
            seen.add(room)
            waiting += [other for first, other in edges if first == room]
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the diagram into ARCHITECTURE.md")
    write = parser.parse_args().write
    found = arrows()
    print(diagram(found))
    if wrong := problems(found):
        print("\n".join(wrong), file=sys.stderr)
        return 1
    if write:
        page = ROOT / "ARCHITECTURE.md"
        before, rest = page.read_text(encoding="utf-8").split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        page.write_text(f"{before}{MARKS[0]}\n{diagram(found)}\n{MARKS[1]}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
