#!/usr/bin/env bash
# The whole process, measured: what `aem-static build` takes for benches/site/, cold, again with nothing changed, and with one
# item changed. Prints a Markdown table: medians of seconds, peak memory, and the ratio to the floor if there is one.
#
# It needs a server that answers like AEM with the adventures of that site, either running or as a program:
#
#   ORIGIN_URL   address of a running one: http://127.0.0.1:4700
#   ORIGIN       or a program that takes `--items FILE --port PORT --prebuild 100` and then answers there
#   ITEMS        the file for it, one adventure a line
#   PORT         its port (4700)
#
# and takes, all optional:
#
#   AEM_STATIC   the binary to measure (target/release/aem-static)
#   FLOOR        a program that does the least there is to do: `FLOOR export --origin URL --n N --dir DIR`
#   N            items, for the floor (10000)
#   RUNS         runs, of which the median counts (5)
#   WORK         an empty or absent folder to work in (a temporary one, removed afterwards); its file system is measured, too
#
# Peak memory is the kernel's figure and cannot read below that of the python3 that starts the program, about 13 MiB.
#
# Before a cold run the old output is renamed aside, not deleted: some file systems take ten times as long to create files
# where a big tree was just deleted.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
aem_static=${AEM_STATIC:-$here/../target/release/aem-static}
runs=${RUNS:-5}
items=${N:-10000}
port=${PORT:-4700}

fail() { printf 'whole.sh: %s\n' "$*" >&2; exit 2; }
[[ -x $aem_static ]] || fail "$aem_static is no program: cargo build --release, or set AEM_STATIC"
[[ -n ${ORIGIN_URL:-}${ORIGIN:-} ]] || fail "set ORIGIN_URL, or ORIGIN and ITEMS"

origin_id=
made=
finish() {
  if [[ -n $origin_id ]]; then kill "$origin_id" 2>/dev/null || true; fi
  if [[ -n $made ]]; then rm -rf "$made"; fi
}
trap finish EXIT

work=${WORK:-}
if [[ -z $work ]]; then
  work=$(mktemp -d)
  made=$work
fi
mkdir -p "$work/aside"
[[ ! -e $work/site ]] || fail "$work has a site/ already"
cp -r "$here/site" "$work/site"
rm -rf "$work/site/out" "$work/site/.aem-static"

if [[ -n ${ORIGIN_URL:-} ]]; then
  url=${ORIGIN_URL%/}
else
  "$ORIGIN" --items "${ITEMS:?set ITEMS, the file with the adventures}" --port "$port" --prebuild 100 2>"$work/origin.log" &
  origin_id=$!
  url=http://127.0.0.1:$port
fi
python3 - "$url" <<'PY' || fail "nothing answers at $url"
import sys, time, urllib.error, urllib.request
open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
for _ in range(300):
    try:
        open_url(sys.argv[1] + "/__stats", timeout=2)
        sys.exit(0)
    except urllib.error.HTTPError:
        sys.exit(0)
    except OSError:
        time.sleep(0.2)
sys.exit(1)
PY

# measure NAME COMMAND…: appends `name <tab> seconds <tab> peak KiB` to the results.
measure() {
  python3 - "$work" "$@" <<'PY'
import os, resource, subprocess, sys, time
work, name, *command = sys.argv[1:]
with open(os.path.join(work, "last.log"), "wb") as log:
    start = time.perf_counter()
    status = subprocess.call(command, stdout=log, stderr=log)
    seconds = time.perf_counter() - start
if status != 0:
    sys.stderr.write(open(os.path.join(work, "last.log"), errors="replace").read())
    sys.exit(f"whole.sh: {name} ended with {status}")
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
with open(os.path.join(work, "results"), "a") as results:
    results.write(f"{name}\t{seconds:.4f}\t{peak}\n")
PY
}

build() { measure "$1" env AEM_HOST="$url" AEM_TIER=publish no_proxy=127.0.0.1,localhost "$aem_static" -C "$work/site" build --quiet; }

for run in $(seq "$runs"); do
  printf 'run %s of %s\n' "$run" "$runs" >&2
  if [[ -n ${FLOOR:-} ]]; then
    measure floor "$FLOOR" export --origin "$url" --n "$items" --dir "$work/aside/floor-$run"
  fi
  for old in out .aem-static; do
    if [[ -e $work/site/$old ]]; then mv "$work/site/$old" "$work/aside/$run-$old"; fi
  done
  build cold
  build again
  # Only the server of the floor's kind can change an item; elsewhere that row is left out.
  if python3 -c 'import sys, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(sys.argv[1], timeout=9)' \
    "$url/__touch?i=$run" >/dev/null 2>&1; then
    build changed
  fi
done

files=$(find "$work/site/out" -type f | wc -l)
python3 - "$work/results" "$files" "$runs" <<'PY'
import statistics, sys
rows = {}
for line in open(sys.argv[1]):
    name, seconds, peak = line.rstrip("\n").split("\t")
    rows.setdefault(name, []).append((float(seconds), int(peak)))
names = {"floor": "floor", "cold": "cold build", "again": "again, nothing changed", "changed": "again, one item changed"}
median = {name: statistics.median(seconds for seconds, _ in runs) for name, runs in rows.items()}
print(f"{sys.argv[2]} files, medians of {sys.argv[3]} runs\n")
print("| what | seconds | fastest to slowest | times the floor | peak memory |")
print("| --- | ---: | ---: | ---: | ---: |")
for name, title in names.items():
    if name in rows:
        seconds = sorted(seconds for seconds, _ in rows[name])
        peak = max(peak for _, peak in rows[name]) / 1024
        ratio = f"{median[name] / median['floor']:.2f}" if "floor" in median else ""
        spread = f"{seconds[0]:.2f} to {seconds[-1]:.2f}"
        print(f"| {title} | {median[name]:.2f} | {spread} | {ratio} | {peak:.0f} MiB |")
PY
