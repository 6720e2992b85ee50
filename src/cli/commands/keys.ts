import type { Command } from 'commander'
import { allScopes, createKey, listKeys, revokeKey } from '../../control/keys.ts'
import { BusbarError } from '../../errors.ts'
import type { Scope } from '../../ingress/principal.ts'
import { cliActor } from '../actor.ts'
import type { Action, Context } from '../context.ts'
import { withJournal } from '../journal.ts'
import { table } from '../table.ts'
import { moment } from '../words.ts'

/** `keys create`, `keys list`, `keys revoke`: they work on the journal itself, so that the first key can be made. */
export function addKeyCommands(program: Command, action: Action): void {
  const keys = program
    .command('keys')
    .description('API keys; works on the journal named by the configuration')
  keys
    .command('create <name>')
    .description('make a key; it is shown once and never again')
    .option('--scopes <scopes>', `some of ${allScopes.join(', ')}`, 'publish')
    .action(action(create))
  keys.command('list').description('list the keys').action(action(list))
  keys
    .command('revoke <name>')
    .description('revoke a key; every process knows within 5 s')
    .action(action(revoke))
}

async function create(context: Context, name: string, options: { readonly scopes: string }): Promise<void> {
  const scopes = options.scopes.split(',').map((scope) => scope.trim())
  const wrong = scopes.find((scope) => !(allScopes as readonly string[]).includes(scope))
  if (wrong !== undefined)
    throw new BusbarError(
      'config.invalid',
      `there is no scope "${wrong}"; scopes are ${allScopes.join(', ')}`,
    )
  const made = await withJournal(context, (database) =>
    createKey(database, { name, scopes: scopes as Scope[], actor: cliActor() }),
  )
  context.show(made, ({ key }) => `${key}\nKeep it now: it is not shown again. It may ${scopes.join(', ')}.`)
}

async function list(context: Context): Promise<void> {
  const keys = await withJournal(context, listKeys)
  context.show({ items: keys }, ({ items }) => {
    if (items.length === 0) return 'no keys'
    const columns = [{ title: 'NAME' }, { title: 'SCOPES' }, { title: 'MADE' }, { title: 'REVOKED' }]
    return table(
      context.terminal,
      columns,
      items.map((key) => [key.name, key.scopes.join(', '), moment(key.createdAt), moment(key.revokedAt)]),
    )
  })
}

async function revoke(context: Context, name: string): Promise<void> {
  const key = await withJournal(context, (database) => revokeKey(database, { name, actor: cliActor() }))
  context.show(key, () => `${name} is revoked`)
}
