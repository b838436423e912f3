"""Make a data set of adversarial scenes: shapes that are hard to grasp, dropped into a heap.

python data_gen/adversarial.py                   # a small set in data/adversarial
python data_gen/adversarial.py --scenes 3000     # the same one, extended
"""

from data_gen.command import main
from sim.scene.kinds import find_kind

if __name__ == "__main__":
    raise SystemExit(main(find_kind("adversarial")))
