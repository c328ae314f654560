-- Who may come in, and read what. login.lua and upload.lua ask this for each request that takes a login; it is read once by each
-- worker. Ansible writes this file, and beside it login_settings.lua, which has what differs from index to index.
--
-- bcrypt is slow on purpose, so a login that was right is remembered, in nginx's memory alone, and as a hash with a secret of this
-- start. It is right as long as the account's line among the accounts is the one it was checked against: whoever is out, or has
-- another password, is out within a second. Many requests with a login that nobody has seen yet wait for one check, and few checks
-- run at a time, because a worker does nothing else meanwhile.
--
-- Who guesses is told to wait, longer and longer: for a user at one address, for a user wherever the guesses come from (but for
-- places where that user has logged in lately), and for an address. A login that was wrong a moment ago is wrong without a check,
-- and counts no second time: a machine with a password of before neither costs much nor locks anybody out. Remembered logins go on.
--
-- Nearly all requests have the very header of one a moment ago. Each worker keeps those that were right, for a second at most.
--
-- While clients are given new passwords, those that were good before are in a second file, and good as well. A login that is
-- remembered as one of these has a flag.
--
-- A password may be a token, which the program checks. It writes down which tokens are in force; what is not there is wrong, and
-- whose token ends, or is revoked, is out within a second. Here a token goes by `:` and its id, which is nobody's name.
--
-- Where the company has a directory, whoever has no line among the accounts may have an account there, which the program asks about.
-- Its answer counts for a minute here, however much the login is used, so that who leaves a group there is out soon.
--
-- Projects may be restricted. To a login that may not read one, and without a login, its pages and files are not there: the answer is
-- the one for a project that does not exist. As long as none is restricted, that costs nothing.

local M = {}
package.loaded.wheelhouse_logins = M

local settings = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "login_settings.lua")
local HAS_DIRECTORY = settings.has_directory

-- seconds
local REMEMBERED = settings.remembered -- without being used
local FRESH = 15 -- that a login is used without this being noted
local CHECK_TIME = 10 -- after which a check is taken for lost
local WRONG = 600 -- that a wrong login is wrong without a check
local HOME = 7 * 86400 -- that a place counts as one where somebody logs in
-- Wrong logins in an hour that cost no waiting, as one user; each further one costs twice as much as the one before, up to a minute.
local FREE, LONGEST_WAIT = 20, 60
-- From one address in a minute: wrong ones, and all that had to be checked. A large office may have one address.
local WRONG_FROM_ONE_ADDRESS, FROM_ONE_ADDRESS = 120, 600
-- Uploads of one account in a minute that were refused. Each costs a check, and most are written down.
local REFUSED_UPLOADS = 30
-- what bcrypt looks at, and what an account can be called
local LONGEST_PASSWORD, LONGEST_USER = 72, 255

-- what the program writes `whl_`, an id, a secret and a checksum of; see index/tokens.py
local TOKEN, TOKEN_LENGTH, ID_LENGTH = "^whl_([a-z2-7]+)$", 51, 8
-- what it writes of a token: that it may install, and that it is a CI job's, which has no account and never installs
local MAY_READ, OF_A_JOB = "1", "2"
-- seconds that the program's answer on the directory's accounts counts; and how many workers wait for one at a time, which keeps no login of this index waiting
local DIRECTORY_TIME, DIRECTORY_SLOTS = 60, 8
-- of a password there, which bcrypt never sees
local LONGEST_IN_DIRECTORY = 256
-- the flag of a remembered login, unless it has the current password
local PREVIOUS, IS_TOKEN, MAY_NOT_READ = 1, 2, 3

local TOO_MANY_IN_DIRECTORY = "There were several wrong passwords of this account, and the company's directory would lock it: "
    .. "wait half an hour, or use a token."
local NO_DIRECTORY = "The company's directory does not answer at present: try again in a minute. "
    .. "Tokens and the index's own accounts work meanwhile."

local ACCOUNTS, TOKENS, READ_RIGHTS, PROGRAM = settings.accounts, settings.tokens, settings.read_rights, settings.program

local ENOENT = 2

local ngx, now, sleep, sha1 = ngx, ngx.now, ngx.sleep, ngx.sha1_bin
local decode, encode = ngx.decode_base64, ngx.encode_base64
local match, find, sub = string.match, string.find, string.sub
local logins, checks, wrong = ngx.shared.wheelhouse_logins, ngx.shared.wheelhouse_checks, ngx.shared.wheelhouse_wrong_logins

