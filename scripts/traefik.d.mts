export function traefikBinary (): Promise<string>
