#!/usr/bin/env bash
# What ten minutes of a machine with a GPU and many cores are best used for: scenes on all cores (or
# those made elsewhere), planning and two-level timings, then all trainings side by side on the GPU,
# which draw their items from one store. Everything goes below $OUT and is resumed: the same command
# goes on where it stopped.
#
#     OUT=outputs/gpu bash benchmarks/gpu_session.sh
#     DATA=data MINUTES=7 bash benchmarks/gpu_session.sh      # data sets pile*, packed* are there
#     RUNS="equiigd_pile vgn_pile" OBJECTS=my/urdfs,limit SCENES=4000 bash benchmarks/gpu_session.sh
#
# A run is MODEL_KIND, with voxels (equiigd-x60_pile), fields (equiigd-w12_pile) and the number of its
# loader processes (vgn_pile:1; else LOADERS) if need be. MINUTES are those of all trainings together,
# STEPS (if set) their length; SECONDS_FOR_SCENES those of generation per kind of scene.
# Weights, cards and logs come to $OUT/weights, tables to $OUT/tables: what a session brings home.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
OUT=${OUT:-outputs/gpu}
PYTHON=${PYTHON:-.venv/bin/python}
RUNS=${RUNS:-"equiigd_pile equigiga_pile equiigd-w12_pile equiigd_packed equigiga_packed
              equiigd-x60_pile:5 giga_pile:1 vgn_pile:1 igd_pile:1
              giga_packed:1 vgn_packed:1 igd_packed:1"}
OBJECTS=${OBJECTS:-default,limit}
SCENES=${SCENES:-3000}
SECONDS_FOR_SCENES=${SECONDS_FOR_SCENES:-75}
DATA=${DATA:-}
STORE=${STORE:-$OUT/store}
MINUTES=${MINUTES:-4}
STEPS=${STEPS:-null}
BATCH=${BATCH:-32}
DEVICE=${DEVICE:-cuda}
TABLES=${TABLES:-"planning two_level published_policy"}
LOADERS=${LOADERS:-2}
export OMP_NUM_THREADS=1
mkdir -p "$OUT/weights" "$OUT/tables" "$OUT/runs"

step() { echo "== $* ($(date +%H:%M:%S))"; }

if [ -z "$DATA" ]; then
  DATA=$OUT/data
  for kind in $(printf '%s\n' $RUNS | sed 's/.*_//' | sort -u); do
    step "scenes: $kind"
    # The time limit ends a run as Ctrl-C does; what is there is complete, and training takes that.
    timeout --signal=INT "$SECONDS_FOR_SCENES" "$PYTHON" -m data_gen "$kind" --scenes "$SCENES" \
      --objects "$OBJECTS" --grasps-per-scene 120 --random-views 2 --out "$DATA/$kind" ||
      echo "stopped at the time limit; the same command makes the rest"
  done
fi

for benchmark in $TABLES; do
  step "$benchmark"
  options=()
  [ "$benchmark" = two_level ] && options+=(--kernels orbits) # escnn may be missing here
  "$PYTHON" "benchmarks/$benchmark.py" --quick --device "$DEVICE" "${options[@]}" \
    --json "$OUT/tables/$benchmark.json" > "$OUT/tables/$benchmark.txt" ||
    echo "$benchmark failed; see $OUT/tables/$benchmark.txt"
done

train() { # NAME[:LOADERS]: one run, its weights and what it said
  local name=${1%:*} loaders=$LOADERS options=()
  [ "$name" = "$1" ] || loaders=${1#*:}
  local model=${name%%[-_]*} kind=${name##*_} variant=${name%_*}
  case $variant in
    *-x*) options+=("model.resolution=${variant#*-x}") ;;
    *-w*) options+=("model.fields=${variant#*-w}") ;;
  esac
  case $model in
    equi*) options+=(model.layers.kernels=orbits trainer.precision=bf16-mixed) ;;
    *) options+=(data.sample.quarter_turns=true) ;;
  esac
  local folders
  folders=$(printf '%s,' "$DATA/$kind"*/)
  "$PYTHON" -m equigrasp.train "model=$model" "data=$kind" \
    "data.dirs=[${folders%,}]" trainer=gpu "trainer.accelerator=$DEVICE" trainer.epochs=null \
    "trainer.max_steps=$STEPS" "trainer.max_minutes=$MINUTES" "trainer.batch_size=$BATCH" \
    trainer.workers=2 "trainer.processes=$loaders" trainer.validate_every=500 data.cache_gb=0 \
    "data.store=$STORE" "name=$name" "run_dir=$OUT/runs/$name" trainer.progress=false "${options[@]}" \
    > "$OUT/runs/$name.log" 2>&1 || echo "$name failed; see $OUT/runs/$name.log"
  for file in model.safetensors model.json metrics.jsonl; do
    if [ -f "$OUT/runs/$name/$file" ]; then
      cp "$OUT/runs/$name/$file" "$OUT/weights/$name.${file#model.}"
    fi
  done
  tail -n 2 "$OUT/runs/$name.log" | cut -c1-240
}

step "training: $(echo $RUNS)"
for run in $RUNS; do
  train "$run" &
done
wait
step "done"
