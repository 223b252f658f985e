-- What wrk sends and says: one POST of a JSON body over and over, and a line of figures for the driver.
--
--     wrk ... -s post.lua URL -- BODY_FILE
--
-- SPDX-License-Identifier: MIT

function init(args)
   local file = assert(io.open(args[1], "rb"))
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/json"
   wrk.body = file:read("*a")
   file:close()
end

-- Times are in microseconds. A response that is not 2xx or 3xx is a refusal; the others are broken connections.
function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\nRESULT {"requests": %d, "duration": %d, "p50": %.1f, "p99": %.1f, "max": %.1f, "refused": %d, "broken": %d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
      errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
