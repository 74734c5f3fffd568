/** The request id of JSON-RPC as MCP restricts it: a string or an integer. */
export type RequestId = string | number

export interface JsonRpcRequest { jsonrpc: '2.0', id: RequestId, method: string, params?: Record<string, unknown> }
export interface JsonRpcNotification { jsonrpc: '2.0', method: string, params?: Record<string, unknown> }
export interface JsonRpcResult { jsonrpc: '2.0', id: RequestId, result: Record<string, unknown> }
export interface JsonRpcError { jsonrpc: '2.0', id?: RequestId, error: { code: number, message: string, data?: unknown } }
export type JsonRpcMessage = JsonRpcRequest | JsonRpcNotification | JsonRpcResult | JsonRpcError
