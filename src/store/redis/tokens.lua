-- The right to refresh the tokens. KEYS[1]: the id of who has it. ARGV: what to do, an id, a time in milliseconds.
-- The answer is 1 if the lease is ours.

local action, id, time = ARGV[1], ARGV[2], ARGV[3]
local held = redis.call('GET', KEYS[1])

if action == 'lease' or action == 'renew' then
  if held and held ~= id then return 0 end
  -- One that was given back, or has ended, is not made anew.
  if not held and action == 'renew' then return 0 end
  redis.call('SET', KEYS[1], id, 'PX', time)
  return 1
elseif held == id then
  redis.call('DEL', KEYS[1])
end
return 0
