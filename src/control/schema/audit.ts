import { z } from 'zod'
import { Limit, named, pageOf, SeqText } from './common.ts'
import { AuditEntry } from './overview.ts'

/** An entry with its place in the chain. */
export const SealedEntry = named(
  'SealedEntry',
  'An entry of the audit trail with its place in the chain',
  AuditEntry.extend({
    /** Its number in the chain; null: it does not stand in it, so it was not written by busbar. */
    number: z.number().int().nullable(),
    /** SHA-256 over the hash before it and what it says; hexadecimal. */
    hash: z.string().nullable(),
  }),
)
export type SealedEntry = z.infer<typeof SealedEntry>

/** Which entries to list, newest first; all filters must match. */
export const AuditQuery = z.object({
  before: SeqText.optional(),
  actor: z.string().min(1).max(200).optional(),
  verb: z.string().min(1).max(80).optional(),
  /** Exactly this object, such as `run order-to-cash/42`. */
  object: z.string().min(1).max(300).optional(),
  /** The first word of objects: `run`, `system`, `user` … */
  kind: z.string().min(1).max(80).optional(),
  limit: Limit,
})
export type AuditQuery = z.output<typeof AuditQuery>

export const AuditPage = named('AuditPage', 'One page of the audit trail, newest first', pageOf(SealedEntry))
export type AuditPage = z.infer<typeof AuditPage>

/** From which number on to verify; `after` as an earlier answer has said in `next`. */
export const VerifyAuditQuery = z.object({
  after: SeqText.default(0),
  /** A head that was noted before, `<number>:<hash>`: the chain must still hold it. */
  expect: z
    .string()
    .regex(/^\d{1,15}:[0-9a-f]{64}$/, 'must be a head as it was told: <number>:<hash>')
    .optional(),
})
export type VerifyAuditQuery = z.output<typeof VerifyAuditQuery>

/** What is wrong with an entry. */
export const auditFaults = ['changed', 'missing', 'gap', 'unchained', 'rewritten'] as const

export const AuditVerified = named(
  'AuditVerified',
  'Whether a stretch of the audit trail is as it was written; the first entry that is not',
  z.object({
    /** Entries looked at: up to 20,000 a call. */
    checked: z.number().int().nonnegative(),
    broken: z
      .object({
        /** Its number in the chain; null where it has none. */
        number: z.number().int().nullable(),
        /** Its id in the table `audit`; null where that is not known any more. */
        id: z.number().int().nullable(),
        /** `changed`: says something else than when it was written; `missing`: was removed; `gap`: was removed with its place; `unchained`: was added from outside; `rewritten`: the chain does not hold the head that was noted before. */
        why: z.enum(auditFaults),
        message: z.string(),
      })
      .nullable(),
    /** The last entry seen. Note it elsewhere: later, a chain without it was rewritten or cut. */
    head: z.object({ number: z.number().int(), hash: z.string() }).nullable(),
    /** Give it as `after` to go on; null: this was the end. */
    next: z.number().int().nullable(),
  }),
)
export type AuditVerified = z.infer<typeof AuditVerified>
