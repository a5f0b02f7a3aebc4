# The lanes of CI: `begin` starts one, `end` waits for all that were begun, `alone` is both, `sum_up` says what came of all.
# Each lane has its log and its results in a folder of its own below node_modules/.vitest/lanes.

lanes=node_modules/.vitest/lanes
wanted=("$@")
running=()
names=()
all=()
rm -rf "$lanes"
mkdir -p "$lanes"
trap 'for pid in "${running[@]}"; do kill "$pid"; done; exit 1' INT TERM

# begin NAME BOUND COMMAND...: its vitest writes its results where VITEST_RESULTS says. A lane that is not over within
# its bound is ended, and has failed by that.
begin() {
  local name=$1 bound=$2
  shift 2
  is_wanted "$name" || return 0
  local folder="$PWD/$lanes/$name" began=$SECONDS
  mkdir -p "$folder"
  : >"$folder/log"
  {
    VITEST_RESULTS="$folder/results.json" timeout --kill-after=30 "$bound" "$@" >"$folder/log" 2>&1 </dev/null &
    local command=$! status=0
    trap 'kill "$command"' TERM
    wait "$command" || status=$?
    printf '%s %s %s\n' "$status" "$((SECONDS - began))" "$bound" >"$folder/ended"
  } &
  running+=($!)
  names+=("$name")
  all+=("$name")
}

# Says what each lane says: of the first as it comes, of the others one after the other.
end() {
  local i
  for i in "${!running[@]}"; do
    printf '\n== %s\n' "${names[$i]}"
    tail -n +1 -f -s 0.2 --pid="${running[$i]}" "$lanes/${names[$i]}/log"
  done
  [ ${#running[@]} -eq 0 ] || wait "${running[@]}"
  running=()
  names=()
}

alone() {
  begin "$@"
  end
}

is_wanted() {
  [ ${#wanted[@]} -eq 0 ] || printf '%s\n' "${wanted[@]}" | grep -qxF -- "$1"
}

sum_up() {
  node "$(dirname "${BASH_SOURCE[0]}")/sum-up.mjs" "$lanes" "${all[@]}"
}
