/** The requests and notifications of a client, in all revisions. */
const METHODS = new Set([
  'initialize', 'ping', 'server/discover', 'subscriptions/listen',
  'tools/list', 'tools/call', 'prompts/list', 'prompts/get', 'completion/complete', 'logging/setLevel',
  'resources/list', 'resources/templates/list', 'resources/read', 'resources/subscribe', 'resources/unsubscribe',
  'tasks/get', 'tasks/result', 'tasks/list', 'tasks/cancel', 'tasks/update',
  'notifications/initialized', 'notifications/cancelled', 'notifications/progress', 'notifications/roots/list_changed', 'notifications/tasks/status'
])
/** What a method is called that no revision has (the conventions of OpenTelemetry). */
export const OTHER = '_OTHER'
/** What the name of a tool may be (spec 2025-11-25, Tools, Tool Names); a prompt's is told if it is like that. */
const NAME = /^[\w./-]{1,128}$/

/** What a message asks for, fit for logs: a method that there is, and the tool of `tools/call`. Nothing for an answer. */
export function askedFor (message: object | undefined): { method?: string, tool?: string } {
  const { method, params } = (message ?? {}) as { method?: unknown, params?: { name?: unknown } }
  if (typeof method !== 'string') return {}
  if (!METHODS.has(method)) return { method: OTHER }
  const tool = method === 'tools/call' ? nameIn(params) : undefined
  return tool === undefined ? { method } : { method, tool }
}

/** The name in parameters, if it is fit for logs. */
export function nameIn (params: { name?: unknown } | null | undefined): string | undefined {
  const name = params?.name
  return typeof name === 'string' && NAME.test(name) ? name : undefined
}
