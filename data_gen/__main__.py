"""Make a data set of any kind of scene: `python -m data_gen KIND --scenes 1000 --out data/KIND`."""

import argparse
import sys

from data_gen.command import main
from sim.scene.kinds import scene_kinds

if __name__ == "__main__":
    kinds = scene_kinds()
    parser = argparse.ArgumentParser(
        prog="python -m data_gen", description=__doc__, epilog="KIND --help lists its options"
    )
    parser.add_argument("kind", choices=kinds, help="a file of sim/scene/kinds")
    raise SystemExit(main(kinds[parser.parse_args(sys.argv[1:2]).kind], sys.argv[2:]))
