import type { JsonRpcMessage, JsonRpcRequest } from './messages.ts'

/** The SDKs refuse longer batches too. */
const MAX_BATCH = 100
const CAPABILITIES = ['experimental', 'sampling', 'elicitation', 'roots', 'tasks', 'extensions']
const RELATED_TASK = 'io.modelcontextprotocol/related-task'

interface ParsedMessages { messages: JsonRpcMessage[], batch: boolean }

/**
 * Reads the JSON of a POST as JSON-RPC messages, or says which field is wrong.
 *
 * What passes here also passes the strict schemas of both SDK lines: an SDK
 * drops a message that does not, without a word, and its request would hang.
 */
export function parseMessages (body: unknown): ParsedMessages | { invalid: string } {
  if (!Array.isArray(body)) {
    const problem = messageProblem(body)
    if (problem === undefined) return { messages: [body as JsonRpcMessage], batch: false }
    return { invalid: problem.startsWith('.') ? problem.slice(1) : `the message${problem}` }
  }
  if (body.length === 0) return { invalid: 'a batch must not be empty' }
  if (body.length > MAX_BATCH) return { invalid: `a batch must not exceed ${MAX_BATCH} messages` }
  for (let index = 0; index < body.length; index++) {
    const problem = messageProblem(body[index])
    if (problem !== undefined) return { invalid: `messages[${index}]${problem}` }
  }
  return { messages: body, batch: true }
}

/**
 * Which parameter of an initialize request is wrong, if one is (spec
 * 2025-11-25, Lifecycle). Whether the rest fits is the server's to say.
 */
export function initializeProblem ({ params }: JsonRpcRequest): string | undefined {
  if (params === undefined) return 'params is required'
  const { capabilities, clientInfo } = params
  if (typeof params['protocolVersion'] !== 'string') return 'params.protocolVersion must be a string'
  if (!isObject(capabilities)) return 'params.capabilities must be an object'
  for (const capability of CAPABILITIES) {
    if (capabilities[capability] !== undefined && !isObject(capabilities[capability])) return `params.capabilities.${capability} must be an object`
  }
  if (!isObject(clientInfo)) return 'params.clientInfo must be an object'
  for (const member of ['name', 'version']) {
    if (typeof clientInfo[member] !== 'string') return `params.clientInfo.${member} must be a string`
  }
  for (const member of ['title', 'websiteUrl', 'description']) {
    if (clientInfo[member] !== undefined && typeof clientInfo[member] !== 'string') return `params.clientInfo.${member} must be a string`
  }
  return undefined
}

function messageProblem (message: unknown): string | undefined {
  if (!isObject(message)) return ' must be an object'
  if (message['jsonrpc'] !== '2.0') return '.jsonrpc must be "2.0"'
  if (message['method'] !== undefined) return callProblem(message)
  if (message['result'] !== undefined) return resultProblem(message)
  if (message['error'] !== undefined) return errorProblem(message)
  return ' must have a method, a result or an error'
}

function callProblem (message: Record<string, unknown>): string | undefined {
  if (typeof message['method'] !== 'string') return '.method must be a string'
  const { params } = message
  for (const member in message) {
    switch (member) {
      case 'jsonrpc': case 'method': break
      case 'id':
        if (!isId(message['id'])) return '.id must be a string or an integer'
        break
      case 'params':
        if (!isObject(params)) return '.params must be an object'
        break
      default: return unknownMember(member)
    }
  }
  return isObject(params) && params['_meta'] !== undefined ? metaProblem(params['_meta'], '.params._meta') : undefined
}

function resultProblem (message: Record<string, unknown>): string | undefined {
  const { result } = message
  if (!isId(message['id'])) return '.id must be a string or an integer'
  if (!isObject(result)) return '.result must be an object'
  for (const member in message) {
    if (member !== 'jsonrpc' && member !== 'id' && member !== 'result') return unknownMember(member)
  }
  return result['_meta'] === undefined ? undefined : metaProblem(result['_meta'], '.result._meta')
}

function errorProblem (message: Record<string, unknown>): string | undefined {
  const { error } = message
  if (message['id'] !== undefined && !isId(message['id'])) return '.id must be a string or an integer'
  if (!isObject(error)) return '.error must be an object'
  if (!Number.isSafeInteger(error['code'])) return '.error.code must be an integer'
  if (typeof error['message'] !== 'string') return '.error.message must be a string'
  for (const member in message) {
    if (member !== 'jsonrpc' && member !== 'id' && member !== 'error') return unknownMember(member)
  }
  return undefined
}

function metaProblem (meta: unknown, path: string): string | undefined {
  if (!isObject(meta)) return `${path} must be an object`
  const token = meta['progressToken']
  if (token !== undefined && !isId(token)) return `${path}.progressToken must be a string or an integer`
  const task = meta[RELATED_TASK]
  if (task !== undefined && (!isObject(task) || typeof task['taskId'] !== 'string')) {
    return `${path}["${RELATED_TASK}"] must be an object with a string taskId`
  }
  return undefined
}

/** Clipped: a name of megabytes would come back in the answer and in the log. */
function unknownMember (member: string): string {
  return `.${member.length > 64 ? `${member.slice(0, 64)}…` : member} is not a member of this kind of message`
}

function isId (value: unknown): boolean {
  return typeof value === 'string' || Number.isSafeInteger(value)
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
