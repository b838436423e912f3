"""Make a data set of packed scenes: objects standing upright, side by side.

python data_gen/packed.py                   # a small set in data/packed
python data_gen/packed.py --scenes 3000     # the same one, extended
"""

from data_gen.command import main
from sim.scene.kinds import find_kind

if __name__ == "__main__":
    raise SystemExit(main(find_kind("packed")))
