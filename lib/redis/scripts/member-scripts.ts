import { INCARNATION } from './node-scripts.ts'
import { NOW, REPLACING, script } from './script.ts'

/*
 * The nodes are one hash. Fields:
 *   <node id>  `<until> <facts>`: the beat holds until then (ms, by Redis' own clock), and what the others must
 *              know of the node, as JSON; `0 ` for one that is gone, until nothing of its sessions is left
 *   /version   `<ms>.<digest>`, another with each change of who is there or of facts. The number never goes back. The
 *              digest is over the version before and what changed, so two masters with different histories never agree
 *   /log       the last changes, a line each: version, then the ids that changed
 *   /check     no beat ends before then (ms)
 */

/** Bytes of the log: some hundred changes. Who has missed more reads everything. */
const LOG = 8192

const MEMBERS = `${REPLACING}${NOW}
local function parts (value)
  local till, facts = string.match(value or '', '^(%d+) (.*)$')
  return tonumber(till) or 0, facts
end
local function change (token, ids)
  local version = replacing('HGET', KEYS[1], '/version') or ''
  local stamp = math.max(now, (tonumber(string.match(version, '^%d+')) or 0) + 1)
  local changed = table.concat(ids, ' ')
  version = string.format('%.0f.', stamp) .. string.sub(redis.sha1hex(version .. token .. changed), 1, 16)
  local log = (redis.call('HGET', KEYS[1], '/log') or '') .. '\\n' .. version .. ' ' .. changed
  while #log > ${LOG} do
    local cut = string.find(log, '\\n', 2, true)
    if not cut then break end
    log = string.sub(log, cut)
  end
  redis.call('HSET', KEYS[1], '/version', version, '/log', log)
  return version
end`

/** Adds to a reply what has changed since a version: 1 if nobody knows (else 0), then id, value, ... */
const CHANGES = `
local function addChanges (reply, known, version)
  reply[#reply + 1] = 0
  if known == version then return reply end
  local log = redis.call('HGET', KEYS[1], '/log') or ''
  local _, at = string.find(log, '\\n' .. known .. ' ', 1, true)
  if known == '' or not at then
    reply[#reply] = 1
    return reply
  end
  local added, line = {}, string.find(log, '\\n', at, true)
  while line do
    local till = string.find(log, '\\n', line + 1, true)
    local ids = string.match(string.sub(log, line + 1, till and till - 1 or #log), '^%S+ (.*)$') or ''
    for id in string.gmatch(ids, '%S+') do
      if not added[id] then
        added[id] = true
        reply[#reply + 1] = id
        reply[#reply + 1] = redis.call('HGET', KEYS[1], id) or ''
      end
    end
    line = till
  end
  return reply
end`

/**
 * A node's beat: takes or renews its place, and marks those as gone whose beats are over.
 * KEYS[1] members; ARGV node id, facts (JSON), incarnation and a dot, life (ms), a token that nobody has used, the value
 * that may be replaced ('' for none), the version that the node knows ('' for none).
 * Returns 1 renewed, 0 set (it was gone, or replaced), 2 set (what was there was no node's), then the version, then
 * what has changed since the node's (see CHANGES). Or 3 and another incarnation's value as it stands.
 */
export const beatMember = script(`${MEMBERS}${CHANGES}${INCARNATION}
local id, facts = ARGV[1], ARGV[2]
local value = replacing('HGET', KEYS[1], id)
local before, theirs = parts(value)
local epoch = before > now and epochOf(theirs)
local renewed = mine(epoch, ARGV[3])
if epoch and not renewed and value ~= ARGV[6] then return { 3, value } end
local outcome = renewed and 1 or 0
if value and (not theirs or (before > now and not epoch)) then outcome = 2 end
local till = now + ARGV[4]
redis.call('HSET', KEYS[1], id, string.format('%.0f ', till) .. facts)
local changed = {}
if not renewed or theirs ~= facts then changed[1] = id end
local check = tonumber(redis.call('HGET', KEYS[1], '/check')) or 0
if now >= check then
  check = till
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 1) ~= '/' then
      local ends = parts(all[i + 1])
      if ends > now then
        check = math.min(check, ends)
      elseif ends > 0 then
        redis.call('HSET', KEYS[1], all[i], '0 ')
        changed[#changed + 1] = all[i]
      end
    end
  end
  redis.call('HSET', KEYS[1], '/check', string.format('%.0f', check))
elseif till < check then
  redis.call('HSET', KEYS[1], '/check', string.format('%.0f', till))
end
local version = redis.call('HGET', KEYS[1], '/version')
if #changed > 0 or not version then version = change(ARGV[5], changed) end
return addChanges({ outcome, version }, ARGV[7], version)`)