-- At most half of the workers do nothing but check.
local SLOTS = math.max(1, math.floor(ngx.worker.count() / 2))

local function read(path)
    local file = io.open(path, "rb")
    local content = file and file:read("*a")
    if file then
        file:close()
    end
    return content or ""
end

-- The read rights. Without that file nothing is restricted; where it cannot be read, everything is.
local function read_rights()
    local file, _, problem = io.open(READ_RIGHTS, "rb")
    local content = file and file:read("*a")
    if file then
        file:close()
    end
    return content or problem == ENOENT and "" or "restricted *\n"
end

-- One secret for all workers, and for those after a reload.
local function secret_of_this_start()
    local random = io.open("/dev/urandom", "rb")
    checks:add("secret", random:read(32))
    random:close()
    return checks:get("secret")
end
local SECRET = secret_of_this_start()
local SECRET_IN_LETTERS = encode(SECRET)

-- As this worker has read them last: of a user, the current line and the previous one; of a token, whether it may read, and its owner.
local lines, somebody = {}, nil
-- accounts whose last day is over
local ended = {}
local seen, next_end = nil, math.huge
-- headers that were right within this second
local recent = {}

-- Patterns of restricted names, nil while there are none; and of each account, patterns of those that it may read.
local restricted, reads = nil, {}
-- within this second: whether a name is restricted; and of a header, what it may read
local is_restricted, reads_of = {}, {}

