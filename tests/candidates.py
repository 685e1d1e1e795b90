"""Candidates for the best of n."""

import numpy as np
import pandas as pd


def make_candidates(seed=0, n_concepts=20, n=8):
    """Candidates whose better pictures are less faithful, as in the paper; a second judge sees the same with noise."""
    random = np.random.default_rng(seed)
    rows = []
    for arm, lift in (("base", 0.0), ("ft_tags", 0.5)):
        for concept in range(n_concepts):
            for _ in range(n):
                quality = lift + random.normal()
                faithfulness = -lift - 0.4 * quality + random.normal()
                noise = 0.5 * random.normal(size=2)
                rows.append((arm, f"c{concept}", quality, faithfulness, quality + noise[0], faithfulness + noise[1]))
    names = ["arm", "concept", "selecting_quality", "selecting_faithfulness", "quality", "faithfulness"]
    bare = pd.DataFrame({"concept": [f"c{k}" for k in range(n_concepts) for _ in range(5)]})
    return pd.DataFrame(rows, columns=names), bare.assign(selecting_faithfulness=random.normal(size=len(bare)))
