/**
 * What texts that begin with a prefix are all below, put behind it: the last code point, in columns that are ordered by code
 * point (COLLATE "C"). `key >= p AND key < p || afterPrefix` is a range of an index; LIKE with a parameter is none.
 */
export const afterPrefix = '\u{10FFFF}'
