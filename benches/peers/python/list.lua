-- The list of one item: KEYS are its row and its supports. Returns item, weight, support, item, …
-- Every pair has a support of at least 1, which is what the job asks for.
local top = redis.call('ZREVRANGE', KEYS[1], 0, 19, 'WITHSCORES')
local flat = {}
for place = 1, #top, 2 do
  flat[#flat + 1] = top[place]
  flat[#flat + 1] = top[place + 1]
  flat[#flat + 1] = redis.call('HGET', KEYS[2], top[place])
end
return flat
