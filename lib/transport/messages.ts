/** The request id of JSON-RPC as MCP restricts it: a string or an integer. */
export type RequestId = string | number

export interface JsonRpcRequest { jsonrpc: '2.0', id: RequestId, method: string, params?: Record<string, unknown> }
export interface JsonRpcNotification { jsonrpc: '2.0', method: string, params?: Record<string, unknown> }
export interface JsonRpcResult { jsonrpc: '2.0', id: RequestId, result: Record<string, unknown> }
export interface JsonRpcError { jsonrpc: '2.0', id?: RequestId, error: { code: number, message: string, data?: unknown } }
export type JsonRpcMessage = JsonRpcRequest | JsonRpcNotification | JsonRpcResult | JsonRpcError

export function isRequest (message: JsonRpcMessage): message is JsonRpcRequest {
  return 'method' in message && 'id' in message
}

/** The answer to a request that the server could not handle. */
export function failure (id: RequestId, message: string): JsonRpcError {
  return { jsonrpc: '2.0', id, error: { code: -32603, message } }
}

/** The answer to a request whose session ends before it is handled. */
export function sessionEnded (id: RequestId): JsonRpcError {
  return { jsonrpc: '2.0', id, error: { code: -32000, message: 'The session has ended', data: { reason: 'session_ended' } } }
}

/** The answer to a request that its client has cancelled. */
export function cancelled (id: RequestId): JsonRpcError {
  return { jsonrpc: '2.0', id, error: { code: -32800, message: 'Request cancelled' } }
}
