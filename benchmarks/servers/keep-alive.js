/** How long a connection may be idle, in milliseconds: longer than the other servers' turns take. */
export const KEEP_ALIVE = 3_600_000
