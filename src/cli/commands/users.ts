import type { Command } from 'commander'
import {
  changeUser,
  findUser,
  inviteUser,
  linkForUser,
  linkPath,
  listUsers,
  userName,
} from '../../access/users.ts'
import type { OneTimeLink, UserFacts } from '../../access/users.ts'
import type { UserRole } from '../../define/access-config.ts'
import type { Database } from '../../journal/database.ts'
import { cliActor } from '../actor.ts'
import { loadConfig } from '../config-file.ts'
import type { Action, Context } from '../context.ts'
import { withJournal } from '../journal.ts'
import { oneOf } from '../options.ts'
import { table } from '../table.ts'
import { moment } from '../words.ts'

const roles = ['viewer', 'operator', 'admin'] as const
const perPage = 200
/** More than any team has; more are seen in the console. */
const mostPages = 10

/** `users …`: they work on the journal itself, so that whoever has lost the last password can come in again. */
export function addUserCommands(program: Command, action: Action): void {
  const users = program
    .command('users')
    .description('who may sign in to the console; works on the journal named by the configuration')
  users
    .command('invite <name>')
    .description('make a user, and a link by which that one sets a password')
    .option('--role <role>', roles.join(', '), 'viewer')
    .option('--systems <systems>', 'the only systems that this operator may act on, with commas')
    .action(action(invite))
  users.command('list').description('list the users').action(action(list))
  users
    .command('link <name>')
    .description('a new link by which a user sets a password; older links end')
    .action(action(link))
  users
    .command('disable <name>')
    .description('end all sessions and links of a user, who cannot sign in any more')
    .action(action((context: Context, name: string) => setDisabled(context, name, true)))
  users
    .command('enable <name>')
    .description('let a disabled user sign in again')
    .action(action((context: Context, name: string) => setDisabled(context, name, false)))
}

async function invite(
  context: Context,
  given: string,
  options: { readonly role: string; readonly systems?: string },
): Promise<void> {
  const name = userName(given)
  const role = oneOf('--role', options.role, roles)
  const systems = options.systems?.split(',').map((system) => system.trim()) ?? null
  const made = await withJournal(context, (database) =>
    inviteUser(database, { name, role, systems: role === 'operator' ? systems : null }, cliActor()),
  )
  await showLink(context, name, made)
}

async function link(context: Context, given: string): Promise<void> {
  const name = userName(given)
  const made = await withJournal(context, (database) => linkForUser(database, name, cliActor()))
  await showLink(context, name, made)
}

async function showLink(context: Context, name: string, made: OneTimeLink): Promise<void> {
  const { config } = await loadConfig(context.options.config)
  const url = (config.access.url ?? context.options.url) + linkPath(made.token)
  context.show(
    { name, url, expiresAt: made.expiresAt },
    () => `${url}\n${name} opens this link, once, until ${moment(made.expiresAt)}. It is not shown again.`,
  )
}

async function list(context: Context): Promise<void> {
  const users = await withJournal(context, everyUser)
  context.show({ items: users.map(shown) }, () => {
    if (users.length === 0) return 'no users'
    const columns = [
      { title: 'NAME' },
      { title: 'ROLE' },
      { title: 'SYSTEMS' },
      { title: 'STATE' },
      { title: 'SIGNED IN' },
    ]
    const row = (user: UserFacts) => {
      const { name, role, systems, state, signedInAt } = shown(user)
      return [name, role, systems?.join(', ') ?? 'all', state, moment(signedInAt)]
    }
    return table(context.terminal, columns, users.map(row))
  })
}

async function everyUser(database: Database): Promise<UserFacts[]> {
  const users: UserFacts[] = []
  for (let page = 0; page < mostPages; page++) {
    const found = await listUsers(database, { after: users.at(-1)?.name ?? '', limit: perPage })
    users.push(...found)
    if (found.length < perPage) break
  }
  return users
}

function shown(user: UserFacts) {
  const state = user.disabled_at ? 'disabled' : user.has_password || user.has_subject ? 'active' : 'invited'
  const { name, role, systems, signed_in_at } = user
  return {
    name,
    role: role satisfies UserRole,
    systems,
    state,
    signedInAt: signed_in_at?.toISOString() ?? null,
  }
}

async function setDisabled(context: Context, given: string, disabled: boolean): Promise<void> {
  const name = userName(given)
  const user = await withJournal(context, async (database) => {
    await findUser(database, name)
    return changeUser(database, name, { change: { disabled }, actor: cliActor() })
  })
  context.show(shown(user), ({ state }) => `${name} is ${state}`)
}
