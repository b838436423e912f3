"""Make a data set of pile scenes: objects dropped into a heap.

python data_gen/pile.py                   # a small set in data/pile
python data_gen/pile.py --scenes 3000     # the same one, extended
"""

from data_gen.command import main
from sim.scene.kinds import find_kind

if __name__ == "__main__":
    raise SystemExit(main(find_kind("pile")))
