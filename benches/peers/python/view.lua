-- One view: ARGV are user, item, time. Returns the directed pair updates.
local session = 'session:' .. ARGV[1]
local item, time = ARGV[2], tonumber(ARGV[3])
local raw = redis.call('GET', session)
local state = raw and cmsgpack.unpack(raw)
if state then
  local since = time - state[2]
  if since < -1800000 then return 0 end
  if since > 1800000 or time - state[1] > 14400000 then state = nil end
end
if not state then state = { time, time } end -- first, latest, then the items
if time > state[2] then state[2] = time end
local last, updates = #state, 0
local known = last >= 52 -- fifty items
for place = 3, last do
  if state[place] == item then known = true end
end
if not known then
  for distance = 1, math.min(20, last - 2) do
    local other = state[last + 1 - distance]
    local weight = 1 / math.sqrt(distance)
    redis.call('ZINCRBY', 'row:' .. item, weight, other)
    redis.call('HINCRBY', 'support:' .. item, other, 1)
    redis.call('ZINCRBY', 'row:' .. other, weight, item)
    redis.call('HINCRBY', 'support:' .. other, item, 1)
    redis.call('SADD', 'dirty', other)
    updates = updates + 2
  end
  if updates > 0 then redis.call('SADD', 'dirty', item) end
  state[last + 1] = item
end
redis.call('SET', session, cmsgpack.pack(state))
return updates
