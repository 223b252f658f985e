#!/usr/bin/env bash
#
# canary_deploy.sh: gives a new version a part of a model's requests, and keeps it there.
#
#     canary_deploy.sh --percentage 10 [--model NAME] [--version NAME] [OPTION]...
#
#   --percentage N         what the version gets of the requests, 1 to 99; 10 unless said
#   --model NAME           or MODEL in the environment
#   --version NAME         or VERSION in the environment
#   --max-error-rate PERCENT, --max-p99 DURATION, --min-agreement PERCENT, --min-accuracy SHARE, --min-requests COUNT,
#   --every DURATION       go to `outrigger rollout` as they are; --every (1m unless said, some seconds at least) is how long
#                          the version is watched with all of the requests before it is the stable one
#   --wait DURATION        for its workers to be ready; 10m unless said
#
# The version is loaded beside the stable one, answers its golden requests, passes its gate where model.conf has one, and
# then has its part. What breaks a bound is rolled back at once by Outrigger itself, whoever watches: by default more than
# 1 % errors, twice as many errors as the stable version or 1.5 times its time. It goes no further until
# promote_canary.sh says so.
#
# OUTRIGGER names the command where it is not `outrigger` here: "ssh -n HOST outrigger". Exits 0 when the version has its
# part, 1 when it does not get it (the reason is told, and all is as before), 2 for a wrong command line, 3 when nothing
# runs.
# SPDX-License-Identifier: MIT

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

percentage=10 every=1m wait=10m bounds=()
passed_on="max-error-rate max-p99 min-agreement min-accuracy min-requests"
known="--percentage=percentage --model=MODEL --version=VERSION --every=every --wait=wait"
for bound in $passed_on; do
    known+=" --$bound=${bound//-/_}"
done
take_options "$known" "$@"
for bound in $passed_on; do
    value=${bound//-/_}
    [ -z "${!value:-}" ] || bounds+=("--$bound" "${!value}")
done
need MODEL
need VERSION
percentage=${percentage%\%}
[[ $percentage =~ ^[1-9][0-9]?$ ]] || misused "--percentage: expected 1 to 99, got $percentage"

outrigger rollout "$MODEL" "$VERSION" --steps "$percentage,100" --every "$every" "${bounds[@]}" ||
    fail "$BAD" "$MODEL $VERSION gets no part of the requests"
seconds=$(seconds_of --wait "$wait")
deadline=$((SECONDS + seconds))
while state=$(rollout_field state) share=$(rollout_field share) && [ "$state" = loading ] || [ "$state $share" = "running 0.0" ]; do
    if ((SECONDS >= deadline)); then
        outrigger rollout abort "$MODEL" || true
        fail "$BAD" "$MODEL $VERSION is not ready after $wait"
    fi
    sleep 0.1
done
# It keeps its part from here on, however long that is; what breaks a bound goes back all the same.
if [ "$state" != running ] && [ "$state" != holding ] || ! outrigger rollout pause "$MODEL"; then
    outrigger rollout status "$MODEL" >&2 || true
    fail "$BAD" "$MODEL $VERSION: $(rollout_field state): $(rollout_field reason)"
fi
say "$MODEL $VERSION has ${share%.0} % of the requests, beside $(rollout_field stable)"
