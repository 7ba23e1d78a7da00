# shellcheck shell=bash
# Telemetry, as those read it who are meant to: Prometheus' own checker.

telemetry_checks() {
  check "promtool" install_promtool
  check "promtool check metrics" check_metrics
}

install_promtool() {
  need promtool prometheus
  promtool --version
}

# What a running service serves at /metrics, after calls, is free of faults and of advice.
check_metrics() {
  local log=$target/telemetry.out pid http
  "$target/debug/tenure" serve --listen 127.0.0.1:0 --http 127.0.0.1:0 >"$log" 2>"$log.err" &
  pid=$!
  # The one line that it says is the sign that it serves.
  until grep -q listening "$log"; do
    kill -0 "$pid" || { cat "$log.err"; return 1; }
    sleep 0.05
  done
  http=$(sed -n 's/.*http=\([^ ]*\).*/\1/p' "$log")
  TENURE_SERVER=http://$(sed -n 's/.*grpc=\([^ ]*\).*/\1/p' "$log") \
    "$target/debug/tenure" session create --namespace crm --tenant acme --user ann --issuer idp
  curl --silent --show-error --fail "http://$http/metrics" >"$log.metrics"
  kill "$pid"
  wait "$pid"
  grep -q '^rpc_server_call_duration_seconds_count{.*CreateSession.*} 1$' "$log.metrics"
  promtool check metrics <"$log.metrics"
}
