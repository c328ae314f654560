-- What wrk sends: GET, with the headers and one path after the other from two files. Prints the outcome as one line of JSON.
--
--   wrk ... -s requests.lua URL -- HEADERS PATHS
--
-- HEADERS has lines `Name: value`. A login comes in it, from a file that only root can read, and so never shows in argv.

local threads = 0

function setup(thread)
   thread:set("offset", threads * 7919)
   threads = threads + 1
end

function init(args)
   local headers = {}
   for line in io.lines(args[1]) do
      local name, value = line:match("^(.-): (.*)$")
      headers[name] = value
   end
   prepared = {}
   for path in io.lines(args[2]) do
      prepared[#prepared + 1] = wrk.format("GET", path, headers)
   end
end

function request()
   offset = offset + 1
   return prepared[offset % #prepared + 1]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "seconds": %f, "bytes": %d, "p50": %f, "p99": %f, "failed": %d}\n',
      summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout
   ))
end
