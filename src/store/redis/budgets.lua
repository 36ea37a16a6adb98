-- The budgets of one account. A run of the script renews leases, settles permits in order, and takes at most one permit.
--
-- KEYS[1]: the account's window and the units. KEYS[2]: when each process was last seen. KEYS[3] and on: rooms.
-- ARGV[1]: the request in JSON, see request.rs. All times are in milliseconds; `ago` is how long ago it happened.
--
-- The rules are those of src/transport/pace, which explains them; what is added here is that a lease ends by itself. Its
-- request may have been sent, so it counts as used.

local FIRST_ANSWER, CLOSED, SECOND = 1000, 300000, 1000
local MAX_WINDOW, BELIEVED, KEPT = 366 * 86400000, 600000, 3600000

local request = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = request.now or (time[1] * 1000 + math.floor(time[2] / 1000))

-- What is stored -----------------------------------------------------------------------------------------------------------

local loaded = {}

-- Moves all times on the server's clock, which was set back.
local function shift(budget, by)
  for _, name in ipairs({ 'probed', 'reset_at', 'reported_end', 'empty_since', 'reported_at', 'created' }) do
    if budget[name] then budget[name] = budget[name] - by end
  end
  for _, lease in pairs(budget.leases) do lease.ends = lease.ends - by end
  for id, at in pairs(budget.counted) do budget.counted[id] = at - by end
  for at, ends in ipairs(budget.posts or {}) do budget.posts[at] = ends - by end
  for _, name in ipairs({ 'ends', 'since' }) do
    if budget.gate[name] then budget.gate[name] = budget.gate[name] - by end
  end
end

local function state(index)
  if not loaded[index] then
    local text = redis.call('GET', KEYS[index])
    local all = text and cjson.decode(text) or { created = now, now = now }
    local back = all.now - now
    if back > SECOND then
      all.created = all.created - back
      for _, budget in pairs(all) do
        if type(budget) == 'table' then shift(budget, back) end
      end
    end
    all.now = now
    loaded[index] = all
  end
  return loaded[index]
end

local function part(index, name)
  local all = state(index)
  all[name] = all[name] or { leases = {}, counted = {}, gate = { is = 'open' } }
  all[name].created = all.created
  return all[name]
end

local function budget_of(entry)
  return part(entry.key or 1, entry.budget)
end

-- The gate, see gate.rs ----------------------------------------------------------------------------------------------------

local function close(gate, wait, at)
  local ends, longer = at + math.min(wait, CLOSED), wait > CLOSED
  if gate.is == 'closed' and gate.ends >= ends then
    gate.cut = gate.cut or longer
  else
    gate.is, gate.ends, gate.cut = 'closed', ends, longer
  end
end

local function check(gate)
  if gate.is == 'closed' then
    if gate.ends > now then return { time = gate.ends - now } end
    gate.is = gate.cut and 'due' or 'open'
  elseif gate.is == 'asking' then
    local over = gate.since + CLOSED
    if over > now then return { time = math.min(FIRST_ANSWER, over - now), flying = 1 } end
    gate.is = 'due'
  end
end

local function pass(gate)
  if gate.is ~= 'due' then return false end
  gate.is, gate.since = 'asking', now
  return true
end

local function answered(gate)
  if gate.is == 'due' or gate.is == 'asking' then gate.is = 'open' end
end

local function unanswered(gate)
  if gate.is == 'asking' then gate.is = 'due' end
end

-- Leases -------------------------------------------------------------------------------------------------------------------

local function in_flight(budget)
  local count = 0
  for _, lease in pairs(budget.leases) do count = count + (lease.cost or 1) end
  return count
end

