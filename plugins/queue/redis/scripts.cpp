#include "plugins/queue/redis/scripts.hpp"

namespace evermill::queue {

// A batch comes twice where the answer to the first one was lost. What a writer did last is kept beside the records and changed
// with them, so that it does not matter when the first one arrives, or whether it does.
const redis_script append_script{R"lua(
local here = redis.call('GET', KEYS[3])
if not here then return {'not_found'} end
local done = redis.call('GET', KEYS[4])
if done then
  local of, number, last = string.match(done, '^(%S+) (%d+) (%d+)$')
  if of == here and tonumber(number) >= tonumber(ARGV[1]) then return {'ok', last} end
end
if ARGV[2] ~= '00000000000000000000' then
  local seen = redis.call('GET', KEYS[2])
  if seen and ARGV[2] < seen then return {'refused', seen} end
  if seen ~= ARGV[2] then redis.call('SET', KEYS[2], ARGV[2]) end
end
local at, last = 5, nil
for _ = 1, tonumber(ARGV[4]) do
  local words = tonumber(ARGV[at])
  last = redis.call('XADD', KEYS[1], '0-*', unpack(ARGV, at + 1, at + words))
  at = at + words + 1
end
last = string.sub(last, 3)
redis.call('SET', KEYS[4], here .. ' ' .. ARGV[1] .. ' ' .. last, 'PX', ARGV[3])
return {'ok', last}
)lua"};

// How many records fit is only known once they are read: so few at first, then as many as those were large.
const redis_script fetch_script{R"lua(
local here = redis.call('GET', KEYS[2])
if here ~= ARGV[1] then return {'regressed', here and 'it was deleted and made again' or 'it is not there any more'} end
if ARGV[4] ~= '' then
  local known = redis.call('XRANGE', KEYS[1], '0-' .. ARGV[2], '0-' .. ARGV[2])
  if known[1] and known[1][2][2] ~= ARGV[4] then return {'regressed', 'it was written anew from an earlier place'} end
end
local from, limit = ARGV[2], tonumber(ARGV[3])
local found, bytes, count, ended = {}, 0, 4, 0
while bytes < limit and #found < 1000 and ended == 0 do
  local some = redis.call('XRANGE', KEYS[1], '(0-' .. from, '+', 'COUNT', count)
  if #some < count then ended = 1 end
  for _, entry in ipairs(some) do
    if bytes >= limit then ended = 0 break end
    for _, word in ipairs(entry[2]) do bytes = bytes + #word end
    found[#found + 1] = entry
    from = string.sub(entry[1], 3)
  end
  if #found > 0 then count = math.max(1, math.min(100, math.floor((limit - bytes) * #found / bytes))) end
end
if #found > 0 then return {'ok', ended, found} end
local last = 0
if redis.call('EXISTS', KEYS[1]) == 1 then
  local about = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #about, 2 do
    if about[i] == 'last-generated-id' then last = tonumber(string.sub(about[i + 1], 3)) end
  end
end
if last < tonumber(ARGV[2]) then return {'regressed', 'it ends at ' .. last .. ' now, before ' .. ARGV[2]} end
if last > tonumber(ARGV[2]) then return {'trimmed'} end
return {'ok', 1, {}}
)lua"};

const redis_script bounds_script{R"lua(
local here = redis.call('GET', KEYS[2])
if not here then return {} end
if redis.call('EXISTS', KEYS[1]) == 0 then return {here, '1', '0'} end
local first, last = nil, nil
local about = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #about, 2 do
  if about[i] == 'last-generated-id' then last = string.sub(about[i + 1], 3) end
  if about[i] == 'first-entry' and about[i + 1] then first = string.sub(about[i + 1][1], 3) end
end
return {here, first or string.format('%.0f', tonumber(last) + 1), last}
)lua"};

const redis_script trim_script{R"lua(
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
redis.call('XTRIM', KEYS[1], 'MINID', '=', '0-' .. ARGV[1])
return 1
)lua"};

// Members are scored by when they are given up, by this server's clock. All of a group goes when nobody was there for a day.
const redis_script heartbeat_script{R"lua(
local said = redis.call('HGET', KEYS[2], ARGV[1])
if not said and ARGV[5] == '' then return {-1} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local renews = ARGV[6] == '1' or not redis.call('ZSCORE', KEYS[1], ARGV[1])
local changed = 0
if renews then changed = redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) end
if ARGV[5] ~= '' and said ~= ARGV[5] then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[5])
  changed = changed + 1
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
  changed = changed + 1
end
if changed > 0 then redis.call('INCRBY', KEYS[3], changed) end
local changes = redis.call('GET', KEYS[3]) or '0'
local coordinator = redis.call('GET', KEYS[4])
if coordinator == ARGV[1] then
  if renews then redis.call('PEXPIRE', KEYS[4], ARGV[2]) end
elseif not coordinator and ARGV[3] == '1' then
  redis.call('SET', KEYS[4], ARGV[1], 'PX', ARGV[2])
  coordinator = ARGV[1]
end
if renews then
  for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], 86400000) end
end
if changes == ARGV[4] then return {changes, coordinator or ''} end
local members = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  members[#members + 1] = id
  members[#members + 1] = redis.call('HGET', KEYS[2], id) or ''
end
return {changes, coordinator or '', members}
)lua"};

const redis_script leave_script{R"lua(
if redis.call('GET', KEYS[4]) == ARGV[1] then redis.call('DEL', KEYS[4]) end
if ARGV[2] == '1' then return 1 end
redis.call('HDEL', KEYS[2], ARGV[1])
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then redis.call('INCR', KEYS[3]) end
return 1
)lua"};

}  // namespace evermill::queue
