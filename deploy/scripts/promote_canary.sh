#!/usr/bin/env bash
#
# promote_canary.sh: lets a version that has a part of the requests have all of them.
#
#     promote_canary.sh [--model NAME] [--wait 1h]
#
#   --model NAME           or MODEL in the environment
#   --wait DURATION        for the end; 1h unless said
#
# It is watched with all of the requests as well, for as long as canary_deploy.sh said (--every), and only then is the
# stable one; what breaks a bound is still rolled back. The version before stays loaded for rollback.sh.
#
# Exits 0 when the version is the stable one, 1 when it is not (the reason is told), 2 for a wrong command line, 3 when
# nothing runs.
# SPDX-License-Identifier: MIT

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

wait=1h
take_options "--model=MODEL --wait=wait" "$@"
need MODEL
seconds=$(seconds_of --wait "$wait")

state=$(rollout_field state)
version=$(rollout_field version)
[ -n "$state" ] || fail "$BAD" "there is no roll-out of a model $MODEL"
if [ "$state" != "done" ]; then
    outrigger rollout resume "$MODEL" || fail "$BAD" "the roll-out of $MODEL $version: $state: $(rollout_field reason)"
    outrigger rollout status "$MODEL" --wait "${seconds}s" || true
    state=$(rollout_field state)
fi
[ "$state" = "done" ] || fail "$BAD" "$MODEL $version does not have all of the requests: $state: $(rollout_field reason)"
say "$MODEL $version is the stable version"
