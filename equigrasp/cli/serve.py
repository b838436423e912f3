"""`equigrasp serve`: a planner that other processes ask over HTTP."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from equigrasp.cli.plan import MODEL
from equigrasp.interruption import caught
from equigrasp.planner import GraspPlanner
from equigrasp.serving.server import PORT, PlannerServer
from equigrasp.thresholds import add_thresholds, chosen_thresholds, detection_of


def main(arguments: Sequence[str]) -> int:
    """Serve until Ctrl-C."""
    options = parser().parse_args(arguments)
    how = {"device": options.device, "depth_scale": options.depth_scale, "hand": options.hand}
    how["detection"] = detection_of(chosen_thresholds(options))
    planner = GraspPlanner.from_pretrained(options.model, **how)
    planner.warmup()
    server = PlannerServer(planner, host=options.host, port=options.port)
    print(f"{server.address} plans with {options.model}; Ctrl-C ends it", flush=True)
    try:
        server.serve()
    except KeyboardInterrupt:
        caught()
        print()
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        description="Ask it with equigrasp.serving.client.PlannerClient, or as "
        "equigrasp/serving/wire.py says from any language. It asks nobody who they are.",
    )
    add = p.add_argument
    add("--model", default=MODEL, help=f"shipped name or saved weights (default: {MODEL})")
    add("--hand", help="name or YAML file, if it is not the model's own")
    add("--device", default="cpu", help="of torch (default: cpu)")
    add("--depth-scale", type=float, metavar="M", help="metres of one unit of whole numbers")
    add("--host", default="127.0.0.1", help="0.0.0.0 lets other machines ask (default: this one)")
    add("--port", type=int, default=PORT, help=f"0 takes a free one (default: {PORT})")
    add_thresholds(p)
    return p
