#!/usr/bin/env bash
#
# rollback.sh: takes the requests of a model away from the version that was rolled out last.
#
#     rollback.sh [--model NAME] [--version NAME] [--wait 10m]
#
#   --model NAME           or MODEL in the environment
#   --version NAME         or VERSION in the environment: nothing happens when another version was rolled out last
#   --wait DURATION        for the traffic to have moved; 10m unless said
#
# A roll-out under way is ended, and the route is what it was; of one that has ended well the version before takes the
# requests again, at once. Where Outrigger has rolled the version back by itself there is nothing left to be done. So it
# can be said after any failure of a deployment, and twice.
#
# Exits 0 when the version has no part of the requests, 1 when that cannot be had, 2 for a wrong command line, 3 when
# nothing runs.
# SPDX-License-Identifier: MIT

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

wait=10m
take_options "--model=MODEL --version=VERSION --wait=wait" "$@"
need MODEL
seconds=$(seconds_of --wait "$wait")

state=$(rollout_field state)
version=$(rollout_field version)
if [ -z "$state" ]; then
    say "there was no roll-out of $MODEL: nothing to roll back"
    exit "$GOOD"
elif [ -n "${VERSION:-}" ] && [ "$VERSION" != "$version" ]; then
    say "$MODEL $version was rolled out last, not $VERSION: nothing to roll back"
    exit "$GOOD"
fi
case $state in
"rolled back" | aborted | failed)
    say "$MODEL $version has no requests ($state)"
    exit "$GOOD"
    ;;
"done")
    # Twice it would be the other way round.
    stable=$(outrigger route "$MODEL" show --json | grep -oE '"stable":"[^"]*"' | sed 's/.*:"//; s/"$//')
    if [ "$stable" != "$version" ]; then
        say "$MODEL $version has no requests: $stable has them"
        exit "$GOOD"
    fi
    outrigger rollback "$MODEL" --wait "${seconds}s" || fail "$BAD" "$MODEL $version could not be rolled back"
    ;;
*)
    outrigger rollout abort "$MODEL" || fail "$BAD" "the roll-out of $MODEL $version cannot be ended"
    # Ends with 1 for any end but a good one, and this shall not be one.
    outrigger rollout status "$MODEL" --wait "${seconds}s" || true
    state=$(rollout_field state)
    [ "$state" = aborted ] || [ "$state" = "rolled back" ] || fail "$BAD" "$MODEL $version: $state: $(rollout_field reason)"
    ;;
esac
say "$MODEL $version was rolled back"
