"""Make ``c2i_lib/wordnet_nouns.parquet`` (``lemma, n_senses, category``) from WordNet 3.0's noun files.

``category`` is the lexicographer file of the first, most frequent sense: animal, artifact, food, ...
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


def read_nouns(folder: Path) -> pd.DataFrame:
    category_of = {}
    for line in (folder / "data.noun").read_text(encoding="latin-1").splitlines():
        if not line.startswith(" "):
            offset, file_number = line.split(" ", 2)[:2]
            category_of[offset] = CATEGORIES[int(file_number) - 3]
    rows = []
    for line in (folder / "index.noun").read_text(encoding="latin-1").splitlines():
        if not line.startswith(" "):
            fields = line.split()
            n_senses = int(fields[2])
            rows.append((fields[0].replace("_", " "), n_senses, category_of[fields[-n_senses]]))
    return pd.DataFrame(rows, columns=["lemma", "n_senses", "category"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wordnet", type=Path, help="folder with index.noun and data.noun")
    parser.add_argument("--out", type=Path, default=Path("c2i_lib/wordnet_nouns.parquet"))
    args = parser.parse_args()
    table = read_nouns(args.wordnet)
    table.astype({"n_senses": "int16", "category": "category"}).to_parquet(args.out, index=False, compression="zstd")
    print(f"{len(table):,} noun lemmas in {args.out}")


if __name__ == "__main__":
    main()
