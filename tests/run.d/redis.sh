# shellcheck shell=bash
# The service over real Redis servers: everything that has redis in its name, then the black-box tests once more.

part_redis() {
  check "rust tools" install_rust_tools
  check "redis-server" need_redis
  check "cargo test redis" cargo test --locked --workspace redis
  check "python tools" install_python_tools
  check "cargo build" cargo build --locked
  check "black-box tests over Redis" over_redis "$venv/bin/python" -m pytest tests/blackbox
}

# Tests that need a server start it themselves. faketime is for clocks that are apart.
need_redis() {
  need redis-server redis-server
  need faketime faketime
  redis-server --version
}

# over_redis COMMAND [ARGUMENT...]: with a Redis for the stores of the black-box tests, which ends afterwards.
over_redis() {
  local port directory server
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  directory=$(mktemp -d)
  redis-server --bind 127.0.0.1 --port "$port" --dir "$directory" --save "" >"$directory/log" &
  server=$!
  # shellcheck disable=SC2064  # they are what they are now
  trap "kill $server; wait $server || true; rm -rf '$directory'" EXIT
  until redis-cli -p "$port" ping >"$directory/answer" 2>&1; do
    kill -0 "$server" || { cat "$directory/log"; return 1; }
    sleep 0.1
  done
  TENURE_TESTS_STORE=redis://127.0.0.1:$port "$@"
}
