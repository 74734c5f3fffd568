/**
 * The format of what nodes tell each other: records, node keys, hops and owner
 * questions. A deploy makes one cluster of two formats for as long as it takes.
 *
 * It goes up by one when a node of the present format would do wrong with what
 * a newer one writes or asks, or the other way round. More fields alone do not
 * do that: whoever does not know a field leaves it alone. What scripts compare
 * (`node`, `epoch`, `released`), and what a session answers to (`principal`),
 * keeps its name and meaning for ever; another field that gets a new name is
 * written under both for as long as OLDEST_READER is a
 * format that knows the old one alone.
 *
 * 0: before there were formats. It takes any answer but a 200 for a
 *    no to its owner question, and says no with a 404 and exactly `{}`.
 * 1: proofs, and this number. It knows the nodes by a key each, and a set of their ids.
 * 2: the nodes are one hash, and a table says who holds the tags of ids.
 */
export const FORMAT = 2

/** The first format whose nodes know each other by the hash, and can be asked to take a session. */
export const HASH_FORMAT = 2

/** The oldest format whose nodes may serve a session from the records that this one writes. */
export const OLDEST_READER = 0
