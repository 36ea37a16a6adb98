-- One event. KEYS[1]: `ID` while it is claimed, and `done:ID` afterwards. ARGV: what to do, the claim's id, a time in milliseconds.
-- Every answer is a number: for `claim` -1 if it is ours, -2 if the event is done, and else how long another claim holds.

local action, id, time = ARGV[1], ARGV[2], ARGV[3]
local held = redis.call('GET', KEYS[1])

if action == 'claim' then
  if held and string.sub(held, 1, 5) == 'done:' then return -2 end
  if held and held ~= id then return math.max(1, redis.call('PTTL', KEYS[1])) end
  redis.call('SET', KEYS[1], id, 'PX', time)
  return -1
elseif action == 'done' then
  if held and string.sub(held, 1, 5) == 'done:' then return 1 end
  if held and held ~= id then return 0 end
  redis.call('SET', KEYS[1], 'done:' .. id, 'PX', time)
  return 1
elseif action == 'forget' or held == id then
  return redis.call('DEL', KEYS[1])
end
return 0
