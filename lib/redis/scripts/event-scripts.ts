import { NOW, REPLACING, script } from './script.ts'

/*
 * The events of a session are one Redis stream. Fields of an entry, in this order:
 *   s  name of the SSE stream; '' in the marker of a takeover
 *   d  the message, JSON; '' in a marker
 *   p  token of the producer, n its sequence number, which makes an append that is sent twice one
 *   g  generation: 0, or the time of the producer's takeover. It never falls along the stream
 *   q  where known: the requests that the SSE stream still has to answer, each as JSON, one a line; else ''
 *   t  bytes of all entries so far, those that were let go of too, as `size` counts them
 * Entries of before there was a `t` end with `g`, or with `q` where known.
 */

/** What an entry counts for, in bytes, besides the name of its stream and its message. */
export const ENTRY = 256
/** A script looks at this many bytes of entries, and the rest of one, before it gives way to others; and at this many entries. */
const LOOK = 1024 * 1024
const ENTRIES = 100

const SIZE = `
local function size (fields)
  return #fields[2] + #fields[4] + ${ENTRY}
end`

/** `trim(most, life)`: exact, by count and by age. The key lives as long as its newest entry. */
const TRIM = `${REPLACING}${NOW}
local function trim (most, life)
  redis.call('XTRIM', KEYS[1], 'MAXLEN', most)
  redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', math.max(0, now - life)))
  redis.call('PEXPIRE', KEYS[1], life)
end`

/**
 * Appends an event, once, and lets go of the oldest while all are too large
 * together: not of this one, and not of the one that was known before it, from
 * which a client resumes.
 * KEYS[1] events; ARGV token, sequence number, generation ('' to append to whatever is there),
 * an id that was known when the event was first sent, most entries, life (ms), stream, event (JSON),
 * the requests that are open (JSON, one a line) or '', most bytes, `t` or '' to have it worked out,
 * and the `t` that is known to be gone.
 * Returns the id it has and the `t` that is gone, or nil: another producer has taken over.
 */
export const appendEvent = script(`${TRIM}${SIZE}
local after, newest = ARGV[4], 0
repeat
  local entries = replacing('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', ${ENTRIES})
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    if fields[6] == ARGV[1] and fields[8] == ARGV[2] then return { entry[1], ARGV[12] } end
    newest = math.max(newest, tonumber(fields[10]) or 0)
    after = entry[1]
  end
until #entries < ${ENTRIES}
local generation = tonumber(ARGV[3])
if generation and newest > generation then return false end
local most, total, gone = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
if not total then
  local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
  total = (last and tonumber(last[2][14]) or 0) + #ARGV[7] + #ARGV[8] + ${ENTRY}
end
local id = redis.call('XADD', KEYS[1], '*', 's', ARGV[7], 'd', ARGV[8], 'p', ARGV[1], 'n', ARGV[2],
  'g', generation and ARGV[3] or '0', 'q', ARGV[9], 't', string.format('%.0f', total))
trim(ARGV[5], ARGV[6])
local at, dropped = '-', false
local keep = total - gone <= most
while not keep do
  local entry = redis.call('XRANGE', KEYS[1], at, '+', 'COUNT', 1)[1]
  local bytes = size(entry[2])
  gone = math.max(gone, (tonumber(entry[2][14]) or 0) - bytes)
  keep = entry[1] == id or entry[1] == ARGV[4] or total - gone <= most
  if not keep then
    gone, at, dropped = gone + bytes, '(' .. entry[1], true
  elseif dropped then
    redis.call('XTRIM', KEYS[1], 'MINID', entry[1])
  end
end
return { id, string.format('%.0f', gone) }`)

/**
 * Takes the events over from whoever stored before, in turns: each looks on
 * from where the one before has stopped, and the one that comes to the end
 * appends a marker, after which nothing of theirs is taken. Done twice, it does
 * so once.
 * KEYS[1] events; ARGV token, most entries, life (ms), and of the turn before: id of the last entry ('0-0'), newest
 * generation ('0'), `t` ('0'), id and generation of a marker of ours ('' and '').
 * Returns 1 when it is done (else 0), the same five again (the id is the marker's when it is done), then stream, open
 * requests of each entry that knows of some; nil: another has taken over since we did.
 */
export const takeOverEvents = script(`${TRIM}${SIZE}
local at, newest, total, mine, own = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[8]
local open, looked, bytes, entry = {}, 0, 0, nil
local function turn (done, id)
  local page = { done, id, string.format('%.0f', newest), string.format('%.0f', total), mine, own }
  for _, one in ipairs(open) do page[#page + 1] = one end
  return page
end
repeat
  entry = replacing('XRANGE', KEYS[1], '(' .. at, '+', 'COUNT', 1)[1]
  if entry then
    local fields = entry[2]
    at = entry[1]
    newest = math.max(newest, tonumber(fields[10]) or 0)
    total = math.max(total, tonumber(fields[14]) or total + size(fields))
    if fields[2] == '' and fields[6] == ARGV[1] then mine, own = at, fields[10] end
    if fields[12] and fields[2] ~= '' then
      open[#open + 1] = fields[2]
      open[#open + 1] = fields[12]
    end
    looked, bytes = looked + 1, bytes + size(fields)
  end
until not entry or looked == ${ENTRIES} or bytes >= ${LOOK}
if entry then return turn(0, at) end
if mine ~= '' then return tonumber(own) == newest and turn(1, mine) end
newest = math.max(now, newest + 1)
total = total + ${ENTRY}
own = string.format('%.0f', newest)
mine = redis.call('XADD', KEYS[1], '*', 's', '', 'd', '', 'p', ARGV[1], 'n', '0', 'g', own, 'q', '', 't', string.format('%.0f', total))
trim(ARGV[2], ARGV[3])
return turn(1, mine)`)

/**
 * Finds an event.
 * KEYS[1] events; ARGV id. Returns the name of its stream, or nil when it is gone.
 */
export const findEvent = script(`
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
return entry and entry[2][2]`)

/**
 * Reads on in a stream, in turns.
 * KEYS[1] events; ARGV id of an entry, stream.
 * Returns the stream of that entry, the id of the last one it looked at, 1 if there may be more (else 0),
 * then id, event, ...; nil when the entry is gone, because what followed it may be too.
 */
export const readEvents = script(`${SIZE}
local from = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not from then return false end
local page, looked, bytes, entry = { from[2][2], ARGV[1], 0 }, 0, 0, nil
repeat
  entry = redis.call('XRANGE', KEYS[1], '(' .. page[2], '+', 'COUNT', 1)[1]
  if entry then
    page[2] = entry[1]
    if entry[2][2] == ARGV[2] then
      page[#page + 1] = entry[1]
      page[#page + 1] = entry[2][4]
    end
    looked, bytes = looked + 1, bytes + size(entry[2])
  end
until not entry or looked == ${ENTRIES} or bytes >= ${LOOK}
if entry then page[3] = 1 end
return page`)

/**
 * Deletes the events unless another producer has taken over.
 * KEYS[1] events; ARGV generation.
 */
export const dropEvents = script(`
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last and (tonumber(last[2][10]) or 0) > tonumber(ARGV[1]) then return 0 end
return redis.call('UNLINK', KEYS[1])`)
