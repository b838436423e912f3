"""Make a data set of packed scenes: objects standing upright, side by side.

python data_gen/packed.py --scenes 1000 --out data/packed
"""

from data_gen.command import main
from sim.scene.kinds import find_kind

if __name__ == "__main__":
    raise SystemExit(main(find_kind("packed")))
