#!/usr/bin/env bash
# Make .venv if it is missing, stale or half made, and install equigrasp into it. Safe to repeat:
# when nothing has changed it returns within a moment.
#
#   PYTHON=/path/to/python3.11   the interpreter to use (CPython 3.10 or later; 3.10 and 3.11 bring
#                                PyBullet and escnn as well, and are taken where there is a choice)
#   VENV=.venv                   where the environment goes
#   EXTRAS=dev                   optional dependencies that must be there, e.g. EXTRAS=dev,ray
#   OPTIONAL=                    those that may be absent; `make test` asks for ray,view,rerun,docs
#   PROGRAMS=                    Debian packages that may be absent; `make test` asks for chromium
#   TORCH=auto                   cpu or cuda; auto takes cuda where nvidia-smi lists a GPU
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=${VENV:-.venv}
EXTRAS=${EXTRAS:-dev}
OPTIONAL=${OPTIONAL:-}
PROGRAMS=${PROGRAMS:-}
TORCH=${TORCH:-auto}
TORCH_VERSION=2.13.0
TORCH_INDEX=https://download.pytorch.org/whl/cpu
PACKAGES="libusb-1.0-0 libgl1 libegl1 libgomp1 libglib2.0-0" # what open3d and gym-pusht load ...
LIBRARIES="libusb-1.0.so.0 libGL.so.1 libEGL.so.1 libgomp.so.1 libgthread-2.0.so.0" # ... under these names
STATE=$VENV/.equigrasp-state # "installing", or "ready" and what was installed
ADDED=$VENV/.equigrasp-optional # the optional dependencies that were installed, and for what
IN_RANGE='import sys; sys.exit(not ((3, 10) <= sys.version_info[:2]
          and sys.implementation.name == "cpython"))'
SOUND='import sys, torch, equigrasp
if sys.version_info < (3, 12):  # what later ones have no wheels of
    import pybullet, escnn.gspaces
else:
    import mujoco'

say() { printf '[setup] %s\n' "$*"; }
stop() { printf '\n[setup] %s\n\n    %s\n\n' "$1" "$2" >&2; exit 1; }

fingerprint() {
    printf '%s %s %s %s ' "$PWD" "$VENV" "$EXTRAS" "$TORCH"
    cat pyproject.toml scripts/setup.sh scripts/build_backend.py | sha256sum | cut -d' ' -f1
}

is_ready() {
    [ "$(cat "$STATE" 2>/dev/null)" = "ready $(fingerprint)" ] && "$VENV/bin/python" -c '' 2>/dev/null
}

as_root() { # run a command as root, or fail without asking for a password
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@" 2>/dev/null; fi
}

apt_install() {
    command -v apt-get >/dev/null || return 1
    as_root true || return 1
    say "apt-get install $*"
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::http::Timeout=20
        -o Acquire::Retries=1 -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0)
    as_root "${apt[@]}" update >/dev/null || true
    as_root "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null
}

find_python() { # print the first CPython found that serves
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3.10 \
        "$HOME"/.pyenv/versions/3.1[01].*/bin/python "$(uv python find 3.11 2>/dev/null || true)" \
        python3 python python3.1{2..9} "$HOME"/.pyenv/versions/3.1[2-9].*/bin/python; do
        if [ -n "$candidate" ] && "$candidate" -c "$IN_RANGE" 2>/dev/null; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    return 1
}

ensure_venv_module() { # Debian and Ubuntu keep ensurepip in a package of its own
    "$1" -c 'import venv, ensurepip' 2>/dev/null && return
    "$1" -c 'import venv, pip' 2>/dev/null && return # make_venv does without ensurepip
    local package
    package=python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv
    apt_install "$package" && "$1" -c 'import venv, ensurepip' 2>/dev/null && return
    stop "$1 has no venv module. As root, run:" "apt-get install -y $package $PACKAGES"
}

make_venv() { # with interpreter $1 in folder $2
    ensure_venv_module "$1"
    if "$1" -c 'import ensurepip' 2>/dev/null; then
        "$1" -m venv --clear "$2"
    else
        "$1" -m venv --clear --without-pip "$2"
        "$1" -m pip --python "$2/bin/python" install -q --timeout 20 --retries 2 pip
    fi
}

make_venv_with_uv() { # the system's Python is too old: let uv fetch CPython 3.11
    local found uv scratch
    found=$(python3 --version 2>&1 || true)
    say "no CPython 3.10 or later here (python3: ${found:-none}); asking uv for 3.11"
    scratch=$(mktemp -d)
    uv=$(command -v uv || true)
    if [ -z "$uv" ] && command -v python3 >/dev/null; then
        make_venv python3 "$scratch/venv"
        "$scratch/venv/bin/pip" install -q --timeout 15 --retries 2 uv && uv=$scratch/venv/bin/uv
    fi
    if [ -z "$uv" ] || ! timeout 300 "$uv" venv -q --seed --clear --python 3.11 "$VENV"; then
        rm -rf "$scratch"
        stop "equigrasp needs CPython 3.10 or later (3.10 and 3.11 have PyBullet as well). Install one, e.g.:" \
            "curl -LsSf https://astral.sh/uv/install.sh | sh && ~/.local/bin/uv python install 3.11"
    fi
    rm -rf "$scratch"
}

