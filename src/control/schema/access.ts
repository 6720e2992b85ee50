import { z } from 'zod'
import { Limit, Moment, named, Reason } from './common.ts'

/** What a person may do. */
export const UserRoleSchema = z.enum(['viewer', 'operator', 'admin'])
/** What a key may do. */
export const ScopeSchema = z.enum(['publish', 'read', 'operate', 'admin'])

const Name = z.string().trim().min(1).max(80)
const Password = z.string().min(1).max(1_000)
const Token = z.string().min(1).max(100)
/** Names of systems; null: not limited. */
const Systems = z.array(z.string().min(1).max(80)).min(1).max(200).nullable()

/** How one can sign in here. */
export const SignInOptions = named(
  'SignInOptions',
  'How one can sign in here',
  z.object({
    /** False: everybody who reaches this busbar may do everything. */
    needed: z.boolean(),
    /** There is no user yet: the first admin comes by the link that busbar has printed at its start. */
    firstAdmin: z.boolean(),
    /** Single sign-on: where the browser goes, and what the button says. */
    oidc: z.object({ path: z.string(), label: z.string() }).nullable(),
  }),
)
export type SignInOptions = z.infer<typeof SignInOptions>

export const SignInBody = z.object({ name: z.string().max(200), password: Password })

/** Who asks. */
export const Me = named(
  'Me',
  'Who asks, and what that one may do',
  z.object({
    /** `local`: nobody needs to sign in here. */
    kind: z.enum(['user', 'key', 'local']),
    /** As it stands in the audit trail. */
    actor: z.string(),
    name: z.string(),
    /** Of a user. */
    role: UserRoleSchema.nullable(),
    scopes: z.array(ScopeSchema),
    /** The only systems that this one may act on; null: all. */
    systems: z.array(z.string()).nullable(),
    /** Whether there is a password that can be changed. */
    hasPassword: z.boolean(),
  }),
)
export type Me = z.infer<typeof Me>

export const LookAtLinkBody = z.object({ token: Token })
export const LinkPurpose = named(
  'LinkPurpose',
  'What a one-time link is for',
  z.object({
    kind: z.enum(['first', 'invite', 'reset']),
    /** Null: the first admin chooses a name. */
    name: z.string().nullable(),
    role: UserRoleSchema,
    expiresAt: Moment,
  }),
)
export const AcceptLinkBody = z.object({ token: Token, name: Name.optional(), password: Password })

export const PasswordBody = z.object({ current: Password, password: Password })

/** Says that something was done, where there is nothing else to say. */
export const Ended = named(
  'Ended',
  'How many sessions have ended',
  z.object({ ended: z.number().int().nonnegative() }),
)

export const SessionList = named(
  'SessionList',
  'Where a person is signed in, last used first; at most 20',
  z.object({
    items: z.array(
      z.object({
        id: z.string(),
        /** The session that asks. */
        current: z.boolean(),
        createdAt: Moment,
        seenAt: Moment,
        expiresAt: Moment,
        address: z.string(),
        agent: z.string(),
      }),
    ),
  }),
)
export type SessionList = z.infer<typeof SessionList>
export const SessionPath = z.object({ id: z.string().min(1).max(40) })

export const User = named(
  'User',
  'Somebody who may sign in',
  z.object({
    name: z.string(),
    role: UserRoleSchema,
    systems: z.array(z.string()).nullable(),
    /** `invited`: nothing to sign in with yet. */
    state: z.enum(['active', 'invited', 'disabled']),
    /** How: by a password, or by single sign-on. */
    signsInBy: z.enum(['password', 'single sign-on']).nullable(),
    createdAt: Moment,
    signedInAt: Moment.nullable(),
    /** Until when an unused link is good. */
    linkUntil: Moment.nullable(),
    sessions: z.number().int().nonnegative(),
  }),
)
export type User = z.infer<typeof User>
export const UsersQuery = z.object({ after: z.string().max(80).default(''), limit: Limit })
export const UserPage = named(
  'UserPage',
  'One page of users, by name',
  z.object({ items: z.array(User), next: z.string().nullable() }),
)

export const InviteBody = z.object({ name: Name, role: UserRoleSchema, systems: Systems.default(null) })
export const UserLink = named(
  'UserLink',
  'A link by which a user sets a password; shown this once',
  z.object({ name: z.string(), url: z.string(), expiresAt: Moment }),
)
export const UserPath = z.object({ name: Name })
export const UserChangeBody = z.object({
  role: UserRoleSchema.optional(),
  systems: Systems.optional(),
  disabled: z.boolean().optional(),
  reason: Reason.optional(),
})

const keyFields = {
  id: z.string(),
  name: z.string(),
  scopes: z.array(ScopeSchema),
  createdAt: Moment,
  revokedAt: Moment.nullable(),
}
export const Key = named('Key', 'An API key, without the key itself', z.object(keyFields))
export const KeyList = named(
  'KeyList',
  'The API keys, those in force first, newest first; at most 2,000',
  z.object({ items: z.array(Key) }),
)
export const KeyBody = z.object({ name: Name, scopes: z.array(ScopeSchema).min(1).max(4) })
export const NewKey = named(
  'NewKey',
  'An API key; `key` is shown this once',
  z.object({ ...keyFields, key: z.string() }),
)
