import { REPLACING, script } from './script.ts'

/*
 * The events of a session are one Redis stream. Fields of an entry, in this order:
 *   s  name of the SSE stream; '' in the marker of a takeover
 *   d  the message, JSON; '' in a marker
 *   p  token of the producer, n its sequence number, which makes an append that is sent twice one
 *   g  generation: 0, or the time of the producer's takeover. It never falls along the stream
 *   q  only where known: the requests that the SSE stream still has to answer, each as JSON, one a line
 */

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`

/** `trim(most, life)`: exact, by count and by age. The key lives as long as its newest entry. */
const TRIM = `${REPLACING}${NOW}
local function trim (most, life)
  redis.call('XTRIM', KEYS[1], 'MAXLEN', most)
  redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', math.max(0, now - life)))
  redis.call('PEXPIRE', KEYS[1], life)
end`

/**
 * Appends an event, once.
 * KEYS[1] events; ARGV token, sequence number, generation ('' to append to whatever is there),
 * an id that was known when the event was first sent, most entries, life (ms), stream, event (JSON),
 * and where known the requests that are open (JSON, one a line).
 * Returns the id it has, or nil: another producer has taken over.
 */
export const appendEvent = script(`${TRIM}
local after, newest = ARGV[4], 0
repeat
  local entries = replacing('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', 100)
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    if fields[6] == ARGV[1] and fields[8] == ARGV[2] then return entry[1] end
    newest = math.max(newest, tonumber(fields[10]) or 0)
    after = entry[1]
  end
until #entries < 100
local generation = tonumber(ARGV[3])
if generation and newest > generation then return false end
local fields = { 's', ARGV[7], 'd', ARGV[8], 'p', ARGV[1], 'n', ARGV[2], 'g', ARGV[3] == '' and '0' or ARGV[3] }
if ARGV[9] then
  fields[11] = 'q'
  fields[12] = ARGV[9]
end
local id = redis.call('XADD', KEYS[1], '*', unpack(fields))
trim(ARGV[5], ARGV[6])
return id`)

/**
 * Takes the events over from whoever stored before: appends a marker, after
 * which nothing of theirs is taken, and answers each request that is still open
 * with an error on its stream. Sent twice, it does so once. It reads the whole
 * stream. Requests only ever become answered, so one that is missing from any
 * entry of its stream is.
 * KEYS[1] events; ARGV token, most entries, life (ms), the error (JSON).
 * Returns the marker's id and our generation, or nil: another has taken over since we did.
 */
export const takeOverEvents = script(`${TRIM}
local open, streams, newest, mine, after = {}, {}, 0, nil, '-'
repeat
  local entries = replacing('XRANGE', KEYS[1], after, '+', 'COUNT', 100)
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    local stream = fields[2]
    newest = math.max(newest, tonumber(fields[10]) or 0)
    if stream == '' and fields[6] == ARGV[1] then mine = { entry[1], fields[10] } end
    if fields[12] then
      local listed, left = {}, {}
      for request in string.gmatch(fields[12], '[^\\n]+') do
        listed[request] = true
        left[#left + 1] = request
      end
      if not open[stream] then
        streams[#streams + 1] = stream
      else
        left = {}
        for _, request in ipairs(open[stream]) do
          if listed[request] then left[#left + 1] = request end
        end
      end
      open[stream] = left
    end
    after = '(' .. entry[1]
  end
until #entries < 100
if mine then return tonumber(mine[2]) == newest and mine end
local generation = string.format('%.0f', math.max(now, newest + 1))
local marker = redis.call('XADD', KEYS[1], '*', 's', '', 'd', '', 'p', ARGV[1], 'n', '0', 'g', generation)
for _, stream in ipairs(streams) do
  for _, request in ipairs(open[stream]) do
    local answer = '{"jsonrpc":"2.0","id":' .. request .. ',"error":' .. ARGV[4] .. '}'
    redis.call('XADD', KEYS[1], '*', 's', stream, 'd', answer, 'p', ARGV[1], 'n', '', 'g', generation, 'q', '')
  end
end
trim(ARGV[2], ARGV[3])
return { marker, generation }`)

/**
 * Finds an event.
 * KEYS[1] events; ARGV id. Returns the name of its stream, or nil when it is gone.
 */
export const findEvent = script(`
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
return entry and entry[2][2]`)

/**
 * Reads on in a stream: looks at 100 entries, fewer when 1 MiB of events is together.
 * KEYS[1] events; ARGV id of an entry, stream.
 * Returns the stream of that entry, the id of the last one it looked at, 1 if there are more (else 0),
 * then id, event, ...; nil when the entry is gone, because what followed it may be too.
 */
export const readEvents = script(`
local from = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not from then return false end
local page, looked, size, entries = { from[2][2], ARGV[1], 0 }, 0, 0, nil
repeat
  entries = redis.call('XRANGE', KEYS[1], '(' .. page[2], '+', 'COUNT', 10)
  for _, entry in ipairs(entries) do
    page[2] = entry[1]
    if entry[2][2] == ARGV[2] then
      page[#page + 1] = entry[1]
      page[#page + 1] = entry[2][4]
      size = size + #entry[2][4]
    end
  end
  looked = looked + 10
until #entries < 10 or looked == 100 or size > 1048576
if #entries == 10 then page[3] = 1 end
return page`)

/**
 * Deletes the events unless another producer has taken over.
 * KEYS[1] events; ARGV generation.
 */
export const dropEvents = script(`
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last and (tonumber(last[2][10]) or 0) > tonumber(ARGV[1]) then return 0 end
return redis.call('UNLINK', KEYS[1])`)
