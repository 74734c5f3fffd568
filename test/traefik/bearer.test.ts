import t from 'tap'
import { bearerCheck } from '../../lib/traefik/bearer.ts'

t.test('who has the token, and nobody else', async t => {
  const check = bearerCheck('secret')
  for (const header of ['Bearer secret', 'bearer secret', 'BEARER   secret']) t.equal(check(header), true, header)
  for (const header of [undefined, '', 'secret', 'Bearer', 'Bearer ', 'Bearer secre', 'Bearer secret2', 'Bearer Secret', 'Bearer secret more', 'Basic secret', ' Bearer secret', 'Bearer\tsecret']) t.equal(check(header), false, String(header))
})
