/** How far the sequence of a key has come: the number last dealt with, and the place of its event in the log (0: a gap that was passed over). */
export interface SequenceMark {
  readonly last: number
  readonly seq: number
}

/** The same with its key. */
export interface SequenceRow extends SequenceMark {
  readonly key: string
}

/** What the journal knows of the sequences of keys, whether their runs have rows or not. */
export interface SequenceJournal {
  /** How far these keys have come; those of which nothing was dealt with yet are left out. */
  sequences(group: string, keys: readonly string[]): Promise<readonly SequenceRow[]>
}
