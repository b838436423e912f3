"""Arms of studies that train models: what of the training command makes them different."""

from __future__ import annotations

SAME_GRASPS = [
    "data.visits=1",
    "data.sample.queries=64",
    "data.sample.occupancy_points=512",
    "++loss.points_per_scene=32",
]
"""A published configuration takes a step's grasps from many scenes, one or two of each; in studies
all arms ask as many grasps of as many scenes."""
SAME_VIEW = [
    "data.sample.view=fixed",
    "data.sample.noise=gamma",
    "data.sample.rectify_probability=0.0",
]
"""Depth as the published configurations have it, so that ours is judged by the same images."""
MADE_EXACT = {
    "equigiga": ["model.side_features=induced", "model.rows=polar"],
    "equiigd": ["model.side_features=induced"],
}
"""What makes a published network exact."""
ARMS: dict[str, list[str]] = {
    "giga": ["model=giga", "trainer.learning_rate=1e-3"],
    "giga_c4": ["model=giga", "trainer.learning_rate=1e-3", "data.sample.quarter_turns=true"],
    "giga_full": ["model=giga", "trainer.learning_rate=1e-3", "model.encoding=full"],
    "plain": ["model=equigiga", "model.side_features=plain"],
    "induced": ["model=equigiga"],
    "equiigd": ["model=equiigd"],
    "vgn": ["model=vgn", "trainer.learning_rate=1e-3"],
    "igd": ["model=igd", "trainer.learning_rate=1e-3"],
    "sum": ["model=equigiga", "model.side_features=sum"],
    "orbit": ["model=equigiga", "model.deform=orbit"],
    "full": ["model=equigiga", "model.deform=full"],
    "sum_orbit": ["model=equigiga", "model.side_features=sum", "model.deform=orbit"],
    "sum_full": ["model=equigiga", "model.side_features=sum", "model.deform=full"],
    "plain_orbit": ["model=equigiga", "model.side_features=plain", "model.deform=orbit"],
    "plain_full": ["model=equigiga", "model.side_features=plain", "model.deform=full"],
    "no_exchange": ["model=equigiga", "model.exchange=false"],
    "no_norm": ["model=equigiga", "model.norm=none"],
    "sum_no_norm": ["model=equigiga", "model.side_features=sum", "model.norm=none"],
    "plain_no_norm": ["model=equigiga", "model.side_features=plain", "model.norm=none"],
    "wide": ["model=equigiga", "model.head_fields=32"],
    "orbit_kernels": ["model=equigiga", "model.layers.kernels=orbits"],
    "euclidean": ["model=equiigd", "model.flow=euclidean"],
    "diffusion": ["model=equiigd", "model.flow=diffusion"],
    "separate_lifting": ["model=equigiga", "model.layers.lifting=separate"],
    "plain_head": ["model=equigiga", "model.head=plain"],
    "volume": ["model=equigiga", "model.backbone=volume"],
    "larger": ["model=equigiga", "model.fields=12"],
    "deeper": ["model=equigiga", "model.depth=4"],
    "finer": ["model=equigiga", "model.resolution=60"],
    "near": ["model=equigiga", "model.near=8"],
    "exact_equigiga": ["model=equigiga", *SAME_VIEW],
    "exact_equiigd": ["model=equiigd", *SAME_VIEW],
    **{
        f"published_{name}": [f"experiment=published_{name}", *SAME_GRASPS]
        for name in ("vgn", "giga", "igd", "equigiga", "equiigd")
    },
    **{
        f"published_exact_{name}": [f"experiment=published_{name}", *SAME_GRASPS, *options]
        for name, options in MADE_EXACT.items()
    },
}
"""Training options that make up an arm. `giga_full` knows free space from unseen, as ours do."""
STUDY = ("giga", "giga_c4", "plain", "induced", "equiigd")
ABLATION = (
    *("induced", "orbit", "full", "sum", "sum_orbit", "sum_full", "plain", "plain_orbit"),
    *("plain_full", "no_exchange", "no_norm", "sum_no_norm", "plain_no_norm"),
    *("wide", "equiigd", "euclidean"),
)
LARGER = ("induced", "larger", "deeper", "finer", "near")
"""EquiGIGA as it is, with more fields, another level, 60 voxels a side, points of the surface."""
TINY = {
    "giga": ["model.channels=4", "model.hidden=8", "model.blocks=1"],
    **dict.fromkeys(
        ("induced", "near", "exact_equigiga", "published_equigiga", "published_exact_equigiga"),
        ["model.fields=2", "model.head_fields=4", "model.head_blocks=1"],
    ),
}
"""What shrinks an arm for the quick run."""
