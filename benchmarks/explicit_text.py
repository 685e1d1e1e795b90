"""How often the blacklist is wrong: false positives and negatives on 500 captions of LAION, labelled by hand.

``explicit_labels.csv`` holds a hash of each caption and whether a person calls it explicit (pornography, nudity for its
own sake, profanity, slurs; not: news, medicine, art, drugs). Labelled were all captions that the default list flags,
and a random sample of the rest, which stands for all of the rest. The captions themselves are not in this project: give
the file they come from. The last line printed is one JSON object.
"""

import argparse
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.stats import beta

from c2i_lib.config import load_profile
from c2i_lib.stages.captions import is_disguised, is_explicit, normalise_texts
from c2i_lib.stages.captions.cleaning import hash_texts
from c2i_lib.stages.captions.sources import Reading, read_batches
from c2i_lib.text.explicit import read_words

_SIGNS = {"a": "@", "e": "3", "i": "1", "o": "0"}
LABELS = Path(__file__).with_name("explicit_labels.csv")


def interval(k: int, n: int) -> tuple[float, float]:
    """Clopper and Pearson's exact 95 % interval of a share."""
    low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    high = float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return low, high


def measure(flagged: np.ndarray, labels: pd.DataFrame, n_rest: int) -> dict:
    """Counts of right and wrong on the labelled captions; recall with the unflagged sample weighted up to all."""
    explicit, sampled = labels["explicit"].to_numpy(bool), labels["flagged"].to_numpy() == 0
    missed, n_sampled = int((explicit & ~flagged & sampled).sum()), int(sampled.sum())
    hits = int((explicit & flagged).sum())
    row = {"true_positive": hits, "false_positive": int((~explicit & flagged).sum())}
    row |= {"false_negative_in_sample": missed, "sample": n_sampled}
    row["precision"] = round(hits / max(1, flagged.sum()), 3)
    shares = [missed / n_sampled, *interval(missed, n_sampled)]
    row["recall_estimate"], row["recall_high"], row["recall_low"] = [
        round(hits / (hits + share * n_rest), 3) for share in shares
    ]
    return row


def disguise(text: str, word: str) -> list[str]:
    """``text`` with ``word`` in two usual evasions: a look-alike sign for its first vowel, and dots between letters."""
    place = text.lower().find(word)
    written = text[place : place + len(word)]
    vowel = next(letter for letter in word if letter in _SIGNS)
    signs = re.sub(vowel, _SIGNS[vowel], written, count=1, flags=re.IGNORECASE)
    return [text[:place] + new + text[place + len(word) :] for new in (signs, ".".join(written))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", required=True, help="the 7,000 captions of LAION that were labelled")
    parser.add_argument("--quick", action="store_true", help="the same: it takes seconds")
    args = parser.parse_args()
    settings = load_profile("paper", {"captions.source": args.captions}).captions
    texts = [text for batch in read_batches(settings, 10_000, Reading()) for text in batch["text"].to_pylist() if text]
    texts = list(dict.fromkeys(normalise_texts(pa.array(texts, pa.string())).to_pylist()))
    labels = pd.read_csv(LABELS).set_index("hash")
    by_hash = dict(zip((f"{value:016x}" for value in hash_texts(pa.array(texts))), texts, strict=True))
    found = [by_hash[key] for key in labels.index if key in by_hash]
    if len(found) < len(labels):
        raise SystemExit(f"{len(labels) - len(found)} of {len(labels)} labelled captions are not in {args.captions}")
    listed, disguised = is_explicit(found), is_explicit(found) | is_disguised(found)
    n_rest = len(texts) - int(is_explicit(texts).sum())
    figures = {"captions": len(texts), "labelled": len(labels)}
    figures |= {"list": measure(listed, labels, n_rest), "list_and_evasions": measure(disguised, labels, n_rest)}
    figures["evasions_find_in_all"] = int((is_disguised(texts) & ~is_explicit(texts)).sum())
    wrong = [text for text, flag, label in zip(found, listed, labels["explicit"], strict=True) if flag and not label]
    words = Counter({word: int(is_explicit(wrong, (word,)).sum()) for word in read_words(None)})
    right = [text for text, flag, label in zip(found, listed, labels["explicit"], strict=True) if flag and label]
    evasions = []
    for word in read_words(None):
        if word.isalpha() and set(word) & set(_SIGNS):
            evasions += [new for text in right if is_explicit([text], (word,))[0] for new in disguise(text, word)]
    evasions = [text for text in dict.fromkeys(evasions) if not is_explicit([text])[0]]
    figures |= {"made_evasions": len(evasions), "made_evasions_found": int(is_disguised(evasions).sum())}
    figures["false_positives_by_word"] = dict(words.most_common(12))
    print(json.dumps(figures, indent=2))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
