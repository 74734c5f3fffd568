/** For how long this node may serve its sessions without asking the directory (see affinity/lease.ts). */
export interface LeaseLike {
  readonly running: boolean
  /** Whether a session whose record was last known to name this epoch is ours beyond doubt. */
  holds: (epoch: string) => boolean
  /** A beat is about to be sent; what it returns is called when the beat is acknowledged. */
  beating: () => (gone: boolean) => void
}
