import t from 'tap'
import { urlOf } from '../../lib/transport/http-request.ts'

const url = (target: string, host = 'mcp.test:8080'): string => urlOf({ method: 'POST', url: target, headers: {}, protocol: 'http', host }).href

t.test('a target is below the host that was asked, or a whole url', async t => {
  t.equal(url('/mcp?x=1'), 'http://mcp.test:8080/mcp?x=1')
  t.equal(url('https://other/mcp'), 'https://other/mcp')
  t.equal(url('//other/mcp'), 'http://mcp.test:8080//other/mcp', 'a path, whatever it begins with')
})

t.test('a Host that is none does no harm', async t => {
  for (const host of ['no host', 'a:b', '[', '', 'a/b', 'a?b', 'a#b', 'a\\b']) t.equal(url('/mcp', host), 'http://localhost/mcp', host)
})

t.test('nobody\'s name or password is in it', async t => {
  t.equal(url('http://ann:secret@other/mcp'), 'http://other/mcp')
  t.equal(url('/mcp', 'ann:secret@host'), 'http://host/mcp')
})
