"""How the lines of our pages are typed here: smaller, with what they assume, or not at all."""

from __future__ import annotations

import os
import sys

from shared import page_inputs as made
from shared.page_runs import Rules

STEPS = "trainer.max_steps=2 trainer.warmup_steps=1 trainer.validate_every=2 trainer.threads=1"
GRASPS = "data.validation_scenes=1 data.validation_queries=8 data.sample.queries=8"
GRASPS += " data.sample.occupancy_points=16"
TESTS = "tests/equigrasp/test_sizes.py -p no:cacheprovider"
"""Tests of a second."""

SMALLER = (
    (r"^make ", f"-o setup VENV={sys.prefix}"),
    (r"^make test", f"WORKERS=0 ARGS='{TESTS}'"),
    (r"^make mutants", "ARGS='--only data/split.py --workers 1'"),
    (r"data_gen/(packed|pile)\.py|-m data_gen|equigrasp data pile", "--scenes 4 --workers 1"),
    (r"data_gen/(packed|pile)\.py|-m data_gen|equigrasp data pile", "--grasps-per-scene 12"),
    (r"data_gen/(demos|pusht)\.py", "--workers 1"),
    (r"data_gen/demos\.py", "--image-size 32 --tasks slide_block press_buttons --episodes 3"),
    (r"data_gen/demos\.py .*--errors-of", "--image-size 256"),
    (r"sim/clutter_eval\.py|equigrasp eval", "--rounds 1 --seeds 1 --num-objects 2 --workers 1"),
    (r"sim/policy_eval\.py", "--episodes 1 --seeds 1 --workers 1"),
    (r"sim/pusht_eval\.py", "--episodes 1 --workers 1"),
    (r"sim/pusht_finetune\.py", "--iterations 1 --environments 1"),
    (r"sim/grasp_finetune\.py", "--iterations 1 --scenes 1 --points 2 --samples 2 --workers 1"),
    (r"judge_finetune", "--scenes 4 --num-objects 2 --tries 6 --epochs 1 --workers 1"),
    (r"calibrate ", "--scenes 5 --workers 1 --floor 0.01"),
    (r"train .*(equiigd|equigiga|glance)", f"{STEPS} trainer.batch_size=2 {GRASPS}"),
    (r"shipped/equiigd_\$\{KIND\}_first", "init=equiigd_$KIND"),
    (r"trainer=gpu", "trainer.accelerator=cpu trainer.workers=1"),
    (r"trainer\.devices=", "trainer.devices=2"),
    (r"trainer\.processes=", "trainer.processes=1"),
    (r"trainer\.processes=12", "name=fed"),
    (r"equiigd .*data\.store=", "name=stored"),
    (r"data\.store=", "data.store=items"),
    (r"train .*(mini_diffuser|real_one_camera)", f"{STEPS} trainer.batch_size=2 policy.samples=4"),
    (r"train .*(mini_diffuser|real_one_camera)", "policy.candidates=2 policy.steps=2"),
    (r"train .*diffusion_policy", f"{STEPS} trainer.batch_size=4 policy.steps=2"),
    (r"benchmarks/labelling\.py", "--scenes 1 --points 4 --workers 1"),
    (r"benchmarks/published\.py", "--models equigiga --rates 1e-3 --seeds 1 --steps 1"),
    (r"benchmarks/published\.py", "--closed-loop 1"),
    (r"benchmarks/two_level\.py", "--quick --seconds 2"),
    (r"benchmarks/compare\.py", "--quick"),
    (r"equigrasp (serve|view)", "--port 0"),
)
"""What is typed behind commands in which a pattern is found; of an option that comes twice the
last one counts."""

EXCUSED = (
    (r"^pip install", "installs: benchmarks/tiers.py, `make base`, tests/test_wheel.py"),
    (r"^make (cover|base|pages)|^\.ci/run", "it runs all of this, or .ci/run runs it beside this"),
    (r"--env rlbench", "RLBench is not there: tests/sim/keyframes/test_rlbench_environment.py"),
    (r"--engine ray", "a cluster is not there: tests/data_gen/test_demos.py"),
)
"""Lines that are not run, why, and where they are tested instead."""

EVALUATION = "python -m sim.clutter_eval --scene pile --rounds 4 --seeds 1 --num-objects 1"
INPUTS = {
    "README.md": (made.environment,),
    "docs/data.md": (made.own_urdfs,),
    "docs/evaluation.md": (made.own_urdfs, made.own_protocol),
    "docs/gpu.md": (made.pile,),
    "docs/models.md": (made.published_objects, made.packed),
    "docs/planners.md": (made.own_planners, made.other_environment),
    "docs/planning.md": (made.packed, f"{EVALUATION} --workers 1"),
    "docs/robots.md": (made.recordings, made.lerobot),
    "docs/tasks.md": (made.own_demonstrations,),
    "docs/tutorials/add_a_model.md": (made.pile, made.own_model),
    "docs/tutorials/compare_planners.md": (made.own_planners,),
    "docs/tutorials/first_grasp.md": (made.own_image,),
    "docs/tutorials/your_objects.md": (made.own_meshes,),
}
"""What a page assumes that a reader has."""

RULES = Rules(SMALLER, EXCUSED, INPUTS, {"MPLBACKEND": os.environ.get("MPLBACKEND", "Agg")})
