import type { Child } from './child.ts'

interface Member { name: string, url: string, tag?: string, child: Pick<Child, 'pid'> }

/** Members, how to reach them, and what the ids of a node's sessions begin with. */
export function whoIsWho (members: Member[], folder: string): string {
  const rows = members.map(({ name, url, tag, child }) =>
    `  ${name.padEnd(8)} ${url.padEnd(26)} pid ${String(child.pid).padEnd(8)} ${tag === undefined ? '' : `sessions ${tag}.…`}`.trimEnd())
  return `\nWho is who\n${rows.join('\n')}\n  files    ${folder}\n`
}

export function whatToTry (origin: string, certificate: string, members: Member[]): string {
  const json = "-H 'content-type: application/json'"
  const victim = members.find(({ name }) => name === 'node-2')!
  return `What to try, in another terminal

  GraphQL goes round the nodes:
    for i in 1 2 3; do curl --cacert ${certificate} ${origin}/graphql ${json} -d '{"query":"{ node }"}'; echo; done

  An MCP session stays on its node. A client that keeps cookies gets one, a client that keeps none needs none:
    curl -i --cacert ${certificate} ${origin}/mcp ${json} -H 'accept: application/json, text/event-stream' \\
      -d '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}'
    NODE_EXTRA_CA_CERTS=${certificate} npx @modelcontextprotocol/inspector --cli ${origin}/mcp --transport http --method tools/call --tool-name whoami

  VS Code, Cursor, Claude Code (started with NODE_EXTRA_CA_CERTS=${certificate}):
    { "mcpServers": { "cluster": { "type": "http", "url": "${origin}/mcp" } } }

  Take a node away, suddenly or politely. Its sessions go on elsewhere, those of the others don't notice:
    kill -9 ${victim.child.pid}
    kill ${victim.child.pid}

Ctrl-C stops everything. From here on, one line a request:
`
}