-- Removes the leases that have ended, and returns them. That they were counted is remembered, in case that their process lives.
local function ended(budget)
  local found = {}
  for id, at in pairs(budget.counted) do
    if at + BELIEVED <= now then found[#found + 1] = id end
  end
  for _, id in ipairs(found) do budget.counted[id] = nil end
  found = {}
  for id, lease in pairs(budget.leases) do
    if lease.ends <= now then found[#found + 1] = id end
  end
  for at, id in ipairs(found) do
    budget.counted[id] = now
    found[at], budget.leases[id] = budget.leases[id], nil
  end
  return found
end

-- Whether a permit was not given by this data: it was taken during an outage, or the server has lost its data since.
local function is_foreign(budget, entry)
  return not entry.taken or budget.created > entry.taken
end

-- Whether the budget has to count a request of which it has no lease.
local function is_lost(budget, entry)
  return is_foreign(budget, entry) and not budget.counted[entry.id]
end

local function hold(budget, entry)
  budget.leases[entry.id] = { ends = now + request.lease, cost = entry.cost, window = entry.window }
end

-- The account's window, see account.rs and length.rs -----------------------------------------------------------------------

local account = {}

local function left(a)
  return a.remaining and math.max(0, a.remaining - in_flight(a))
end

local function watch_the_rest(a, at)
  if left(a) == 0 then a.empty_since = a.empty_since or at else a.empty_since = nil end
end

local function set(a, remaining, at)
  a.remaining = remaining
  a.empty_since = remaining == 0 and at or nil
end

local function lower(a, remaining, at)
  set(a, math.min(a.remaining or remaining, remaining), at)
end

local function used(a, count)
  if a.remaining then a.remaining = math.max(0, a.remaining - count) end
end

local function ended_early(a)
  return not a.reset_at and a.reported_end ~= nil
end

local function same_window(a, one, other)
  local length = a.policy or a.learned or math.max(one.after, other.after)
  return math.abs(one.ends - other.ends) <= math.min(2 * SECOND, length / 4)
end

local function learn_length(a, old, new)
  local apart, after = new.ends - old.ends, math.max(old.after, new.after)
  local length = math.floor(after / 5000) * 5000
  if length > 0 and after <= length + SECOND and apart >= length and apart <= length + 3 * SECOND then
    a.learned = math.max(a.learned or 0, length)
  end
end

local function window_end(a, after, at)
  local function fits(length) return length and not a.refuted and after <= length + SECOND and length end
  local length = fits(a.policy) or fits(a.learned)
  if length and length < after then
    a.reported_end = at + after
    return length
  end
  a.reported_end = nil
  return after
end

local function learn(a, limit, at)
  a.limit, a.policy = limit.limit or a.limit, limit.window or a.policy
  local known, reported = a.window, nil
  if limit.ends then reported = { ends = limit.ends, at = limit.ends - limit.after, after = limit.after } end
  if reported and known and same_window(a, reported, known) then
    -- After the end of the window, its late responses say nothing about the next.
    if a.reset_at then lower(a, limit.remaining, at) end
  elseif reported and known and reported.ends < known.ends and (reported.at <= known.at or reported.after <= SECOND) then
    return
  elseif reported then
    if known then learn_length(a, known, reported) end
    a.reset_at = at + math.min(window_end(a, reported.after, at), MAX_WINDOW)
    a.window = reported
    set(a, limit.remaining, at)
  elseif known then
    lower(a, limit.remaining, at)
  else
    set(a, limit.remaining, at)
  end
end

function account.expire(a)
  local dead = #ended(a)
  if dead > 0 then
    unanswered(a.gate)
    used(a, dead)
    watch_the_rest(a, now)
  end
end

function account.take(a)
  if a.reset_at and a.reset_at <= now then
    a.remaining, a.reset_at = a.limit, nil
    a.answered = a.answered and a.limit ~= nil
    watch_the_rest(a, now)
    if a.reported_end and a.gate.is == 'open' then a.gate.is = 'due' end
  end
  local denied = check(a.gate)
  if denied then return denied end
  local flying = in_flight(a)
  if a.gate.is == 'due' then
    -- This call is the test.
  elseif left(a) == 0 then
    local bound = math.min(a.empty_since or now, now) + CLOSED
    if a.reset_at and a.reset_at <= bound then return { time = a.reset_at - now, flying = flying } end
    if bound <= now then
      a.gate.is = 'due'
    elseif a.reset_at then
      return { time = bound - now, flying = flying }
    elseif flying > 0 then
      return { time = FIRST_ANSWER, flying = flying }
    end
  elseif not a.remaining and not a.answered then
    local next = flying > 0 and a.probed and a.probed + FIRST_ANSWER
    if next and next > now then return { time = next - now, flying = flying } end
    a.probed = now
  end
  if pass(a.gate) and not ended_early(a) then a.window, a.reset_at = nil, nil end
  hold(a, request.take)
  watch_the_rest(a, now)
end

function account.settle(a, entry, at, had)
  if entry.answered or entry.how == 'exhausted' then a.answered = true end
  if entry.how == 'unsent' then
    if had then unanswered(a.gate) end
  elseif entry.how == 'exhausted' then
    if ended_early(a) and at < a.reported_end + SECOND then a.refuted = true end
    close(a.gate, entry.wait, at)
  elseif entry.limit then
    answered(a.gate)
    learn(a, entry.limit, at)
  elseif had or is_lost(a, entry) then
    unanswered(a.gate)
    used(a, 1)
  end
  watch_the_rest(a, at)
end

-- The posts of a room, see room.rs -----------------------------------------------------------------------------------------

local room = {}

local function count_until(r, ends)
  local posts = r.posts or {}
  posts[#posts + 1] = ends
  table.sort(posts)
  r.posts = posts
end

function room.expire(r, entry)
  for _, lease in ipairs(ended(r)) do
    unanswered(r.gate)
    count_until(r, lease.ends + entry.window)
  end
  while r.posts and r.posts[1] and r.posts[1] <= now do table.remove(r.posts, 1) end
end

function room.take(r)
  local denied = check(r.gate)
  if denied then return denied end
  local flying, posts = in_flight(r), r.posts or {}
  if flying + #posts >= request.take.posts then
    return { time = posts[1] and posts[1] - now or FIRST_ANSWER, flying = flying }
  end
  pass(r.gate)
  hold(r, request.take)
end

function room.settle(r, entry, at, had)
  if entry.how == 'exhausted' then
    close(r.gate, entry.wait, at)
  elseif not had and not is_lost(r, entry) then
    return
  elseif entry.how == 'unsent' then
    unanswered(r.gate)
  else
    answered(r.gate)
    count_until(r, at + entry.window)
  end
end

-- The monthly units, see units.rs ------------------------------------------------------------------------------------------

local units = {}

function units.expire(u)
  for _, lease in ipairs(ended(u)) do used(u, lease.cost) end
end

function units.take(u)
  if u.remaining and ((u.reset and u.reset <= now) or now - u.reported_at >= BELIEVED) then
    u.remaining, u.reset = nil, nil
  end
  local rest = left(u)
  if rest and rest < request.take.cost then return { units = rest, reset = u.reset } end
  hold(u, request.take)
end

function units.settle(u, entry, at, had)
  local reported = entry.units
  if reported then
    local same = u.remaining and u.reset == reported.reset
    u.remaining = same and math.min(u.remaining, reported.remaining) or reported.remaining
    u.reset, u.reported_at = reported.reset, at
  elseif entry.how ~= 'unsent' and (had or is_lost(u, entry)) then
    used(u, entry.cost)
  end
end

-- One run ------------------------------------------------------------------------------------------------------------------

local kinds = { account = account, room = room, units = units }

-- This first write frees memory, so the server lets the others pass even if it is full.
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZADD', KEYS[2], now + request.lease, request.process)
redis.call('PEXPIRE', KEYS[2], request.lease)

for _, entry in ipairs(request.renew) do
  local budget = budget_of(entry)
  if budget.leases[entry.id] or is_lost(budget, entry) then hold(budget, entry) end
end
for _, entry in ipairs(request.settle) do kinds[entry.budget].expire(budget_of(entry), entry) end
if request.take then kinds[request.take.budget].expire(budget_of(request.take), request.take) end

for _, entry in ipairs(request.settle) do
  local budget = budget_of(entry)
  local had = budget.leases[entry.id] ~= nil
  budget.leases[entry.id] = nil
  kinds[entry.budget].settle(budget, entry, now - entry.ago, had)
  -- The process may not get the answer, and settle it again.
  if is_foreign(budget, entry) then budget.counted[entry.id] = now end
end

local denied
if request.take then denied = kinds[request.take.budget].take(budget_of(request.take)) end

for index, all in pairs(loaded) do
  local kept = KEPT
  for _, budget in pairs(all) do
    if type(budget) == 'table' then
      for _, ends in ipairs(budget.posts or {}) do kept = math.max(kept, ends - now) end
      for _, lease in pairs(budget.leases) do kept = math.max(kept, lease.ends - now + (lease.window or 0)) end
    end
  end
  redis.call('SET', KEYS[index], cjson.encode(all), 'PX', kept)
end
return cjson.encode({ at = now, processes = redis.call('ZCARD', KEYS[2]), denied = denied })
