import t from 'tap'
import { documentedNginx, startNginx } from './start.ts'
import { proxySuite } from './suite.ts'

proxySuite(t, (t, nodes) => startNginx(t, documentedNginx(nodes)))
