/**
 * The format of what nodes tell each other: records, node keys, hops, owner
 * questions. Nodes of one cluster may have different ones during a rolling
 * upgrade. 0 (before formats): knows no proofs, says "not mine" to an owner
 * question with 404 and exactly `{}`, and takes anything but 200 as that.
 */
export const FORMAT = 1
