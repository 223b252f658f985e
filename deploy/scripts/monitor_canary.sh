#!/usr/bin/env bash
#
# monitor_canary.sh: watches a version that has a part of the requests, for as long as is said.
#
#     monitor_canary.sh --duration 30m [--model NAME]
#
#   --duration DURATION    30m unless said; 90, 90s, 30m and 2h are durations
#   --model NAME           or MODEL in the environment
#   --min-requests COUNT   with fewer requests of the version nothing is known of it; 1 unless said
#
# Outrigger itself compares the version with its bounds and with the stable one, twice a second, and rolls it back when
# something is surely wrong; this prints what is decided, waits, and tells how it stands at the end.
#
# Exits 0 when the version still has its part and nothing is held against it, 1 when it was rolled back, is held up or had
# too few requests (the reason is told), 2 for a wrong command line, 3 when nothing runs.
# SPDX-License-Identifier: MIT

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

duration=30m min_requests=1
take_options "--duration=duration --model=MODEL --min-requests=min_requests" "$@"
need MODEL
seconds=$(seconds_of --duration "$duration")
[[ $min_requests =~ ^[0-9]+$ ]] || misused "--min-requests: expected a number, got $min_requests"
state=$(rollout_field state)
[ -n "$state" ] || fail "$BAD" "there is no roll-out of a model $MODEL"

# Ends before the time is over when the roll-out does, whatever its end.
outrigger rollout status "$MODEL" --wait "${seconds}s" || true
state=$(rollout_field state)
requests=$(rollout_field requests)
outrigger rollout status "$MODEL" || true
case $state in
running | done) ;;
holding) fail "$BAD" "the roll-out of $MODEL is held up: $(rollout_field reason)" ;;
*) fail "$BAD" "the roll-out of $MODEL: $state: $(rollout_field reason)" ;;
esac
[ "$requests" -ge "$min_requests" ] || fail "$BAD" "$MODEL $(rollout_field version) had $requests requests, of which nothing can be said"
say "$MODEL $(rollout_field version): nothing wrong in $requests requests"