/**
 * What has changed among the nodes.
 * KEYS[1] members; ARGV the version that is known. Returns the version, then what has changed since (see CHANGES).
 */
export const readChanges = script(`${CHANGES}
local version = redis.call('HGET', KEYS[1], '/version') or ''
return addChanges({ version }, ARGV[1], version)`)

/**
 * Reads all nodes.
 * KEYS[1] members. Returns now (ms, by Redis' own clock), the version, then id, value, ...; those that are gone too.
 */
export const readMembers = script(`${NOW}
local reply = { string.format('%.0f', now), redis.call('HGET', KEYS[1], '/version') or '' }
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 1) ~= '/' then
    reply[#reply + 1] = all[i]
    reply[#reply + 1] = all[i + 1]
  end
end
return reply`)

/**
 * Reads the ids of all nodes, those that are gone too.
 * KEYS[1] members. Returns ids.
 */
export const readMemberIds = script(`
local ids = {}
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 1) ~= '/' then ids[#ids + 1] = field end
end
return ids`)

/**
 * Reads one node.
 * KEYS[1] members; ARGV node id. Returns now (ms, by Redis' own clock) and its value, if there is one.
 */
export const readMember = script(`${NOW}
return { string.format('%.0f', now), redis.call('HGET', KEYS[1], ARGV[1]) }`)

/**
 * A node leaves. It stays as one that is gone where something of its sessions is left. The last takes everything along.
 * KEYS[1] members; ARGV node id, incarnation and a dot, a token that nobody has used, '1' if something is left or ''.
 * Returns 1 it has left, 0 it was not there, -1 another incarnation has its place.
 */
export const dropMember = script(`${MEMBERS}${INCARNATION}
local till, facts = parts(replacing('HGET', KEYS[1], ARGV[1]))
if not facts then return 0 end
if till > 0 and not mine(epochOf(facts), ARGV[2]) then return -1 end
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], '0 ')
end
change(ARGV[3], { ARGV[1] })
local own = 0
for _, field in ipairs({ '/version', '/log', '/check' }) do own = own + redis.call('HEXISTS', KEYS[1], field) end
if redis.call('HLEN', KEYS[1]) == own then redis.call('DEL', KEYS[1]) end
return 1`)

/**
 * Forgets a node of which nothing is left, unless it lives.
 * KEYS[1] members; ARGV node id. Returns 1 forgotten, 0 it was not there, -1 it lives.
 */
export const forgetMember = script(`${NOW}
local till = tonumber(string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^(%d+) ')) or 0
if till > now then return -1 end
return redis.call('HDEL', KEYS[1], ARGV[1])`)

/**
 * Names another holder of a tag, or none, if the entry is as it was seen.
 * KEYS[1] tags (a hash of tag → `<node id> <incarnation> <promised>`, with /version and /log as that of the nodes); ARGV a
 * token that nobody has used, then tag, the entry as it was seen ('' for none), what it is to be ('' for none), ...
 * Returns for each 1 it is so now, 0 it was another. All together are one change. Sent twice, it does so once.
 */
export const moveTags = script(`${MEMBERS}
local outcomes, changed = {}, {}
for i = 2, #ARGV, 3 do
  local tag, seen, to = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local entry = replacing('HGET', KEYS[1], tag) or ''
  outcomes[#outcomes + 1] = (entry == to or entry == seen) and 1 or 0
  if entry == seen and entry ~= to then
    if to == '' then redis.call('HDEL', KEYS[1], tag) else redis.call('HSET', KEYS[1], tag, to) end
    changed[#changed + 1] = tag
  end
end
if #changed > 0 then change(ARGV[1], changed) end
return outcomes`)

/**
 * Writes what a node has to do.
 * KEYS[1] loads; ARGV node id, load (JSON).
 */
export const putLoad = script(`${REPLACING}
return replacing('HSET', KEYS[1], ARGV[1], ARGV[2])`)

/**
 * Reads what the nodes have to do.
 * KEYS[1] loads. Returns node id, load (JSON), ...
 */
export const readLoads = script("return redis.call('HGETALL', KEYS[1])")

/**
 * Writes what a node saw of the others.
 * KEYS[1] looks; ARGV node id, look (JSON), life of all looks (ms).
 */
export const putLook = script(`${REPLACING}${NOW}
replacing('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now) .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])`)

/**
 * Reads what the nodes saw of each other.
 * KEYS[1] looks. Returns node id, when it was written (ms, by Redis' own clock) and look (JSON), ...
 */
export const readLooks = script("return redis.call('HGETALL', KEYS[1])")

/**
 * Forgets what nodes had to do.
 * KEYS[1] loads; ARGV node id, ... (at most 1000).
 */
export const dropLoads = script(`${REPLACING}
return replacing('HDEL', KEYS[1], unpack(ARGV))`)
