#!/usr/bin/env bash
# What ten minutes of a machine with a GPU and many cores are best used for, in this order: scenes on
# all cores, then EquiGIGA and EquiIGD for both kinds of scene on the GPU, then planning and two-level
# timings. Everything goes below $OUT and is resumed: the same command goes on where it stopped.
#
#     OUT=outputs/gpu bash benchmarks/gpu_session.sh
#     OBJECTS=my/urdfs,limit SCENES=4000 MINUTES=3 bash benchmarks/gpu_session.sh
#
# MINUTES are those of one training; SECONDS_FOR_SCENES those of generation per kind of scene. Weights
# are copied to $OUT/weights, tables to $OUT/tables: these are what a session brings home.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
OUT=${OUT:-outputs/gpu}
PYTHON=${PYTHON:-.venv/bin/python}
OBJECTS=${OBJECTS:-default,limit}
KINDS=${KINDS:-"pile packed"}
MODELS=${MODELS:-"equiigd equigiga"}
SCENES=${SCENES:-3000}
MINUTES=${MINUTES:-1.5}
SECONDS_FOR_SCENES=${SECONDS_FOR_SCENES:-75}
DEVICE=${DEVICE:-cuda}
export OMP_NUM_THREADS=1
mkdir -p "$OUT/weights" "$OUT/tables"

step() { echo "== $* ($(date +%H:%M:%S))"; }

for kind in $KINDS; do
  step "scenes: $kind"
  # The time limit ends a run as Ctrl-C does; what is there is complete, and training takes that.
  timeout --signal=INT "$SECONDS_FOR_SCENES" "$PYTHON" -m data_gen "$kind" --scenes "$SCENES" \
    --objects "$OBJECTS" --grasps-per-scene 120 --random-views 2 --out "$OUT/data/$kind" ||
    echo "stopped at the time limit; the same command makes the rest"
  ls "$OUT/data/$kind/scenes" | wc -l
done
for model in $MODELS; do
  for kind in $KINDS; do
    name="${model}_${kind}"
    step "training: $name"
    "$PYTHON" -m equigrasp.train "model=$model" "data=$kind" "data.dirs=[$OUT/data/$kind]" \
      trainer=gpu "trainer.accelerator=$DEVICE" trainer.epochs=null "trainer.max_minutes=$MINUTES" \
      trainer.validate_every=500 data.cache_gb=16 "name=$name" "run_dir=$OUT/runs/$name" \
      trainer.progress=false
    cp "$OUT/runs/$name/model.safetensors" "$OUT/weights/$name.safetensors"
    cp "$OUT/runs/$name/model.json" "$OUT/weights/$name.json"
  done
done
for benchmark in planning two_level; do
  step "$benchmark"
  "$PYTHON" "benchmarks/$benchmark.py" --quick --device "$DEVICE" \
    --json "$OUT/tables/$benchmark.json" | tee "$OUT/tables/$benchmark.txt"
done
step "done"
