-- Has the program fetch a file that is published and not on this host, where a server keeps the bytes, and sends nginx to it again.
-- Ansible writes this file. nginx runs it for a file that it does not find; who asks has been let in.
--
-- However many ask for one file, the program is asked once. The others wait here, where that costs next to nothing: in the program
-- each would hold a thread, and who publishes would wait for one. For the same reason few files are fetched at a time. A client that
-- goes away stops nothing; what it wanted is there when it asks again.

local M = {}
package.loaded.wheelhouse_fetch = M

local settings = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "login_settings.lua")

-- seconds
local LONGEST = 600 -- that the program may take for a file; what it hears from the server meanwhile has limits of its own
local FAILED = 1 -- that those who wait for a file are told that it could not be fetched
local PAUSE = 0.02
-- files at a time; the program has 64 threads
local AT_ONCE = 16

local ngx, now, sleep = ngx, ngx.now, ngx.sleep
local fetches = ngx.shared.wheelhouse_fetches

-- The program's status, and its sentence.
local function ask(path)
    local program = ngx.socket.tcp()
    program:settimeouts(10000, 10000, LONGEST * 1000)
    if not program:connect(settings.program) then
        return 503, "The index's program does not answer at present: try again in a minute.\n"
    end
    program:send("GET /fetch" .. path:gsub("[^/]+", ngx.escape_uri) .. " HTTP/1.0\r\nHost: localhost\r\n\r\n")
    local line = program:receive()
    local status = tonumber(line and line:match("^HTTP/%S+ (%d+)")) or 503
    while line and line ~= "" do
        line = program:receive()
    end
    local sentence = line and program:receive("*a")
    program:close()
    return status, sentence or "The index's program does not answer at present: try again in a minute.\n"
end

local function refuse(status, sentence)
    if status == 404 then
        return ngx.exit(404)
    end
    ngx.status = status
    ngx.header["Content-Type"] = "text/plain; charset=utf-8"
    ngx.header["Retry-After"] = status == 503 and "5" or nil
    ngx.print(sentence)
    return ngx.exit(status)
end

function M.fetch()
    local path = ngx.var.uri
    local mine, failed, done = "f" .. path, "x" .. path, "d" .. path
    local give_up, is_ours, slot, has_waited = now() + LONGEST, false, nil, false
    while not slot do
        local told = fetches:get(failed)
        if told then
            return refuse(tonumber(told:sub(1, 3)), told:sub(4))
        end
        if has_waited and not is_ours and fetches:get(done) then
            return ngx.exec(path)
        end
        is_ours = is_ours or fetches:add(mine, true, LONGEST)
        for number = 1, is_ours and AT_ONCE or 0 do
            if fetches:add(number, true, LONGEST) then
                slot = number
                break
            end
        end
        if not slot then
            if now() > give_up then
                if is_ours then
                    fetches:delete(mine)
                end
                return refuse(503, "Too many files are fetched for this host at present: try again in a moment.\n")
            end
            sleep(PAUSE)
            has_waited = true
        end
    end
    local status, sentence = ask(path)
    if status == 204 then
        fetches:set(done, true, FAILED)
    else
        fetches:set(failed, status .. sentence, FAILED)
    end
    fetches:delete(slot)
    fetches:delete(mine)
    if status == 204 then
        return ngx.exec(path)
    end
    return refuse(status, sentence)
end

return M
