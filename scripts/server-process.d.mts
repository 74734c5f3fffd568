export function startServer (command: string, args: string[], env?: Record<string, string>): Promise<{ url: string, stop: () => Promise<void> }>
