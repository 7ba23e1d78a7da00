# shellcheck shell=bash
# What a part is made of: checks that are timed, counted and summed up. One that fails stops nothing.

passed=0
failed=()
run_started=$SECONDS

heading() {
  printf '\n######## %s\n' "$*"
}

# check NAME COMMAND [ARGUMENT...]: runs a command, or a function in a subshell that stops at its first error.
check() {
  local name=$1 started=$SECONDS status
  shift
  printf '\n==== %s\n' "$name"
  set +e
  (set -e && "$@") </dev/null
  status=$?
  if [[ $status -eq 0 ]]; then
    passed=$((passed + 1))
    printf '==== %s: passed in %d s\n' "$name" "$((SECONDS - started))"
  else
    failed+=("$name")
    printf '==== %s: FAILED with status %d after %d s\n' "$name" "$status" "$((SECONDS - started))"
  fi
}

# summary: the closing lines. Its status is the run's.
summary() {
  heading "all: $((SECONDS - run_started)) s"
  local name
  for name in "${failed[@]}"; do
    printf 'failed: %s\n' "$name"
  done
  printf '%d passed, %d failed\n' "$passed" "${#failed[@]}"
  [[ ${#failed[@]} -eq 0 && $passed -gt 0 ]]
}
