import { z } from 'zod'
import { linkFault } from '../../define/link.ts'
import { Moment, named, Reason } from './common.ts'
import { RunRef } from './run.ts'

/** A kind of object, an id, or the name of a system: 1 to 255 bytes. */
const LinkText = z
  .string()
  .min(1)
  .max(255)
  .refine((text) => linkFault(text) === undefined, 'has more than 255 bytes')

const LinkName = z.object({ kind: LinkText, id: LinkText, system: LinkText })

/** Which cross-references: those of an object (`kind`, `id`), or of an id in a system (`system`, `external`). */
export const LinksQuery = z.object({
  kind: LinkText.optional(),
  id: LinkText.optional(),
  system: LinkText.optional(),
  external: LinkText.optional(),
})
export type LinksQuery = z.output<typeof LinksQuery>

/** A cross-reference. */
export const Link = named(
  'Link',
  'The id that an object has in a system; `run` and `step` gave it, unless a person has set it (`setBy`)',
  LinkName.extend({
    external: z.string(),
    at: Moment,
    run: RunRef.nullable(),
    step: z.string().nullable(),
    setBy: z.string().nullable(),
  }),
)
export type Link = z.infer<typeof Link>

/** What a step gave and was not taken over. */
export const LinkConflict = named(
  'LinkConflict',
  'An id that a step gave and that was not taken over: the object has another (`heldExternal`), or another object has it (`heldId`)',
  LinkName.extend({
    external: z.string(),
    heldExternal: z.string().nullable(),
    heldId: z.string().nullable(),
    run: RunRef,
    step: z.string(),
    at: Moment,
  }),
)
export type LinkConflict = z.infer<typeof LinkConflict>

/** The cross-references that were asked for, and what there is to know about their objects. */
export const LinkList = named(
  'LinkList',
  'Cross-references, with the conflicts about the objects asked for, and how many lanes wait for an id of theirs',
  z.object({
    items: z.array(Link),
    conflicts: z.array(LinkConflict),
    awaited: z.array(LinkName.extend({ lanes: z.number().int() })),
  }),
)
export type LinkList = z.infer<typeof LinkList>

/** Says which id an object has in a system. */
export const SetLinkBody = LinkName.extend({
  external: LinkText,
  /** Overwrite another id that the object has there. */
  replace: z.boolean().default(false),
  reason: Reason,
})
export type SetLinkBody = z.output<typeof SetLinkBody>

/** Takes an object's id in a system away. */
export const RemoveLinkBody = LinkName.extend({ reason: Reason })
export type RemoveLinkBody = z.output<typeof RemoveLinkBody>

/** What a change of a cross-reference did. */
export const LinkChange = named(
  'LinkChange',
  'What became of an object’s id in a system; null: none',
  LinkName.extend({ before: z.string().nullable(), after: z.string().nullable() }),
)
export type LinkChange = z.infer<typeof LinkChange>
