import t from 'tap'
import { count, duration, flag, isOrigin, known, nodeAddress, plainPath, redisPrefix, secureUrl, whole } from '../lib/option-checks.ts'

const refused = (name: string) => ({ code: 'MCP_STICKY_ERR_OPTION', message: new RegExp(`^option \`${name}\` `) })

t.test('an option that is not known is named with where it stands', async t => {
  t.doesNotThrow(() => known('', { a: 1 }, ['a', 'b']))
  t.throws(() => known('', { c: 1 }, ['a', 'b']), { ...refused('c'), message: /a, b/ })
  t.throws(() => known('node', { c: 1 }, ['a']), refused('node.c'))
  t.throws(() => known('', { toString: 1 }, ['a']), refused('toString'))
  for (const value of [null, [], 'a', 1]) {
    t.throws(() => known('', value as object, ['a']), refused('options'))
    t.throws(() => known('node', value as object, ['a']), refused('node'))
  }
})

t.test('yes or no is one of the two', async t => {
  t.strictSame([flag('f', undefined, true), flag('f', undefined, false), flag('f', true, false), flag('f', false, true)], [true, false, true, false])
  for (const value of [null, 0, 1, 'false', {}]) t.throws(() => flag('f', value as boolean, true), refused('f'), String(value))
})

t.test('a duration is whole milliseconds within its bounds', async t => {
  t.equal(duration('d', undefined, 7), 7)
  t.strictSame([1, 2 ** 31 - 1].map(value => duration('d', value, 7)), [1, 2 ** 31 - 1])
  for (const value of [0, -1, 1.5, NaN, 2 ** 31, Infinity, '5', null]) t.throws(() => duration('d', value as number, 7), refused('d'), String(value))
  t.equal(duration('d', 0, 7, { least: 0 }), 0)
  t.equal(duration('d', Infinity, 7, { most: Infinity }), Infinity)
  t.throws(() => duration('d', 11, 7, { least: 5, most: 10 }), { message: /from 5 to 10/ })
})

t.test('a count is a whole number, or has no end; a whole number has one', async t => {
  t.strictSame([count('c', undefined, 7), count('c', 1, 7), count('c', Infinity, 7)], [7, 1, Infinity])
  t.strictSame([whole('w', undefined, 7), whole('w', 9, 7, '', 9)], [7, 9])
  for (const value of [0, -1, 1.5, NaN, '5', 2 ** 53]) {
    t.throws(() => count('c', value as number, 7), refused('c'), String(value))
    t.throws(() => whole('w', value as number, 7), refused('w'), String(value))
  }
  t.throws(() => whole('w', Infinity, 7), refused('w'))
  t.throws(() => whole('w', 10, 7, ' up to 9', 9), { message: /a whole number up to 9/ })
})

t.test('a path has no parameters', async t => {
  for (const path of ['/', '/mcp', '/a/b.c']) t.equal(plainPath('p', path), path)
  for (const path of ['', 'mcp', '/:id', '/*', '/a?b', '/a#b', 1]) t.throws(() => plainPath('p', path), refused('p'), String(path))
})

t.test('a prefix of keys has no hash tag', async t => {
  for (const prefix of ['', 'mcp:']) t.equal(redisPrefix('k', prefix), prefix)
  for (const prefix of ['{a}', 'a{', 'a}', 1]) t.throws(() => redisPrefix('k', prefix), refused('k'), String(prefix))
})

t.test('a node\'s address is written in one way', async t => {
  for (const url of ['http://10.0.0.1:3000', 'https://node', 'http://[::1]:3000']) t.equal(nodeAddress('u', url), url)
  for (const url of ['', 'node', 'http://node/', 'http://node/a', 'HTTP://node', 'http://NODE', 'http://node:80', 'ftp://node', 'http://a@node', 1, null]) {
    t.equal(isOrigin(url), false)
    t.throws(() => nodeAddress('u', url), refused('u'), String(url))
  }
})

t.test('a url on which tokens depend is secure', async t => {
  for (const url of ['https://mcp.example.com', 'https://mcp.example.com:8443/a/mcp?b=c', 'http://localhost:3000/mcp', 'http://127.0.0.1/', 'http://[::1]:3000/mcp']) t.equal(secureUrl('u', url), url)
  for (const url of ['', '/mcp', 'mcp.example.com', 'http://mcp.example.com', 'http://127.0.0.1.example.com', 'http://localhost.example.com', 'ftp://mcp.example.com', 'https://a@mcp.example.com', 'https://:b@mcp.example.com', 'https://mcp.example.com/#', 'https://mcp.example.com/mcp#a', ' https://mcp.example.com', 'https://mcp.example.com/\n', 1, null, undefined, new URL('https://mcp.example.com')]) {
    t.throws(() => secureUrl('u', url), refused('u'), String(url))
  }
})
