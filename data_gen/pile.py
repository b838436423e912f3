"""Make a data set of pile scenes: objects dropped into a heap.

python data_gen/pile.py --scenes 1000 --out data/pile
"""

from data_gen.command import main

if __name__ == "__main__":
    raise SystemExit(main("pile", __doc__.splitlines()[0]))
