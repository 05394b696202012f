package denylist

// loading begins the fields that say that a list is being written: if one is
// gone, so is what was written.
const loading = "loading:"

// headScript answers log and number of the list's head.
const headScript = readHead + `
local head = read()
if not head then return false end
return {head.log, head.seq}`

// readHead is what scripts begin with.
const readHead = `
local key = KEYS[1]
local function read()
	local text = redis.call('HGET', key, 'head')
	if text then return cjson.decode(text) end
end
`

// writeHead never sets a head back: another node may be ahead.
const writeHead = readHead + `
local function write(log, seq, time)
	local head = read()
	if head and head.log == log then
		seq, time = math.max(seq, head.seq), math.max(time, head.time)
	end
	redis.call('HSET', key, 'head', string.format('{"version":1,"log":%s,"seq":%d,"time":%d}', cjson.encode(log), seq, time))
end
local function add(first)
	for i = first, #ARGV, 2 do
		local name, expiry = ARGV[i], tonumber(ARGV[i + 1])
		local old = tonumber(redis.call('HGET', key, name) or '-1')
		if old ~= 0 and (expiry == 0 or expiry > old) then redis.call('HSET', key, name, ARGV[i + 1]) end
	end
end
`

// extendScript has the arguments log, the number after which the entries come,
// the number up to which they go, the time when that was all (0: it isn't), and
// the entries, name and expiry. It answers 0 if the list doesn't go so far.
const extendScript = writeHead + `
local head = read()
if not head or head.log ~= ARGV[1] or head.seq < tonumber(ARGV[2]) then return 0 end
add(5)
write(ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]))
return 1`

// beginScript has the arguments of a load, its field and the time.
const beginScript = `
redis.call('HDEL', KEYS[1], 'head')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1`

// addScript has the arguments log, the load's field, and the last three of
// extendScript. It answers 0 if the load isn't known any more.
const addScript = writeHead + `
if redis.call('HEXISTS', key, ARGV[2]) == 0 then return 0 end
add(5)
if ARGV[4] ~= '0' then
	redis.call('HDEL', key, ARGV[2])
	write(ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]))
end
return 1`

// sweepScript has the arguments cursor and time. It removes what has expired,
// and what somebody began to load a day ago, and answers the next cursor.
const sweepScript = `
local now = tonumber(ARGV[2])
local answer = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', 1000)
for i = 1, #answer[2], 2 do
	local name, value = answer[2][i], tonumber(answer[2][i + 1])
	if value and value > 0 then
		if string.sub(name, 1, 8) == 'loading:' then value = value + 86400 end
		if value <= now then redis.call('HDEL', KEYS[1], name) end
	end
end
return answer[1]`
