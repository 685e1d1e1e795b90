"""Make ``wordnet_nouns.parquet`` (``lemma, n_senses, category, physical, region``) from WordNet 3.0's nouns.

Of the first, most frequent sense: ``category`` is its lexicographer file (animal, artifact, food, ...), ``physical``
whether it is a kind of physical entity, ``region`` whether it is a country, state or continent by name.
WordNet 3.0 is free under Princeton's licence; Debian packs it:

    apt-get download wordnet-base && dpkg -x wordnet-base_*.deb wordnet
    python tools/make_wordnet_table.py wordnet/usr/share/wordnet
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

# wordnet/doc lexnames(5WN), files 03 to 28.
CATEGORIES = (
    "tops act animal artifact attribute body cognition communication event feeling food group location motive "
    "object person phenomenon plant possession process quantity relation shape state substance time"
).split()


PHYSICAL_ENTITY = "00001930"
REGIONS = frozenset(("08491826", "09254614"))  # administrative district, continent


def _ancestors(offset: str, parents: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [offset]
    while waiting:
        new = set(parents[waiting.pop()]) - found
        found |= new
        waiting += new
    return found


def read_nouns(folder: Path) -> pd.DataFrame:
    category_of, parents, instances = {}, {}, set()
    for line in (folder / "data.noun").read_text(encoding="latin-1").splitlines():
        if not line.startswith(" "):
            fields = line.split(" | ")[0].split()
            offset, file_number = fields[:2]
            category_of[offset] = CATEGORIES[int(file_number) - 3]
            pointers = list(zip(fields, fields[1:], fields[2:], strict=False))
            parents[offset] = [target for kind, target, part in pointers if kind in ("@", "@i") and part == "n"]
            if any(kind == "@i" and part == "n" for kind, _, part in pointers):
                instances.add(offset)
    rows = []
    for line in (folder / "index.noun").read_text(encoding="latin-1").splitlines():
        if not line.startswith(" "):
            fields = line.split()
            n_senses = int(fields[2])
            first = fields[-n_senses]
            above = _ancestors(first, parents)
            region = first in instances and bool(above & REGIONS)
            rows.append((fields[0].replace("_", " "), n_senses, category_of[first], PHYSICAL_ENTITY in above, region))
    return pd.DataFrame(rows, columns=["lemma", "n_senses", "category", "physical", "region"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wordnet", type=Path, help="folder with index.noun and data.noun")
    parser.add_argument("--out", type=Path, default=Path("c2i_lib/text/noun_phrases/wordnet_nouns.parquet"))
    args = parser.parse_args()
    table = read_nouns(args.wordnet)
    table.astype({"n_senses": "int16", "category": "category"}).to_parquet(args.out, index=False, compression="zstd")
    print(f"{len(table):,} noun lemmas in {args.out}")


if __name__ == "__main__":
    main()