ensure_venv() {
    if [ -e "$VENV" ]; then
        if [ "$(cat "$STATE" 2>/dev/null)" = installing ] ||
            ! "$VENV/bin/python" -c 'import pip' 2>/dev/null; then
            say "$VENV was left half made: making it again"
        elif "$VENV/bin/python" -c "$IN_RANGE"; then
            return
        else
            stop "$VENV holds $("$VENV/bin/python" --version), and equigrasp needs CPython 3.10 or later. Remove it:" \
                "rm -r $VENV"
        fi
    fi
    local python
    if python=$(find_python); then
        say "making $VENV with $("$python" --version) ($python)"
        make_venv "$python" "$VENV"
    else
        make_venv_with_uv
    fi
}

pip_install() { "$VENV/bin/python" -m pip install -qq --disable-pip-version-check --timeout 20 --retries 2 "$@"; }
uv_install() { "$VENV/bin/python" -m uv pip install -q --python "$VENV/bin/python" "$@"; }
reachable() { "$VENV/bin/python" -c 'import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=6)' "$1" 2>/dev/null; }

use_cuda() {
    case $TORCH in
        cuda) return 0 ;;
        cpu) return 1 ;;
        auto) command -v nvidia-smi >/dev/null && timeout 20 nvidia-smi -L 2>/dev/null | grep -q '^GPU' ;;
        *) stop "TORCH=$TORCH is not known. Use one of:" "TORCH=auto TORCH=cpu TORCH=cuda" ;;
    esac
}

install_torch() {
    "$VENV/bin/python" -c 'import importlib.metadata as m; m.version("torch")' 2>/dev/null && return
    if use_cuda || [ "$(uname -sm)" != "Linux x86_64" ]; then
        say "torch $TORCH_VERSION (the default build of this platform)"
        pip_install "torch==$TORCH_VERSION"
    elif pip_install "torch==$TORCH_VERSION+cpu" 2>/dev/null; then
        say "torch $TORCH_VERSION+cpu (found through pip's own configuration)"
    elif reachable "$TORCH_INDEX/torch/" && uv_install --torch-backend cpu "torch==$TORCH_VERSION"; then
        say "torch $TORCH_VERSION+cpu (from $TORCH_INDEX)"
    else
        say "torch $TORCH_VERSION from the default index: $TORCH_INDEX cannot be reached, so this may be"
        say "the CUDA build, a download of some GB"
        pip_install "torch==$TORCH_VERSION"
    fi
}

use_pip_index() { # uv reads no pip configuration: hand it the index that the user gave pip
    local index
    index=$("$VENV/bin/python" -m pip config list 2>/dev/null |
        sed -n "s/^[^=]*\.index-url='\(.*\)'$/\1/p" | tail -n 1)
    if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
        export UV_DEFAULT_INDEX=$index
    fi
}

missing_libraries() {
    "$VENV/bin/python" - $LIBRARIES <<'PYTHON'
import ctypes, sys
for name in sys.argv[1:]:
    try:
        ctypes.CDLL(name)
    except OSError:
        print(name)
PYTHON
}

ensure_libraries() {
    [ "$(uname -s)" = Linux ] || return 0
    # shellcheck disable=SC2086
    [ -z "$(missing_libraries)" ] || apt_install $PACKAGES || true
}

check_imports() {
    local error
    error=$("$VENV/bin/python" -W ignore -c 'import open3d' 2>&1 >/dev/null) ||
        stop "open3d does not load: $(tail -n 1 <<<"$error"). As root, run:" "apt-get install -y $PACKAGES"
    error=$("$VENV/bin/python" -W ignore -c "$SOUND" 2>&1 >/dev/null) ||
        stop "the installation is not sound: $(tail -n 1 <<<"$error"). Start afresh:" "rm -r $VENV && make setup"
}

install_required() {
    ensure_venv
    trap 'trap - EXIT; exit 130' INT TERM HUP # stays "installing": the next run starts afresh
    trap 'rm -f "$STATE"' EXIT                # an ordinary failure keeps what is there
    echo installing >"$STATE"
    say "installing into $VENV (the first time takes some minutes)"
    pip_install uv
    use_pip_index
    install_torch
    uv_install -e ".[$EXTRAS]"
    ensure_libraries
    check_imports
    trap - EXIT
    echo "ready $(fingerprint)" >"$STATE.new"
    mv "$STATE.new" "$STATE"
    say "ready: $("$VENV/bin/python" -W ignore -c 'import sys, torch; print("Python", sys.version.split()[0], "torch", torch.__version__)')"
}

has_optional() {
    [ -z "$OPTIONAL" ] || [ "$(cat "$ADDED" 2>/dev/null)" = "$OPTIONAL $(fingerprint)" ]
}

install_optional() { # one by one: what cannot be had leaves the others, and is tried again next time
    local extra absent=
    use_pip_index
    for extra in ${OPTIONAL//,/ }; do
        say "adding the optional dependency '$extra'"
        if ! UV_HTTP_TIMEOUT=20 uv_install -e ".[$extra]"; then
            absent+=" $extra"
            say "'$extra' cannot be had here (why: see above). All else works; tests that need it are skipped"
        fi
    done
    [ -n "$absent" ] || echo "$OPTIONAL $(fingerprint)" >"$ADDED"
}

ensure_programs() { # asked for each time: looking is cheap, and nothing is kept that could be stale
    local program
    for program in ${PROGRAMS//,/ }; do
        command -v "$program" >/dev/null || apt_install "$program" ||
            say "'$program' is not installed and apt-get cannot bring it. Tests that need it are skipped"
    done
}

main() {
    ensure_programs
    is_ready && has_optional && return
    if command -v flock >/dev/null; then # two makes at once: the second waits, then finds it ready
        exec 9>"$VENV.lock"
        flock 9
    fi
    is_ready || install_required
    has_optional || install_optional
}

main
