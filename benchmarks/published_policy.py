"""A training step of Mini-Diffuser at its published size: seconds and memory by M.

    python benchmarks/published_policy.py [--quick] [--json results.json] [--record]
    python benchmarks/published_policy.py --device cuda             # 100 observations, as published

The network of `experiment=published_mini_diffuser` on made-up observations of 4,000 points: 100 of
them on a GPU, two on a CPU, with M = 1, 64 and 128 noised positions each. On a CPU seconds are of
one core and of the process, so that waiting on a busy machine does not count.
"""

from __future__ import annotations

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from shared.results import command_line, finish
from shared.steps import measure, peak_bytes
from two_level import held_bytes, policy_batch, policy_step

from equigrasp.home import CONFIGS
from equigrasp.policy.keyframes.synthetic import SENTENCES
from equigrasp.policy.models.base import KeyframePolicy
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.training import build_policy
from equigrasp.training.memory import keep_freed_memory

PUBLISHED = "published_mini_diffuser"
SAMPLES = (1, 64, 128)
POINTS = 4000
OBSERVATIONS = {"cpu": 2}
"""Of a step by kind of device; elsewhere as many as published."""


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = command_line(__doc__, "published_policy")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--observations", type=int, help="of a step (default: 2, on a GPU 100)")
    parser.add_argument("--seconds", type=float, default=20.0, help="time to measure (quick: none)")
    arguments = parser.parse_args()
    if arguments.device == "cpu":
        torch.set_num_threads(1)
    keep_freed_memory()
    count = arguments.observations or OBSERVATIONS.get(arguments.device, 100)
    seconds = 0.0 if arguments.quick else arguments.seconds
    numbers = published_steps(
        SAMPLES[:2] if arguments.quick else SAMPLES, count, seconds, arguments.device
    )
    finish(arguments, numbers, {"device": arguments.device, "observations": count})


def published_steps(
    samples: tuple[int, ...], observations: int, seconds: float = 0.0, device: str = "cpu"
) -> dict[str, float]:
    """Parameters, and for every M seconds and MiB of a step; flat names.

    Args:
        samples: numbers M.
        observations: B.
        seconds: time to measure; every M takes three steps at least.
        device: torch device. Seconds are of the processor on a CPU, of the wall elsewhere.
    """
    model = published_policy().to(device)
    batch = policy_batch(observations, POINTS, device)
    steps = {f"m{m}": policy_step(model, m, *batch) for m in samples}
    held, peak = held_bytes(model), {name: peak_bytes(run) for name, run in steps.items()}
    numbers = {"parameters": float(sum(p.numel() for p in model.parameters()))}
    for name, (wall, processor) in measure(steps, seconds).items():
        numbers[f"{name}_seconds"] = processor if device == "cpu" else wall
        numbers[f"{name}_mib"] = (held + peak[name]) / 2**20
    return {f"{PUBLISHED}_{name}": value for name, value in numbers.items()}


def published_policy() -> KeyframePolicy:
    """The network of the published size, untrained."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("train_policy", [f"experiment={PUBLISHED}", "data=demos"])
    torch.manual_seed(0)
    return build_policy(OmegaConf.to_container(config.model), Vocabulary.of(SENTENCES))


if __name__ == "__main__":
    main()