-- A pattern for names, in which nothing but `*` stands for others: what is between these.
local function pieces_of(pattern)
    local pieces = {}
    for piece in (pattern .. "*"):gmatch("([^*]*)%*") do
        pieces[#pieces + 1] = piece
    end
    return pieces
end

local function patterns_in(text)
    local patterns = {}
    for pattern in text:gmatch("%S+") do
        patterns[#patterns + 1] = pieces_of(pattern)
    end
    return patterns
end

-- Whether a name has the pieces in their order, the first at its beginning and the last at its end. Each is looked for once: a pattern
-- of Lua's with several `.*` would take minutes for a long name.
local function fits(name, pieces)
    local first, last = pieces[1], pieces[#pieces]
    if #pieces == 1 then
        return name == first
    end
    if sub(name, 1, #first) ~= first then
        return false
    end
    local from = #first + 1
    for number = 2, #pieces - 1 do
        local _, to = find(name, pieces[number], from, true)
        if not to then
            return false
        end
        from = to + 1
    end
    return #name - #last + 1 >= from and sub(name, #name - #last + 1) == last
end

local function covers(patterns, name)
    for _, pieces in ipairs(patterns) do
        if fits(name, pieces) then
            return true
        end
    end
    return false
end

local function note_read_rights(content)
    restricted, reads = nil, {}
    for kind, rest in content:gmatch("(%S+) ([^\n]+)\n") do
        if kind == "restricted" then
            restricted = restricted or {}
            restricted[#restricted + 1] = pieces_of(rest)
        elseif kind == "reads" then
            local user, patterns = match(rest, "^(%S+) (.*)$")
            if user then
                reads[user] = patterns_in(patterns)
            end
        end
    end
end

-- See whether the accounts have changed, or it is another day, and forget the logins of those whose line has.
local function look()
    local current, previous = read(ACCOUNTS), read(ACCOUNTS .. ".previous")
    local ends_of_people, tokens, rights = read(ACCOUNTS .. ".until"), read(TOKENS), read_rights()
    local today = sub(ngx.utctime(), 1, 10)
    local content = table.concat({current, previous, ends_of_people, today, tokens, rights}, "\n\n")
    if content == seen and now() < next_end then
        return
    end
    recent, is_restricted, reads_of = {}, {}, {}
    seen, next_end, lines, somebody, ended = content, math.huge, {}, nil, {}
    note_read_rights(rights)
    for user, hash in current:gmatch("([^:\n]+):([^:\n]+)") do
        somebody = somebody or user
        lines[user] = lines[user] or hash .. ":"
    end
    for user, hash in previous:gmatch("([^:\n]+):([^:\n]+)") do
        lines[user] = (lines[user] or ":") .. hash
    end
    -- from the day after its last day on, there is no such account, and no token of it
    for user, day in ends_of_people:gmatch("([^:\n]+):([^:\n]+)") do
        if day < today then
            lines[user] = nil
            ended[user] = true
        end
    end
    for id, kind, ends, owner in tokens:gmatch("([^:\n]+):([012]):(%d+):([^:\n]+)\n") do
        ends = tonumber(ends)
        local has_account = kind == OF_A_JOB or lines[owner] and sub(lines[owner], 1, 1) ~= ":"
        has_account = has_account or HAS_DIRECTORY and not lines[owner] and not ended[owner] -- the program knows
        if has_account and (ends == 0 or now() < ends) then
            lines[":" .. id] = kind .. ":" .. owner
            next_end = ends > 0 and math.min(next_end, ends) or next_end
        end
    end
    for _, login in ipairs(logins:get_keys(0)) do
        local user, line = match(checks:get(login) or "", "^([^\n]*)\n([^\n]*)")
        -- an account of the directory has no line here, and neither has its login
        if not user or (lines[user] or HAS_DIRECTORY and "") ~= line then
            logins:delete(login)
        end
    end
end
look()
ngx.timer.every(1, function(is_the_end)
    if not is_the_end then
        look()
        recent, is_restricted, reads_of = {}, {}, {}
    end
end)

-- nginx's own answers: with a sentence, which is what clients show to people
local function refuse(status, header, value, sentence)
    if ngx.ctx.is_hidden then
        return ngx.exit(404) -- whoever reads without a login learns no more from a wrong one
    end
    ngx.status = status
    ngx.header[header] = value
    ngx.header["Content-Type"] = "text/plain; charset=utf-8"
    ngx.say(sentence)
    return ngx.exit(status)
end

local function ask_for_login(sentence)
    return refuse(401, "WWW-Authenticate", 'Basic realm="Package index"', sentence)
end

local function is_token(user)
    return sub(user, 1, 1) == ":"
end

local function is_wrong(user)
    if user and is_token(user) then
        return ask_for_login("This token has ended, was revoked, or is not complete: make another one at " .. settings.url .. "/account/tokens.")
    end
    return ask_for_login("The user name or the password is wrong.")
end

-- "user:password" of a header, whichever way it is written; nil if it is none.
local function credentials(header)
    local encoded = match(header, "^[Bb][Aa][Ss][Ii][Cc] +([%w+/]+=*)$")
    return encoded and decode(encoded)
end

-- Whose login it is: a user, or a token.
local function user_of(login)
    local user, password = match(login, "^([^:]*):(.*)$")
    local rest = password and #password == TOKEN_LENGTH and match(password, TOKEN)
    return rest and ":" .. sub(rest, 1, ID_LENGTH) or user or login
end

-- The address, or of IPv6 the network that one customer has.
local function network()
    local address = ngx.var.binary_remote_addr
    if #address < 16 then
        return address
    end
    return match(address, "^%z%z%z%z%z%z%z%z%z%z\255\255(....)$") or sub(address, 1, 8)
end

-- The status that the server for logins (see wheelhouse.conf) answers, or what went wrong.
local function ask_the_server(path, login)
    local server = ngx.socket.tcp()
    server:settimeout(CHECK_TIME * 1000)
    local connected, problem = server:connect("127.0.0.1", settings.login_port)
    if not connected then
        return problem
    end
    local headers = "\r\nX-Secret: " .. SECRET_IN_LETTERS .. "\r\nAuthorization: Basic " .. encode(login)
    server:send("GET " .. path .. " HTTP/1.0" .. headers .. "\r\n\r\n")
    local line, problem = server:receive()
    server:close()
    return line and match(line, "^HTTP/%S+ (%d+)") or problem
end

-- The program's status for a question of our own, and which restricted names a login may read by the directory's groups; nil if it
-- does not answer.
local function ask_the_program(path, login)
    local program = ngx.socket.tcp()
    program:settimeout(CHECK_TIME * 1000)
    if not program:connect(PROGRAM) then
        return nil
    end
    local header = login and "\r\nAuthorization: Basic " .. encode(login) or ""
    program:send("GET " .. path .. " HTTP/1.0\r\nHost: localhost" .. header .. "\r\n\r\n")
    local line, patterns = program:receive(), nil
    local answer = line and match(line, "^HTTP/%S+ (%d+)")
    while line and line ~= "" do
        line = program:receive()
        patterns = line and match(line, "^X%-Wheelhouse%-Reads: (.*)$") or patterns
    end
    program:close()
    return answer, patterns
end

-- Whether the directory has to say whose a login is, of a user or a token. It is never asked about who has a line of their own.
local function is_of_directory(user)
    if not HAS_DIRECTORY then
        return false
    end
    local line = lines[user]
    if is_token(user) then
        return line and sub(line, 1, 1) ~= OF_A_JOB and not lines[sub(line, 3)]
    end
    return not line and not ended[user]
end

-- Remember what the directory has said. It was last used in a minute from now: so it ends then, and is not prolonged before.
local function remember_answer(key, user, line, flag, patterns)
    checks:set(key, user .. "\n" .. line .. "\n" .. (patterns or ""))
    logins:set(key, now() + DIRECTORY_TIME, DIRECTORY_TIME, flag)
end

-- "200", "401", or another status of the program; nil if it does not answer.
local function check_in_directory(key, login, user)
    local answer, patterns = ask_the_program("/logins/check", login)
    if answer == "200" then
        remember_answer(key, user, "", 0, patterns)
    end
    look()
    if lines[user] then
        -- has an account of this index meanwhile
        logins:delete(key)
    end
    return answer
end

-- The same of a token.
local function check_token(key, login, token)
    local answer, patterns
    for _ = 1, 3 do
        look()
        local line = lines[token]
        if not line then
            return "401"
        end
        answer, patterns = ask_the_program("/logins/check", login)
        local flag = sub(line, 1, 1) == MAY_READ and IS_TOKEN or MAY_NOT_READ
        if answer == "200" and is_of_directory(token) then
            remember_answer(key, token, line, flag, patterns)
        elseif answer == "200" then
            checks:set(key, token .. "\n" .. line)
            logins:set(key, now(), REMEMBERED, flag)
        end
        look()
        if lines[token] == line then
            return answer
        end
        -- it ended meanwhile
        logins:delete(key)
    end
    return answer
end

-- Ask, and remember what was right; "200", "401" or what went wrong.
local function check(key, login, user)
    if is_token(user) then
        return check_token(key, login, user)
    end
    if HAS_DIRECTORY then
        look()
        if is_of_directory(user) then
            return check_in_directory(key, login, user)
        end
    end
    local answer
    for _ = 1, 3 do
        look()
        local line = lines[user]
        if not line then
            -- An unknown name takes as long as a known one.
            if somebody then
                ask_the_server("/", somebody .. ":" .. SECRET_IN_LETTERS)
            end
            return "401"
        end
        answer = ask_the_server("/", login)
        local is_previous = answer == "401" and sub(line, -1) ~= ":" and ask_the_server("/previous", login) == "200"
        if is_previous then
            answer = "200"
        end
        if answer == "200" then
            checks:set(key, user .. "\n" .. line)
            logins:set(key, now(), REMEMBERED, is_previous and PREVIOUS or 0)
        end
        look()
        if lines[user] == line then
            return answer
        end
        -- the accounts changed meanwhile
        logins:delete(key)
    end
    return answer
end

-- Let a login in that is not remembered, or refuse it.
local function check_in_turn(key, login)
    local colon = find(login, ":", 1, true)
    -- Neither is bcrypt given what it would cut off, which would be right with anything behind it.
    local asks_directory = is_of_directory(user_of(login))
    local slot_kind, slots = asks_directory and "directory" or "slot", asks_directory and DIRECTORY_SLOTS or SLOTS
    local longest = asks_directory and LONGEST_IN_DIRECTORY or LONGEST_PASSWORD
    if not colon or colon - 1 > LONGEST_USER or #login - colon > longest or find(login, "%c") then
        return is_wrong()
    end
    local user, address = user_of(login), network()
    local place = user .. "\n" .. address
    -- What is counted: wrong ones of a user here, and anywhere; wrong ones and all from an address. The first letter says what a key is,
    -- since a user may be called anything.
    local here, anywhere, by_address, by_all = "h" .. place, "u" .. user, "a" .. address, "c" .. address
    local was_wrong, was_wrong_anywhere = "w" .. key .. address, "s" .. key
    local home = "p" .. place

    local function is_too_many()
        if wrong:get("l" .. here) or not wrong:get(home) and wrong:get("l" .. anywhere) then
            return true
        end
        return (wrong:get(by_address) or 0) >= WRONG_FROM_ONE_ADDRESS or (wrong:get(by_all) or 0) >= FROM_ONE_ADDRESS
    end

    -- Those that are being checked count as wrong until they are found to be right.
    local counted = {}
    local function count(counter)
        counted[#counted + 1] = counter
        local number = wrong:incr(counter, 1, 0, 3600) or 0
        if number > FREE then
            wrong:set("l" .. counter, true, math.min(2 ^ (number - FREE), LONGEST_WAIT))
        end
    end

    local give_up, is_ours, slot = now() + CHECK_TIME, false, nil
    while true do
        if logins:get(key) then -- by somebody else's check
            break
        end
        if wrong:get(was_wrong) == (lines[user] or "") then
            if is_ours then
                checks:delete("c" .. key)
            end
            return is_wrong(user)
        end
        if is_too_many() then
            if is_ours then
                checks:delete("c" .. key)
            end
            return refuse(429, "Retry-After", "60", "Too many wrong passwords: wait a minute.")
        end
        is_ours = is_ours or checks:add("c" .. key, true, CHECK_TIME)
        for number = 1, is_ours and slots or 0 do
            if checks:add(slot_kind .. number, true, CHECK_TIME) then
                slot = slot_kind .. number
                break
            end
        end
        if slot then
            break
        end
        if now() > give_up then
            if is_ours then
                checks:delete("c" .. key)
            end
            return refuse(503, "Retry-After", "10", "Logins take too long to check at present: try again in a moment.")
        end
        sleep(0.005 + math.random() / 100)
    end
    if not slot then
        if is_ours then
            checks:delete("c" .. key)
        end
        return
    end

    wrong:incr(by_all, 1, 0, 60)
    wrong:incr(by_address, 1, 0, 60)
    count(here)
    if not wrong:get(was_wrong_anywhere) then
        count(anywhere)
    end
    local answer = check(key, login, user)
    if answer == "401" then
        wrong:set(was_wrong, lines[user] or "", asks_directory and DIRECTORY_TIME or WRONG)
        wrong:set(was_wrong_anywhere, true, 3600)
        ngx.log(ngx.ERR, "a user name or a password is wrong")
    else
        wrong:incr(by_address, -1)
        for _, counter in ipairs(counted) do
            wrong:incr(counter, -1)
            wrong:delete("l" .. counter)
        end
        if answer == "200" then
            wrong:set(home, true, HOME)
        else
            ngx.log(ngx.ERR, "the check of a login came to nothing: ", answer)
        end
    end
    checks:delete(slot)
    checks:delete("c" .. key)
    if answer == "401" then
        return is_wrong(user)
    elseif answer == "429" and HAS_DIRECTORY then
        return refuse(429, "Retry-After", "1800", TOO_MANY_IN_DIRECTORY)
    elseif answer == "503" and HAS_DIRECTORY then
        return refuse(503, "Retry-After", "60", NO_DIRECTORY)
    elseif answer ~= "200" then
        return ngx.exit(is_token(user) and 502 or 500)
    end
end

-- Have the program note that a token is in use, once a day.
local function note_use(token)
    local day = math.floor(now() / 86400)
    if checks:add("d" .. token .. " " .. day, true, 86400) then
        ngx.timer.at(0, function() ask_the_program("/logins/used/" .. sub(token, 2)) end)
    end
end

local function may_not_read()
    return refuse(403, "Cache-Control", "no-store", "This token may publish, and may not install.")
end

-- The name of the project that a path shows something of, as all names are compared; nil for a path that is not among the files. What
-- the program answers, it hides itself.
local function project_of(path)
    local name = match(path, "^/simple/([^/]+)") or match(path, "^/packages/([^/]+)")
        or match(path, "^/conda/[^/]+/[^/]+/(.+)%-[^-]+%-[^-]+$")
    return name and name:lower():gsub("[-_.]+", "-")
end

-- The restricted names that a login, which is right, may read, as patterns.
local function find_reads(header)
    local login = credentials(header)
    local user = user_of(login)
    local line = lines[user]
    local owner = is_token(user) and line and sub(line, 3) or user
    if lines[owner] and not is_token(owner) then
        return reads[owner] or {}
    end
    -- by groups of the directory
    return patterns_in(match(checks:get(sha1(SECRET .. login)) or "", "^[^\n]*\n[^\n]*\n(.*)$") or "")
end

-- Refuse what is of a restricted project that whoever sent this may not read. `header` is that of a login that is right, or nil.
local function hide(header)
    local project = project_of(ngx.var.uri)
    if not project then
        return
    end
    if is_restricted[project] == nil then
        is_restricted[project] = covers(restricted, project)
    end
    if not is_restricted[project] then
        return
    end
    if header then
        reads_of[header] = reads_of[header] or find_reads(header)
        if covers(reads_of[header], project) then
            return
        end
    end
    return ngx.exit(404)
end

-- Let the request in if its login is right. What comes before the first `return` is what a login costs nearly all requests. Whoever
-- does not want to read needs no right to.
function M.let_in(is_reading)
    local header = ngx.var.http_authorization
    if header and recent[header] then
        return restricted and hide(header)
    end
    local login = header and credentials(header)
    if not login then
        return ask_for_login(header and "The user name or the password is wrong." or "This index takes a user name and a password.")
    end
    local key = sha1(SECRET .. login)
    local used, flag = logins:get(key)
    if used and now() - used >= FRESH then
        -- only if it is still there: the account may just have changed
        if not (checks:get(key) and logins:replace(key, now(), REMEMBERED, flag or 0)) then
            used = nil
        elseif flag == IS_TOKEN or flag == MAY_NOT_READ then
            note_use(user_of(login))
        end
    end
    if not used then
        check_in_turn(key, login)
        used, flag = logins:get(key)
    elseif flag ~= MAY_NOT_READ then
        recent[header] = true
    end
    if is_reading ~= false and flag == MAY_NOT_READ then
        return may_not_read()
    end
    return restricted and hide(header)
end

-- Where anybody may read: let everyone in, but for restricted projects, which take a login.
function M.let_anyone_in()
    if not restricted then
        return
    end
    local header = ngx.var.http_authorization
    if not header then
        return hide()
    end
    local project = project_of(ngx.var.uri)
    if project and covers(restricted, project) then
        ngx.ctx.is_hidden = true
        return M.let_in()
    end
end

-- The same for what the program answers, which is told whose login it is.
function M.let_visitor_in(is_open)
    local header = ngx.var.http_authorization
    if is_open and not (restricted and header) then
        return
    end
    M.let_in()
    ngx.var.wheelhouse_login = user_of(credentials(header))
end

-- Let an upload in, before anything of its body is read.
function M.let_upload()
    M.let_in(false)
    local user = user_of(credentials(ngx.var.http_authorization))
    ngx.ctx.uploader = user
    if (wrong:get("r" .. user) or 0) >= REFUSED_UPLOADS then
        return refuse(429, "Retry-After", "60", "Too many of your uploads were refused: wait a minute.")
    end
    local answer = ask_the_program("/publishers/" .. ngx.escape_uri(user))
    if answer == "403" then
        ngx.req.discard_body()
        return ngx.exec("@may_not_publish")
    elseif answer == "503" and HAS_DIRECTORY then
        return refuse(503, "Retry-After", "60", NO_DIRECTORY)
    elseif answer ~= "200" then
        return ngx.exit(502)
    end
end

-- Count an upload that was refused.
function M.upload_ended()
    local user = ngx.ctx.uploader or user_of(credentials(ngx.var.http_authorization or "") or "")
    if user and user ~= "" and ngx.status >= 400 and ngx.status < 500 and ngx.status ~= 401 and ngx.status ~= 429 then
        wrong:incr("r" .. user, 1, 0, 60)
    end
end

-- Let an identity of a CI job be exchanged for a token, without a login. Refused ones are limited as wrong logins are.
function M.let_exchange()
    if (wrong:get("i" .. network()) or 0) >= WRONG_FROM_ONE_ADDRESS then
        return refuse(429, "Retry-After", "60", "Too many identities from this address were refused: wait a minute.")
    end
end

function M.exchange_ended()
    if ngx.status == 422 then
        wrong:incr("i" .. network(), 1, 0, 60)
    end
end

-- The server for logins answers nobody else: it would tell passwords as fast as they are guessed.
function M.only_for_us()
    if ngx.var.http_x_secret ~= SECRET_IN_LETTERS then
        return ngx.exit(403)
    end
end

-- Whether somebody has logged in during the last half minute with a password of before.
function M.is_previous_in_use()
    look()
    for _, key in ipairs(logins:get_keys(0)) do
        local used, is_previous = logins:get(key)
        if used and is_previous == PREVIOUS and now() - used < 2 * FRESH then
            return true
        end
    end
    return false
end

return M
